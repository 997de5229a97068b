import pytest
import torch
from models.learning import learns
from models.pixels import calibrated, images, made, on_meta, size, stays_on_a_gpu
from models.references import carry, with_weights
from torch import nn

from repro.measures.static import params
from repro.models.preact_resnet import ORDERS, PreActResNet
from repro.models.resnet import cifar_resnet

pytestmark = pytest.mark.slow  # makes large nets

IMAGENET = {"stem": "imagenet", "width": 64, "classes": 1000, "shortcut": "B"}
SMALL = {"depth": 8, "width": 4}
SMALL_NETS = {
    **{order: {"order": order} for order in ORDERS},
    "bottleneck": {"depth": 11, "bottleneck": True, "shortcut": "B"},
    "1x1 convolutions": {"order": "original", "shortcut": "C"},
    "constant scaling": {"order": "original", "shortcut_scale": 0.5, "branch_scale": 0.5},
    "exclusive gating": {"order": "original", "gate": "exclusive"},
    "shortcut-only gating": {"order": "original", "gate": "shortcut"},
    "dropout": {"order": "original", "shortcut_dropout": 0.5},
}


def layers(net: nn.Module) -> int:
    return len([m for m in net.modules() if isinstance(m, nn.Conv2d | nn.Linear)])


@pytest.mark.parametrize("order", ORDERS)
def test_parameters_and_weighted_layers_at_depth_110_are_the_same_in_every_order(order):
    net = on_meta(PreActResNet, depth=110, order=order)
    assert params(net) == 1_727_962 and layers(net) == 110


@pytest.mark.parametrize(
    ("depth", "count"), [(164, 1_703_258), (1001, 10_327_706)]
)  # 1.7 M, and 10.2 M for the paper
def test_parameters_and_weighted_layers_of_the_bottleneck_nets(depth, count):
    net = on_meta(PreActResNet, depth=depth, bottleneck=True, shortcut="B")
    assert params(net) == count
    assert layers(net) == depth + 3  # with the projections


def test_projections_with_full_preactivation_are_convolutions_alone_as_in_the_authors_code():
    zero_padded, projected = (
        params(on_meta(PreActResNet, depth=164, bottleneck=True, shortcut=kind)) for kind in "AB"
    )
    assert projected - zero_padded == 16 * 64 + 64 * 128 + 128 * 256


@pytest.mark.parametrize(
    ("depth", "count"),
    [(18, 11_687_720), (34, 21_795_880), (50, 25_549_352), (101, 44_541_480), (200, 64_666_152)],
)  # those up to 101 are timm's
def test_parameters_on_imagenet(depth, count):
    assert params(on_meta(PreActResNet, depth=depth, bottleneck=depth >= 50, **IMAGENET)) == count


