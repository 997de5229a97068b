import re

import pytest
import torch
from torch import nn

from repro.catalogue import MODELS
from repro.models import sequential
from repro.models.layers.interpolation import Bilinear
from repro.models.sequential import Layers


def made(*lines, **options):
    with torch.device("meta"):
        return Layers(layers=lines, **options)


def shape(net, *image):
    return tuple(net.eval()(torch.empty(2, *image, device="meta")).shape[1:])


def test_alexnets_first_layers_read_as_in_its_paper():
    net = made(
        "conv 96 11x11 stride 4",
        "relu",
        "max 3x3 stride 2",
        "conv 256 5x5 pad 2 groups 2",
        "linear 10",
        image_size=227,
    )
    first, _, pool, second, classifier = net
    assert (first.in_channels, first.out_channels, first.kernel_size, first.stride) == (
        3,
        96,
        (11, 11),
        (4, 4),
    )
    assert (pool.kernel_size, pool.stride) == (3, 2)
    assert second.weight.shape == (256, 48, 5, 5)
    assert classifier[1].in_features == 256 * 27 * 27
    assert shape(net, 3, 227, 227) == (10,)


@pytest.mark.parametrize(
    ("line", "built"),
    [
        ("conv 8 3x3", nn.Conv2d(6, 8, 3)),
        ("conv 8 5x5 stride 2 pad 3 rate 2 groups 2 bare", nn.Conv2d(6, 8, 5, 2, 3, 2, 2, bias=False)),
        ("depthwise 3x3 pad 2 rate 2", nn.Conv2d(6, 6, 3, 1, 2, 2, 6)),
        ("depthwise 3x3 stride 2 bare", nn.Conv2d(6, 6, 3, 2, groups=6, bias=False)),
        ("transposed 4 5x5 stride 3 pad 1 extra 2", nn.ConvTranspose2d(6, 4, 5, 3, 1, 2)),
        ("max 3x3", nn.MaxPool2d(3, 3)),
        ("max 3x3 stride 2 pad 1 ceil", nn.MaxPool2d(3, 2, 1, ceil_mode=True)),
        ("average 2x2 stride 1", nn.AvgPool2d(2, 1)),
        ("global", nn.AdaptiveAvgPool2d(1)),
        ("nearest 2", nn.Upsample(scale_factor=2)),
        ("bilinear 4", Bilinear(4)),
        ("relu", nn.ReLU()),
        ("norm", nn.BatchNorm2d(6)),
        ("flatten", nn.Flatten()),
    ],
    ids=str,
)
def test_a_line_is_a_layer_of_torch(line, built):
    (layer,) = made(line, in_channels=6, image_size=16)
    assert repr(layer) == repr(built)


def test_every_kind_of_layer_is_in_the_table_of_its_documentation():
    rows = re.findall(r"^\| ([a-z].*?) \|", sequential.__doc__, re.MULTILINE)[1:]
    assert {name for row in rows for name in re.findall(r"\b[a-z]+\b", row)} == set(sequential.KINDS)


def test_a_linear_layer_takes_all_numbers_of_a_map_and_then_those_of_a_vector():
    net = made("conv 4 3x3", "linear 20", "linear 10 bare", image_size=8)
    assert [m.weight.shape for m in net.modules() if isinstance(m, nn.Linear)] == [(20, 4 * 36), (10, 20)]
    assert net[2].bias is None
    assert shape(net, 3, 8, 8) == (10,)


def test_without_linear_layers_any_size_goes_in():
    net = made("conv 4 3x3 pad 1", "norm", "max 2x2 ceil", image_size=8)
    assert shape(net, 3, 31, 40) == (4, 16, 20)


def test_weights_are_drawn_as_torch_draws_them_and_training_mode_stays():
    torch.manual_seed(0)
    net = Layers(layers=("conv 4 3x3", "norm"), image_size=8)
    torch.manual_seed(0)
    assert torch.equal(net[0].weight, nn.Conv2d(3, 4, 3).weight)
    assert all(module.training for module in net.modules())
    assert net[1].num_batches_tracked == 0


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            "convolve 8 3x3",
            "layer 'convolve 8 3x3': there is no 'convolve'; there are conv, depthwise, transposed, linear,",
        ),
        ("conv 8 3x5", "layer 'conv 8 3x5': '3x5' is neither a name, a number nor a kernel such as 3x3"),
        ("conv 8 3x3 stride", "layer 'conv 8 3x3 stride': 'stride' is not understood"),
        ("conv 8 3x3 stride two", "layer 'conv 8 3x3 stride two': 'stride' is not understood"),
        ("conv 8 3x3 fast", "'fast' is not understood"),
        ("conv 8", "layer 'conv 8': 'conv' wants one number and a kernel such as 3x3"),
        ("conv 3x3", "'conv' wants one number and a kernel such as 3x3"),
        ("depthwise 8 3x3", "'depthwise' wants a kernel such as 3x3"),
        ("linear", "'linear' wants one number"),
        ("relu 8", "'relu' wants neither a number nor a kernel"),
        ("max 2x2 rate 2", "layer 'max 2x2 rate 2': 'max' has no 'rate'"),
        ("linear 8 stride 2", "'linear' has no 'stride'"),
        ("conv 8 9x9", r"layer 'conv 8 9x9': does not fit a map of shape \[3, 8, 8\]: .+"),
        ("", "layer '': there is no ''; there are conv"),
        ("relu ceil", "layer 'relu ceil': 'relu' has no 'ceil'"),
        ("conv 8 3x3 ceil", "'conv' has no 'ceil'"),
        ("max 2x2 bare", "'max' has no 'bare'"),
        ("conv 8 9 3x3", "layer 'conv 8 9 3x3': '9' is one too many"),
        ("conv 8 3x3 5x5", "'5x5' is one too many"),
        ("conv 8 3x3 stride 2 stride 1", "'stride' is one too many"),
        (
            "conv 8 3x3 groups 2",
            r"does not fit a map of shape \[3, 8, 8\]: in_channels must be divisible by groups",
        ),
        ("conv 8 3x3 stride 0", "layer 'conv 8 3x3 stride 0': stride must be at least 1, not 0"),
        ("conv 8 0x0", "'conv' wants one number and a kernel such as 3x3"),
    ],
)
def test_a_line_that_is_wrong_says_what_is(line, message):
    with pytest.raises(ValueError, match=message):
        made(line, image_size=8)


def test_a_layer_that_does_not_fit_says_the_map_it_gets():
    with pytest.raises(ValueError, match=r"layer 'conv 8 3x3': does not fit a map of shape \[10\]"):
        made("linear 10", "conv 8 3x3", image_size=8)


def test_a_suite_can_name_it_with_a_list_of_lines():
    assert MODELS.errors("sequential", {"layers": ["relu"], "image_size": 8}) == []
    assert MODELS.errors("sequential", {"layers": "relu"}) != []
