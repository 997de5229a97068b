"""Where there is nothing to measure there is no value: not 0, not 1, and no error."""

from dataclasses import replace
from math import isnan
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from repro.data.images import ImageSet
from repro.data.split import InMemory
from repro.data.targets import IGNORE
from repro.measures.checkerboard import (
    axis_index,
    corner_index,
    flat_high_pass,
    gradient_phase_energy,
    phase_energy,
    phase_index,
)
from repro.measures.probes import gradient_norm
from repro.measures.segmentation import interior_miou, stride_upper_bound_miou, trimap_miou
from repro.measures.static import fc_share
from repro.recipe import Named
from repro.state.net import State
from repro.tasks.classification import Classification
from repro.tasks.reconstruction import Reconstruction
from repro.tasks.segmentation import Segmentation

SIDE = 32
LEVELS = torch.rand(2, 1, 1, 1, generator=torch.Generator().manual_seed(0))


class Same(nn.Module):
    """Outputs that say nothing of the image: `levels` everywhere, and a gradient of 0."""

    def __init__(self, levels=0.1):
        super().__init__()
        self.levels = levels

    def forward(self, x):
        return 0 * x + self.levels


class Coloured(nn.Module):
    """Each image's mean colour everywhere."""

    def forward(self, x):
        return x.mean((2, 3), keepdim=True).expand_as(x)


class Copy(nn.Module):
    """Outputs that are the inputs, up to a colour."""

    def forward(self, x):
        return x + 0.1


def state(model, targets=None, task=Segmentation):
    images = torch.randint(
        256, (2, 3, SIDE, SIDE), dtype=torch.uint8, generator=torch.Generator().manual_seed(1)
    )
    split = InMemory(images, torch.zeros(2, dtype=torch.int64) if targets is None else targets)
    data = ImageSet(split, split, ("a", "b", "c"), (0.5,) * 3, (0.2,) * 3)
    spec = SimpleNamespace(recipe=None, data=Named(name="made-up"), seed=0)
    return State(spec, model, task(), data, torch.device("cpu"))


UNLABELLED = torch.full((2, SIDE, SIDE), IGNORE, dtype=torch.uint8)
ONE_CLASS = torch.ones(2, SIDE, SIDE, dtype=torch.uint8)


# ---- metrics


def test_all_metrics_of_segmentation_where_no_pixel_is_labelled():
    looked_at = state(nn.Conv2d(3, 3, 1), UNLABELLED)
    found = {**looked_at.evaluate("train"), **looked_at.evaluate("test")}
    assert found.keys() == Segmentation.metrics.keys()
    assert all(map(isnan, found.values())), found


@pytest.mark.parametrize("task", [Classification(), Reconstruction()])
def test_metrics_of_no_images(task):
    found = {**task.evaluate(iter([]), "train"), **task.evaluate(iter([]), "test")}
    assert found.keys() == task.metrics.keys() and all(value.isnan() for value in found.values())


# ---- probes of segmentation


def test_mious_of_pixels_that_there_are_none_of():
    net = nn.Conv2d(3, 3, 1)
    assert isnan(trimap_miou(state(net, ONE_CLASS)))  # there is no boundary
    assert interior_miou(state(net, ONE_CLASS)) >= 0
    edges = ONE_CLASS.clone()
    edges[:, :, ::2] = 0
    assert isnan(interior_miou(state(net, edges)))  # all is boundary
    for probe in (trimap_miou, interior_miou, stride_upper_bound_miou):
        assert isnan(probe(state(net, UNLABELLED))), probe


def test_the_gradient_of_a_loss_of_nothing():
    net = nn.Conv2d(3, 3, 1)
    assert isnan(gradient_norm(state(net, UNLABELLED)))
    assert gradient_norm(state(net, ONE_CLASS)) > 0
    dead = nn.Sequential(nn.Conv2d(3, 3, 1), nn.Hardtanh(1e8, 1e9), nn.Conv2d(3, 3, 1))
    assert gradient_norm(state(dead, ONE_CLASS)) == 0  # it has vanished, which is a value


# ---- checkerboards


@pytest.mark.parametrize("levels", [0.0, 0.1, 12345.678, LEVELS], ids=["0", "0.1", "large", "of the image"])
def test_indices_of_outputs_that_are_the_same_everywhere(levels):
    looked_at = state(Same(levels))
    found = {
        "phases": phase_energy(looked_at, layer=""),
        "phases of the gradient": gradient_phase_energy(looked_at),
        "corner": corner_index(looked_at),
        "axes": axis_index(looked_at),
        "phases of outputs": phase_index(looked_at),
    }
    assert all(map(isnan, found.values())), found


def test_high_frequencies_of_a_net_that_gives_the_same_for_every_colour():
    assert isnan(flat_high_pass(state(Same())))
    assert flat_high_pass(state(Coloured())) == pytest.approx(0, abs=1e-6)  # no pattern, which is a value


@pytest.mark.parametrize("index", [corner_index, axis_index, phase_index])
def test_indices_of_a_residual_that_is_nothing_but_a_colour(index):
    assert isnan(index(state(Copy()), of="residual"))
    assert isnan(index(state(nn.Identity()), of="residual"))
    assert index(state(Same()), of="residual") > 0


@pytest.mark.parametrize("index", [corner_index, axis_index, phase_index])
def test_small_patterns_are_measured_as_large_ones_are(index):
    small, large = (state(nn.Conv2d(3, 3, 3, padding=1)) for _ in range(2))
    large.model.load_state_dict({name: 1e4 * w for name, w in small.model.state_dict().items()})
    assert index(small) == pytest.approx(index(large), rel=1e-3)
    offset = replace(small, model=nn.Sequential(small.model, Copy()))
    assert index(offset) == pytest.approx(index(small), rel=1e-2)


# ---- counts


def test_the_share_of_linear_layers_of_a_net_without_parameters():
    assert isnan(fc_share(nn.ReLU())) and fc_share(nn.Linear(2, 2)) == 1
