"""How targets move when their images do: labels stay as they are, masks and boxes move with the pixels."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_map

from repro.contracts import Targets
from repro.data.targets import NONE, Boxes, are_masks
from repro.errors import ReproError


def moved(targets: Targets, masks: Callable[[Tensor], Tensor], boxes: Callable[[Boxes], Boxes]) -> Targets:
    """Targets of images that have moved; masks are given as maps, [N, 1, H, W] → [N, 1, H′, W′].

    Raises `ReproError` for a tensor that is neither labels nor a mask.
    """

    def move(part: Any) -> Any:
        if isinstance(part, Boxes):
            return boxes(part)
        if are_masks(part):
            return masks(part[:, None])[:, 0]
        if part.ndim > 3:
            raise ReproError(f"no augmentation moves targets of shape {list(part.shape)}")
        return part

    return tree_map(move, targets, is_leaf=lambda part: isinstance(part, Boxes))


def placed(boxes: Boxes, factor: Tensor, shift: Tensor, height: int, width: int) -> Boxes:
    """Each image's corners times its factor plus its shift, both [N, 2], across and down, as far as they are
    within an image of that size. An item of which nothing is left is none.
    """
    ends = boxes.corners.unflatten(2, (2, 2)) * factor[:, None, None] + shift[:, None, None]
    within = torch.stack([ends[..., 0].clamp(0, width), ends[..., 1].clamp(0, height)], dim=3)
    low, high = within.amin(2), within.amax(2)
    there = (boxes.labels != NONE) & (low < high).all(2)
    corners = torch.cat([low, high], dim=2).where(there[..., None], 0)
    return Boxes(corners, boxes.labels.where(there, NONE))
