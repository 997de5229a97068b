import pytest
import torch
from models.pixels import images, made
from torch import Tensor, nn

from repro.models.layers.deformable import DeformableConvolution
from repro.models.layers.sampled_deformable import SampledDeformableConvolution

CASES = [
    {"padding": 1},
    {"padding": 2, "dilation": 2, "stride": 2},
    {"padding": (0, 1), "bias": False},
    {"stride": (1, 3)},
]


def moved(make: type[nn.Module], **options) -> nn.Module:
    """With offsets of a pixel or two that differ from image to image and from place to place."""
    net = made(make, 4, 6, 3, **options)
    with torch.no_grad():
        for index, parameter in enumerate(net.offsets.parameters()):
            parameter.normal_(std=0.5, generator=torch.Generator().manual_seed(index))
    return net


def passed(net: nn.Module) -> dict[str, Tensor]:
    """What the net makes of two maps, and all gradients."""
    x = images(2, 4, 9, 8).requires_grad_()
    y = net(x)
    (y * images(*y.shape)).sum().backward()
    return {"output": y, "input": x.grad, **{name: p.grad for name, p in net.named_parameters()}}


@pytest.mark.parametrize("options", CASES)
def test_outputs_and_gradients_are_those_of_torchvisions_operator(options):
    expected = passed(moved(DeformableConvolution, **options))
    found = passed(moved(SampledDeformableConvolution, **options))
    assert expected["offsets.weight"].abs().max() > 1
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=2e-4)
    torch.testing.assert_close(found["output"], expected["output"], rtol=0, atol=2e-5)


def test_kernels_need_not_be_square():
    options = {"kernel_size": (1, 3), "padding": (0, 1)}
    nets = [made(kind, 4, 6, **options) for kind in (DeformableConvolution, SampledDeformableConvolution)]
    for net in nets:
        nn.init.constant_(net.offsets.bias, 0.4)
    torch.testing.assert_close(*(net(images(1, 4, 5, 6)) for net in nets), rtol=0, atol=2e-5)


def test_it_works_in_bf16_with_channels_last():
    x = images(2, 4, 9, 8)
    expected = moved(SampledDeformableConvolution, padding=1)(x)
    with torch.autocast("cpu", torch.bfloat16):
        found = moved(SampledDeformableConvolution, padding=1)(x.to(memory_format=torch.channels_last))
    assert (found.float() - expected).norm() / expected.norm() < 0.05


def test_it_has_one_group():
    with pytest.raises(ValueError, match="a sampled deformable convolution has one group, not 2"):
        SampledDeformableConvolution(4, 6, 3, groups=2)
