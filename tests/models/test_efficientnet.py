from functools import partial

import pytest
import torch
from models.learning import learns
from models.pixels import images, made, multiply_adds, on_meta, size, stays_on_a_gpu
from models.references import logits_agree
from torch import nn
from torchvision import models

from repro.measures.static import params
from repro.models.efficientnet import VARIANTS, EfficientNet, scaled_depth, scaled_width
from repro.models.layers.squeeze_excitation import SqueezeExcitation

pytestmark = pytest.mark.slow  # makes large nets

SMALL = {"width": 0.25, "stem": "cifar", "classes": 10, "norm_momentum": 0.1}
STILL = {"stochastic_depth": 0.0, "dropout": 0.0}


@pytest.mark.parametrize(
    ("variant", "count", "millions", "giga"),  # counts are torchvision's, the others those of Table 2
    [
        ("B0", 5_288_548, 5.3, 0.39),
        ("B1", 7_794_184, 7.8, 0.70),
        ("B2", 9_109_994, 9.2, 1.0),
        ("B3", 12_233_232, 12, 1.8),
        ("B4", 19_341_616, 19, 4.2),
        ("B5", 30_389_784, 30, 9.9),
        ("B6", 43_040_704, 43, 19),
        ("B7", 66_347_960, 66, 37),
    ],
)
def test_parameters_and_multiply_adds_are_those_of_table_2(variant, count, millions, giga):
    net, side = on_meta(EfficientNet, variant=variant), VARIANTS[variant].resolution
    assert params(net) == count
    assert count / 1e6 == pytest.approx(millions, rel=0.03)
    assert multiply_adds(net, 1, 3, side, side) / 1e9 == pytest.approx(giga, rel=0.05)


@pytest.mark.parametrize(
    ("options", "side", "giga"),  # Table 7: B0 made four times as dear in four ways
    [
        ({"depth": 4.0}, 224, 1.8),
        ({"width": 2.0}, 224, 1.8),
        ({}, 448, 1.9),
        ({"depth": 1.4, "width": 1.2}, 291, 1.8),
    ],
)
def test_multiply_adds_of_the_scalings_of_b0_are_those_of_table_7(options, side, giga):
    found = multiply_adds(on_meta(EfficientNet, **options), 1, 3, side, side) / 1e9
    assert found == pytest.approx(giga, rel=0.2)  # the paper's are as equal as rounding lets them be
    assert found > 3.5 * 0.386


@pytest.mark.parametrize(("variant", "phi"), [("B0", 0), ("B1", 0.5), ("B2", 1), ("B3", 2)])
def test_the_variants_up_to_b3_are_scaled_by_equation_3(variant, phi):
    found = VARIANTS[variant]
    assert found.depth == round(1.2**phi, 1) and found.width == round(1.1**phi, 1)
    assert found.resolution == pytest.approx(224 * 1.15**phi, abs=4)


@pytest.mark.parametrize(
    ("width", "factor", "expected"),
    [(32, 1.0, 32), (16, 1.1, 16), (24, 1.1, 24), (40, 1.1, 48), (32, 1.4, 48), (16, 0.25, 8), (10, 1.0, 16)],
)
def test_widths_are_multiples_of_8_and_hardly_smaller_than_asked_for(width, factor, expected):
    assert scaled_width(width, factor) == expected


def test_depths_are_rounded_up():
    assert [scaled_depth(blocks, 1.1) for blocks in (1, 2, 3, 4)] == [2, 3, 4, 5] and scaled_depth(
        4, 1.0
    ) == 4


@pytest.mark.parametrize("variant", ["B0", "B2"])
def test_logits_are_torchvisions_with_its_epsilon_changed(variant):
    build = partial(
        getattr(models, f"efficientnet_{variant.lower()}"), norm_layer=partial(nn.BatchNorm2d, eps=1e-3)
    )
    logits_agree(EfficientNet, build, variant=variant)


def test_a_row_of_table_1_begins_with_its_stride_and_the_map_has_the_resolutions_of_the_table():
    net = on_meta(EfficientNet)
    x, shapes = net.stem(torch.empty(1, 3, 224, 224, device="meta")), []
    for block in net.blocks:
        x = block(x)
        shapes.append((x.shape[1], x.shape[2]))
    rows = [(16, 112, 1), (24, 56, 2), (40, 28, 2), (80, 14, 3), (112, 14, 3), (192, 7, 4), (320, 7, 1)]
    assert shapes == [(width, side) for width, side, blocks in rows for _ in range(blocks)]
    assert net.head(x).shape == (1, 1280, 7, 7)


def test_squeeze_and_excitation_narrows_to_a_quarter_of_the_blocks_input():
    net = on_meta(EfficientNet)
    excited = [m for m in net.modules() if isinstance(m, SqueezeExcitation)]
    assert [m.excitation[0].out_channels for m in excited[:4]] == [8, 4, 6, 6]
    assert [m.excitation[0].in_channels for m in excited[:4]] == [32, 96, 144, 144]


def test_blocks_are_skipped_more_often_the_deeper_they_are_and_only_in_training():
    net, x = made(EfficientNet, **SMALL, stochastic_depth=0.5), images(200, 8, 7, 7)
    chances = [block.skip.p for block in net.blocks]
    assert chances == pytest.approx([0.5 * i / 16 for i in range(16)])
    block = next(block for block in reversed(net.blocks) if block.residual)
    x = images(400, block.branch[0].in_channels, 2, 2)
    skipped = (block.train()(x) == x).flatten(1).all(dim=1).float().mean().item()
    assert skipped == pytest.approx(block.skip.p, abs=0.1)
    torch.testing.assert_close(block.eval()(x), x + block.branch(x))


def test_weights_and_normalisation_start_as_in_the_authors_code():
    net = made(EfficientNet, "B1")
    for name, module in net.named_modules():
        if isinstance(module, nn.Conv2d):
            depthwise = module.groups > 1
            fan_out = module.kernel_size[0] ** 2 * (1 if depthwise else module.out_channels)
            tolerance = 5 / (2 * module.weight.numel()) ** 0.5
            assert module.weight.std().item() == pytest.approx((2 / fan_out) ** 0.5, rel=tolerance), name
        if isinstance(module, nn.BatchNorm2d):
            assert (module.eps, module.momentum) == (1e-3, 0.01)
    largest = net.classifier.weight.abs().max().item()
    assert 0.99 < largest * 1000**0.5 <= 1 and not net.classifier.bias.any()


@pytest.mark.parametrize(
    ("variant", "dropout", "expected"), [("B0", None, 0.2), ("B2", None, 0.3), ("B2", 0.0, 0.0)]
)
def test_dropout_is_the_variants_unless_it_is_said(variant, dropout, expected):
    assert on_meta(EfficientNet, variant=variant, dropout=dropout).dropout.p == expected


@pytest.mark.parametrize("options", [SMALL, {"width": 0.25, "classes": 10}])
def test_small_images_have_one_logit_a_class(options):
    assert size(on_meta(EfficientNet, **options, in_channels=1), 5, 1, 28, 28) == (5, 10)


def test_it_learns():
    learns(made(EfficientNet, **SMALL, **STILL), images(6, 3, 32, 32), 10)


def test_it_stays_on_a_gpu():
    stays_on_a_gpu(EfficientNet, 2, 3, 32, 32, **SMALL)
