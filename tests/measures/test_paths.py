from math import comb

import pytest
import torch
from torch import nn

from repro.errors import ReproError
from repro.measures.paths import depth, path_share, paths
from repro.models.alexnet import AlexNet
from repro.models.densenet import DenseNet
from repro.models.googlenet import GoogLeNet
from repro.models.preact_resnet import ORDERS, PreActResNet
from repro.models.resnet import ResNet, cifar_resnet
from repro.models.sequential import Layers


def made(model, *args, **options):
    with torch.device("meta"):
        return model(*args, **options)


class Net(nn.Module):
    """What `forward` makes of an image and some convolutions."""

    def __init__(self, forward, convolutions):
        super().__init__()
        self.layers = nn.ModuleList(nn.Conv2d(3, 3, 3, padding=1, device="meta") for _ in range(convolutions))
        self.then = forward

    def forward(self, x):
        return self.then(x, *self.layers)


@pytest.mark.slow  # makes large nets
@pytest.mark.parametrize(
    ("net", "size", "layers"),
    [
        ((AlexNet,), 227, 8),
        ((GoogLeNet,), 224, 22),  # "22 layers deep when counting only layers with parameters", section 5
        ((ResNet, 50), 224, 50),
        ((ResNet, 152), 224, 152),
        ((cifar_resnet, 20), 32, 20),
        ((DenseNet, 121), 224, 121),
    ],
)
def test_a_net_is_as_deep_as_its_paper_says(net, size, layers):
    assert depth(made(*net), size) == layers


def test_projections_and_auxiliary_classifiers_are_not_on_the_longest_path():
    assert depth(made(ResNet, 34, shortcut="C"), 64) == 34
    assert depth(made(GoogLeNet, auxiliary=True), 224) == 22


def test_n_residual_blocks_have_two_to_the_n_paths_and_a_plain_net_has_one():
    assert [paths(made(cifar_resnet, depth), 32) for depth in (8, 14, 20)] == [2**3, 2**6, 2**9]
    assert paths(made(cifar_resnet, 20, residual=False), 32) == 1
    assert (
        paths(made(DenseNet, 40, growth_rate=12, bottleneck=False, stem="cifar"), 32, layer="blocks.0")
        == 2**12
    )


@pytest.mark.slow
def test_lengths_of_paths_through_equal_blocks_are_binomial():
    net = made(cifar_resnet, 20)
    for blocks in range(10):
        length = 2 + 2 * blocks  # the stem and the classifier, and two layers a block
        assert path_share(net, 32, least=length, most=length) == comb(9, blocks) / 2**9
        assert path_share(net, 32, least=length + 1, most=length + 1) == 0
    assert path_share(net, 32, least=0, most=99) == 1
    assert path_share(net, 32, least=16, most=20) == (9 + 1 + 36) / 2**9


@pytest.mark.slow
@pytest.mark.parametrize("order", ORDERS)
def test_pre_activation_nets_have_those_of_the_original_whatever_their_order_and_shortcuts(order):
    for options in ({}, {"shortcut_scale": 0.5, "branch_scale": 0.5, "shortcut_dropout": 0.5}):
        net = made(PreActResNet, 8, order=order, **options)
        assert (depth(net, 32), paths(net, 32)) == (8, 2**3)
        assert [path_share(net, 32, least=length, most=length) for length in (2, 3, 4, 6, 8)] == [
            1 / 8,
            0,
            3 / 8,
            3 / 8,
            1 / 8,
        ]
    projected = made(PreActResNet, 8, order=order, shortcut="C")  # each unit is one layer or two
    assert (depth(projected, 32), paths(projected, 32), path_share(projected, 32, least=5, most=5)) == (
        8,
        2**3,
        1 / 8,
    )


def test_a_gate_is_on_paths_of_its_own():
    gated, exclusively = made(PreActResNet, 8, gate="shortcut"), made(PreActResNet, 8, gate="exclusive")
    # A unit: x, its gate, the branch
    assert (paths(gated, 32), path_share(gated, 32, least=3, most=3)) == (
        3**3,
        3 / 3**3,
    )
    # And the branch's gate
    assert (paths(exclusively, 32), path_share(exclusively, 32, least=3, most=3)) == (
        4**3,
        6 / 4**3,
    )


def test_paths_meet_in_sums_products_and_concatenations():
    assert paths(Net(lambda x, a, b: a(x) + b(x) + x, 2), 8) == 3
    assert paths(Net(lambda x, a, b: (a(x) + x).add_(b(x)), 2), 8) == 3
    assert paths(Net(lambda x, a, b, c: c(torch.cat([a(x), b(x), x[:, :1]], 1)[:, :3]), 3), 8) == 3
    gated = Net(lambda x, a, b: x * b(a(x).mean((2, 3), keepdim=True)).sigmoid(), 2)
    assert (paths(gated, 8), depth(gated, 8), path_share(gated, 8, 2, 2)) == (2, 2, 0.5)


def test_ways_without_a_weighted_layer_between_are_one_path():
    assert paths(Net(lambda x, a: a(x * x + torch.cat([x[:, :1].relu(), x[:, 1:]], 1)), 1), 8) == 1
    assert paths(made(AlexNet), 227) == 1  # response normalisation squares and sums


def test_a_way_that_is_taken_twice_counts_twice_if_it_met_another_between():
    def twice(x, a, b):
        y = x + a(x)
        return y + b(y)

    assert paths(Net(twice, 2), 8) == 4


def test_a_layer_is_looked_at_where_it_puts_out():
    net = made(Layers, layers=("conv 4 3x3", "relu", "conv 4 3x3", "norm", "linear 5"), image_size=16)
    assert [depth(net, 16, layer=layer) for layer in ("0", "1", "2", "3", "4", "")] == [1, 1, 2, 2, 3, 3]
    assert depth(made(Layers, layers=("max 2x2",), image_size=16), 16) == 0
    assert not any(module._forward_hooks for module in net.modules())


def test_nets_that_do_not_look_at_the_image_or_do_not_take_it_are_errors():
    with pytest.raises(ReproError, match="no path leads from the image to the output"):
        depth(Net(lambda _, a: a(torch.ones(1, 3, 8, 8, device="meta")), 1), 8)
    with pytest.raises(ReproError, match="the net takes no image of 8×8 pixels"):
        paths(made(Layers, layers=("linear 5",), image_size=16), 8)
    with pytest.raises(ReproError, match="no layer 'x'; there are"):
        depth(made(cifar_resnet, 8), 32, layer="x")
