import pytest
import torch
import torchvision
from models.learning import learns
from models.pixels import images, made, multiply_adds, on_meta, size, stays_on_a_gpu
from models.references import carry, weights
from torch import nn

from repro.measures.static import params
from repro.models.layers.response_norm import LocalResponseNorm
from repro.models.vgg import CONFIGURATIONS, VGG

pytestmark = pytest.mark.slow  # makes large nets

SMALL = {
    "width": 1 / 16,
    "classifier": 16,
    "image_size": 28,
    "in_channels": 1,
    "classes": 10,
    "init": "he",
    "dropout": 0.0,
}


@pytest.mark.parametrize(
    ("configuration", "count", "millions"),  # Table 2
    [
        ("A", 132_863_336, 133),
        ("A-LRN", 132_863_336, 133),
        ("B", 133_047_848, 133),
        ("C", 133_638_952, 134),
        ("D", 138_357_544, 138),
        ("E", 143_667_240, 144),
    ],
)
def test_parameters_are_those_of_table_2(configuration, count, millions):
    assert params(on_meta(VGG, configuration=configuration)) == count
    assert round(count / 1e6) == millions


def test_batch_normalisation_adds_a_scale_and_a_shift_for_each_filter():
    assert params(on_meta(VGG, batch_norm=True)) == 138_365_992
    assert params(on_meta(VGG, configuration="E", batch_norm=True)) == 143_678_248


@pytest.mark.parametrize(
    ("configuration", "count"), [("A", 11), ("A-LRN", 11), ("B", 13), ("C", 16), ("D", 16), ("E", 19)]
)
def test_layers_with_weights_are_as_many_as_the_head_of_table_1_says(configuration, count):
    assert len(weights(on_meta(VGG, configuration=configuration))) == count


def test_kernels_are_3_by_3_but_for_three_of_1_by_1_in_c():
    for name in ("A", "A-LRN", "B", "C", "D", "E"):
        kernels = [
            layer.kernel_size
            for layer in weights(on_meta(VGG, configuration=name))
            if isinstance(layer, nn.Conv2d)
        ]
        assert [kernels.count((1, 1)), len(set(kernels) - {(1, 1), (3, 3)})] == [3 if name == "C" else 0, 0]


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_stages_halve_the_map_and_have_64_to_512_filters(configuration):
    net, shapes = on_meta(VGG, configuration=configuration), []
    x = torch.empty(1, 3, 224, 224, device="meta")
    for layer in net.features:
        x = layer(x)
        if isinstance(layer, nn.MaxPool2d):
            shapes.append(tuple(x.shape[1:]))
    assert shapes == [(64, 112, 112), (128, 56, 56), (256, 28, 28), (512, 14, 14), (512, 7, 7)]
    assert net.classifier(x.flatten(1)).shape == (1, 1000)


def test_the_net_of_5_by_5_kernels_has_one_for_each_pair_of_b():
    layers = [layer for layer in weights(on_meta(VGG, configuration="B-5x5")) if isinstance(layer, nn.Conv2d)]
    assert [(layer.kernel_size, layer.out_channels) for layer in layers] == [
        ((5, 5), w) for w in (64, 128, 256, 512, 512)
    ]


def test_the_response_normalisation_of_a_comes_after_the_first_relu():
    net = on_meta(VGG, configuration="A-LRN")
    assert [type(m) for m in net.features[:4]] == [nn.Conv2d, nn.ReLU, LocalResponseNorm, nn.MaxPool2d]
    assert sum(isinstance(m, LocalResponseNorm) for m in net.modules()) == 1


@pytest.mark.parametrize(("configuration", "gigas"), [("A", 7.61), ("B", 11.31), ("D", 15.47), ("E", 19.63)])
def test_multiply_adds_are_those_of_torchvisions_nets(configuration, gigas):
    assert multiply_adds(on_meta(VGG, configuration=configuration), 1, 3, 224, 224) / 1e9 == pytest.approx(
        gigas, abs=0.005
    )


@pytest.mark.parametrize(
    ("configuration", "name"),
    [("A", "vgg11"), ("B", "vgg13"), ("D", "vgg16"), ("E", "vgg19"), ("A", "vgg11_bn")],
)
def test_logits_are_torchvisions(configuration, name):
    net = made(VGG, configuration, batch_norm=name.endswith("_bn"), classifier=16, init="he").eval()
    with torch.device("meta"):
        reference = getattr(torchvision.models, name)().eval()
        for i, inputs in (
            (0, 512 * 49),
            (3, 16),
        ):  # 16 hidden units instead of 4096, to save 120 million weights
            reference.classifier[i] = nn.Linear(inputs, 16)
        reference.classifier[6] = nn.Linear(16, 1000)
    x = images(1, 3, 224, 224)
    expected = carry(net, reference)(x)
    assert expected.std() > 0.1
    torch.testing.assert_close(net(x), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("side", [1, 7, 14, 28, 32, 65])
def test_images_of_any_size_go_in(side):
    assert size(
        on_meta(VGG, configuration="E", width=0.1, classifier=8, image_size=side), 2, 3, side, side
    ) == (2, 1000)


def test_an_image_without_pixels_is_an_error():
    with pytest.raises(ValueError, match="image_size must be at least 1, not 0"):
        VGG(image_size=0)


def test_another_size_of_image_does_not_fit_the_linear_layers():
    with pytest.raises(RuntimeError):
        size(on_meta(VGG, width=0.1), 1, 3, 256, 256)


@pytest.mark.parametrize("init", ["gaussian", "xavier", "he"])
def test_weights_start_as_the_option_says_and_biases_at_0(init):
    for layer in weights(made(VGG, "A", width=0.5, classifier=64, init=init)):
        fan_in, fan_out = layer.weight[0].numel(), len(layer.weight) * layer.weight[0, 0].numel()
        std = {"gaussian": 0.01, "xavier": (2 / (fan_in + fan_out)) ** 0.5, "he": (2 / fan_in) ** 0.5}[init]
        assert layer.weight.std().item() == pytest.approx(std, rel=0.06)
        assert layer.bias.unique().tolist() == [0]


def test_dropout_is_that_of_the_two_hidden_linear_layers():
    assert [m.p for m in on_meta(VGG).modules() if isinstance(m, nn.Dropout)] == [0.5, 0.5]


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_small_nets_learn_and_stay_on_a_gpu(configuration):
    options = {**SMALL, "configuration": configuration, "batch_norm": configuration == "E"}
    learns(made(VGG, **options), images(8, 1, 28, 28), 10, lr=0.005)
    stays_on_a_gpu(VGG, 2, 1, 28, 28, **options)
