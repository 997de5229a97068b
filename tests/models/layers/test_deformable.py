import pytest
import torch
from models.pixels import calibrated, images, made, on_meta, size
from torch import nn
from torch.nn import functional as F

from repro.measures.static import params
from repro.models.layers.deformable import DeformableConvolution, deform_last
from repro.models.resnet import ResNet

CASES = [
    {"padding": 1},
    {"padding": 2, "dilation": 2},
    {"padding": 1, "stride": 2, "groups": 2},
    {"padding": 1, "bias": False},
]


def pair(**options) -> tuple[DeformableConvolution, nn.Conv2d]:
    deformable, plain = made(DeformableConvolution, 4, 6, 3, **options), made(nn.Conv2d, 4, 6, 3, **options)
    assert torch.equal(deformable.weight, plain.weight)
    return deformable, plain


@pytest.mark.parametrize("options", CASES)
def test_it_starts_as_the_plain_convolution(options):
    deformable, plain = pair(**options)
    x = images(2, 4, 9, 8)
    torch.testing.assert_close(deformable(x), plain(x), rtol=1e-4, atol=1e-5)


def test_it_has_two_offsets_for_each_of_the_nine_positions():
    deformable, plain = pair(padding=1)
    assert deformable.offsets.out_channels == 18
    assert params(deformable) == params(plain) + 18 * 4 * 9 + 18


@pytest.mark.parametrize(("dy", "dx"), [(1, 0), (0, -2), (0.5, 0.25)])
def test_the_same_offset_everywhere_is_the_convolution_of_a_shifted_image(dy, dx):
    deformable, plain = pair(padding=1)
    with torch.no_grad():
        deformable.offsets.bias.copy_(torch.tensor([dy, dx]).repeat(9))
    x = images(1, 4, 12, 12)
    down, right = int(dy // 1), int(dx // 1)
    v, h = dy - down, dx - right  # what is left is between pixels
    shifted = sum(
        weight * torch.roll(x, (-down - a, -right - b), dims=(2, 3))
        for a, b, weight in (
            (0, 0, (1 - v) * (1 - h)),
            (1, 0, v * (1 - h)),
            (0, 1, (1 - v) * h),
            (1, 1, v * h),
        )
    )
    inner = (..., slice(4, -4), slice(4, -4))
    torch.testing.assert_close(deformable(x)[inner], plain(shifted)[inner], rtol=1e-4, atol=1e-5)
    assert not torch.allclose(deformable(x)[inner], plain(x)[inner], atol=0.01)


def test_offsets_move_positions_and_leave_the_kernel_as_it_is():
    deformable, _ = pair(padding=1)
    before = deformable.weight.clone()
    with torch.no_grad():
        deformable.offsets.bias.fill_(0.7)
    deformable(images(1, 4, 6, 6))
    assert torch.equal(deformable.weight, before)
    constant = torch.ones(1, 4, 12, 12)  # nothing to see from elsewhere
    torch.testing.assert_close(
        deformable(constant)[..., 3:-3, 3:-3],
        F.conv2d(constant, deformable.weight, deformable.bias, padding=1)[..., 3:-3, 3:-3],
        rtol=1e-4,
        atol=1e-5,
    )


def test_offsets_are_learned_and_depend_on_the_image():
    deformable, _ = pair(padding=1)
    x = images(2, 4, 8, 8)
    deformable(x).square().sum().backward()
    assert deformable.offsets.weight.grad.abs().max() > 0
    with torch.no_grad():
        deformable.offsets.weight -= 0.01 * deformable.offsets.weight.grad
    first, second = deformable.offsets(x)
    assert not torch.allclose(first, second)


def test_it_works_in_bf16_on_the_cpu():
    deformable, plain = pair(padding=1)
    x = images(2, 4, 8, 8)
    with torch.autocast("cpu", torch.bfloat16):
        found = deformable(x.bfloat16())
    torch.testing.assert_close(found.float(), plain(x), rtol=0.02, atol=0.02)


@pytest.mark.parametrize(
    ("count", "where"), [(1, [(3, 2)]), (3, [(3, 0), (3, 1), (3, 2)]), (6, [(2, 3), (2, 4), (2, 5)])]
)
def test_a_resnet_has_it_in_its_last_3x3_convolutions(count, where):
    net = on_meta(ResNet, depth=50, deformable=count)
    found = [name for name, module in net.named_modules() if isinstance(module, DeformableConvolution)]
    assert len(found) == count
    assert found[: len(where)] == [f"stages.{stage}.{block}.branch.3" for stage, block in where]
    assert size(net, 2, 3, 224, 224) == (2, 1000)


@pytest.mark.parametrize(
    "options", [{"depth": 29}, {"depth": 20}, {"depth": 29, "cardinality": 2, "group_width": 3}]
)
def test_a_resnet_with_it_starts_as_the_one_without(options):
    plain, deformable = (
        made(ResNet, **options, stem="cifar", width=4, classes=10, deformable=count) for count in (0, 3)
    )
    deformable.load_state_dict(plain.state_dict(), strict=False)  # all but the offsets
    x = images(4, 3, 16, 16)
    found, expected = calibrated(deformable, x)(x), calibrated(plain, x)(x)
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4)
    found.square().sum().backward()
    learned = [
        m.offsets.weight.grad.abs().max()
        for m in deformable.modules()
        if isinstance(m, DeformableConvolution)
    ]
    assert len(learned) == 3 and min(learned) > 0


def test_any_net_can_be_deformed_and_keeps_its_weights():
    net = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 4, 1), nn.Conv2d(4, 5, 3, stride=2))
    weights = [net[0].weight, net[2].weight, net[2].bias]
    deform_last(net, 1)
    assert [type(layer) for layer in net] == [nn.Conv2d, nn.Conv2d, DeformableConvolution]
    assert all(a is b for a, b in zip(weights, (net[0].weight, net[2].weight, net[2].bias), strict=True))
