"""Smaller windows of training images: Krizhevsky et al. 2012, section 4.1, who take 224 of 256 pixels."""

import torch
from torch import Tensor

from repro.bounds import Size
from repro.contracts import Targets
from repro.data.motion import moved, placed
from repro.data.targets import Boxes
from repro.errors import ReproError


def crop(
    images: Tensor, targets: Targets, generator: torch.Generator, *, size: Size
) -> tuple[Tensor, Targets]:
    """A window of `size` × `size` pixels at a random place, each image its own. Boxes are cut off with it.

    Test images stay whole: what is measured on windows of them needs the treatment `crops`. Raises
    `ReproError` for smaller images.
    """
    count, _, height, width = images.shape
    if not 1 <= size <= min(height, width):
        raise ReproError(f"crop wants a size from 1 to {min(height, width)}, the images' side, not {size}")
    tops, lefts = (
        torch.randint(side - size + 1, (count, 1), generator=generator, device=images.device)
        for side in (height, width)
    )

    def window(maps: Tensor) -> Tensor:
        pixels = torch.arange(size, device=maps.device)
        rows = (tops + pixels)[:, None, :, None].expand(-1, maps.shape[1], -1, maps.shape[3])
        columns = (lefts + pixels)[:, None, None, :].expand(-1, maps.shape[1], size, -1)
        return maps.gather(2, rows).gather(3, columns)

    def cut(boxes: Boxes) -> Boxes:
        shift = -torch.cat([lefts, tops], dim=1)
        return placed(boxes, torch.ones_like(shift), shift, size, size)

    return window(images), moved(targets, window, cut)
