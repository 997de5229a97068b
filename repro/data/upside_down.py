"""Images turned over: an augmentation that suits views from above, and little else."""

import torch
from torch import Tensor

from repro.contracts import Targets
from repro.data.motion import moved, placed
from repro.data.targets import Boxes


def upside_down(images: Tensor, targets: Targets, generator: torch.Generator) -> tuple[Tensor, Targets]:
    """Each image top to bottom or not, with probability 1/2. Masks and boxes move with it."""
    over = torch.randint(2, (len(images), 1), generator=generator, device=images.device)

    def turned(maps: Tensor) -> Tensor:
        return maps.flip(2).where(over[:, :, None, None].bool(), maps)

    def boxed(boxes: Boxes) -> Boxes:
        height, width = images.shape[2:]
        factor = torch.cat([torch.ones_like(over), 1 - 2 * over], dim=1)
        shift = torch.cat([torch.zeros_like(over), height * over], dim=1)
        return placed(boxes, factor, shift, height, width)

    return turned(images), moved(targets, turned, boxed)
