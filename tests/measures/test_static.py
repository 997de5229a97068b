import pytest
import torch
from torch import nn
from torch.nn import functional as F

from repro import source
from repro.catalogue import COUNTS
from repro.errors import ReproError
from repro.measures import static
from repro.models.sequential import Layers
from repro.models.vgg import VGG


def layers(*lines, **options):
    with torch.device("meta"):
        return Layers(layers=lines, **options)


@pytest.fixture(scope="module")
def vgg16():
    with torch.device("meta"):
        return VGG("D")


def test_vgg16_has_the_parameters_multiply_adds_and_activations_that_are_known_of_it(vgg16):
    assert static.params(vgg16) == 138_357_544
    assert static.weights(vgg16) == 14_710_464 + 123_633_664
    assert static.macs(vgg16, 224) == 15_470_264_320
    assert static.activation_elements(vgg16, 224) == 15_237_608
    assert static.activation_bytes(vgg16, 224) == 4 * 15_237_608
    assert static.activation_bytes(vgg16, 224, bytes_per_number=2) == 2 * 15_237_608
    assert static.fc_share(vgg16) == pytest.approx(
        (25088 * 4096 + 4096 * 4096 + 4096 * 1000 + 2 * 4096 + 1000) / 138_357_544
    )


def test_layers_are_counted_by_class_kernel_and_place(vgg16):
    assert static.layers(vgg16) == 16
    assert static.layers(vgg16, kind="Conv2d") == static.layers(vgg16, layer="features") == 13
    assert static.layers(vgg16, kind="Linear") == static.layers(vgg16, layer="classifier") == 3
    assert static.layers(vgg16, kind="Conv2d", kernel=3) == 13
    assert static.layers(vgg16, kind="Conv2d", kernel=1) == static.layers(vgg16, kind="Linear", kernel=3) == 0
    assert static.layers(vgg16, kind="Dropout", layer="features") == 0
    assert static.layers(nn.Sequential(nn.Conv2d(1, 1, (1, 3))), kernel=3) == 0


def test_what_a_dropout_drops_is_read_off_the_net(vgg16):
    assert static.dropout(vgg16, layer="classifier.2") == 0.5
    with torch.device("meta"):
        assert static.dropout(VGG("D", dropout=0.9), layer="classifier.5") == 0.9
    with pytest.raises(ReproError, match=r"dropout: layer 'classifier\.0' is not Dropout but Linear"):
        static.dropout(vgg16, layer="classifier.0")


def test_a_class_that_torch_does_not_have_is_an_error(vgg16):
    with pytest.raises(ReproError, match=r"layers: torch\.nn has no 'Convolution'"):
        static.layers(vgg16, kind="Convolution")


def test_counts_are_those_of_a_layer_if_one_is_named():
    net = layers("conv 8 3x3 pad 1", "norm", "max 2x2", "conv 16 5x5 pad 2 groups 2 bare", image_size=16)
    assert static.params(net, "0") == 8 * (27 + 1)
    assert static.weights(net, "0") == 8 * 27
    assert static.params(net, "1") == 2 * 8
    assert static.weights(net, "1") == static.params(net, "2") == 0
    assert static.params(net, "3") == 16 * 4 * 25
    assert static.macs(net, 16, "0") == 16**2 * 8 * 27
    assert static.macs(net, 16, "1") == static.macs(net, 16, "2") == 0
    assert static.macs(net, 16) == 16**2 * 8 * 27 + 8**2 * 16 * 4 * 25
    assert [static.out_size(net, 16, layer) for layer in ("0", "2", "")] == [16, 8, 8]
    assert [static.out_channels(net, 16, layer) for layer in ("0", "2", "")] == [8, 8, 16]
    assert [static.out_elements(net, 16, layer) for layer in ("0", "2", "")] == [8 * 256, 8 * 64, 16 * 64]


