"""Pictures of nets: what stands where, in pixels."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from repro.data.images import ImageSet
from repro.data.split import InMemory
from repro.errors import ReproError
from repro.pictures.predictions import predictions
from repro.pictures.sheet import GAP, HEADING, PALETTE, sheet, shown
from repro.pictures.spectrum import spectrum
from repro.recipe import Named
from repro.state.net import State
from repro.tasks.reconstruction import Reconstruction
from repro.tasks.segmentation import Segmentation
from repro.treatments.crf import crf

SIDE = 16
CELL = 128  # of a map of 16 pixels


class Copy(nn.Module):
    """The image again, as logits or as an image, with a stripe of its own."""

    def __init__(self, stripe: float = 0.0):
        super().__init__()
        self.stripe = stripe

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        outputs = images.clone()
        outputs[..., ::2] += self.stripe
        return outputs


class Spotted(Copy):
    """One pixel of the left half is taken for what the right half is."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        outputs = super().forward(images)
        outputs[:, :, 5, 5] = outputs[:, :, 5, 12]
        return outputs


def state(net: nn.Module, task: object) -> State:
    images = torch.zeros(3, 3, SIDE, SIDE, dtype=torch.uint8)
    images[:, 0, :, :8], images[:, 1, :, 8:] = 250, 250  # the left half red, the right half green
    truth = torch.zeros(3, SIDE, SIDE, dtype=torch.uint8)
    truth[:, :, 8:], truth[:, 0] = 1, 255
    split = InMemory(images, truth)
    data = ImageSet(split, split, ("red", "green", "blue"), (0.5,) * 3, (0.25,) * 3)
    spec = SimpleNamespace(recipe=None, data=Named(name="made-up"))
    return State(spec, net, task, data, torch.device("cpu"))


def cell(page: np.ndarray, column: int, row: int) -> np.ndarray:
    """Of a sheet of cells that are wider than their names."""
    y, x = HEADING + row * (CELL + GAP), GAP + column * (CELL + GAP)
    return page[y : y + CELL, x : x + CELL]


def test_a_sheet_has_a_column_for_each_name_and_enlarges_small_images_by_whole_pixels():
    image = np.arange(16 * 16 * 3, dtype=np.uint8).reshape(16, 16, 3)
    page = np.asarray(sheet({"one": [image, image], "two": [image[::-1]]}))
    assert page.shape == (HEADING + 2 * (CELL + GAP) + GAP, 2 * (CELL + GAP) + GAP, 3)
    assert np.array_equal(cell(page, 0, 1)[::8, ::8], image) and np.array_equal(
        cell(page, 1, 0)[4::8, 4::8], image[::-1]
    )
    assert (page[:HEADING] < 128).any() and (cell(page, 1, 1) == 255).all()


def test_a_sheet_shrinks_large_images_in_proportion():
    page = sheet({"large": [np.zeros((640, 480, 3), np.uint8)]})
    assert page.size == (240 + 2 * GAP, HEADING + 320 + 2 * GAP)


@pytest.mark.parametrize(
    ("channels", "colour"), [(1, [1, 1, 1]), (2, [1, 2, 0]), (3, [1, 2, 3]), (4, [1, 2, 3]), (7, [1, 2, 3])]
)
def test_images_of_any_number_of_channels_are_shown(channels, colour):
    image = torch.arange(1, 1 + channels, dtype=torch.uint8)[:, None, None].expand(-1, 2, 5)
    assert shown(image).shape == (2, 5, 3) and (shown(image) == colour).all()


def test_labels_have_the_colours_of_pascal_voc():
    assert PALETTE[[0, 1, 2, 15, 255]].tolist() == [
        [0, 0, 0],
        [128, 0, 0],
        [0, 128, 0],
        [192, 128, 128],
        [224, 224, 192],
    ]


def test_predictions_stand_beside_the_image_and_the_truth():
    first = state(Copy(), Segmentation())
    page = np.asarray(predictions({"same": first, "other": replace(first, model=Copy(-100.0))}, images=2))
    image, truth, same, other = (cell(page, column, 1)[::8, ::8] for column in range(4))
    assert np.array_equal(image, first.data.test.images[1].permute(1, 2, 0).numpy())
    assert truth[0, 0].tolist() == PALETTE[255].tolist() and truth[1, 9].tolist() == PALETTE[1].tolist()
    assert np.array_equal(same[:, :8], np.zeros((16, 8, 3))) and (same[:, 8:] == PALETTE[1]).all()
    assert other.shape == same.shape and page.shape[0] == HEADING + 2 * (CELL + GAP) + GAP
    assert first.model.training


def test_what_an_autoencoder_draws_is_shown_as_the_image_it_is():
    drawn = state(Copy(), Reconstruction())
    page = np.asarray(predictions({"net": drawn}, images=1))
    assert np.array_equal(cell(page, 2, 0), cell(page, 0, 0))


def test_a_treated_net_has_a_column_of_its_own_beside_the_net_itself():
    spotted = state(Spotted(), Segmentation())
    page = np.asarray(predictions({"net": spotted, "treated": crf(spotted, iterations=3)}, images=1))
    before, after = (cell(page, column, 0)[::8, ::8] for column in (2, 3))
    assert (before[5, 5] == PALETTE[1]).all() and (after[5, 5] == PALETTE[0]).all()
    assert (before != after).any(-1).sum() == 1
    assert page.shape[1] == 4 * (CELL + GAP) + GAP


def test_a_pattern_of_every_second_column_is_bright_at_the_border_of_the_spectrum():
    first = state(Copy(), Segmentation())
    noise = torch.randint(
        255, first.data.test.images.shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    )
    first = replace(first, data=replace(first.data, test=InMemory(noise, first.data.test.targets)))
    page = np.asarray(spectrum({"none": first, "stripes": replace(first, model=Copy(5.0))}))
    none, stripes = (cell(page, column, 0)[::8, ::8, 0].astype(int) for column in (0, 1))
    # Frequency 0 down, half the sampling frequency across
    assert stripes[8, 0] == 255 and (stripes < 255).sum() == 255
    assert none[8, 8] == 0 == stripes[8, 8]  # each map's mean is taken off


def test_a_picture_that_cannot_be_drawn_is_an_error_that_says_why():
    labelled = state(Copy(), Segmentation())
    labels = InMemory(labelled.data.test.images, torch.zeros(3, dtype=torch.int64))
    by_image = replace(labelled, data=replace(labelled.data, test=labels))
    with pytest.raises(ReproError, match="label"):
        predictions({"net": by_image})
    with pytest.raises(ReproError, match=r"neither labels of pixels nor images"):
        predictions({"net": replace(state(nn.Flatten(), Reconstruction()))})
