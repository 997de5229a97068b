import pytest
import torch
from models.learning import learns
from models.pixels import images, made, multiply_adds, on_meta, size, stays_on_a_gpu
from models.references import logits_agree
from torch import nn
from torchvision import models

from repro.measures.static import params
from repro.models.densenet import DenseNet

pytestmark = pytest.mark.slow  # makes large nets

BASIC = {"bottleneck": False, "compression": 1.0}
CIFAR = {"stem": "cifar", "classes": 10}
SMALL = {"growth_rate": 4, "stem": "cifar", "classes": 10}
SMALL_NETS = {
    "basic": {"depth": 10, **BASIC, **SMALL},
    "B": {"depth": 16, "compression": 1.0, **SMALL},
    "C": {"depth": 10, "bottleneck": False, **SMALL},
    "BC": {"depth": 16, **SMALL},
    "with dropout": {"depth": 16, "dropout": 0.2, **SMALL},
}


@pytest.mark.parametrize(
    ("depth", "growth_rate", "count"),
    [
        (121, 32, 7_978_856),
        (169, 32, 14_149_480),
        (201, 32, 20_013_928),
        (161, 48, 28_681_000),
        (264, 32, 33_337_704),
    ],
)
def test_parameters_on_imagenet(depth, growth_rate, count):
    assert params(on_meta(DenseNet, depth=depth, growth_rate=growth_rate)) == count


@pytest.mark.parametrize(
    ("depth", "growth_rate", "options", "count", "millions"),  # Table 2
    [
        (40, 12, BASIC, 1_019_722, 1.0),
        (100, 12, BASIC, 6_979_642, 7.0),
        (100, 24, BASIC, 27_249_082, 27.2),
        (100, 12, {}, 769_162, 0.8),
        (250, 24, {}, 15_324_406, 15.3),
        (190, 40, {}, 25_624_430, 25.6),
    ],
)
def test_parameters_on_cifar_are_those_of_table_2(depth, growth_rate, options, count, millions):
    net = on_meta(DenseNet, depth=depth, growth_rate=growth_rate, **options, **CIFAR)
    assert params(net) == count and round(count / 1e6, 1) == millions


@pytest.mark.parametrize(("depth", "giga"), [(121, 2.83), (201, 4.29)])
def test_multiply_adds(depth, giga):
    assert multiply_adds(on_meta(DenseNet, depth=depth), 1, 3, 224, 224) / 1e9 == pytest.approx(
        giga, abs=0.01
    )


@pytest.mark.parametrize(("depth", "options"), [(121, {}), (201, {}), (40, {**BASIC, **CIFAR}), (100, CIFAR)])
def test_a_net_has_as_many_weighted_layers_as_its_depth_says(depth, options):
    net = on_meta(DenseNet, depth=depth, **options)
    assert len([m for m in net.modules() if isinstance(m, nn.Conv2d | nn.Linear)]) == depth


@pytest.mark.parametrize(("depth", "growth_rate"), [(121, 32), (161, 48)])
def test_logits_are_torchvisions(depth, growth_rate):
    logits_agree(DenseNet, getattr(models, f"densenet{depth}"), depth=depth, growth_rate=growth_rate)


def test_channels_grow_by_the_growth_rate_and_do_not_double():
    net = on_meta(DenseNet, depth=40, growth_rate=12, **BASIC, **CIFAR)
    x, widths = net.stem(torch.empty(1, 3, 32, 32, device="meta")), []
    for layer in net.blocks[0]:
        assert x.shape[2:] == (32, 32)
        widths.append(x.shape[1])
        x = layer(x)
    assert widths == [16 + 12 * i for i in range(12)] and x.shape[1] == 160


def test_a_layer_reads_all_maps_before_it_and_leaves_them_as_they_are():
    net, x = made(DenseNet, **SMALL_NETS["basic"]).eval(), images(2, 16, 8, 8)
    first, second = net.blocks[0]
    after = second(first(x))
    new = first.new(x)
    torch.testing.assert_close(after, torch.cat([x, new, second.new(torch.cat([x, new], dim=1))], dim=1))


@pytest.mark.parametrize(("name", "kept"), [("basic", 24), ("B", 24), ("C", 12), ("BC", 8)])
def test_a_transition_keeps_the_share_of_channels_that_compression_says_and_halves_the_map(name, kept):
    net = on_meta(DenseNet, **SMALL_NETS[name])
    x = net.blocks[0](net.stem(torch.empty(1, 3, 32, 32, device="meta")))
    assert net.blocks[1](x).shape[1:] == (kept, 16, 16)


def test_a_bottleneck_narrows_to_four_times_the_growth_rate():
    layer = on_meta(DenseNet, depth=100, growth_rate=12, **CIFAR).blocks[0][5]
    shapes = [tuple(m.weight.shape) for m in layer.new if isinstance(m, nn.Conv2d)]
    assert shapes == [(48, 24 + 5 * 12, 1, 1), (12, 48, 3, 3)]


@pytest.mark.parametrize("name", SMALL_NETS)
def test_small_images_have_one_logit_a_class(name):
    assert size(on_meta(DenseNet, **SMALL_NETS[name], in_channels=1), 5, 1, 28, 28) == (5, 10)


def test_large_images_leave_a_map_of_7_by_7():
    net = on_meta(DenseNet, depth=121)
    assert net.blocks(net.stem(torch.empty(1, 3, 224, 224, device="meta"))).shape[2:] == (7, 7)


def test_dropout_follows_every_convolution_but_the_first():
    net = on_meta(DenseNet, **SMALL_NETS["with dropout"])
    convolutions = len([m for m in net.modules() if isinstance(m, nn.Conv2d)])
    assert [m.p for m in net.modules() if isinstance(m, nn.Dropout)] == [0.2] * (convolutions - 1)


def test_convolutions_start_as_in_the_authors_code():
    net = made(DenseNet, 121)
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            expected = (2 / (module.out_channels * module.kernel_size[0] ** 2)) ** 0.5
            assert module.weight.std().item() == pytest.approx(
                expected, rel=5 / (2 * module.weight.numel()) ** 0.5
            )
    assert not net.classifier.bias.any()


@pytest.mark.parametrize("name", [name for name in SMALL_NETS if name != "with dropout"])
def test_it_learns(name):
    learns(made(DenseNet, **SMALL_NETS[name]), images(6, 3, 16, 16), 10)


@pytest.mark.parametrize("name", ["basic", "with dropout"])
def test_it_stays_on_a_gpu(name):
    stays_on_a_gpu(DenseNet, 2, 3, 16, 16, **SMALL_NETS[name])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"depth": 40}, "depth must be one of 121, 161, 169, 201, 264, not 40"),
        (
            {"depth": 41, "stem": "cifar", "bottleneck": False},
            r"depth must be 3n\+4 with bottleneck=False, not 41",
        ),
        ({"depth": 43, "stem": "cifar"}, r"depth must be 6n\+4 with bottleneck=True, not 43"),
        ({"depth": 4, "stem": "cifar"}, r"depth must be 6n\+4 with bottleneck=True, not 4"),
        ({"depth": 121, "compression": 0.0}, "compression must be above 0 and at most 1, not 0.0"),
    ],
)
def test_an_option_that_is_not_possible_is_an_error(options, message):
    with pytest.raises(ValueError, match=message):
        DenseNet(**options)
