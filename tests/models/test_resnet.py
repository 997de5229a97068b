import pytest
import torch
from models.learning import learns
from models.pixels import images, made, multiply_adds, on_meta, size, stays_on_a_gpu
from models.references import logits_agree
from torch import nn
from torchvision import models

from repro.measures.static import params
from repro.models.resnet import ResNet

pytestmark = pytest.mark.slow  # makes large nets

SMALL = {"stem": "cifar", "width": 4, "classes": 10}
SMALL_NETS = {
    "basic": {"depth": 20, **SMALL},
    "bottleneck": {"depth": 29, **SMALL},
    "plain": {"depth": 20, "residual": False, **SMALL},
    "option A": {"depth": 29, "shortcut": "A", **SMALL},
    "option C": {"depth": 29, "shortcut": "C", **SMALL},
    "ResNeXt": {"depth": 29, "cardinality": 3, "group_width": 2, "bottleneck_stride": "3x3", **SMALL},
    "SE-ResNet": {"depth": 20, "squeeze_excitation": True, "reduction": 2, **SMALL},
    "four stages": {"depth": 18, **SMALL, "stem": "imagenet"},
    "deformable": {"depth": 29, "deformable": 2, **SMALL},
}


@pytest.mark.parametrize(
    ("depth", "count", "gigas"),  # counts are torchvision's, multiply-adds those of Table 1
    [
        (18, 11_689_512, 1.8),
        (34, 21_797_672, 3.6),
        (50, 25_557_032, 3.8),
        (101, 44_549_160, 7.6),
        (152, 60_192_808, 11.3),
    ],
)
def test_parameters_and_multiply_adds_are_those_of_table_1(depth, count, gigas):
    net = on_meta(ResNet, depth=depth)
    assert params(net) == count
    # The table cuts digits off
    assert multiply_adds(net, 1, 3, 224, 224) / 1e9 == pytest.approx(gigas, abs=0.07)


def test_a_bottlenecks_stride_in_the_3x3_convolution_costs_more():
    net = on_meta(ResNet, depth=50, bottleneck_stride="3x3")
    # Torchvision's, where the paper's has 3,857,973,248
    assert multiply_adds(net, 1, 3, 224, 224) == 4_089_184_256


@pytest.mark.parametrize("depth", [18, 20, 29, 50, 200])
def test_a_net_has_as_many_weighted_layers_as_its_depth_says(depth):
    net = on_meta(ResNet, depth=depth, residual=False)
    assert len([m for m in net.modules() if isinstance(m, nn.Conv2d | nn.Linear)]) == depth


@pytest.mark.parametrize("depth", [34, 50])
def test_shortcuts_of_option_a_have_no_parameters_b_projects_where_the_shape_changes_and_c_everywhere(depth):
    plain, *residual = (
        on_meta(ResNet, depth=depth, **options)
        for options in ({"residual": False}, {"shortcut": "A"}, {"shortcut": "B"}, {"shortcut": "C"})
    )
    counts = [params(net) - params(plain) for net in residual]
    shapes = [
        (block.branch[0].in_channels, block.branch[-1].num_features, block.branch[0].stride[0])
        for stage in plain.stages
        for block in stage
    ]
    costs = [
        (channels * width + 2 * width, channels != width or stride > 1) for channels, width, stride in shapes
    ]
    assert counts == [0, sum(cost for cost, changes in costs if changes), sum(cost for cost, _ in costs)]


@pytest.mark.parametrize(
    ("cardinality", "group_width", "count"), [(1, 64, None), (8, 64, 34_426_698), (16, 64, 68_155_210)]
)  # 34.4 M and 68.1 M in ResNeXt's Table 7
def test_parameters_of_resnext_29_for_cifar(cardinality, group_width, count):
    net = on_meta(
        ResNet, depth=29, cardinality=cardinality, group_width=group_width, stem="cifar", classes=10
    )
    assert params(net) == (count or params(on_meta(ResNet, depth=29, stem="cifar", classes=10)))


@pytest.mark.parametrize(
    ("depth", "group_width", "count"), [(50, 4, 25_028_904), (101, 4, 44_177_704), (101, 8, 88_791_336)]
)
def test_parameters_of_resnext_on_imagenet(depth, group_width, count):
    assert params(on_meta(ResNet, depth=depth, cardinality=32, group_width=group_width)) == count


@pytest.mark.parametrize("depth", [18, 34, 50, 101, 152])
def test_logits_are_torchvisions(depth):
    logits_agree(ResNet, getattr(models, f"resnet{depth}"), depth=depth, bottleneck_stride="3x3")


@pytest.mark.parametrize(("depth", "group_width"), [(50, 4), (101, 8)])
def test_logits_of_resnext_are_torchvisions(depth, group_width):
    build = getattr(models, f"resnext{depth}_32x{group_width}d")
    logits_agree(ResNet, build, depth=depth, bottleneck_stride="3x3", cardinality=32, group_width=group_width)


