"""Probes of detectors that look at regions: whether items are among what they look at."""

import torch
from torch import Tensor

from repro.bounds import AboveZero, PositiveInt
from repro.data.difficult import DifficultBoxes
from repro.data.split import head, in_batches
from repro.data.targets import NONE, Boxes
from repro.declaration import declare
from repro.errors import ReproError
from repro.models.layers.boxes import ious
from repro.state.net import State

AT_ONCE = 32  # images


@declare(unit="share", better="higher")
@torch.no_grad()
def proposal_recall(
    state: State, proposals: PositiveInt = 300, iou: AboveZero = 0.5, images: PositiveInt | None = None
) -> float:
    """The share of the test set's items that one of the first `proposals` regions of their image overlaps by
    an IoU of `iou` or more (Ren et al. 2015, section 4.1, "recall-to-IoU"). NaN if there are no items.

    Raises `ReproError` for a net that looks at no regions or at fewer, and for data without boxes.
    """
    if proposals < 1 or not 0 < iou <= 1:
        raise ReproError(f"proposal_recall wants 1 proposal or more and an IoU above 0, at most 1, not {iou}")
    if not isinstance(head(state.data.test, 1)[1], Boxes | DifficultBoxes):
        raise ReproError(
            f"proposal_recall wants data with boxes, which '{state.spec.data.name}' does not have"
        )
    found, count = 0, 0
    state.model.eval()
    for some, targets in in_batches(state.data.test, AT_ONCE, images):
        truth = targets.items if isinstance(targets, DifficultBoxes) else targets
        overlaps = ious(truth.corners, _regions(state, some, proposals)).amax(2)
        there = truth.labels != NONE
        found += int((there & (overlaps >= iou)).sum())
        count += int(there.sum())
    state.model.train()
    return found / count if count else float("nan")


@declare()
@torch.no_grad()
def regions_found(state: State, images: PositiveInt = 100) -> float:
    """How many different regions an image has that the net looks at, the mean of so many test images.

    Raises `ReproError` for a net that looks at no regions.
    """
    counts = list[int]()
    state.model.eval()
    for some, _ in in_batches(state.data.test, AT_ONCE, images):
        counts += [len(one.unique(dim=0)) for one in _regions(state, some)]
    state.model.train()
    return sum(counts) / len(counts)


def _regions(state: State, images: Tensor, count: int | None = None) -> Tensor:
    """The first of each image, or all: [N, count, 4]."""
    with state.autocast():
        outputs = state.model(state.inputs(images))
    regions: Tensor | None = getattr(outputs, "regions", None)
    if regions is None or regions.shape[1] < (count or 1):
        there = "none" if regions is None else regions.shape[1]
        raise ReproError(
            f"{count or 1} regions of an image are wanted; model '{state.spec.model.name}' has {there}"
            + ("" if regions is None else f": give its arm `regions: {count}`, or ask for fewer")
        )
    return regions[:, :count]