@pytest.mark.parametrize("depth", [18, 50])
def test_logits_on_imagenet_are_timms(depth):
    timm = pytest.importorskip("timm", reason="a reference for pre-activation ResNets")
    x = images(2, 3, 64, 64)
    reference = made(timm.create_model, f"resnetv2_{depth}")
    if depth == 18:
        # So that, as in the appendix, both paths of the first unit have the activation; with bottlenecks its
        # projection makes it so.
        reference.stages[0].blocks[0].downsample = nn.Identity()
    reference = calibrated(reference, x)
    weights = [*reference.stem.state_dict().values()]
    for stage in reference.stages:
        for unit in stage.blocks:
            layers = [getattr(unit, f"{kind}{i}", None) for i in (1, 2, 3) for kind in ("norm", "conv")]
            for layer in [*layers, unit.downsample]:
                weights += layer.state_dict().values() if layer is not None else []
    head = reference.head.fc
    weights += [*reference.norm.state_dict().values(), head.weight.flatten(1), head.bias]
    # Its first normalisation is after the pooling, ours before: the same where its weights are positive, as
    # they are.
    options = {"depth": depth, "bottleneck": depth >= 50, "bottleneck_stride": "3x3", **IMAGENET}
    net = with_weights(on_meta(PreActResNet, **options), weights)
    with torch.no_grad():
        expected = reference(x)
        assert expected.std() > 0.05
        torch.testing.assert_close(net(x), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("shortcut", ["A", "B"])
def test_in_the_original_order_it_is_the_resnet_of_the_year_before(shortcut):
    reference, x = made(cifar_resnet, 20, shortcut=shortcut).eval(), images(4, 3, 32, 32)
    net = carry(reference, on_meta(PreActResNet, depth=20, order="original", shortcut=shortcut))
    torch.testing.assert_close(net(x), reference(x), rtol=1e-5, atol=1e-5)


def test_a_shortcut_scaled_by_zero_is_a_plain_net():
    reference, x = made(cifar_resnet, 20, residual=False).eval(), images(4, 3, 32, 32)
    net = carry(reference, on_meta(PreActResNet, depth=20, order="original", shortcut_scale=0.0))
    torch.testing.assert_close(net(x), reference(x), rtol=1e-5, atol=1e-5)


FIGURE_4 = {
    "original": lambda x, c1, c2, n1, n2: torch.relu(x + n2(c2(torch.relu(n1(c1(x)))))),
    "norm_after_addition": lambda x, c1, c2, n1, n2: torch.relu(n2(x + c2(torch.relu(n1(c1(x)))))),
    "relu_before_addition": lambda x, c1, c2, n1, n2: x + torch.relu(n2(c2(torch.relu(n1(c1(x)))))),
    "relu_only_preactivation": lambda x, c1, c2, n1, n2: x + n2(c2(torch.relu(n1(c1(torch.relu(x)))))),
    "full_preactivation": lambda x, c1, c2, n1, n2: x + c2(torch.relu(n2(c1(torch.relu(n1(x)))))),
}


@pytest.mark.parametrize("order", ORDERS)
def test_a_unit_is_that_of_figure_4(order):
    unit, x = made(PreActResNet, 14, order=order).eval().stages[1], images(2, 16, 8, 8)
    convolutions = [m for m in unit.modules() if isinstance(m, nn.Conv2d)]
    norms = [m for m in unit.modules() if isinstance(m, nn.BatchNorm2d)]
    torch.testing.assert_close(unit(x), FIGURE_4[order](x, *convolutions, *norms))


@pytest.mark.parametrize("order", ORDERS)
def test_between_the_stem_and_the_classifier_every_order_has_as_many_activations(order):
    net = on_meta(PreActResNet, depth=20, order=order)
    for kind in (nn.ReLU, nn.BatchNorm2d):
        assert len([m for m in net.modules() if isinstance(m, kind)]) == 19
    assert [type(m) for m in net.last] == {
        "full_preactivation": [nn.BatchNorm2d, nn.ReLU],
        "relu_only_preactivation": [nn.ReLU],
    }.get(order, [])


def test_with_full_preactivation_the_signal_is_the_sum_of_all_branches():
    net, x = made(PreActResNet, 14).eval(), images(2, 3, 16, 16)
    first, second = net.stages[:2]
    inner = net.stem(x)
    total = inner + first.branch(first.before(inner))
    torch.testing.assert_close(net.stages[:2](inner), total + second.branch(second.before(total)))


def original_unit(**options) -> tuple[nn.Module, torch.Tensor, torch.Tensor]:
    """A unit of the original order, its input, and its branch's output."""
    unit, x = made(PreActResNet, 14, order="original", **options).eval().stages[1], images(2, 16, 8, 8)
    plain = made(PreActResNet, 14, order="original").eval().stages[1]
    plain.branch.load_state_dict(
        dict(zip(plain.branch.state_dict(), unit.branch.state_dict().values(), strict=True))
    )
    return unit, x, plain.branch(x)


@pytest.mark.parametrize(("scale", "branch_scale"), [(0.5, 1.0), (0.5, 0.5), (0.0, 1.0)])
def test_constant_scaling_multiplies_the_paths(scale, branch_scale):
    unit, x, y = original_unit(shortcut_scale=scale, branch_scale=branch_scale)
    torch.testing.assert_close(unit(x), torch.relu(scale * x + branch_scale * y))


@pytest.mark.parametrize("bias", [0.0, -6.0])
def test_a_gate_weighs_the_shortcut_and_if_exclusive_the_branch(bias):
    for gate in ("exclusive", "shortcut"):
        unit, x, y = original_unit(gate=gate, gate_bias=bias)
        assert unit.gate.bias.unique().tolist() == [bias]
        g = torch.sigmoid(torch.einsum("nchw,dc->ndhw", x, unit.gate.weight[:, :, 0, 0]) + bias)
        torch.testing.assert_close(unit(x), torch.relu((1 - g) * x + (g * y if gate == "exclusive" else y)))


def test_a_1x1_convolution_on_every_shortcut_is_normalised_as_the_branch_is():
    unit, x, y = original_unit(shortcut="C")
    convolution, norm = unit.shortcut
    torch.testing.assert_close(unit(x), torch.relu(norm(convolution(x)) + y))
    full = made(PreActResNet, 14, shortcut="C").eval().stages[1]
    active = torch.relu(full.before[0](x))
    torch.testing.assert_close(full(x), full.shortcut[0](active) + full.branch(active))
    assert len(full.shortcut) == 1


def test_what_branch_and_shortcut_both_start_from_is_computed_once():
    net = made(PreActResNet, 8, width=4, shortcut="C", gate="exclusive").train()
    calls = []
    for name, module in net.named_modules():
        if isinstance(module, nn.Conv2d | nn.BatchNorm2d):
            module.register_forward_hook(lambda *_, name=name: calls.append(name))
    net(images(2, 3, 8, 8))
    assert len(calls) == len(set(calls)) == 20


def test_dropout_of_the_shortcut_drops_it_in_training_alone():
    unit, x, y = original_unit(shortcut_dropout=0.5)
    torch.testing.assert_close(unit(x), torch.relu(x + y))
    unit.shortcut.train()
    kept = unit.shortcut(x) / x
    assert set(kept.round().unique().tolist()) == {0.0, 2.0} and 0.9 < kept.mean() < 1.1


@pytest.mark.parametrize("name", SMALL_NETS)
def test_small_images_have_one_logit_a_class(name):
    net = on_meta(PreActResNet, **{**SMALL, **SMALL_NETS[name]}, in_channels=1, classes=7)
    assert size(net, 5, 1, 28, 28) == (5, 7)


@pytest.mark.parametrize("name", [name for name in SMALL_NETS if name != "dropout"])
def test_it_learns(name):
    learns(made(PreActResNet, **{**SMALL, **SMALL_NETS[name]}), images(6, 3, 16, 16), 10)


@pytest.mark.parametrize("name", ["original", "bottleneck", "exclusive gating"])
def test_it_stays_on_a_gpu(name):
    stays_on_a_gpu(PreActResNet, 2, 3, 16, 16, **{**SMALL, **SMALL_NETS[name]})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"depth": 57, "bottleneck": True},
            r"depth must be 9n\+2 \(11, 20, 29, …\) with bottlenecks, not 57",
        ),
        ({"depth": 21}, r"depth must be 6n\+2 \(8, 14, 20, …\) with basic blocks, not 21"),
        ({"depth": 2}, r"depth must be 6n\+2 \(8, 14, 20, …\) with basic blocks, not 2"),
        ({"depth": 50, "stem": "imagenet"}, "depth must be one of 18, 34 with bottleneck=False, not 50"),
        (
            {"depth": 18, "bottleneck": True, "stem": "imagenet"},
            "50, 101, 152, 200 with bottleneck=True, not 18",
        ),
    ],
)
def test_a_depth_that_there_is_not_is_an_error_that_says_which_there_are(options, message):
    with pytest.raises(ValueError, match=message):
        PreActResNet(**options)
