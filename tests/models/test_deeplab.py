import pytest
import torch
from models.learning import learns
from models.pixels import calibrated, images, made, multiply_adds, on_meta, size, stays_on_a_gpu
from models.references import carry
from torch import nn
from torch.nn import functional as F
from torchvision.models.segmentation import deeplabv3_resnet50, deeplabv3_resnet101

from repro.measures.static import params
from repro.models import deeplab, deeplab_v3
from repro.models.deeplab import DeepLab
from repro.models.deeplab_v3 import DeepLabV3, cascade
from repro.models.layers.atrous import separable, strides_and_rates
from repro.models.resnet_trunk import ResNetTrunk
from repro.models.vgg_trunk import VggTrunk
from repro.models.xception import XceptionTrunk

pytestmark = pytest.mark.slow  # makes large nets

CLOSE = {"rtol": 1e-3, "atol": 1e-3}  # of scores: after 50 layers, CPUs of two makes are 2e-4 apart
VGG = {"widths": [4, 6, 8, 8, 12], "depths": [1, 1, 1, 1, 1], "batch_norm": True, "classes": 6}
V1 = {**VGG, "fc": 12, "dropout": 0.0}
V3 = {**VGG, "trunk": "vgg16", "output_stride": 8, "rates": [1, 2, 3], "width": 8}
PLUS = {**V3, "low_level": 4, "decoder": [8, 8]}
BRANCHES = {**V3, "widths": [4, 6, 8], "depths": [1, 1, 1], "pointwise": False, "image_pool": False}
NARROW_RESNET = {"trunk": "resnet50", "widths": [2, 3, 4, 5], "depths": [1, 1, 1, 3], "multi_grid": [1, 2, 4]}
NARROW_XCEPTION = {"widths": [4, 6, 8, 10, 12, 14, 16, 18], "depths": [2]}
NARROW_PLUS = {"width": 8, "low_level": 4, "decoder": [8], "classes": 6}
SMALL_NETS = {
    "v1 at stride 32": (DeepLab, {**V1, "output_stride": 32, "rates": [1]}),
    "v1 at stride 8": (DeepLab, {**V1, "output_stride": 8, "rates": [4]}),
    "v2": (DeepLab, {**V1, "rates": [1, 2, 4]}),
    "branches at stride 4": (DeepLabV3, {**BRANCHES, "output_stride": 4, "fused": 10}),
    "branches at stride 8": (DeepLabV3, {**BRANCHES, "output_stride": 8, "image_pool": True}),
    "v3": (DeepLabV3, V3),
    "v3+": (DeepLabV3, PLUS),
    "v3+, separable head": (DeepLabV3, {**PLUS, "separable": True}),
    "v3+, separable": (DeepLabV3, {**PLUS, "separable": True, "separable_trunk": True}),
    "v3+, ResNet": (DeepLabV3, {**NARROW_RESNET, **NARROW_PLUS}),
    "v3+, Xception": (DeepLabV3, {"trunk": "xception65", **NARROW_XCEPTION, **NARROW_PLUS}),
}


def test_a_convolution_at_rate_2_sees_in_a_dense_map_what_it_saw_in_the_subsampled_one():
    x, weight = images(2, 3, 17, 20).double(), images(4, 3, 3, 3).double()
    dense = F.conv2d(x, weight, padding=2, dilation=2)
    torch.testing.assert_close(
        dense[..., ::2, ::2], F.conv2d(x[..., ::2, ::2], weight, padding=1), rtol=0, atol=1e-12
    )


def test_strides_beyond_the_output_stride_become_rates():
    assert strides_and_rates([2] * 5, 8) == [(2, 1), (2, 1), (2, 1), (1, 2), (1, 4)]
    assert strides_and_rates([1, 2, 2, 2], 16, stem=4) == [(1, 1), (2, 1), (2, 1), (1, 2)]


@pytest.mark.parametrize("output_stride", [3, 64])
@pytest.mark.parametrize(
    ("make", "possible"),
    [(VggTrunk, "1, 2, 4, 8, 16, 32"), (XceptionTrunk, "2, 4, 8, 16, 32"), (ResNetTrunk, "4, 8, 16, 32")],
)
def test_an_output_stride_that_the_trunk_does_not_reach_is_an_error(make, possible, output_stride):
    with pytest.raises(
        ValueError, match=f"output stride must be one of {possible} here, not {output_stride}"
    ):
        make(output_stride=output_stride)


