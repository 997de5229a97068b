"""What the filters of a layer look like."""

from math import cos, exp, pi, sin

import pytest
import torch
from kit.tiny import state
from torch import nn

from repro.errors import ReproError
from repro.measures.filters import gabor_share


def share(weight: torch.Tensor) -> float:
    """Of filters [N, C, k, k]."""
    given = state()
    layer = nn.Conv2d(weight.shape[1], weight.shape[0], tuple(weight.shape[2:]))
    layer.weight = nn.Parameter(weight.float())
    given.model = nn.Sequential(layer, nn.Conv2d(weight.shape[0], 1, 5))
    return gabor_share(given)


def gabor(side: int, angle: float, wavelength: float, sd: float, phase: float, up: float = 0.0):
    """Of Daugman's formula, written out pixel by pixel: [1, 1, side, side]."""
    middle = (side - 1) / 2
    rows = [
        [
            exp(-((y - middle - up) ** 2 + (x - middle) ** 2) / (2 * sd**2))
            * cos(2 * pi * ((x - middle) * cos(angle) + (y - middle - up) * sin(angle)) / wavelength + phase)
            for x in range(side)
        ]
        for y in range(side)
    ]
    return torch.tensor(rows)[None, None]


@pytest.mark.parametrize("side", [5, 7, 11])
@pytest.mark.parametrize("angle", [0.0, 0.4, 1.3, 2.9])  # between those that are tried, too
def test_an_edge_of_any_orientation_has_all_in_common_with_a_gabor_function(side, angle):
    edge = gabor(side, angle, wavelength=side, sd=0.22 * side, phase=pi / 2)
    assert share(edge) > 0.95
    assert share(-3 * edge) == pytest.approx(share(edge), rel=1e-4)


def test_so_has_one_that_is_off_the_middle_and_a_texture():
    assert share(gabor(7, 0.7, wavelength=6, sd=1.6, phase=1.0, up=1.2)) > 0.9
    assert share(gabor(11, 0.7, wavelength=7, sd=2.4, phase=pi / 2)) > 0.95


def test_channels_of_a_colour_edge_are_fitted_each_with_its_own_amplitude():
    edge = gabor(7, 1.0, wavelength=7, sd=1.6, phase=pi / 2)
    assert share(torch.cat([edge, -0.5 * edge, 0 * edge], 1)) == pytest.approx(share(edge), rel=1e-4)
    across = gabor(7, 1.0 + pi / 2, wavelength=7, sd=1.6, phase=pi / 2)
    assert share(torch.cat([edge, across], 1)) < 0.75  # of one orientation, or it is none


def test_noise_has_little_and_less_in_larger_filters():
    noise = torch.Generator().manual_seed(0)
    of_noise = {side: share(torch.randn(200, 1, side, side, generator=noise)) for side in (5, 7, 11)}
    assert of_noise[7] == pytest.approx(0.19, abs=0.03)
    assert of_noise[5] > of_noise[7] > of_noise[11]


def test_a_filter_of_one_value_has_nothing():
    assert share(torch.ones(1, 1, 7, 7)) == pytest.approx(0, abs=1e-9)


def test_it_is_the_mean_over_filters_that_are_not_0():
    edge, flat = gabor(7, 0.0, 7, 1.6, pi / 2), torch.ones(1, 1, 7, 7)
    assert share(torch.cat([edge, flat, 0 * flat])) == pytest.approx(share(edge) / 2, rel=1e-4)
    assert share(torch.cat([5 * edge, flat])) == pytest.approx(share(edge) / 2, rel=1e-4)
    assert share(0 * flat) != share(0 * flat)  # NaN: nothing to look at
    assert share(float("nan") * flat) != share(float("nan") * flat)


def test_small_filters_and_other_layers_are_errors():
    with pytest.raises(ReproError, match="layer 'first' is no convolution with filters of 5×5 or more"):
        share(torch.randn(1, 1, 3, 3))
    given = state()
    given.model = nn.Sequential(nn.Conv2d(1, 2, 7), nn.ReLU())
    with pytest.raises(ReproError, match="gabor_share: layer '1' is no convolution"):
        gabor_share(given, layer="1")
    assert 0 < gabor_share(given, layer="0") < 1
