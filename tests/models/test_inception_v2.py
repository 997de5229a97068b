import pytest
import torch
from models.learning import learns
from models.pixels import images, made, multiply_adds, on_meta, size, stays_on_a_gpu
from models.references import weights
from torch import Tensor, nn
from torch.nn import functional as F

from repro.measures.static import params
from repro.models.inception_v2 import MODULES, Inception, InceptionV2

pytestmark = pytest.mark.slow  # makes large nets

SMALL = {"stem": "small", "width": 0.125, "in_channels": 1, "classes": 10}


def test_parameters_are_those_of_replications_but_for_their_biases():
    net = on_meta(InceptionV2)
    biases = sum(module.num_features for module in net.modules() if isinstance(module, nn.BatchNorm2d))
    assert params(net) == 11_285_224
    assert params(net) + biases == 11_295_240  # bninception in pretrained-models.pytorch


def test_it_computes_two_thousand_million_multiply_adds_an_image():
    assert multiply_adds(on_meta(InceptionV2), 1, 3, 224, 224) / 1e9 == pytest.approx(2.03, abs=0.01)


def test_maps_are_those_of_figure_5_but_for_the_widths_of_4c_and_4d_that_its_rows_sum_to():
    net, shapes = on_meta(InceptionV2), {}
    x = net.stem(torch.empty(1, 3, 224, 224, device="meta"))
    assert x.shape == (1, 192, 28, 28)
    for name, module in net.body.named_children():
        x = module(x)
        shapes[name] = tuple(x.shape[1:3])
    widths = (256, 320, 576, 576, 576, 608, 608, 1056, 1024, 1024)
    sides = (28, 28, 14, 14, 14, 14, 14, 7, 7, 7)
    assert shapes == dict(zip(MODULES, zip(widths, sides, strict=True), strict=True))


def test_every_convolution_is_normalised_and_has_no_bias():
    layers = [
        m for m in on_meta(InceptionV2).modules() if isinstance(m, nn.Conv2d | nn.BatchNorm2d | nn.ReLU)
    ]
    assert [type(m) for m in layers] == [nn.Conv2d, nn.BatchNorm2d, nn.ReLU] * 69
    assert not any(m.bias is not None for m in layers[::3])


def test_the_longest_path_has_34_layers_with_weights():
    net = on_meta(InceptionV2)
    in_modules = sum(max(len(weights(branch)) for branch in module.branches) for module in net.body)
    assert len(weights(net.stem)) + in_modules + len(weights(net.classifier)) == 3 + 3 * 10 + 1


def by_hand(module: Inception, x: Tensor, kind: str, stride: int) -> Tensor:
    """Figure 5's module in the functions of torch, from a module's weights in their order."""
    layers = iter([m for m in module.modules() if isinstance(m, nn.Conv2d | nn.BatchNorm2d)])

    def normalised(x: Tensor, stride: int = 1) -> Tensor:
        filters, norm = next(layers).weight, next(layers)
        y = F.conv2d(x, filters, stride=stride, padding=(filters.shape[-1] - 1) // 2)
        return F.relu(
            F.batch_norm(y, norm.running_mean, norm.running_var, norm.weight, norm.bias, eps=norm.eps)
        )

    one = [normalised(x)] if stride == 1 else []
    three = normalised(normalised(x), stride)
    double = normalised(normalised(normalised(x)), stride)
    windows = F.unfold(
        F.pad(x, (1, 1, 1, 1), value=0.0 if kind == "average" else -torch.inf), 3, stride=stride
    )
    windows = windows.unflatten(1, (x.shape[1], 9))
    pooled = (windows.mean(2) if kind == "average" else windows.amax(2)).unflatten(-1, three.shape[-2:])
    return torch.cat([*one, three, double, normalised(pooled) if stride == 1 else pooled], dim=1)


@pytest.mark.parametrize(("name", "stride"), [("3a", 1), ("3c", 2), ("4e", 2), ("5b", 1)])
@pytest.mark.parametrize("side", [7, 8])
def test_a_module_is_that_of_figure_5(name, stride, side):
    *filters, pool = MODULES[name]
    module, x = made(Inception, 12, tuple(n // 16 for n in filters), pool).eval(), images(2, 12, side, side)
    expected = by_hand(module, x, pool, stride)
    assert expected.std() > 0.1
    torch.testing.assert_close(module(x), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("stem", "sizes"), [("imagenet", (32, 64, 225, 239)), ("small", (14, 28, 47, 64))])
def test_logits_at_every_size(stem, sizes):
    for side in sizes:
        assert size(on_meta(InceptionV2, stem=stem, width=0.1, classes=7), 2, 3, side, side) == (2, 7)


def test_the_small_stem_leaves_images_of_28_pixels_maps_of_14_at_first_and_4_at_last():
    net = on_meta(InceptionV2, **SMALL)
    stem = net.stem(torch.empty(2, 1, 28, 28, device="meta"))
    assert stem.shape == (2, 24, 14, 14) and net.body(stem).shape == (2, 128, 4, 4)


def test_width_scales_every_filter_and_leaves_out_what_is_not_there():
    halves, wholes = (weights(on_meta(InceptionV2, width=width)) for width in (0.5, 1.0))
    assert [2 * half.weight.shape[0] for half in halves[:-1]] == [
        whole.weight.shape[0] for whole in wholes[:-1]
    ]


def test_there_is_no_dropout_unless_asked_for():
    for options, share in (({}, 0.0), ({"dropout": 0.4}, 0.4)):
        assert [m.p for m in on_meta(InceptionV2, **options).modules() if isinstance(m, nn.Dropout)] == [
            share
        ]


def test_small_nets_learn_and_stay_on_a_gpu():
    learns(made(InceptionV2, **SMALL), images(8, 1, 28, 28), 10, lr=0.005)
    stays_on_a_gpu(InceptionV2, 2, 1, 28, 28, **SMALL)


def test_squeeze_and_excitation_scales_the_channels_of_each_module():
    plain, scaled = on_meta(InceptionV2), on_meta(InceptionV2, squeeze_excitation=True)
    widths = (256, 320, 576, 576, 576, 608, 608, 1056, 1024, 1024)
    added = sum(2 * width * (width // 16) + width + width // 16 for width in widths)
    assert params(scaled) - params(plain) == added == 646_398
    net, x = made(InceptionV2, squeeze_excitation=True, **SMALL).eval(), images(2, 1, 28, 28)
    before = net.body[0][0](net.stem(x))
    scores = net.body[0][1].excitation(before.mean(dim=(2, 3), keepdim=True)).sigmoid()
    torch.testing.assert_close(net.body[0](net.stem(x)), before * scores)
