import pytest
import torch
from models.learning import learns
from models.pixels import images, made, on_meta, size, stays_on_a_gpu
from models.references import carry, weights
from torch import nn
from torchvision.models import alexnet

from repro.measures.static import params
from repro.models.alexnet import AlexNet
from repro.models.layers.response_norm import LocalResponseNorm

SMALL = {
    "stem": "small",
    "width": 1 / 16,
    "image_size": 28,
    "in_channels": 1,
    "classes": 10,
    "init": "he",
    "dropout": 0.0,
}
TORCHVISION = {"towers": 1, "norm": "none", "widths": (64, 192, 384, 256, 256)}


@pytest.mark.parametrize(
    ("options", "count"),
    [
        ({}, 60_965_224),
        ({"towers": 1}, 62_378_344),
        (TORCHVISION, 61_100_840),
        ({"image_size": 224}, 60_965_224),
    ],
)
def test_parameters_are_the_papers_60_million_and_torchvisions_61(options, count):
    assert params(on_meta(AlexNet, **options)) == count


def test_weights_of_each_layer_in_two_towers():
    counts = [layer.weight.numel() for layer in weights(on_meta(AlexNet))]
    assert counts == [34_848, 307_200, 884_736, 663_552, 442_368, 37_748_736, 16_777_216, 4_096_000]


def test_the_papers_net_on_one_gpu_has_half_the_kernels_and_about_as_many_parameters():
    one = on_meta(AlexNet, towers=1, widths=(48, 128, 192, 192, 256))
    assert params(one) / params(on_meta(AlexNet)) == pytest.approx(1, abs=0.02)


def maps(net: nn.Module, *shape: int) -> list[int]:
    x, sides = torch.empty(*shape, device="meta"), []
    for layer in net.features:
        x = layer(x)
        sides.append(x.shape[-1])
    return list(dict.fromkeys(sides))


def test_images_of_227_make_the_papers_maps_and_images_of_224_do_not():
    assert maps(on_meta(AlexNet), 1, 3, 227, 227) == [55, 27, 13, 6]
    assert maps(on_meta(AlexNet, image_size=224), 1, 3, 224, 224) == [54, 27, 13, 6]
    assert maps(on_meta(AlexNet, stem="small", image_size=28), 1, 3, 28, 28) == [28, 14, 7, 3]


@pytest.mark.parametrize("overlap", [True, False])
@pytest.mark.parametrize(
    ("stem", "sizes"), [("imagenet", (39, 64, 100, 227)), ("small", (8, 9, 15, 28, 32, 64))]
)
def test_logits_at_every_size_whether_poolings_overlap_or_not(stem, sizes, overlap):
    counts = set()
    for side in sizes:
        net = on_meta(AlexNet, stem=stem, image_size=side, overlap=overlap, width=0.1, classes=7)
        assert size(net, 2, 3, side, side) == (2, 7)
        counts.add((side, params(net)))
    other = {
        (s, params(on_meta(AlexNet, stem=stem, image_size=s, overlap=not overlap, width=0.1, classes=7)))
        for s in sizes
    }
    assert counts == other


def test_poolings_overlap_by_one_pixel_or_not_at_all():
    x = torch.zeros(1, 1, 9, 9)
    x[..., 4, 4] = 1.0  # under four windows of 3×3 at stride 2, under one of 2×2
    covered = [
        int(made(AlexNet, overlap=overlap, width=0.01).features[-1](x).sum()) for overlap in (True, False)
    ]
    assert covered == [4, 1]


@pytest.mark.parametrize(("stem", "least"), [("imagenet", 39), ("small", 8)])
def test_an_image_of_which_nothing_would_be_left_is_an_error(stem, least):
    with pytest.raises(
        ValueError, match=f"image_size must be at least {least} with the stem '{stem}', not {least - 1}"
    ):
        AlexNet(stem=stem, image_size=least - 1)


def test_a_row_of_widths_that_is_not_of_five_convolutions_is_an_error():
    with pytest.raises(ValueError, match="widths must be those of 5 convolutions, not of 4"):
        AlexNet(widths=(48, 128, 192, 256))


def test_another_size_of_image_does_not_fit_the_linear_layers():
    with pytest.raises(RuntimeError):
        size(on_meta(AlexNet), 1, 3, 256, 256)


@pytest.mark.parametrize("channels", [3, 16])
def test_response_normalisation_is_the_formula_of_section_3_3(channels):
    x, expected = 30 * images(2, channels, 3, 4).double(), []
    for i in range(channels):
        total = (x[:, max(0, i - 2) : min(channels - 1, i + 2) + 1] ** 2).sum(1)
        expected.append(x[:, i] / (2 + 1e-4 * total) ** 0.75)
    found = LocalResponseNorm()(x)
    torch.testing.assert_close(found, torch.stack(expected, 1))
    torch.testing.assert_close(found, nn.LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2.0)(x))
    even = LocalResponseNorm(4, alpha=1e-3, beta=0.5, k=1.0)(x)
    torch.testing.assert_close(even, nn.LocalResponseNorm(4, alpha=4e-3, beta=0.5, k=1.0)(x))