def test_a_transposed_convolution_takes_its_kernel_at_each_pixel_that_goes_in():
    net = layers("transposed 4 4x4 stride 2 pad 1 bare", image_size=8)
    assert static.macs(net, 8) == 8**2 * 3 * 4 * 16
    assert static.weights(net) == 3 * 4 * 16


def test_what_is_frozen_is_no_parameter_but_a_weight():
    net = nn.Conv2d(3, 8, 3, device="meta")
    net.weight.requires_grad_(False)
    assert (static.params(net), static.weights(net)) == (8, 8 * 27)


def test_activations_are_the_image_and_what_convolutions_poolings_and_linear_layers_put_out():
    net = layers(
        "conv 8 3x3 pad 1", "norm", "relu", "average 2x2", "global", "flatten", "linear 10", image_size=16
    )
    assert static.activation_elements(net, 16) == 3 * 256 + 8 * 256 + 8 * 64 + 8 + 10
    assert not any(module._forward_hooks for module in net.modules())


def test_a_net_takes_an_image_or_not():
    net = layers("conv 8 3x3", "max 2x2", "linear 10", image_size=32)
    assert static.takes(net, 32)
    assert not static.takes(net, 40)
    assert not static.takes(net, 2)
    with pytest.raises(ReproError, match=r"the net takes no image of 40×40 pixels: .+"):
        static.macs(net, 40)


def test_a_linear_layer_does_not_take_a_small_image_of_more_channels():
    assert static.takes(layers("linear 10", image_size=32), 32)
    assert not static.takes(layers("linear 10", image_size=32), 16)  # 12 channels would fit


def test_an_image_has_the_channels_of_the_first_layer_where_the_net_does_not_say():
    assert static.image(nn.Conv2d(5, 1, 3, device="meta"), 8).shape == (1, 5, 8, 8)
    assert static.image(nn.Sequential(nn.Flatten(), nn.Linear(2 * 64, 1, device="meta")), 8).shape == (
        1,
        2,
        8,
        8,
    )
    assert static.out_elements(layers("max 2x2", in_channels=4, image_size=8), 8) == 4 * 16
    with pytest.raises(
        ReproError, match="the net has no convolution and no linear layer, so nothing says what goes in"
    ):
        static.out_size(nn.MaxPool2d(2), 8)


def test_a_side_is_that_of_a_square_map():
    with pytest.raises(ReproError, match=r"out_size: the output is no square map, but of shape \[10\]"):
        static.out_size(layers("linear 10", image_size=8), 8)
    with pytest.raises(ReproError, match=r"the output is no square map, but of shape \[1, 8, 6\]"):
        static.out_size(nn.Conv2d(1, 1, (1, 3), device="meta"), 8)


def test_nets_are_measured_in_evaluation_mode_and_without_gradients():
    class Heads(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 3)

        def forward(self, x):
            assert not torch.is_grad_enabled()
            return F.interpolate(self.conv(x), scale_factor=2) if self.training else self.conv(x)

    with torch.device("meta"):
        assert static.out_size(Heads().train(), 8) == 6


@pytest.mark.parametrize("name", ["params", "weights", "macs", "out_size", "layers"])
def test_a_layer_that_is_not_there_is_an_error_that_says_what_is(name, vgg16):
    options = {"layer": "feature"} | ({"size": 224} if name in ("macs", "out_size") else {})
    with pytest.raises(
        ReproError, match=r"no layer 'feature'; there are features, features\.0, features\.1, "
    ):
        getattr(static, name)(vgg16, **options)


@pytest.mark.parametrize(
    "name", [name for name in COUNTS.builtin if COUNTS.builtin[name].startswith(static.__name__)]
)
def test_suites_can_name_them_with_simple_options(name):
    first, *options = source.parameters(COUNTS.target(name))
    assert first == "model"
    assert {source.parameters(COUNTS.target(name))[option].bare for option in options} <= {int, str}
