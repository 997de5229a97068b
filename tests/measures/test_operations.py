"""Multiply-adds, against those of the same net in another form or by hand."""

import pytest
import torch
from torch import nn
from torchvision.models import get_model, get_model_weights
from torchvision.ops import deform_conv2d

from repro.catalogue import MODELS
from repro.errors import ReproError
from repro.measures.operations import OperationCounter
from repro.measures.static import macs
from repro.models.layers.deformable import DeformableConvolution


def counted(function, *tensors):
    """Multiply-adds of a function of tensors on the meta device."""
    with OperationCounter() as counter:
        function(*(tensor.to("meta") for tensor in tensors))
    return counter.get_total_flops() // 2


def test_a_deformable_convolution_is_counted_as_a_plain_one_and_one_for_its_offsets():
    with torch.device("meta"):
        net = nn.Sequential(DeformableConvolution(3, 8, 3, stride=2, padding=1, bias=False))
        plain = nn.Conv2d(3, 8, 3, stride=2, padding=1)
        offsets = nn.Conv2d(3, 18, 3, stride=2, padding=1)
    assert macs(net, 16) == macs(plain, 16) + macs(offsets, 16) == 8 * 8 * (8 + 18) * 27


def test_a_net_costs_no_less_with_deformable_convolutions():
    with torch.device("meta"):
        plain, deformed = (MODELS.load("resnet")(depth=50, deformable=count) for count in (0, 3))
    offsets = 3 * 7 * 7 * 512 * 9 * 18  # of the last three 3×3 convolutions, on maps of 7×7
    assert macs(deformed, 224) == macs(plain, 224) + offsets


@pytest.mark.parametrize("groups", [1, 2, 4])
@pytest.mark.parametrize("transposed", [False, True])
def test_the_way_back_of_a_convolution_costs_as_much_for_inputs_as_for_weights(groups, transposed):
    kind = nn.ConvTranspose2d if transposed else nn.Conv2d
    layer = kind(4, 8, 3, stride=2, padding=1, groups=groups, device="meta")
    x = torch.empty(5, 4, 9, 9)
    forward = counted(layer, x)
    places = 9 * 9 if transposed else 5 * 5
    assert forward == 5 * places * 4 * 8 // groups * 9
    assert counted(lambda x: layer(x).sum().backward(), x) == 2 * forward  # images need no gradient
    assert counted(lambda x: layer(x.requires_grad_()).sum().backward(), x) == 3 * forward


def test_the_way_back_of_a_deformable_convolution_costs_twice_the_way_there():
    x, offset, weight = torch.empty(2, 4, 6, 6), torch.zeros(2, 18, 6, 6), torch.empty(8, 4, 3, 3)

    def step(x, offset, weight):
        deform_conv2d(x.requires_grad_(), offset, weight.requires_grad_(), padding=1).sum().backward()

    assert counted(step, x, offset, weight) == 3 * (2 * 6 * 6 * 8 * 4 * 9)


def test_products_with_vectors_are_counted():
    matrix, vector = torch.empty(5, 7), torch.empty(7)
    assert counted(torch.mv, matrix, vector) == 35
    assert counted(torch.addmv, torch.empty(5), matrix, vector) == 35
    assert counted(torch.dot, vector, vector) == 7
    assert counted(lambda m, v: torch.einsum("ij,j->i", m, v), matrix, vector) == 35


@pytest.mark.slow  # makes large nets
@pytest.mark.parametrize("name", ["vit_b_16", "swin_t", "convnext_tiny", "maxvit_t", "mobilenet_v3_small"])
def test_the_count_is_what_torchvision_says_of_its_nets(name):
    with torch.device("meta"):
        net = get_model(name)
    assert macs(net, 224) / 1e9 == pytest.approx(get_model_weights(name).DEFAULT.meta["_ops"], abs=6e-4)


@torch.library.custom_op("repro_tests::fold", mutates_args=())
def fold(x: torch.Tensor) -> torch.Tensor:
    return x @ x


@fold.register_fake
def _(x):
    return torch.empty_like(x)


@pytest.mark.parametrize(
    ("function", "name"),
    [
        (fold, "repro_tests::fold"),
        (torch.linalg.inv, "aten::linalg_inv_ex"),
        (lambda x: torch.fft.rfft2(x), "aten::_fft_r2c"),
        (lambda x: torch.cdist(x, x, compute_mode="donot_use_mm_for_euclid_dist"), "aten::_cdist_forward"),
    ],
)
def test_an_operator_that_is_not_known_is_an_error_that_names_it(function, name):
    class Net(nn.Module):
        in_channels = 1

        def forward(self, x):
            return function(x)

    with pytest.raises(ReproError, match=f"how many multiply-adds {name} does is not known"):
        macs(Net(), 16)


def test_attention_is_counted_or_an_error():
    x = torch.empty(1, 2, 8, 16)
    attend = nn.functional.scaled_dot_product_attention
    assert counted(lambda x: attend(x, x, x), x) == 2 * (2 * 8 * 8 * 16)
    with (
        pytest.raises(ReproError, match="aten::_scaled_dot_product_flash_attention_for_cpu"),
        OperationCounter(),
    ):
        torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(x, x, x)


def test_what_has_no_products_costs_nothing():
    def free(x):
        y = nn.functional.interpolate(nn.functional.max_pool2d(x, 2), scale_factor=2, mode="bilinear")
        y = nn.functional.layer_norm(torch.cat([x, y], 1).softmax(1).mul(3).flip(2), (8, 8))
        return y.sort(1).values.cumsum(1).roll(1)[:, :, ::2].permute(0, 2, 3, 1).var(), y.topk(2).indices

    assert counted(free, torch.empty(2, 4, 8, 8)) == 0