def test_logits_are_torchvisions_where_the_nets_are_the_same():
    net = made(AlexNet, **TORCHVISION, image_size=224, init="he").eval()
    net.features[0].padding = (2, 2)
    with torch.device("meta"):
        reference = alexnet().eval()
    x = images(2, 3, 224, 224)
    expected = carry(net, reference)(x)
    assert expected.std() > 0.1
    torch.testing.assert_close(net(x), expected, rtol=1e-5, atol=1e-5)


@torch.no_grad()
def test_two_towers_are_one_whose_second_fourth_and_fifth_convolution_have_no_weights_across():
    two, one = (made(AlexNet, **SMALL, towers=towers).eval() for towers in (2, 1))
    for own, other in zip(weights(two), weights(one), strict=True):
        other.bias.copy_(own.bias)
        if own.weight.shape == other.weight.shape:
            other.weight.copy_(own.weight)
        else:
            half, inputs = len(own.weight) // 2, own.weight.shape[1]
            other.weight.zero_()
            other.weight[:half, :inputs], other.weight[half:, inputs:] = own.weight[:half], own.weight[half:]
    x = images(3, 1, 28, 28)
    assert sum(a.weight.shape != b.weight.shape for a, b in zip(weights(two), weights(one), strict=True)) == 3
    torch.testing.assert_close(two(x), one(x))


@pytest.mark.parametrize(
    ("norm", "kinds"),
    [("none", []), ("response", [LocalResponseNorm] * 2), ("batch", [nn.BatchNorm2d] * 5)],
)
def test_norms_are_two_response_normalisations_or_five_batch_normalisations_or_none(norm, kinds):
    net = on_meta(AlexNet, norm=norm)
    assert [type(m) for m in net.modules() if isinstance(m, LocalResponseNorm | nn.BatchNorm2d)] == kinds
    order = [type(m).__name__ for m in net.features[:4]]
    assert (
        order
        == {
            "none": ["Conv2d", "ReLU", "MaxPool2d", "Conv2d"],
            "response": ["Conv2d", "ReLU", "LocalResponseNorm", "MaxPool2d"],
            "batch": ["Conv2d", "BatchNorm2d", "ReLU", "MaxPool2d"],
        }[norm]
    )


@pytest.mark.parametrize(
    ("activation", "kind"), [("relu", nn.ReLU), ("tanh", nn.Tanh), ("sigmoid", nn.Sigmoid)]
)
def test_all_seven_hidden_layers_have_the_activation(activation, kind):
    net = on_meta(AlexNet, activation=activation)
    assert sum(isinstance(m, kind) for m in net.modules()) == 7


def test_dropout_is_that_of_the_two_hidden_linear_layers():
    net = on_meta(AlexNet, dropout=0.3)
    assert [type(m).__name__ for m in net.classifier] == ["Linear", "ReLU", "Dropout"] * 2 + ["Linear"]
    assert [m.p for m in net.modules() if isinstance(m, nn.Dropout)] == [0.3, 0.3]


def test_weights_and_biases_start_as_section_5_says():
    layers = weights(made(AlexNet, width=0.25))
    for layer in layers:
        assert (
            layer.weight.std().item() == pytest.approx(0.01, rel=0.1)
            and abs(layer.weight.mean().item()) < 1e-3
        )
    assert [layer.bias.unique().tolist() for layer in layers] == [[0], [1], [0], [1], [1], [1], [1], [0]]


@pytest.mark.parametrize("init", ["xavier", "he"])
def test_other_starts_keep_the_scale_of_activations(init):
    for layer in weights(made(AlexNet, width=0.25, towers=1, init=init)):
        fan_in, fan_out = layer.weight[0].numel(), len(layer.weight) * layer.weight[0, 0].numel()
        variance = 2 / (fan_in + fan_out) if init == "xavier" else 2 / fan_in
        assert layer.weight.std().item() == pytest.approx(variance**0.5, rel=0.05)
        assert layer.bias.unique().tolist() == [0]


@pytest.mark.parametrize(
    "change", [{"overlap": False}, {"norm": "none"}, {"norm": "batch"}, {"activation": "tanh"}]
)
def test_arms_that_differ_in_no_convolution_start_from_equal_weights(change):
    arms = [weights(made(AlexNet, **{**SMALL, **more})) for more in ({}, change)]
    assert all(torch.equal(a.weight, b.weight) for a, b in zip(*arms, strict=True))


@pytest.mark.parametrize(
    "options",
    [{}, {"towers": 1}, {"norm": "batch"}, {"norm": "none", "overlap": False}, {"activation": "tanh"}],
)
def test_small_nets_learn_and_stay_on_a_gpu(options):
    learns(made(AlexNet, **{**SMALL, **options}), images(8, 1, 28, 28), 10, lr=0.005)
    stays_on_a_gpu(AlexNet, 2, 1, 28, 28, **{**SMALL, **options})
