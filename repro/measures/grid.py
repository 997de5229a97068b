"""Probes of YOLO: which of its cells find the items."""

import torch
from torch import Tensor

from repro.bounds import AboveZero, PositiveInt
from repro.data.difficult import DifficultBoxes
from repro.data.split import head, in_batches
from repro.data.targets import NONE, Boxes
from repro.declaration import declare
from repro.errors import ReproError
from repro.models.layers.boxes import chosen, ious
from repro.models.yolo import GridAnswers
from repro.state.net import State

AT_ONCE = 32  # images


@declare(unit="share", better="higher")
@torch.no_grad()
def centre_cells(state: State, iou: AboveZero = 0.5, images: PositiveInt | None = None) -> float:
    """Of the test set's items that a cell finds, the share that the cell of their centre finds.

    Of all boxes that overlap an item by an IoU of `iou` or more, that counts which scores its class most,
    before non-maximal suppression. NaN if no item is found.

    Raises `ReproError` for a net without cells, and for data without boxes.
    """
    if not isinstance(head(state.data.test, 1)[1], Boxes | DifficultBoxes):
        raise ReproError(f"centre_cells wants data with boxes, which '{state.spec.data.name}' does not have")
    right, found = 0, 0
    state.model.eval()
    for some, targets in in_batches(state.data.test, AT_ONCE, images):
        truth = targets.items if isinstance(targets, DifficultBoxes) else targets
        with state.autocast():
            outputs = state.model(state.inputs(some))
        if not isinstance(outputs, GridAnswers):
            raise ReproError(f"centre_cells wants a net with cells, not '{state.spec.model.name}'")
        finders, there = _finders(outputs, truth, iou)
        there &= truth.labels != NONE
        right += int(((finders == outputs.cells_of(truth.corners)) & there).sum())
        found += int(there.sum())
    state.model.train()
    return right / found if found else float("nan")


def _finders(outputs: GridAnswers, truth: Boxes, iou: float) -> tuple[Tensor, Tensor]:
    """The cell of the surest box of each item, and whether there is one, [N, M] each."""
    _, confidences, classes = outputs.parts()
    scores = confidences[..., None] * classes[..., None, :]  # [N, S, S, B, C]
    boxes = outputs.corners().flatten(1, 3)
    of_item = chosen(scores.flatten(1, 3).transpose(1, 2), truth.labels.clamp(min=0))  # [N, M, S · S · B]
    near = ious(truth.corners, boxes) >= iou
    surest = of_item.where(near, -torch.inf).argmax(2)
    return surest // outputs.grid.boxes, near.any(2)
