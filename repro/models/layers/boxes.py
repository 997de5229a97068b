"""Boxes of detectors: how they are coded, which item each is of, and what is left of many that overlap.

Boxes are corners (x1, y1, x2, y2) in pixels, the latter two exclusive. Items are `repro.data.targets.Boxes`,
[N, M, 4] with labels [N, M], below 0 where there is none.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor
from torchvision.ops import batched_nms

if TYPE_CHECKING:
    from repro.data.targets import Boxes

LONGEST = math.log(1000 / 16)  # by which a side is enlarged at most, as in the released Fast R-CNN


class Detections(NamedTuple):
    """What is found in images, D boxes at most, the surest first.

    `corners` are [N, D, 4], `scores` [N, D] and `labels` [N, D], classes from 0; -1, with a score of -inf,
    where fewer are found.
    """

    corners: Tensor
    scores: Tensor
    labels: Tensor


class Matches(NamedTuple):
    """Of each box [N, R]: its largest IoU with an item of its image, 0 if there is none, and which it is."""

    ious: Tensor
    items: Tensor  # [N, R]


def encode(items: Tensor, boxes: Tensor) -> Tensor:
    """Offsets […, 4] from boxes to items: of the centre in sides of the box, of the sides' logarithms.

    R-CNN, Girshick et al. 2013, appendix C, equations 6 to 9.
    """
    centres, sides = _centres(boxes)
    aims, lengths = _centres(items)
    return torch.cat([(aims - centres) / sides, (lengths / sides).log()], dim=-1)


def decode(offsets: Tensor, boxes: Tensor) -> Tensor:
    """The boxes […, 4] that offsets lead to, equations 1 to 4. Sides grow at most 62.5 times."""
    centres, sides = _centres(boxes)
    aims = centres + offsets[..., :2] * sides
    halves = sides * offsets[..., 2:].clamp(max=LONGEST).exp() / 2
    return torch.cat([aims - halves, aims + halves], dim=-1)


def _centres(boxes: Tensor) -> tuple[Tensor, Tensor]:
    """Centres and sides, […, 2] each."""
    starts, ends = boxes.split(2, dim=-1)
    return (starts + ends) / 2, ends - starts


def clipped(boxes: Tensor, width: int, height: int) -> Tensor:
    """Boxes […, 4], as far as they are within an image."""
    across, down = boxes[..., 0::2].clamp(0, width), boxes[..., 1::2].clamp(0, height)
    return torch.stack([across, down], dim=-1).flatten(-2)


def ious(boxes: Tensor, others: Tensor) -> Tensor:
    """Intersection over union of each box with each other one, 0 where both are empty.

    […, R, 4], […, M, 4] → […, R, M]. `torchvision.ops.box_iou` for several images at once.
    """
    starts = torch.maximum(boxes[..., :, None, :2], others[..., None, :, :2])
    ends = torch.minimum(boxes[..., :, None, 2:], others[..., None, :, 2:])
    shared = (ends - starts).clamp(min=0).prod(-1)
    areas = [(some[..., 2:] - some[..., :2]).prod(-1) for some in (boxes, others)]
    union = areas[0][..., :, None] + areas[1][..., None, :] - shared
    return shared / union.clamp(min=torch.finfo(union.dtype).tiny)


def matched(boxes: Tensor, truth: Boxes) -> Matches:
    """The item that each box [N, R, 4] is of."""
    overlaps = ious(boxes, truth.corners).where((truth.labels >= 0)[:, None], 0)
    return Matches(*overlaps.max(2))


def chosen(values: Tensor, which: Tensor) -> Tensor:
    """[N, M, …] → [N, R, …]: of each image, the rows `which` [N, R] names."""
    index = which.reshape(*which.shape, *[1] * (values.ndim - 2))
    return values.take_along_dim(index, dim=1)


def drawn_share(positive: Tensor, negative: Tensor, count: int, share: float) -> Tensor:
    """What part of a batch each region is, on average, where some are drawn at random, [N, R].

    Fast and Faster R-CNN draw `count` of each image, at most a `share` of them positive, and the rest
    negative. A loss that weights all regions so is the mean of theirs over what they may draw. Weights of an
    image add up to 1, or are 0 where there is none to draw.
    """
    positives, negatives = (some.sum(1, keepdim=True) for some in (positive, negative))
    of_positives = positives.clamp(max=int(share * count))
    of_negatives = torch.minimum(negatives, count - of_positives)
    weights = positive * of_positives / positives.clamp(min=1)
    weights = weights + negative * of_negatives / negatives.clamp(min=1)
    return weights / (of_positives + of_negatives).clamp(min=1)


@torch.no_grad()
def surest(
    corners: Tensor, scores: Tensor, *, overlap: float, least: float = 0.01, most: int = 100
) -> Detections:
    """What is left of boxes [N, R, C, 4], or [N, R, 4] for all classes, with scores [N, R, C].

    Of the boxes of a class that score more than `least`, those stay that overlap no better one by an IoU
    above `overlap`; of all classes' the `most` best of each image.
    """
    corners = (corners if corners.ndim == 4 else corners[:, :, None]).float()
    count, _, classes = scores.shape
    found = Detections(
        corners.new_zeros(count, most, 4),
        corners.new_full((count, most), -math.inf),
        torch.full((count, most), -1, device=corners.device),
    )
    corners = corners.expand(-1, -1, classes, -1).flatten(1, 2)
    sure = scores.float().nan_to_num(0.0).flatten(1)
    labels = torch.arange(classes, device=corners.device).repeat(scores.shape[1])
    for image in range(count):
        there = (sure[image] > least).nonzero()[:, 0]
        boxes, certain = corners[image, there].nan_to_num(0.0), sure[image, there]
        left = batched_nms(boxes, certain, labels[there], overlap)[:most]
        found.corners[image, : len(left)] = boxes[left]
        found.scores[image, : len(left)] = certain[left]
        found.labels[image, : len(left)] = labels[there][left]
    return found
