from itertools import pairwise

import pytest
import torch
from models.pixels import images, made
from torch import nn

from repro.measures.static import params
from repro.models.alexnet import AlexNet
from repro.models.layers.response_norm import LocalResponseNorm
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


def kinds_of(layers: nn.Module, *kinds: type[nn.Module]) -> list[type[nn.Module]]:
    return [type(layer) for layer in layers if isinstance(layer, kinds)]


def test_batch_normalisation_stands_between_each_convolution_and_its_activation():
    order = kinds_of(made(RectifierNet, 6, norm="batch").features, nn.Conv2d, nn.BatchNorm2d, nn.ReLU)
    assert order == [nn.Conv2d, nn.BatchNorm2d, nn.ReLU] * 6


def test_response_normalisation_stands_behind_the_first_two_activations_as_in_alexnet():
    order = kinds_of(made(RectifierNet, 6, norm="lrn").features, nn.ReLU, LocalResponseNorm)
    assert order == [nn.ReLU, LocalResponseNorm] * 2 + [nn.ReLU] * 4
    alexnets = next(m for m in AlexNet().modules() if isinstance(m, LocalResponseNorm))
    own = next(m for m in RectifierNet(3, norm="lrn").modules() if isinstance(m, LocalResponseNorm))
    assert vars(own)["k"] == vars(alexnets)["k"] and own.alpha == alexnets.alpha and own.size == alexnets.size


@pytest.mark.parametrize("norm", ["batch", "lrn"])
def test_a_normalisation_changes_no_weight_at_the_start(norm):
    def weights(net: nn.Module) -> list[torch.Tensor]:
        return [m.weight for m in net.modules() if isinstance(m, nn.Conv2d | nn.Linear)]

    plain, other = (weights(made(RectifierNet, 6, width=4, norm=n)) for n in ("none", norm))
    assert len(plain) == 7 and all(map(torch.equal, plain, other))


def test_torchs_own_start_is_left_as_it_is():
    """U(-1/√fan-in, 1/√fan-in) of weights and biases: a third of 1/fan-in as variance, a sixth of He's."""
    layer = [m for m in made(RectifierNet, 6, init="torch").modules() if isinstance(m, nn.Conv2d)][-1]
    bound = (9 * 64) ** -0.5
    assert layer.weight.var().item() == pytest.approx(bound**2 / 3, rel=0.05)
    assert layer.weight.abs().max().item() == pytest.approx(bound, rel=0.01)
    assert 0.8 * bound < layer.bias.abs().max().item() <= bound


def test_a_normal_start_has_the_deviation_that_is_asked_for():
    for std in (0.01, 0.2):
        net = made(RectifierNet, 6, init="normal", std=std)
        layer = [m for m in net.modules() if isinstance(m, nn.Conv2d)][-1]
        assert layer.weight.std().item() == pytest.approx(std, rel=0.02)
        assert net.classifier.weight.std().item() == pytest.approx(std, rel=0.1)
        assert not layer.bias.any() and not net.classifier.bias.any()


def test_the_first_filters_alone_can_be_larger():
    net = RectifierNet(3, width=4, first_kernel=7)
    assert [m.kernel_size for m in net.modules() if isinstance(m, nn.Conv2d)] == [(7, 7), (3, 3), (3, 3)]
    assert net.features(images(2, 1, 14, 14)).shape == (2, 16, 3, 3)
    with pytest.raises(ValueError, match="first_kernel must be odd, not 4"):
        RectifierNet(3, first_kernel=4)


def test_what_is_not_said_is_as_it_was():
    """The layers that the net had before it had options, by their names, and the random numbers they take."""
    net = made(RectifierNet, 6, width=4, classes=3)
    names = [f"features.{n}.weight" for n in (0, 2, 5, 7, 10, 12)]
    assert [*net.state_dict()][::2] == [*names, "classifier.weight"]
    assert float(net.classifier.weight.detach().double().sum()) == pytest.approx(-0.892144, abs=1e-5)
