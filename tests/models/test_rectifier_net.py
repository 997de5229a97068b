from itertools import pairwise

import pytest
import torch
from models.pixels import images, made
from torch import nn

from repro.measures.static import params
from repro.models.rectifier_net import ACTIVATIONS, RectifierNet


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_each_convolution_is_followed_by_the_activation(activation):
    kind = type(ACTIVATIONS[activation]())
    layers = [*RectifierNet(6, activation=activation, width=4).features]
    followed = [type(after) for layer, after in pairwise(layers) if isinstance(layer, nn.Conv2d)]
    assert followed == [kind] * 6


def test_parameters_are_those_of_three_stages_and_a_linear_layer():
    convolutions = (9 + 1) * 4 + (9 * 4 + 1) * (4 + 8) + (9 * 8 + 1) * (8 + 16) + (9 * 16 + 1) * 16
    assert params(RectifierNet(6, width=4)) == convolutions + 16 * 10 + 10
    assert params(RectifierNet(6, width=4, activation="prelu")) == convolutions + 170 + 6  # a slope a layer


def test_all_activations_start_from_the_same_weights():
    first, second = (made(RectifierNet, 6, width=4, activation=a).state_dict() for a in ("relu", "sigmoid"))
    assert all(torch.equal(first[name], second[name]) for name in first) and len(first) == len(second)


@pytest.mark.parametrize(("init", "variance"), [("he", 2 / (9 * 64)), ("xavier", 1 / (9 * 64))])
def test_weights_have_the_variance_of_their_start(init, variance):
    layer = [m for m in made(RectifierNet, 6, width=16, init=init).modules() if isinstance(m, nn.Conv2d)][-1]
    assert layer.weight.var().item() == pytest.approx(variance, rel=0.05)
    assert not layer.bias.any()


def test_maps_are_halved_twice():
    net, x = RectifierNet(3, width=4), images(2, 1, 14, 14)
    assert net.features(x).shape == (2, 16, 3, 3) and net(x).shape == (2, 10)


@pytest.mark.parametrize("depth", [0, -3, 4])
def test_stages_are_of_equal_depth(depth):
    with pytest.raises(ValueError, match=f"depth must be a multiple of 3 .*, not {depth}"):
        RectifierNet(depth)
