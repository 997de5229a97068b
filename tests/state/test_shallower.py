import pytest
import torch
from models.pixels import made

from repro.errors import ReproError
from repro.models.rectifier_net import RectifierNet
from repro.models.vgg import VGG
from repro.state.shallower import shallower

SMALL = {"width": 1 / 16, "classifier": 8, "image_size": 32, "in_channels": 1, "classes": 5}
# Of the convolutions of E, in order: those that are of the width and the input of A's first four
OF_E = {0: 0, 3: 2, 6: 4, 8: 5}  # layer of A → number of the convolution of E


def convolutions(net: torch.nn.Module) -> list[torch.nn.Conv2d]:
    return [module for module in net.modules() if isinstance(module, torch.nn.Conv2d)]


def test_as_vggs_deepest_net_starts_from_a():
    a, e = made(VGG, "A", **SMALL), made(VGG, "E", **SMALL)
    before = [conv.weight.clone() for conv in convolutions(e)]
    shallower(e, a.state_dict(), arm="a")
    for layer, place in OF_E.items():
        assert torch.equal(convolutions(e)[place].weight, a.features[layer].weight)
        assert torch.equal(convolutions(e)[place].bias, a.features[layer].bias)
    for number, (conv, weight) in enumerate(zip(convolutions(e), before, strict=True)):
        assert torch.equal(conv.weight, weight) == (number not in OF_E.values())
    for ours, theirs in zip(e.classifier.parameters(), a.classifier.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_a_net_of_fewer_convolutions_gives_all_of_them():
    three, nine = made(RectifierNet, 3), made(RectifierNet, 9)
    shallower(nine, three.state_dict(), arm="three")
    taken = [conv.weight for conv in convolutions(nine)]
    for place, conv in zip((0, 3, 6), convolutions(three), strict=True):
        assert torch.equal(taken[place], conv.weight)
    assert torch.equal(nine.classifier.weight, three.classifier.weight)


def test_so_many_convolutions_as_are_wanted_go():
    three, nine = made(RectifierNet, 3), made(RectifierNet, 9)
    before = convolutions(nine)[3].weight.clone()
    shallower(nine, three.state_dict(), arm="three", convolutions=1)
    assert torch.equal(convolutions(nine)[3].weight, before)
    assert torch.equal(convolutions(nine)[0].weight, convolutions(three)[0].weight)


def test_layers_of_another_width_are_named():
    with pytest.raises(
        ReproError, match=r"'features\.0' of arm 'wide', \[32, 1, 3, 3\], finds no place in a R"
    ):
        shallower(made(RectifierNet, 9), made(RectifierNet, 3, width=32).state_dict(), arm="wide")
    with pytest.raises(ReproError, match=r"'classifier' of arm 'wide', \[4, 64\], finds no place"):
        shallower(made(RectifierNet, 9), made(RectifierNet, 3, classes=4).state_dict(), arm="wide")
