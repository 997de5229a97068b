import pytest
import torch
from models.learning import learns
from models.pixels import images, made, on_meta, size
from torch import nn

from repro.measures.static import params
from repro.models.deformable_net import DeformableNet
from repro.models.layers.deformable import DeformableConvolution

SMALL = {"width": 4, "last": 6}


def test_the_last_two_convolutions_are_deformable():
    net = on_meta(DeformableNet, deformable=True)
    kinds = [type(m) for m in net.features.modules() if isinstance(m, nn.Conv2d) and m.kernel_size == (3, 3)]
    deformable = [issubclass(kind, DeformableConvolution) for kind in kinds]
    offsets = False  # is a plain convolution itself, listed behind the one that it moves
    assert deformable == [False, False, True, offsets, True, offsets]


def test_offsets_are_all_that_it_has_more_than_the_plain_net():
    plain, deformable = (on_meta(DeformableNet, deformable=is_so) for is_so in (False, True))
    assert params(plain) == 9 * (16 + 16 * 32 + 32 * 48 + 48 * 48) + 2 * (16 + 32 + 48 + 48) + 49 * 10
    assert params(deformable) - params(plain) == 18 * (9 * 32 + 1) + 18 * (9 * 48 + 1)


def test_both_start_as_the_same_function():
    nets = []
    for deformable in (False, True):
        with torch.random.fork_rng():
            torch.manual_seed(1)
            nets.append(DeformableNet(deformable=deformable, **SMALL))
    x = images(3, 1, 28, 28)
    torch.testing.assert_close(*(net(x) for net in nets), rtol=1e-4, atol=1e-5)


def test_the_last_maps_have_a_quarter_of_the_images_side():
    net = on_meta(DeformableNet)
    assert net.features(torch.empty(1, 1, 28, 28, device="meta")).shape == (1, 48, 7, 7)
    assert size(net, 5, 1, 28, 28) == (5, 10)


@pytest.mark.parametrize("deformable", [False, True])
def test_it_learns(deformable):
    net, x = made(DeformableNet, deformable=deformable, **SMALL), images(6, 1, 28, 28)
    for layer in net.modules():
        if isinstance(layer, DeformableConvolution):
            nn.init.normal_(layer.offsets.weight, std=0.1)  # at whole pixels some offsets have no gradient
    learns(net, x, 10)
