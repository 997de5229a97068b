import pytest
import torch
from models.learning import learns
from models.pixels import images, made, on_meta, size, stays_on_a_gpu
from torch import nn
from torch.nn import functional as F
from torchvision.models.vgg import make_layers

from repro.measures.static import params
from repro.models.fcn import FCN, PAPER, bilinear_upsampling
from repro.models.vgg_trunk import FullyConnected, VggTrunk

SMALL = {
    "widths": [4, 8, 8, 12, 16],
    "depths": [1, 1, 1, 2, 1],
    "fc": 16,
    "kernels": [3, 1],
    "batch_norm": True,
    "dropout": 0.0,
}
STRIDE_8 = {**SMALL, "widths": [4, 8, 12], "depths": [1, 1, 2], "kernels": [3, 3, 1], "rates": [1, 2, 1]}
VGG_16 = 14_714_688  # torchvision's vgg16().features
FC = (512 * 49 + 1) * 4096 + (4096 + 1) * 4096


@pytest.mark.parametrize(("name", "skips"), [("FCN-32s", 0), ("FCN-16s", 1), ("FCN-8s", 2)])
def test_parameters_are_the_papers_134_million(name, skips):
    scores = (4096 + 1) * 21 + (0, 512 + 1, 512 + 1 + 256 + 1)[skips] * 21
    net = on_meta(FCN, **PAPER[name])
    assert params(net) == VGG_16 + FC + scores + skips * 21 * 21 * 4 * 4
    assert round(params(net) / 1e6) == 134
    assert size(net, 1, 3, 500, 500) == (1, 21, 500, 500)


@pytest.mark.parametrize("skips", [0, 1, 2, 4])
@pytest.mark.parametrize("shape", [(64, 64), (1, 1), (33, 47), (100, 31)])
def test_logits_have_the_size_of_the_image_whatever_it_is(skips, shape):
    assert size(on_meta(FCN, skips=skips, classes=6, **SMALL), 2, 3, *shape) == (2, 6, *shape)
    assert size(on_meta(FCN, skips=min(skips, 2), classes=6, **STRIDE_8), 2, 3, *shape) == (2, 6, *shape)


def test_skips_beyond_the_poolings_are_an_error():
    with pytest.raises(ValueError, match="skips must be 0 to 2 with 3 stages, not 3"):
        FCN(skips=3, **STRIDE_8)


def test_stages_without_a_depth_are_an_error():
    with pytest.raises(
        ValueError, match="widths and depths must be as long as each other, not 3 and 2 stages"
    ):
        FCN(**{**STRIDE_8, "depths": [1, 1]})


@pytest.mark.parametrize("batch_norm", [False, True])
def test_the_trunk_is_torchvisions_vgg(batch_norm):
    reference = make_layers([6, 6, "M", 8, "M", 10, 10, "M"], batch_norm=batch_norm)
    trunk = made(VggTrunk, widths=[6, 8, 10], depths=[2, 1, 2], batch_norm=batch_norm)
    for layer in reference:  # has biases before its normalisation too
        if batch_norm and isinstance(layer, nn.Conv2d):
            layer.bias = None
    reference.load_state_dict(dict(zip(reference.state_dict(), trunk.state_dict().values(), strict=True)))
    torch.testing.assert_close(trunk(images(2, 3, 40, 24))[-1], reference(images(2, 3, 40, 24)))


def test_fc6_as_a_convolution_is_the_linear_layer_at_one_position():
    fc = made(FullyConnected, 8, 16).eval()
    linear = nn.Sequential(nn.Linear(8 * 7 * 7, 16), nn.ReLU(), nn.Linear(16, 16), nn.ReLU())
    weights = fc.state_dict().values()
    linear.load_state_dict(
        dict(zip(linear.state_dict(), (w.flatten(1) if w.ndim > 1 else w for w in weights), strict=True))
    )
    x = images(3, 8, 7, 7)
    torch.testing.assert_close(fc(x)[:, :, 3, 3], linear(x.flatten(1)))
    wide = images(1, 8, 9, 12)
    moved = torch.stack(
        [linear(wide[:, :, i : i + 7, j : j + 7].flatten(1)) for i in range(3) for j in range(6)], dim=-1
    )
    torch.testing.assert_close(fc(wide)[:, :, 3:-3, 3:-3].flatten(2), moved)


def test_the_learnt_upsampling_starts_bilinear_inside_the_border():
    x = images(2, 3, 5, 7)
    expected = F.interpolate(x, scale_factor=2, mode="bilinear")
    torch.testing.assert_close(bilinear_upsampling(3)(x)[..., 1:-1, 1:-1], expected[..., 1:-1, 1:-1])


