import pytest
import torch
from models.pixels import images
from torch import nn

from repro.models.layers.atrous import Depthwise, separable


@pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format])
@pytest.mark.parametrize("rate", [1, 2, 3, 7])
@pytest.mark.parametrize("size", [(8, 8), (5, 7), (3, 10)], ids=str)
def test_a_depthwise_filter_is_that_of_torch_both_ways(rate, size, layout):
    filtered = Depthwise(6, rate).double()
    x = images(2, 6, *size).double().to(memory_format=layout).requires_grad_()
    ours, expected = filtered(x), nn.Conv2d.forward(filtered, x)
    torch.testing.assert_close(ours, expected)
    weights, wanted = images(*expected.shape).double(), [x, filtered.weight, filtered.bias]
    pair = (torch.autograd.grad((y * weights).sum(), wanted) for y in (ours, expected))
    for gradient, reference in zip(*pair, strict=True):
        torch.testing.assert_close(gradient, reference)


@pytest.mark.parametrize("rate", [1, 2, 3])
def test_maps_stay_dense_with_channels_last(rate):
    x = images(2, 6, 8, 8).to(memory_format=torch.channels_last)
    assert Depthwise(6, rate)(x).is_contiguous(memory_format=torch.channels_last)


def test_a_depthwise_filter_starts_from_the_weights_of_a_convolution_of_torch():
    torch.manual_seed(1)
    ours = Depthwise(4, 2, bias=False).weight
    torch.manual_seed(1)
    assert ours.equal(nn.Conv2d(4, 4, 3, padding="same", dilation=2, groups=4, bias=False).weight)


def test_shapes_need_no_values():
    layers = separable(4, 8, rate=2).to("meta")
    assert layers(torch.empty(2, 4, 9, 9, device="meta")).shape == (2, 8, 9, 9)
