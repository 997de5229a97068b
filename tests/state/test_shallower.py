import pytest
import torch
from models.pixels import made
from safetensors.torch import load, save

from repro.errors import ReproError
from repro.models.rectifier_net import RectifierNet
from repro.models.resnet import cifar_resnet
from repro.models.vgg import VGG
from repro.state.shallower import shallower

SMALL = {"width": 1 / 16, "classifier": 8, "image_size": 32, "in_channels": 1, "classes": 5}
# Of the convolutions of E, in order: those that are of the width and the input of A's first four
OF_E = {0: 0, 3: 2, 6: 4, 8: 5}  # layer of A → number of the convolution of E


def of_a_file(net: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Weights as a trial's file has them: in the order of their names, which puts features.10 before .2."""
    return load(save(net.state_dict()))


def convolutions(net: torch.nn.Module) -> list[torch.nn.Conv2d]:
    return [module for module in net.modules() if isinstance(module, torch.nn.Conv2d)]


def test_as_vggs_deepest_net_starts_from_a():
    a, e = made(VGG, "A", **SMALL), made(VGG, "E", **SMALL)
    before = [conv.weight.clone() for conv in convolutions(e)]
    shallower(e, of_a_file(a), arm="a")
    for layer, place in OF_E.items():
        assert torch.equal(convolutions(e)[place].weight, a.features[layer].weight)
        assert torch.equal(convolutions(e)[place].bias, a.features[layer].bias)
    for number, (conv, weight) in enumerate(zip(convolutions(e), before, strict=True)):
        assert torch.equal(conv.weight, weight) == (number not in OF_E.values())
    for ours, theirs in zip(e.classifier.parameters(), a.classifier.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_a_net_of_fewer_convolutions_gives_all_of_them():
    three, nine = made(RectifierNet, 3), made(RectifierNet, 9)
    shallower(nine, of_a_file(three), arm="three")
    taken = [conv.weight for conv in convolutions(nine)]
    for place, conv in zip((0, 3, 6), convolutions(three), strict=True):
        assert torch.equal(taken[place], conv.weight)
    assert torch.equal(nine.classifier.weight, three.classifier.weight)


def test_so_many_convolutions_as_are_wanted_go():
    three, nine = made(RectifierNet, 3), made(RectifierNet, 9)
    before = convolutions(nine)[3].weight.clone()
    shallower(nine, of_a_file(three), arm="three", convolutions=1)
    assert torch.equal(convolutions(nine)[3].weight, before)
    assert torch.equal(convolutions(nine)[0].weight, convolutions(three)[0].weight)


def test_layers_of_another_width_are_named():
    with pytest.raises(
        ReproError, match=r"'features\.0' of arm 'wide', \[32, 1, 3, 3\], finds no place in a R"
    ):
        shallower(made(RectifierNet, 9), of_a_file(made(RectifierNet, 3, width=32)), arm="wide")
    with pytest.raises(ReproError, match=r"'classifier' of arm 'wide', \[4, 64\], finds no place"):
        shallower(made(RectifierNet, 9), of_a_file(made(RectifierNet, 3, classes=4)), arm="wide")


def test_a_net_whose_layers_are_not_numbered_is_refused():
    with pytest.raises(ReproError, match="the layers of a ResNet are not numbered in their order"):
        shallower(made(cifar_resnet, 8), of_a_file(made(RectifierNet, 3)), arm="three")
