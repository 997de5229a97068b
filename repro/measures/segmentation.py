"""Probes of segmentation: how much of the error lies along boundaries, and what a coarse grid loses there."""

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional as F

from repro.bounds import PositiveInt
from repro.data.split import head, in_batches
from repro.data.targets import IGNORE, are_masks
from repro.declaration import declare
from repro.errors import ReproError
from repro.state.net import State
from repro.tasks.segmentation import Segmentation, confusion, scores

NUMBERS = 2**25  # of one-hot truth at a time: 128 MiB


@declare(unit="share", better="higher")
def trimap_miou(state: State, width: PositiveInt = 2, images: PositiveInt | None = None) -> float:
    """The test set's mIoU over the pixels at most `width` from a change of label along rows, columns or both.

    That is where max-pooling and min-pooling of the labels by 2 `width` + 1 differ. Pixels without label
    (255) count as another label here, since in PASCAL VOC they line the objects; they are not measured
    themselves. The idea is Kohli et al. 2009, section 4.
    """
    return _miou_where(state, lambda targets: near_change(targets, width), images)


@declare(unit="share", better="higher")
def interior_miou(state: State, width: PositiveInt = 2, images: PositiveInt | None = None) -> float:
    """The test set's mIoU over the pixels that `trimap_miou` leaves out."""
    return _miou_where(state, lambda targets: ~near_change(targets, width), images)


@declare(unit="share", better="higher", seeded=False)
def stride_upper_bound_miou(state: State, stride: PositiveInt = 8) -> float:
    """The mIoU of the test set's truth itself, after it went through a grid of `stride` × `stride` pixels.

    One-hot truth is averaged over the cells, resized to the image bilinearly, and the largest wins: about
    what a net can reach that resizes scores of that grid (Long et al. 2015, section 5, "Upper bounds on IU").
    It looks at no net. A pixel without label has no part in a cell's average.
    """
    if stride < 1:
        raise ReproError(f"stride_upper_bound_miou wants a stride of 1 or more, not {stride}")
    pixels, classes = check_masks(state, "stride_upper_bound_miou"), len(state.data.class_names)
    counts = torch.zeros(classes, classes, dtype=torch.int64, device=state.device)
    for _, targets in in_batches(state.data.test, max(1, NUMBERS // (classes * pixels))):
        counts += confusion(_through_grid(targets, classes, stride), targets)
    return float(scores(counts)["miou"])


def near_change(targets: Tensor, width: int) -> Tensor:
    """Labels [N, H, W] → whether there are two of them within `width` pixels, in a square."""
    if width < 1:
        raise ReproError(f"a trimap wants a width of 1 or more pixels, not {width}")
    labels, side = targets[:, None].float(), 2 * width + 1
    return (F.max_pool2d(labels, side, 1, width) != -F.max_pool2d(-labels, side, 1, width))[:, 0]


class _Where(Segmentation):
    """Segmentation of some of the pixels."""

    def __init__(self, chosen: Callable[[Tensor], Tensor]):
        self.chosen = chosen

    def targets(self, inputs: Tensor, targets: Tensor) -> Tensor:  # noqa: ARG002
        return targets.masked_fill(~self.chosen(targets), IGNORE)


def _miou_where(state: State, chosen: Callable[[Tensor], Tensor], images: int | None) -> float:
    check_masks(state, "a trimap")
    return replace(state, task=_Where(chosen)).evaluate("test", images)["miou"]


def check_masks(state: State, who: str) -> int:
    """The pixels of a test image's mask. Raises `ReproError`, for what asks, unless the data has masks."""
    _, targets = head(state.data.test, 1)
    if not are_masks(targets):
        raise ReproError(
            f"{who} wants data with a label for each pixel, which '{state.spec.data.name}' does not have"
        )
    return int(targets.numel())


def _through_grid(targets: Tensor, classes: int, stride: int) -> Tensor:
    """Labels [N, H, W] → scores [N, classes, H, W]. A cell that a border cuts averages what is there."""
    height, width = targets.shape[1:]
    labels = F.pad(targets, (0, -width % stride, 0, -height % stride), value=IGNORE).long()
    one_hot = (labels[:, None] == torch.arange(classes, device=labels.device)[:, None, None]).float()
    cells = F.avg_pool2d(one_hot, stride)
    return F.interpolate(cells, scale_factor=stride, mode="bilinear")[:, :, :height, :width]
