from math import isnan

import pytest
import torch
from kit.tiny import spec
from torch import Tensor, nn

from repro.errors import ReproError
from repro.measures.offsets import effective_dilation, scaled
from repro.models.layers.deformable import DeformableConvolution
from repro.models.layers.sampled_deformable import SampledDeformableConvolution
from repro.state.net import State, build
from repro.work.execute import images

CPU = torch.device("cpu")


def state(*layers: nn.Module) -> State:
    trial = spec(trained=False)
    looked_at = build(trial, images(trial.data, CPU), CPU)
    looked_at.model = nn.Sequential(*layers)
    return looked_at


def deformable(*offsets: float, **options) -> SampledDeformableConvolution:
    """With the same offsets everywhere."""
    layer = SampledDeformableConvolution(1, 1, 3, **options)
    if offsets:
        with torch.no_grad():
            layer.offsets.bias.copy_(torch.tensor(offsets))
    return layer


@pytest.mark.parametrize("kind", [DeformableConvolution, SampledDeformableConvolution])
@pytest.mark.parametrize("rate", [1, 3])
def test_without_offsets_it_is_the_rate(kind, rate):
    assert effective_dilation(state(kind(1, 1, 3, padding=rate, dilation=rate))) == pytest.approx(rate)


def test_a_kernel_that_is_moved_as_a_whole_is_no_wider():
    assert effective_dilation(state(deformable(*[0.7, -2.5] * 9, padding=1))) == pytest.approx(1)


def test_a_kernel_that_is_spread_is_wider():
    spread = [value for dy in (-1, 0, 1) for dx in (-1, 0, 1) for value in (0.5 * dy, 2.0 * dx)]
    net = state(deformable(*spread, padding=1))
    assert effective_dilation(net) == pytest.approx((1.5 + 3.0) / 2)  # down, and across


def test_distances_are_as_the_crow_flies():
    corner = [0.0] * 16 + [3.0, 3.0]  # the last of nine: √(3² + 4²) from both of its neighbours
    assert effective_dilation(state(deformable(*corner, padding=1))) == pytest.approx((10 * 1 + 2 * 5) / 12)


def test_the_last_deformable_convolution_counts():
    layers = (deformable(padding=1), deformable(padding=2, dilation=2))
    assert effective_dilation(state(*layers)) == pytest.approx(2)
    assert effective_dilation(state(*layers[::-1])) == pytest.approx(1)


class Where(nn.Module):
    """The offsets: all of them 10 times the place of the kernel, where a map is what it is asked to be."""

    def forward(self, x: Tensor) -> Tensor:
        steps = torch.tensor([value for dy in (-1, 0, 1) for dx in (-1, 0, 1) for value in (dy, dx)])
        return 10 * (x > x.amin((1, 2, 3), keepdim=True)) * steps[:, None, None]


def test_it_looks_where_the_thing_is_and_at_every_image():
    layer = deformable(padding=1)
    layer.offsets = Where()
    assert effective_dilation(state(layer)) > 9  # of 1 on black pixels, which are not looked at, and of 11
    assert effective_dilation(state(layer), images=1) > 9


def test_things_are_scaled_before_they_are_looked_at():
    square = torch.zeros(1, 1, 16, 16, dtype=torch.uint8)
    square[..., 4:12, 4:12] = 200
    for scale, side in ((0.5, 4), (1.0, 8), (1.5, 12)):
        seen = scaled(square, scale)
        assert seen.shape == square.shape and seen.max() == 200
        assert seen.float().sum().item() / 200 == pytest.approx(side**2, rel=0.05)
        assert torch.equal(seen, seen.flip(2, 3))  # it stays in the middle


def test_black_images_show_nothing():
    looked_at = state(deformable(padding=1))
    looked_at.data.test.images.zero_()
    assert isnan(effective_dilation(looked_at))


def test_the_net_stays_as_it_is():
    looked_at = state(deformable(padding=1))
    effective_dilation(looked_at, scale=0.6)
    assert not looked_at.model[0].offsets._forward_hooks and looked_at.model.training


def test_a_net_without_a_deformable_convolution_is_an_error():
    with pytest.raises(ReproError, match="effective_dilation: the net has no deformable convolution"):
        effective_dilation(state(nn.Conv2d(1, 1, 3)))