def test_the_papers_stride_in_the_first_convolution_is_torchvisions_net_with_it_moved_there():
    def build() -> nn.Module:
        reference = models.resnet50()
        for stage in (reference.layer2, reference.layer3, reference.layer4):
            stage[0].conv1.stride, stage[0].conv2.stride = (2, 2), (1, 1)
        return reference

    logits_agree(ResNet, build, depth=50)


def test_depths_of_6n_plus_2_are_three_equal_stages_of_basic_blocks_but_for_those_of_the_rows():
    assert [stages_of(depth) for depth in (8, 20, 56)] == [("basic", (n, n, n)) for n in (1, 3, 9)]
    assert stages_of(50) == ("bottleneck", (3, 4, 6, 3)) and stages_of(152) == ("bottleneck", (3, 8, 36, 3))
    assert stages_of(50, bottleneck=False) == ("basic", (8, 8, 8))
    assert stages_of(29) == stages_of(29, bottleneck=True) == ("bottleneck", (3, 3, 3))
    assert stages_of(11, bottleneck=True) == ("bottleneck", (1, 1, 1))
    assert stages_of(18, bottleneck=False) == ("basic", (2, 2, 2, 2))


def stages_of(depth: int, **options) -> tuple[str, tuple[int, ...]]:
    net = on_meta(ResNet, depth=depth, width=4, **options)
    convolutions = [m for m in net.stages[0][0].branch if isinstance(m, nn.Conv2d)]
    return {2: "basic", 3: "bottleneck"}[len(convolutions)], tuple(map(len, net.stages))


def test_a_bottleneck_adds_its_shortcut_before_the_last_relu():
    net, x = made(ResNet, **SMALL_NETS["option A"]).eval(), images(2, 16, 8, 8)
    plain, padded = net.stages[0][1], net.stages[1][0]
    torch.testing.assert_close(plain(x), torch.relu(plain.branch(x) + x))
    zeros = torch.zeros(2, 16, 4, 4)
    torch.testing.assert_close(
        padded(x), torch.relu(padded.branch(x) + torch.cat([x[..., ::2, ::2], zeros], dim=1))
    )


def test_stages_halve_the_map_and_double_the_width():
    net = on_meta(ResNet, depth=50)
    x, shapes = net.stem(torch.empty(1, 3, 224, 224, device="meta")), []
    for stage in net.stages:
        x = stage(x)
        shapes.append(tuple(x.shape[1:]))
    assert shapes == [(256, 56, 56), (512, 28, 28), (1024, 14, 14), (2048, 7, 7)]


@pytest.mark.parametrize("name", SMALL_NETS)
def test_small_images_have_one_logit_a_class(name):
    assert size(on_meta(ResNet, **SMALL_NETS[name], in_channels=1), 5, 1, 28, 28) == (5, 10)


@pytest.mark.parametrize(
    "name", [name for name in SMALL_NETS if name != "deformable"]
)  # whose offsets come to life later
def test_it_learns(name):
    learns(made(ResNet, **SMALL_NETS[name]), images(6, 3, 32, 32), 10)


@pytest.mark.parametrize("name", ["basic", "option A", "SE-ResNet", "deformable"])
def test_it_stays_on_a_gpu(name):
    stays_on_a_gpu(ResNet, 2, 3, 32, 32, **SMALL_NETS[name])


def test_convolutions_start_as_he_et_al_say():
    for name, module in made(ResNet, 50, squeeze_excitation=True, width=16).named_modules():
        if isinstance(module, nn.Conv2d):
            expected = (2 / (module.out_channels * module.kernel_size[0] ** 2)) ** 0.5
            tolerance = 5 / (2 * module.weight.numel()) ** 0.5
            assert module.weight.std().item() == pytest.approx(expected, rel=tolerance), name
            assert module.bias is None or not module.bias.any()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"depth": 57},
            r"depth must be 6n\+2 \(8, 14, 20, …\) with basic blocks, "
            "or one of 18, 29, 34, 50, 101, 152, 200, not 57",
        ),
        (
            {"depth": 18, "bottleneck": True},
            r"9n\+2 \(11, 20, 29, …\) with bottlenecks, or one of 29, 50, 101, 152, 200, not 18",
        ),
        (
            {"depth": 18, "cardinality": 32},
            "cardinality and group_width are those of bottlenecks, and ResNet-18 has basic blocks",
        ),
        ({"depth": 34, "group_width": 4}, "and ResNet-34 has basic blocks"),
        (
            {"depth": 50, "deformable": 17},
            "deformable must be 0 to 16, the number of 3×3 convolutions, not 17",
        ),
        (
            {"depth": 50, "deformable": -1},
            "deformable must be 0 to 16, the number of 3×3 convolutions, not -1",
        ),
    ],
)
def test_an_option_that_is_not_possible_is_an_error(options, message):
    with pytest.raises(ValueError, match=message):
        on_meta(ResNet, **options)
