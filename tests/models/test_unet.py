import pytest
import torch
from models.learning import learns
from models.pixels import images, made, on_meta, size, stays_on_a_gpu
from torch import nn
from torch.nn import functional as F

from repro.measures.static import params
from repro.models.unet import UNet

SMALL = {
    "widths": [4, 6, 8, 8, 12],
    "depths": [1, 2, 2, 2, 2],
    "depth_up": 1,
    "padded": True,
    "dropout": 0.0,
    "in_channels": 3,
}
NORMALISED = {**SMALL, "up": "bilinear", "batch_norm": True, "classes": 6}


def test_the_papers_net_has_23_convolutions_31_030_658_parameters_and_makes_388_of_572_pixels():
    net = on_meta(UNet)
    assert params(net) == 31_030_658
    assert len([m for m in net.modules() if isinstance(m, nn.Conv2d | nn.ConvTranspose2d)]) == 23
    assert size(net, 1, 1, 572, 572) == (1, 2, 388, 388)
    assert net.output_size(572) == 388
    assert not any(isinstance(m, nn.BatchNorm2d) for m in net.modules())


def test_widths_double_as_maps_halve_and_the_other_way_round():
    net, seen = on_meta(UNet), []
    for level in (*net.contracting, *net.up_convolutions, *net.expanding):
        level.register_forward_hook(lambda _, __, y: seen.append((y.shape[1], y.shape[2])))
    net(torch.empty(1, 1, 572, 572, device="meta"))
    contracting = [(64, 568), (128, 280), (256, 136), (512, 64), (1024, 28)]
    expanding = [(512, 56), (512, 52), (256, 104), (256, 100), (128, 200), (128, 196), (64, 392), (64, 388)]
    assert seen == contracting + expanding  # the numbers of Figure 1


def test_unpadded_sides_are_12_more_than_a_multiple_of_16():
    net = on_meta(UNet)
    accepted = []
    for side in range(1, 300):
        try:
            net.output_size(side)
        except ValueError:
            continue
        accepted.append(side)
    assert accepted == list(range(188, 300, 16)) and {side % 16 for side in accepted} == {12}


@pytest.mark.parametrize(
    ("padded", "shape", "side", "larger"), [(False, (572, 570), 570, 572), (False, (28, 28), 28, 188)]
)
def test_a_side_that_does_not_halve_is_an_error_that_names_one_that_does(padded, shape, side, larger):
    with pytest.raises(
        ValueError, match=rf"a side of {side} pixels does not go through 4 poolings by 2; {larger} does"
    ):
        on_meta(UNet, padded=padded)(torch.empty(1, 1, *shape, device="meta"))


def test_a_padded_net_keeps_the_size_of_multiples_of_16():
    net = on_meta(UNet, padded=True)
    assert size(net, 1, 1, 64, 96) == (1, 2, 64, 96)
    with pytest.raises(ValueError, match="a side of 28 pixels does not go through 4 poolings by 2; 32 does"):
        net(torch.empty(1, 1, 32, 28, device="meta"))


@pytest.mark.parametrize("up", ["transposed", "bilinear"])
@pytest.mark.parametrize("padded", [False, True])
def test_the_control_that_concatenates_a_map_with_itself_has_equal_parameters(up, padded):
    options = {"up": up, "padded": padded}
    assert params(on_meta(UNet, **options)) == params(on_meta(UNet, skips="self", **options))
    narrower = sum(9 * width * width for width in (64, 128, 256, 512))
    assert params(on_meta(UNet, skips=False, **options)) == params(on_meta(UNet, **options)) - narrower


@pytest.mark.parametrize(("skips", "passes"), [(True, True), ("self", False), (False, False)])
def test_only_skips_carry_the_image_around_the_deepest_level(skips, passes):
    net = made(UNet, skips=skips, **NORMALISED).eval()
    net.contracting[-1].register_forward_hook(lambda _, __, y: torch.zeros_like(y))
    one, other = net(images(2, 3, 32, 32))
    assert torch.equal(one, other) is not passes


def by_hand(net: UNet, x: torch.Tensor, skips: bool | str, released: bool = False) -> torch.Tensor:
    """The paper's Figure 1 as a loop over the weights in order: down, up-convolutions, up."""
    w = [p.detach() for p in net.parameters()]

    def convolve(x: torch.Tensor) -> torch.Tensor:
        return F.conv2d(x, w.pop(0), w.pop(0)).relu()

    maps = []
    for _ in range(2):
        x = convolve(convolve(x))
        maps.append(x)
        x = F.max_pool2d(x, 2)
    x = convolve(convolve(x))
    ups = [w.pop(0) for _ in range(4)]
    for weight, bias in (ups[:2], ups[2:]):
        x = F.conv_transpose2d(x, weight, bias, stride=2)
        x = x.relu() if released else x
        skipped = maps.pop()
        off = (skipped.shape[-1] - x.shape[-1]) // 2
        if skips:
            x = torch.cat([x if skips == "self" else skipped[..., off:-off, off:-off], x], dim=1)
        x = convolve(convolve(x))
    return F.conv2d(x, w.pop(0), w.pop(0))


@pytest.mark.parametrize("skips", [True, "self", False])
@pytest.mark.parametrize("released", [False, True])
def test_logits_are_those_of_the_net_computed_by_hand(skips, released):
    net = made(UNet, skips=skips, released=released, widths=[4, 6, 8], depths=[2, 2, 2]).eval()
    x = images(2, 1, 60, 60)
    expected = by_hand(net, x, skips, released)
    assert expected.shape == (2, 2, 20, 20) and expected.std() > 0.1
    torch.testing.assert_close(net(x), expected)


@pytest.mark.parametrize(("released", "dropped"), [(False, [8]), (True, [6, 8])])
def test_the_released_net_drops_out_of_the_map_above_the_deepest_too_and_its_skip_has_it(released, dropped):
    net, seen = made(UNet, released=released, widths=[4, 6, 8], depths=[2, 2, 2]).train(), {}
    net.dropout.register_forward_hook(lambda _, __, y: seen.update({y.shape[1]: y}))
    net.expanding[0].register_forward_pre_hook(lambda _, x: seen.update(joined=x[0]))
    net(images(2, 1, 60, 60))
    joined = seen.pop("joined")
    assert sorted(seen) == dropped
    if released:
        assert torch.equal(joined[:, :6], seen[6][..., 4:-4, 4:-4])


def test_weights_start_with_a_deviation_of_the_root_of_2_over_the_inputs_of_a_unit():
    net = made(UNet, widths=[32, 64, 128], depths=[2, 2, 2])
    assert net.contracting[1][0].weight.std().item() == pytest.approx((2 / (9 * 32)) ** 0.5, rel=0.03)
    assert net.up_convolutions[0].weight.std().item() == pytest.approx((2 / 128) ** 0.5, rel=0.03)


def test_levels_without_a_depth_are_an_error():
    with pytest.raises(
        ValueError, match="widths and depths must be as long as each other, not 5 and 2 levels"
    ):
        UNet(depths=[2, 2])


@pytest.mark.parametrize("skips", [True, "self", False])
@pytest.mark.parametrize("up", ["transposed", "bilinear"])
def test_small_nets_learn_and_stay_on_a_gpu(up, skips):
    options = {**NORMALISED, "up": up, "skips": skips}
    learns(made(UNet, **options), images(4, 3, 64, 64), 6, 64, 64)
    stays_on_a_gpu(UNet, 2, 3, 32, 48, **options)