def test_an_option_that_the_trunk_has_not_is_an_error():
    with pytest.raises(
        ValueError,
        match="trunk 'resnet50' has no option 'batch_norm' \\(it has depths, widths, output_stride, ",
    ):
        DeepLabV3(trunk="resnet50", batch_norm=True)


def head(kernel: int, fc: int) -> int:
    return (512 * kernel**2 + 1) * fc + (fc + 1) * fc + (fc + 1) * 21


@pytest.mark.parametrize(
    ("name", "heads", "millions"),  # those of v1 are in its Table 2
    [
        ("v1 DeepLab", head(4, 4096), 65.1),
        ("v1 DeepLab-4x4", head(4, 4096), 65.1),
        ("v1 DeepLab-7x7", head(7, 4096), 134.3),
        ("v1 DeepLab-LargeFOV", head(3, 1024), 20.5),
        ("v2 ASPP-S", 4 * head(3, 1024), None),
        ("v2 ASPP-L", 4 * head(3, 1024), None),
    ],
)
def test_parameters_on_vgg_16_are_those_of_the_papers(name, heads, millions):
    net = on_meta(DeepLab, **deeplab.PAPER[name])
    assert params(net) == 14_714_688 + heads
    assert millions is None or round(params(net) / 1e6, 1) == millions
    assert net.trunk(torch.empty(1, 3, 321, 321, device="meta"))[-1].shape == (1, 512, 41, 41)
    assert size(net, 1, 3, 321, 321) == (1, 21, 321, 321)


@pytest.mark.parametrize(("name", "branches"), [("v2 ResNet-101 LargeFOV", 1), ("v2 ResNet-101 ASPP", 4)])
def test_parameters_on_resnet_101_are_torchvisions_without_its_classifier_and_one_convolution_a_branch(
    name, branches
):
    assert (
        params(on_meta(DeepLab, **deeplab.PAPER[name]))
        == 44_549_160 - 2049 * 1000 + branches * (2048 * 9 + 1) * 21
    )


def test_branches_of_v2_are_summed():
    net, x = made(DeepLab, **{**V1, "rates": [1, 2]}).eval(), images(1, 3, 40, 40)
    both, kept = net(x), list(net.branches)
    net.branches = nn.ModuleList(kept[:1])
    first = net(x)
    net.branches = nn.ModuleList(kept[1:])
    torch.testing.assert_close(both, first + net(x))


def test_v1_at_stride_8_has_rate_2_in_stage_5_and_its_own_in_fc6():
    convolutions = [m for m in on_meta(DeepLab).modules() if isinstance(m, nn.Conv2d)]
    assert [m.dilation[0] for m in convolutions] == [1] * 10 + [2, 2, 2, 12, 1, 1]


PYRAMID = 5 * 256 * 256 + 6 * 2 * 256 + 2048 * 256 * (1 + 3 * 9 + 1)


@pytest.mark.parametrize(("name", "trunk"), [("v3 ResNet-50", 25_557_032), ("v3 ResNet-101", 44_549_160)])
def test_parameters_of_v3_are_those_of_trunk_pyramid_and_scores(name, trunk):
    net = on_meta(DeepLabV3, **deeplab_v3.PAPER[name])
    assert params(net) == trunk - 2049 * 1000 + PYRAMID + 257 * 21
    assert size(net, 1, 3, 513, 513) == (1, 21, 513, 513)
    assert net.trunk(torch.empty(1, 3, 513, 513, device="meta"))[-1].shape == (1, 2048, 33, 33)


def test_the_decoder_and_its_separable_convolutions_cost_what_the_paper_says():
    """In 10⁹ multiply-adds at 513×513 (v3+, Table 5)."""

    def cost(name: str) -> float:
        return multiply_adds(on_meta(DeepLabV3, **deeplab_v3.PAPER[name]), 1, 3, 513, 513) / 1e9

    decoder = cost("v3+ Xception") - cost("v3 Xception")
    assert decoder == pytest.approx(89.76 - 68.00, abs=0.005)
    assert cost("v3+ Xception, separable") == pytest.approx(54.17, rel=0.005)


