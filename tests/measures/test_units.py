from math import isnan

import pytest
import torch
from kit.tiny import spec
from torch import nn

from repro.errors import ReproError
from repro.measures.units import dead_unit_share, response_peak
from repro.state.net import State, build
from repro.work.execute import images

CPU = torch.device("cpu")


def state(*layers: nn.Module) -> State:
    trial = spec(trained=False)
    looked_at = build(trial, images(trial.data, CPU), CPU)
    looked_at.model = nn.Sequential(*layers)
    return looked_at


def brightness(bias: list[float]) -> nn.Conv2d:
    """Channels that are the image plus a constant each."""
    layer = nn.Conv2d(1, len(bias), 1)
    nn.init.ones_(layer.weight)
    with torch.no_grad():
        layer.bias.copy_(torch.tensor(bias))
    return layer


def brightest(count: int) -> float:
    looked_at = state()
    return looked_at.inputs(looked_at.data.train.images[:count]).max().item()


@pytest.mark.parametrize("rectifier", [nn.ReLU(), nn.ReLU(inplace=True), nn.LeakyReLU(), nn.PReLU()])
def test_a_unit_is_dead_if_no_pixel_of_any_image_takes_it_above_0(rectifier):
    some, top = brightest(4), brightest(500)
    assert some < top
    net = state(brightness([-some - 1e-3, -top, 0.0, 9.0, -top + 1e-3]), rectifier, nn.Flatten())
    assert dead_unit_share(net, images=4) == pytest.approx(3 / 5)
    assert dead_unit_share(net, images=500) == pytest.approx(1 / 5)


def test_units_of_all_rectifiers_count_and_those_of_a_vector_too():
    linear = nn.Linear(2 * 49, 6)
    nn.init.zeros_(linear.weight)
    nn.init.constant_(linear.bias, -1.0)
    assert (
        dead_unit_share(state(brightness([0.0, -99.0]), nn.ReLU(), nn.Flatten(), linear, nn.ReLU())) == 7 / 8
    )


def test_a_rectifier_that_is_used_twice_is_looked_at_twice():
    relu, flip = nn.ReLU(), nn.Conv2d(2, 2, 1, bias=False)
    with torch.no_grad():  # what the first channel is, the second one is next
        flip.weight.copy_(torch.tensor([[0.0, 1.0], [1.0, 0.0]])[:, :, None, None])
    assert dead_unit_share(state(brightness([0.0, -99.0]), relu)) == 1 / 2
    assert dead_unit_share(state(brightness([0.0, -99.0]), relu, flip, relu)) == 0


def test_a_net_that_puts_out_no_numbers_has_no_value():
    assert isnan(dead_unit_share(state(brightness([0.0, float("nan")]), nn.ReLU())))


def test_a_net_without_rectifiers_has_no_such_units():
    with pytest.raises(ReproError, match="dead_unit_share: the net has no ReLU, LeakyReLU or PReLU"):
        dead_unit_share(state(brightness([0.0]), nn.Tanh()))


def test_a_peak_is_the_largest_response_over_the_root_mean_square():
    net = state(brightness([0.0, -5.0]), nn.Tanh())
    outputs = net.model(net.inputs(net.data.train.images[:20])).detach().double().numpy()
    for layer in ("1", ""):
        found = response_peak(net, layer=layer, images=20)
        assert found == pytest.approx(abs(outputs).max() / (outputs**2).mean() ** 0.5, rel=1e-5)
    assert response_peak(net, layer="0", images=20) != pytest.approx(found, rel=0.01)


def test_a_peak_is_the_same_however_large_all_responses_are():
    small, large = brightness([0.0]), brightness([0.0])
    with torch.no_grad():
        large.weight.mul_(-7)
    assert response_peak(state(large)) == pytest.approx(response_peak(state(small)), rel=1e-5)


def test_zeros_have_no_peak():
    assert isnan(response_peak(state(brightness([-1e4]), nn.ReLU())))
