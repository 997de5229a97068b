from dataclasses import replace

import pytest
import torch
from torch import nn

from repro.conformance import fakes
from repro.data.images import ImageSet
from repro.data.split import InMemory
from repro.data.targets import NONE, Boxes
from repro.errors import ReproError
from repro.measures.grid import centre_cells
from repro.models.yolo import Grid, GridAnswers


class Says(nn.Module):
    """Answers every image with the same cells, 2×2 of one box and two classes, on 40×40 pixels."""

    def __init__(self, cells: torch.Tensor):
        super().__init__()
        self.cells = nn.Parameter(cells)

    def forward(self, x: torch.Tensor) -> GridAnswers:
        return GridAnswers(self.cells.expand(len(x), -1, -1, -1), Grid(1, 40, 40))


def cells() -> torch.Tensor:
    """The box 4, 4, 16, 16 by the first cell with .6 and by the second with .8, of class 0; else nothing."""
    made = torch.zeros(1, 2, 2, 7)
    root = (12 / 40) ** 0.5
    made[0, 0, 0] = torch.tensor([0.5, 0.5, root, root, 0.6, 1.0, 0.3])
    made[0, 0, 1] = torch.tensor([-0.5, 0.5, root, root, 0.8, 1.0, 0.1])
    return made


def state(numbers: torch.Tensor, items: list[tuple[list[float], int]]):
    corners = torch.tensor([[box for box, _ in items]])
    split = InMemory(
        torch.zeros(1, 3, 40, 40, dtype=torch.uint8),
        Boxes(corners, torch.tensor([[label for _, label in items]])),
    )
    data = ImageSet(split, split, ("a", "b"), (0.0,) * 3, (1.0,) * 3)
    return replace(fakes.state(Says(numbers), "detection", "boxes"), data=data)


def test_the_surest_box_of_the_items_class_counts():
    box, far = [4.0, 4.0, 16.0, 16.0], [22.0, 22.0, 38.0, 38.0]
    assert centre_cells(state(cells(), [(box, 0)])) == 0  # .8 by the second cell; the centre is in the first
    assert centre_cells(state(cells(), [(box, 1)])) == 1  # .6 × .3 against .8 × .1
    assert centre_cells(state(cells(), [(box, 1), (box, 0), (far, 0), (box, NONE)])) == 0.5
    assert centre_cells(state(cells(), [(far, 0)])) != centre_cells(state(cells(), [(far, 0)]))  # NaN


def test_a_box_must_overlap_the_item_enough():
    narrow = [4.0, 4.0, 11.0, 16.0]  # 7 of 12 pixels wide: an IoU of .58
    assert centre_cells(state(cells(), [(narrow, 1)])) == 1
    assert centre_cells(state(cells(), [(narrow, 1)]), iou=0.6) != 1


def test_other_nets_and_data_are_refused():
    made = state(cells(), [([4.0, 4.0, 16.0, 16.0], 0)])
    with pytest.raises(ReproError, match="wants a net with cells"):
        centre_cells(replace(made, model=nn.Flatten()))
    labelled = InMemory(made.data.test.images, torch.zeros(1, dtype=torch.long))
    with pytest.raises(ReproError, match="wants data with boxes"):
        centre_cells(replace(made, data=replace(made.data, test=labelled)))