def coarse_scores(net: FCN, x: torch.Tensor) -> torch.Tensor:
    return net.score(net.fc(net.trunk(x)[-1]))


@pytest.mark.parametrize(("skips", "stride"), [(1, 16), (2, 8)])
def test_skips_that_start_at_zero_leave_the_coarser_nets_scores_as_they_are(skips, stride):
    net, x = made(FCN, skips=skips, zero_skips=True, **SMALL).eval(), images(2, 3, 96, 160)
    expected = coarse_scores(net, x)
    for _ in range(skips):
        expected = F.conv_transpose2d(expected, bilinear_upsampling(21).weight, stride=2, padding=1)
    torch.testing.assert_close(net(x), F.interpolate(expected, scale_factor=stride, mode="bilinear"))
    coarser = made(FCN, **SMALL).eval()
    coarser.load_state_dict({name: w for name, w in net.state_dict().items() if name in coarser.state_dict()})
    for one in (coarser, net):
        # The same scores everywhere: how they are interpolated makes no difference
        nn.init.zeros_(one.score.weight)
    inside = (..., slice(32, -32), slice(32, -32))  # beyond the border the transposed convolution sees zeros
    torch.testing.assert_close(net(x)[inside], coarser(x)[inside])


def test_scores_that_start_at_zero_are_zero_and_are_learnt():
    net, x = made(FCN, skips=2, zero_scores=True, **SMALL), images(2, 3, 64, 64)
    assert net(x).abs().max() == 0
    net(x)[:, 3].sum().backward()
    layers = [net.score, *net.skip_scores]
    assert all(layer.weight.grad[3].abs().sum() > 0 and layer.bias.grad[3] > 0 for layer in layers)


@pytest.mark.parametrize("skips", [1, 2])
def test_of_a_net_that_trains_at_once_pool4_counts_a_hundredth_and_pool3_a_hundredth_of_that(skips):
    options = {"skips": skips, **SMALL}
    plain, scaled = (made(FCN, at_once=at_once, **options).eval() for at_once in (False, True))
    scaled.load_state_dict(plain.state_dict())
    with torch.no_grad():
        for layer, factor in zip(scaled.skip_scores, (1e-2, 1e-4), strict=False):
            layer.weight /= factor
    x = images(1, 3, 64, 64)
    torch.testing.assert_close(scaled(x), plain(x), rtol=1e-4, atol=1e-5)


def test_there_are_scales_for_two_skips():
    with pytest.raises(ValueError, match="at_once has scales for 2 skips, not 3"):
        FCN(skips=3, at_once=True, **SMALL)


def test_scores_of_skips_are_added():
    net, x = made(FCN, skips=2, **SMALL).eval(), images(1, 3, 64, 64)
    before = net(x)
    with torch.no_grad():
        net.skip_scores[1].bias[5] += 3.0
    expected = before.clone()
    expected[:, 5] += 3.0
    torch.testing.assert_close(net(x), expected)


def test_one_more_skip_looks_one_pooling_earlier():
    x = images(1, 3, 64, 64)
    for skips, seen in ((0, [4]), (1, [3, 4]), (2, [2, 3, 4])):
        net = made(FCN, skips=skips, **SMALL).eval()
        maps = [m.detach().requires_grad_() for m in net.trunk(x)]
        net.trunk.forward = lambda _, maps=maps: maps
        net(x).sum().backward()
        assert [i for i, m in enumerate(maps) if m.grad is not None] == seen


@pytest.mark.parametrize("options", [SMALL, STRIDE_8])
@pytest.mark.parametrize("skips", [0, 2])
def test_small_nets_learn_and_stay_on_a_gpu(options, skips):
    learns(made(FCN, skips=skips, classes=6, **options), images(4, 3, 64, 64), 6, 64, 64)
    stays_on_a_gpu(FCN, 2, 3, 48, 64, skips=skips, **options)


def test_of_a_fixed_net_only_scores_and_upsampling_are_trained():
    net = made(FCN, skips=1, fixed=True, classes=6, **SMALL)
    trained = {name.partition(".")[0] for name, p in net.named_parameters() if p.requires_grad}
    assert trained == {"score", "skip_scores", "ups"}
    net(images(2, 3, 32, 32)).sum().backward()
    assert net.score.weight.grad.abs().sum() > 0 and net.trunk.stages[0][0][0].weight.grad is None