@pytest.mark.parametrize(
    ("output_stride", "rates"),
    [
        (8, [1, 1, 2, (4, 8, 16)]),
        (16, [1, 1, 1, (2, 4, 8)]),
        (32, [1, 1, 1, (1, 2, 4)]),
    ],  # v3, section 3.2.1 for 16
)
def test_rates_of_a_resnet_follow_its_output_stride_and_multi_grid(output_stride, rates):
    trunk = on_meta(ResNetTrunk, output_stride=output_stride, multi_grid=(1, 2, 4))
    for stage, expected in zip(trunk.stages, rates, strict=True):
        found = [unit.conv2.dilation[0] for unit in stage]
        assert found == (list(expected) if isinstance(expected, tuple) else [expected] * len(stage))


@pytest.mark.parametrize("output_stride", [8, 16, 32, 64, 128, 256])
def test_the_cascade_of_blocks_reaches_any_output_stride_with_the_same_weights(output_stride):
    net = on_meta(DeepLabV3, **cascade(7, output_stride))
    a_block = 3 * (2048 * 512 + 9 * 512 * 512 + 512 * 2048 + 2 * (512 + 512 + 2048)) + 2048 * 2048 + 2 * 2048
    assert params(net) == 25_557_032 - 2049 * 1000 + 3 * a_block + 2049 * 21
    assert net.trunk(torch.empty(1, 3, 512, 512, device="meta"))[-1].shape[-1] == 512 // output_stride
    rates = [stage[0].conv2.dilation[0] for stage in net.trunk.stages[3:]]
    assert rates == [max(1, stride // output_stride) for stride in (32, 64, 128, 256)]


def scores(net: nn.Module, classifier: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """Before upsampling, which others do with aligned corners. Large, so that a difference would show."""
    seen = []
    handle = classifier.register_forward_hook(lambda _, __, y: seen.append(y))
    with torch.no_grad():
        net(x)
    handle.remove()
    assert seen[0].std() > 0.05
    return seen[0]


@pytest.mark.parametrize(
    ("trunk", "build"), [("resnet50", deeplabv3_resnet50), ("resnet101", deeplabv3_resnet101)]
)
def test_logits_are_torchvisions(trunk, build):
    # It has a 3×3 before the scores
    net = made(DeepLabV3, trunk=trunk, output_stride=8, rates=(12, 24, 36), decoder=(256,))
    reference = on_meta(build, weights=None, weights_backbone=None, num_classes=21, aux_loss=False)
    for layer, rate in (
        (reference.backbone.layer3, 2),
        (reference.backbone.layer4, 4),
    ):  # there the first keeps the rate before
        layer[0].conv2.dilation = layer[0].conv2.padding = (rate, rate)
    carry(net, reference)
    x = images(2, 3, 64, 48)
    found, expected = calibrated(net, x)(x), calibrated(reference, x)(x)["out"]
    assert expected.std() > 0.05
    torch.testing.assert_close(found, expected, **CLOSE)


def test_scores_of_v3_are_those_of_segmentation_models_pytorch():
    smp = pytest.importorskip("segmentation_models_pytorch", reason="a reference for DeepLab v3")
    rates = (12, 24, 36)
    net = made(DeepLabV3, output_stride=8, rates=rates, decoder=(256,), classes=4)
    options = {"encoder_weights": None, "classes": 4}
    rates_there = {"encoder_output_stride": 8, "decoder_atrous_rates": rates}
    reference = on_meta(smp.DeepLabV3, encoder_name="resnet50", **options, **rates_there)
    carry(net, reference)
    x = images(2, 3, 64, 48)
    found = scores(calibrated(net, x), net.classifier, x)
    expected = scores(calibrated(reference, x), reference.segmentation_head[0], x)
    torch.testing.assert_close(found, expected, **CLOSE)


def test_scores_of_v3_plus_are_those_of_segmentation_models_pytorch():
    smp = pytest.importorskip("segmentation_models_pytorch", reason="a reference for DeepLab v3+")
    net = made(DeepLabV3, rates=(12, 24, 36), low_level=48, decoder=(256,), separable=True, classes=4)
    reference = on_meta(smp.DeepLabV3Plus, encoder_name="resnet50", encoder_weights=None, classes=4)
    decoder = reference.decoder
    decoder.aspp = decoder.aspp[0]  # the paper has no further convolution there
    decoder.up = nn.Upsample(scale_factor=4, mode="bilinear")
    for module in list(decoder.modules()):
        if type(module).__name__ == "SeparableConv2d":  # the paper normalises after the depthwise filter too
            module[0] = nn.Sequential(module[0], nn.BatchNorm2d(module[0].out_channels), nn.ReLU())
    carry(net, reference)
    # In fp64: normalisation by two pooled images enlarges what rounding leaves.
    net, reference, x = net.double(), reference.double(), images(2, 3, 64, 64).double()
    found = scores(calibrated(net, x), net.classifier, x)
    expected = scores(calibrated(reference, x), reference.segmentation_head[0], x)
    torch.testing.assert_close(found, expected, **CLOSE)


@pytest.mark.parametrize("output_stride", [8, 16, 32])
def test_the_xception_trunk_is_timms(output_stride):
    timm = pytest.importorskip("timm", reason="a reference for the aligned Xception")
    net = made(XceptionTrunk, output_stride=output_stride, depths=(16,))
    name, options = "xception65", {"output_stride": output_stride, "num_classes": 0}
    reference = on_meta(timm.create_model, model_name=name, **options)
    carry(net, reference)
    assert params(net) == params(reference)
    x = images(2, 3, 64, 48)
    low, last = calibrated(net, x)(x)
    features = calibrated(reference, x).forward_intermediates(x, intermediates_only=True)
    assert last.std() > 0.05 and low.shape == (2, 256, 16, 12)
    torch.testing.assert_close(last, features[-1], **CLOSE)
    # timm's map is after the ReLU before the stride, the decoder's of the authors before it
    torch.testing.assert_close(low.relu(), features[1], **CLOSE)
    assert low.min() < -0.1


def test_xception_at_stride_8_contains_what_it_computes_at_stride_32():
    dense, sparse = (
        made(XceptionTrunk, output_stride=stride, **NARROW_XCEPTION).eval() for stride in (8, 32)
    )
    x = images(1, 3, 128, 96)
    found, expected = dense(x)[-1], sparse(x)[-1]
    assert found.shape[-2:] == (16, 12) and expected.shape[-2:] == (4, 3) and expected.std() > 0.01
    torch.testing.assert_close(found[..., ::4, ::4], expected, rtol=1e-4, atol=1e-5)


def test_arms_that_differ_in_rates_output_stride_or_multi_grid_alone_have_equal_weights():
    same = [
        {"output_stride": 32, "rates": (1,)},
        {"output_stride": 8, "rates": (4,)},
        {"output_stride": 16, "rates": (24,)},
    ]
    assert len({params(on_meta(DeepLab, **row)) for row in same}) == 1
    rows = [{}, {"output_stride": 8, "rates": (12, 24, 36)}, {"multi_grid": (1, 2, 4)}, {"rates": (1, 1, 1)}]
    assert len({params(on_meta(DeepLabV3, **row)) for row in rows}) == 1
    trained = made(DeepLabV3, **SMALL_NETS["v3+, ResNet"][1])
    made(DeepLabV3, **{**SMALL_NETS["v3+, ResNet"][1], "output_stride": 8}).load_state_dict(
        trained.state_dict()
    )


def test_a_separable_convolution_has_a_filter_a_channel_and_a_1x1_convolution():
    layers = separable(8, 16, rate=2)
    assert params(layers) == 8 * 9 + 2 * 8 + 8 * 16 + 2 * 16
    assert layers(images(2, 8, 9, 9)).shape == (2, 16, 9, 9)
    assert (layers[0].groups, layers[0].dilation) == (8, (2, 2))
    trunk = on_meta(VggTrunk, separable_trunk=True)
    assert [m.groups for m in trunk.modules() if isinstance(m, nn.Conv2d)][:5] == [1, 64, 1, 64, 1]


@pytest.mark.parametrize("name", SMALL_NETS)
@pytest.mark.parametrize("shape", [(64, 64), (33, 47)])
def test_logits_have_the_size_of_the_image_whatever_it_is(name, shape):
    make, options = SMALL_NETS[name]
    assert size(on_meta(make, **options), 2, 3, *shape) == (2, 6, *shape)


@pytest.mark.parametrize("name", SMALL_NETS)
def test_small_nets_learn_and_stay_on_a_gpu(name):
    make, options = SMALL_NETS[name]
    learns(made(make, **options), images(4, 3, 64, 64), 6, 64, 64)
    stays_on_a_gpu(make, 2, 3, 64, 48, **options)
