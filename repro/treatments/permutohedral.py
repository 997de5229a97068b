"""Gaussian filtering: Adams et al. 2010, "Fast High-Dimensional Filtering Using the Permutohedral Lattice".

Values are splatted onto the corners of the simplex that each feature lies in, blurred along each of the d+1
directions of the lattice and read back: O(N·d²) where the exact sum is O(N²·d). Correlation with the exact
sum is about 0.97.
"""

import torch
from torch import Tensor
from torch.nn import functional as F


class PermutohedralLattice:
    """Of features [N, d] in units of their sd: `filter` sums values v_j times exp(-|f_i - f_j|²/2)."""

    def __init__(self, features: Tensor):
        count, d = features.shape
        elevated = _elevate(features.float())
        base, order, weights = _simplex(elevated)
        keys, steps = _keys(base, order)
        grouped, pixel = keys.flatten().sort(stable=True)
        points, place, members = torch.unique_consecutive(grouped, return_inverse=True, return_counts=True)
        # Row of each corner's point
        self.corners = torch.empty_like(place).index_put_((pixel,), place).view(count, d + 1)
        self.weights = weights
        self.splat_from = pixel // (d + 1)  # pixels, grouped by point
        self.splat_weights = weights.flatten()[pixel]
        self.splat_start = members.cumsum(0) - members
        self.neighbours = [_neighbours(points, points + step) for step in steps]
        self.scale = 1 / (1 + 2.0**-d)  # of Krähenbühl and Koltun's code: what the blur adds

    def filter(self, values: Tensor) -> Tensor:
        """[N, C] → [N, C], the value itself included (i = j)."""
        rows = F.embedding_bag(
            self.splat_from, values, self.splat_start, mode="sum", per_sample_weights=self.splat_weights
        )
        rows = torch.cat([rows, rows.new_zeros(1, rows.shape[1])])  # the row of every point that is not there
        for before, after in self.neighbours:
            rows.add_(rows.index_select(0, before).add_(rows.index_select(0, after)), alpha=0.5)
        return F.embedding_bag(self.corners, rows, mode="sum", per_sample_weights=self.weights).mul_(
            self.scale
        )


def _elevate(features: Tensor) -> Tensor:
    """[N, d] → [N, d+1] in the plane of zero sum, where the lattice's blur has variance 1 (section 3.1)."""
    d = features.shape[1]
    axis = torch.arange(1, d + 1, device=features.device, dtype=features.dtype)
    basis = features.new_ones(d, d + 1).tril() - torch.diag(axis, 1)[:d]  # row i: i ones, then -i
    scale: Tensor = (2 / 3) ** 0.5 * (d + 1) / (axis * (axis + 1)).sqrt()
    return features * scale @ basis


def _simplex(elevated: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Of the simplex around each point [N, d+1]: its corner with remainder 0, in units of d+1, int64 [N,
    d+1]; the coordinates by falling difference from it [N, d+1]; and the barycentric weights of the corners
    with remainder 0 to d [N, d+1]."""
    size = elevated.shape[1]
    base = (elevated / size).round()
    surplus = base.sum(1, keepdim=True).long()  # 0 for a point of the lattice
    rank = (elevated - base * size).argsort(dim=1, descending=True, stable=True).argsort(dim=1) + surplus
    base += (rank < 0).float() - (rank >= size).float()
    order = (rank % size).argsort(dim=1)
    difference = (elevated / size - base).gather(1, order)
    weights = torch.cat(
        [1 + difference[:, -1:] - difference[:, :1], (difference[:, :-1] - difference[:, 1:]).flip(1)], 1
    )
    return base.long(), order, weights


def _keys(base: Tensor, order: Tensor) -> tuple[Tensor, Tensor]:
    """An int64 a corner of each simplex [N, d+1], and what a step along each direction adds to it [d+1].

    The corner of remainder r is r more than that of remainder 0 in every coordinate, but for the r smallest
    differences, where it is d+1-r less (Adams et al., section 3.2); a step is d along its own coordinate and
    -1 along the others.
    """
    size = base.shape[1]
    low, high = base[:, :-1].amin(0) * size - 2 * size, base[:, :-1].amax(0) * size + 2 * size
    radix = high - low + 1  # the last coordinate is minus the sum of the others, so keys do without
    if radix.double().log2().sum() >= 62:
        raise ValueError(f"features spread too far for a lattice: {radix.tolist()} places")
    unit = torch.cat([torch.ones_like(radix[:1]), radix[:-1].cumprod(0), torch.zeros_like(radix[:1])])
    first = ((base * size - torch.cat([low, low[:1]])) * unit).sum(1, keepdim=True)
    wrapped = unit[order[:, 1:].flip(1)].cumsum(1)
    remainder = torch.arange(1, size, device=base.device)
    return torch.cat([first, first + remainder * unit.sum() - size * wrapped], 1), size * unit - unit.sum()


def _neighbours(points: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor]:
    """Rows of the points before and after each point, and of a row past the end that stands for none."""
    none = len(points)
    place = torch.searchsorted(points, wanted).clamp_(max=none - 1)
    after = torch.where(points[place] == wanted, place, none)
    before = torch.full_like(after, none)
    found = (after < none).nonzero()[:, 0]
    before[after[found]] = found
    return F.pad(before, (0, 1), value=none), F.pad(after, (0, 1), value=none)
