import pytest
import torch
from models.pixels import images, made, multiply_adds, on_meta
from models.references import logits_agree
from torch import nn

from repro.measures.static import params
from repro.models.layers.squeeze_excitation import SqueezeExcitation
from repro.models.resnet import ResNet


def test_a_block_is_two_fully_connected_layers_on_the_mean_of_each_channel_and_a_sigmoid():
    block, x = made(SqueezeExcitation, 8, 2), images(3, 8, 5, 4)
    first, _, second = block.excitation
    hidden = torch.relu(x.mean(dim=(2, 3)) @ first.weight[:, :, 0, 0].T + first.bias)
    scores = torch.sigmoid(hidden @ second.weight[:, :, 0, 0].T + second.bias)
    torch.testing.assert_close(block(x), x * scores[:, :, None, None])
    assert [layer.weight.numel() for layer in (first, second)] == [8 * 2, 2 * 8]


def test_a_score_depends_on_all_channels():
    block, x = made(SqueezeExcitation, 4, 2), images(16, 4, 3, 3).requires_grad_()
    block(x)[:, 0].sum().backward()
    assert (x.grad.abs().sum(dim=(0, 2, 3)) > 0).all()


@pytest.mark.parametrize(
    ("squeeze", "seen"), [("average", (3, 8, 1, 1)), ("max", (3, 8, 1, 1)), ("none", (3, 8, 5, 4))]
)
def test_the_squeeze_leaves_a_number_for_each_channel_or_is_left_out(squeeze, seen):
    block, x = made(SqueezeExcitation, 8, 2, squeeze=squeeze), images(3, 8, 5, 4)
    assert block.squeeze(x).shape == seen and block(x).shape == x.shape
    shuffled = x.flatten(2)[:, :, torch.randperm(20, generator=torch.Generator().manual_seed(0))].view_as(x)
    ratio, moved = (block(y) / y for y in (x, shuffled))
    assert (squeeze != "none") == torch.allclose(ratio, moved, rtol=1e-4)  # pooled scores do not see places


def test_squeezes_and_gates_are_those_their_names_say():
    x = images(2, 4, 6, 6)
    average, largest = (made(SqueezeExcitation, 4, 2, squeeze=squeeze) for squeeze in ("average", "max"))
    torch.testing.assert_close(
        average(x.amax(dim=(2, 3), keepdim=True)), largest(x.amax(dim=(2, 3), keepdim=True))
    )
    assert torch.equal(largest.squeeze(x)[..., 0, 0], x.flatten(2).max(dim=2).values)
    inner = average.excitation(average.squeeze(x))
    for gate, function in (("sigmoid", torch.sigmoid), ("tanh", torch.tanh), ("relu", torch.relu)):
        torch.testing.assert_close(made(SqueezeExcitation, 4, 2, gate=gate)(x), x * function(inner))


@pytest.mark.slow
@pytest.mark.parametrize(("reduction", "millions"), [(4, 35.7), (8, 30.7), (16, 28.1), (32, 26.9)])
def test_parameters_of_se_resnet_50_are_those_of_the_paper_at_each_reduction(reduction, millions):
    net, plain = (
        on_meta(ResNet, depth=50, reduction=reduction, squeeze_excitation=on) for on in (True, False)
    )
    layers = [
        m
        for b in net.modules()
        if isinstance(b, SqueezeExcitation)
        for m in b.modules()
        if isinstance(m, nn.Conv2d)
    ]
    # Equation 5
    added = (
        2 * sum(count * width**2 for count, width in ((3, 256), (4, 512), (6, 1024), (3, 2048))) // reduction
    )
    assert sum(layer.weight.numel() for layer in layers) == added
    assert params(net) == params(plain) + added + sum(layer.bias.numel() for layer in layers)
    assert params(net) == pytest.approx(millions * 1e6, abs=0.1e6)
    if reduction == 16:
        assert added == 2_514_944 and params(net) == 28_088_024


@pytest.mark.slow
def test_it_costs_se_resnet_50_a_quarter_of_a_percent_of_its_multiply_adds():
    with_it, without = (
        multiply_adds(on_meta(ResNet, depth=50, squeeze_excitation=on), 1, 3, 224, 224)
        for on in (True, False)
    )
    assert without == pytest.approx(3.86e9, abs=5e6) and with_it / without - 1 < 0.0026


@pytest.mark.slow
@pytest.mark.parametrize(("name", "stride"), [("seresnet50", "3x3"), ("legacy_seresnet50", "1x1")])
def test_logits_of_se_resnet_50_are_timms(name, stride):
    timm = pytest.importorskip("timm", reason="a reference for SE-ResNet")

    def build() -> nn.Module:
        reference = timm.create_model(name)
        if name.startswith("legacy"):
            reference.pool0 = nn.MaxPool2d(3, stride=2, padding=1)  # there it pads the far side alone
        return reference

    logits_agree(ResNet, build, depth=50, squeeze_excitation=True, bottleneck_stride=stride)


def test_a_reduction_that_leaves_no_channel_is_an_error():
    with pytest.raises(ValueError, match="the squeezed width of 4 channels must be at least 1, not 0"):
        ResNet(20, stem="cifar", width=4, squeeze_excitation=True)
