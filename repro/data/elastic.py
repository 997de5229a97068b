"""Smooth random deformation of images and labels, for little data: Ronneberger et al. 2015, section 3.1."""

import torch
from torch import Tensor
from torch.nn import functional as F

from repro.errors import ReproError

IGNORE = 255  # the class of a pixel that no loss and no metric counts


def elastic(
    images: Tensor, targets: Tensor, generator: torch.Generator, *, sd: float = 10.0, points: int = 3
) -> tuple[Tensor, Tensor]:
    """Each image with displacements of its own, normal with `sd` pixels, on `points` × `points` places.

    Between the places they are interpolated, bicubic.

    The paper's are 10 pixels on 3×3 places for tiles of 572. Images (uint8 [N, C, H, W]) bilinear, targets
    [N, H, W] by nearest pixel; what comes from beyond the border repeats it in images and is 255, ignored, in
    targets.
    """
    if sd < 0 or points < 2:
        raise ReproError(
            f"elastic wants an sd of 0 or more pixels and 2 or more points, not {sd} and {points}"
        )
    count, _, *sides = images.shape
    moves = sd * torch.randn(count, 2, points, points, generator=generator, device=images.device)
    moves = F.interpolate(moves, size=sides, mode="bicubic", align_corners=True)  # pixels across and down
    lines = [(torch.arange(side, device=images.device) + 0.5) * 2 / side - 1 for side in sides]
    across, down = lines[1].expand(sides[0], -1), lines[0][:, None].expand(-1, sides[1])
    grid = torch.stack([across + moves[:, 0] * 2 / sides[1], down + moves[:, 1] * 2 / sides[0]], dim=-1)
    moved = (
        F.grid_sample(images.float(), grid, padding_mode="border", align_corners=False)
        .round()
        .to(images.dtype)
    )
    if targets.ndim == 3:
        labels = (
            F.grid_sample(targets[:, None].float() - IGNORE, grid, mode="nearest", align_corners=False)[:, 0]
            + IGNORE
        )
        targets = labels.round().to(targets.dtype)
    return moved, targets
