"""What the filters of a layer look like."""

from functools import lru_cache
from itertools import product
from math import nan, pi

import torch
from torch import Tensor, nn

from repro.declaration import declare
from repro.errors import ReproError
from repro.measures.layer import submodule
from repro.state.net import State

ORIENTATIONS = 12  # over half a turn
WAVELENGTHS = (0.6, 0.85, 1.2, 1.7)  # of the filter's side: from two waves in it to an edge that fills it
WIDTHS = (0.15, 0.22, 0.32)  # of the envelope, its standard deviation
CENTRES = (-0.2, 0.0, 0.2)  # of the envelope, from the middle


@declare(unit="share")
def gabor_share(state: State, layer: str = "first") -> float:
    """The share of its energy, 0 to 1, that a filter has in common with the Gabor function most like it.

    A Gabor function, a wave under a Gaussian, is an edge or a bar of one orientation: what Krizhevsky et al.
    2012, section 6.1, see in the first layer of AlexNet. For each of 12 orientations, 4 wavelengths, 3 widths
    and 9 centres amplitude and phase are fitted by least squares, those of each input channel by themselves;
    the best of these counts, in the mean over the filters that are not 0. The mean of a Gabor function is
    taken off, so that a filter of one value has nothing in common with any. With so much to choose from noise
    has something, about 0.19 in filters of 7×7: it is a net's own start to compare with.

    `layer` is `first`, of the convolutions in the order of definition, or a path. NaN if a filter is no
    number, or all are 0. Raises `ReproError` if there is no such convolution, or if its filters are smaller
    than 5×5, in which a handful of numbers is like anything.
    """
    convolutions = {name: m for name, m in state.model.named_modules() if isinstance(m, nn.Conv2d)}
    path = next(iter(convolutions), layer) if layer == "first" else layer
    convolution = convolutions.get(path) or submodule(state.model, path)
    if not isinstance(convolution, nn.Conv2d) or min(convolution.kernel_size) < 5:
        raise ReproError(f"gabor_share: layer '{layer}' is no convolution with filters of 5×5 or more")
    filters = convolution.weight.detach().double().cpu().flatten(2)  # [N, C, H·W]
    energy = filters.square().sum((1, 2))
    planes = _gabors(*convolution.kernel_size)  # [G, H·W, 2]
    explained = torch.einsum("ncp,gpk->ngck", filters, planes).square().sum((2, 3)).amax(1)
    shares = (explained / energy)[energy != 0]
    return float(shares.mean()) if len(shares) else nan


@lru_cache(maxsize=8)
def _gabors(height: int, width: int) -> Tensor:
    """For each Gabor function an orthonormal basis of all its phases and amplitudes: [G, height·width, 2]."""
    side = min(height, width)
    y = torch.arange(height, dtype=torch.float64)[:, None] - (height - 1) / 2
    x = torch.arange(width, dtype=torch.float64) - (width - 1) / 2
    bases = []
    for turn, wave, sd, up, right in product(range(ORIENTATIONS), WAVELENGTHS, WIDTHS, CENTRES, CENTRES):
        angle = torch.tensor(pi * turn / ORIENTATIONS, dtype=torch.float64)
        dy, dx = y - up * side, x - right * side
        envelope = torch.exp(-(dy**2 + dx**2) / (2 * (sd * side) ** 2))
        phase = 2 * pi / (wave * side) * (dx * angle.cos() + dy * angle.sin())
        both = torch.stack([envelope * phase.cos(), envelope * phase.sin()], -1).flatten(0, 1)
        bases.append(torch.linalg.qr(both - both.mean(0))[0])
    return torch.stack(bases)
