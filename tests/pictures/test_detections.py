from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from repro.conformance import fakes
from repro.data.images import ImageSet
from repro.data.split import InMemory
from repro.data.targets import NONE, Boxes
from repro.errors import ReproError
from repro.models.yolo import Grid, GridAnswers
from repro.pictures.detections import detections
from repro.pictures.sheet import GAP, HEADING, PALETTE

SIDE, FACTOR = 16, 12  # of the image, and by what it is enlarged


class Sees(nn.Module):
    """The left half, as class 1, with a confidence."""

    def __init__(self, confidence: float):
        super().__init__()
        self.confidence = confidence

    def forward(self, x: Tensor) -> GridAnswers:
        cell = torch.tensor([0.25, 0.5, 0.5**0.5, 1.0, self.confidence, 0, 1])
        return GridAnswers(cell.expand(len(x), 1, 1, 7), Grid(1, SIDE, SIDE))


def state(model: nn.Module, targets: object = None):
    boxes = Boxes(torch.tensor([[[8.0, 0, 16, 8], [0, 0, 0, 0]]]), torch.tensor([[0, NONE]]))
    split = InMemory(
        torch.full((1, 3, SIDE, SIDE), 90, dtype=torch.uint8), boxes if targets is None else targets
    )
    return replace(fakes.state(model), data=ImageSet(split, split, ("a", "b"), (0.5,) * 3, (0.5,) * 3))


def cell(page: np.ndarray, column: int) -> np.ndarray:
    start = GAP + column * (SIDE * FACTOR + GAP)
    return page[HEADING : HEADING + SIDE * FACTOR, start : start + SIDE * FACTOR]


def test_boxes_are_framed_in_the_colour_of_their_class_where_they_are_sure_enough():
    page = np.asarray(detections({"sure": state(Sees(0.9)), "unsure": state(Sees(0.2))}))
    truth, sure, unsure = (cell(page, column) for column in range(3))
    assert (truth[0, 8 * FACTOR :] == PALETTE[1]).all() and (truth[: 8 * FACTOR, -1] == PALETTE[1]).all()
    assert (truth[:, : 8 * FACTOR] == 90).all()
    assert (sure[:, 0] == PALETTE[2]).all() and (sure[-1, : 8 * FACTOR] == PALETTE[2]).all()
    assert (sure[:, 8 * FACTOR :] == 90).all() and (unsure == 90).all()


def test_other_data_and_nets_that_find_nothing_are_refused():
    with pytest.raises(ReproError, match="wants data with boxes"):
        detections({"net": state(Sees(1.0), torch.zeros(1, dtype=torch.int64))})
    with pytest.raises(ReproError, match="wants detectors; model 'made-up' finds no boxes"):
        detections({"net": state(nn.Flatten())})
