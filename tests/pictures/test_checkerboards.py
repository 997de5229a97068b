"""A checkerboard in a picture: hand-made boards, pixel by pixel."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from repro.data.images import ImageSet
from repro.data.split import InMemory
from repro.errors import ReproError
from repro.pictures.checkerboards import CELL, FRAME, NO_NUMBER, SCALE, _rest, checkerboards
from repro.pictures.sheet import GAP, HEADING
from repro.recipe import Named
from repro.state.net import State
from repro.tasks.segmentation import Segmentation

SIDE, PART, ENLARGED = 32, 8, CELL // 8
ROWS = np.arange(SIDE)
BOARD = torch.tensor(
    (-1.0) ** (ROWS[:, None] + ROWS)
).float()  # 1 where row and column add up to an even number
RAMP = torch.linspace(0, 4, SIDE).expand(SIDE, SIDE)


class Gives(nn.Module):
    """The same map for any image, in channel 1 of two."""

    def __init__(self, values: torch.Tensor):
        super().__init__()
        self.values = values

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return torch.stack([torch.zeros_like(self.values), self.values]).expand(len(images), -1, -1, -1)


def state(values: torch.Tensor) -> State:
    images = torch.full((2, 3, SIDE, SIDE), 40, dtype=torch.uint8)
    images[1, 0, : SIDE // 2] = 240
    split = InMemory(images, torch.zeros(2, SIDE, SIDE, dtype=torch.uint8))
    data = ImageSet(split, split, ("one", "two"), (0.5,) * 3, (0.25,) * 3)
    spec = SimpleNamespace(recipe=None, data=Named(name="made-up"))
    return State(spec, Gives(values), Segmentation(), data, torch.device("cpu"))


def cells(states):
    """By column and row, at the size of their own pixels, in the middle of each."""
    page = np.asarray(checkerboards(states, image=1, channel=1, side=PART))
    tall, wide = CELL + SCALE + GAP, CELL + GAP

    def cell(column, row, pixels):
        y, x, step = HEADING + row * tall, GAP + column * wide, CELL // pixels
        return page[y + step // 2 : y + CELL : step, x + step // 2 : x + CELL : step][:pixels, :pixels]

    return page, cell


def test_a_board_is_black_and_white_squares_of_whole_pixels_where_the_net_drew_it():
    page, cell = cells({"board": state(2 * BOARD)})
    board = np.where(BOARD.numpy()[12:20, 12:20] > 0, 255, 0)
    assert np.array_equal(cell(1, 1, PART)[..., 0], board)
    y, x = HEADING + CELL + SCALE + GAP, 2 * GAP + CELL
    magnified = page[y : y + CELL, x : x + CELL, 0]
    assert np.array_equal(magnified, board.repeat(ENLARGED, 0).repeat(ENLARGED, 1))  # no grey between


def test_one_scale_for_all_arms_shows_that_a_smooth_map_has_next_to_none():
    _, cell = cells({"board": state(RAMP + BOARD), "faint": state(RAMP + 0.1 * BOARD), "smooth": state(RAMP)})
    board, faint, smooth = (cell(column, 2, PART)[..., 0].astype(int) for column in (1, 2, 3))
    assert {*board.flatten()} == {0, 255}
    assert {*np.abs(faint - 127.5).round().astype(int).flatten()} <= {12, 13}  # a tenth of 127.5
    assert np.ptp(smooth) <= 1 and abs(smooth.mean() - 127.5) <= 1


def test_a_board_ends_at_the_border_of_the_map_as_it_is_within_and_an_even_map_has_no_edge_there():
    assert _rest((5 + BOARD).numpy()) == pytest.approx(8 / 9 * BOARD.numpy(), abs=1e-5)
    assert _rest(np.full((16, 16), 5.0, np.float32)) == pytest.approx(0, abs=1e-5)


def test_the_part_is_framed_in_the_image_and_in_the_whole_map():
    page, cell = cells({"board": state(BOARD)})
    step, first = CELL // SIDE, (SIDE - PART) // 2
    for column in (0, 1):
        x, y = GAP + column * (CELL + GAP), HEADING
        assert page[y + first * step - 1, x + first * step - 1].tolist() == list(FRAME)
        inside = page[y + first * step : y + (first + PART) * step, x + first * step :][:, : PART * step]
        assert not (inside == FRAME).all(-1).any()
    assert cell(0, 1, PART)[[0, 7], 0].tolist() == [[240, 40, 40], [40, 40, 40]]  # the image's two halves


def test_values_of_black_and_white_stand_below_and_other_values_look_otherwise():
    def below(values):
        page, _ = cells({"board": state(values)})
        y = HEADING + CELL + SCALE + GAP + CELL
        return page[y : y + SCALE, 2 * GAP + CELL :]

    assert (below(BOARD) < 128).any() and not np.array_equal(below(BOARD), below(3 * BOARD))


def test_what_is_no_number_is_red_and_a_map_of_one_value_is_grey():
    holed = BOARD.clone()
    holed[16, 16] = float("nan")
    _, cell = cells({"holed": state(holed), "flat": state(torch.ones(SIDE, SIDE))})
    assert cell(1, 1, PART)[4, 4].tolist() == list(NO_NUMBER) and cell(1, 1, PART)[4, 5].tolist() == [0] * 3
    assert (cell(2, 1, PART) == 128).all()


def test_an_image_or_a_channel_that_is_not_there_is_an_error_that_says_how_many_there_are():
    board = {"board": state(BOARD)}
    with pytest.raises(ReproError, match="test image 2; there are 2"):
        checkerboards(board, image=2)
    with pytest.raises(ReproError, match="channel 2 of outputs that have 2"):
        checkerboards(board, channel=2)
    with pytest.raises(ReproError, match="even sides from 16 up"):
        checkerboards({"small": replace(state(BOARD), model=Gives(BOARD[:8, :8]))})
