import cmath
import math
from functools import cache
from itertools import cycle
from types import SimpleNamespace
from typing import Literal

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from repro import source
from repro.data.split import InMemory
from repro.errors import ReproError
from repro.measures.checkerboard import (
    BATCH,
    axis_index,
    corner_index,
    flat_high_pass,
    gradient_phase_energy,
    overlap,
    overlap_ratio,
    overlap_variation,
    phase_energy,
    phase_index,
)
from repro.state.net import State

NAMES = (
    "overlap_ratio",
    "overlap_variation",
    "phase_energy",
    "gradient_phase_energy",
    "flat_high_pass",
    "corner_index",
    "axis_index",
    "phase_index",
)
CHOICE = Literal["outputs", "residual"]
UPSAMPLE = {
    "transposed 2": lambda i, o: nn.ConvTranspose2d(i, o, 2, 2),
    "transposed 3": lambda i, o: nn.ConvTranspose2d(i, o, 3, 2, 1, 1),
    "transposed 4": lambda i, o: nn.ConvTranspose2d(i, o, 4, 2, 1),
    "nearest": lambda i, o: nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(i, o, 3, padding=1)),
    "bilinear": lambda i, o: nn.Sequential(
        nn.Upsample(scale_factor=2, mode="bilinear"), nn.Conv2d(i, o, 3, padding=1)
    ),
}


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """As measures run; with a thread a core these tests take five times as long on a busy machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


class Net(nn.Module):
    """A function as a net."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


class Decoder(nn.Module):
    """A strided convolution, and three layers that upsample its map again."""

    def __init__(self, kind, width=32, seed=0):
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.encoder = nn.Conv2d(3, width, 8, 8)
            self.ups = nn.ModuleList(UPSAMPLE[kind](width, width) for _ in range(3))

    def forward(self, x):
        x = self.encoder(x)
        for up in self.ups:
            x = up(x).relu()
        return x


def state(net, side=64, images=32, seed=0):
    pixels = torch.randint(
        256, (images, 3, side, side), dtype=torch.uint8, generator=torch.Generator().manual_seed(5)
    )
    data = SimpleNamespace(test=InMemory(pixels, torch.zeros(images)), mean=(0.5,) * 3, std=(0.25,) * 3)
    return State(SimpleNamespace(seed=seed, recipe=None), net.train(), None, data, torch.device("cpu"))


# ---- how evenly kernels overlap


@pytest.mark.parametrize(
    ("kernel", "stride", "dilation"),
    [(k, s, d) for k in (1, 2, 3, 4, 5, 6, 9) for s in (1, 2, 3) for d in (1, 2)],
)
def test_the_overlap_is_the_response_of_a_kernel_of_ones_to_ones(kernel, stride, dilation):
    response = F.conv_transpose1d(
        torch.ones(1, 1, 40), torch.ones(1, 1, kernel), stride=stride, dilation=dilation
    )[0, 0]
    inside = slice(20 * stride, 21 * stride)
    assert overlap(kernel, stride, dilation) == response[inside].int().tolist()


def test_the_overlap_is_uneven_where_the_stride_does_not_divide_the_kernel():
    ratios = {
        (k, s): overlap_ratio(nn.ConvTranspose2d(1, 1, k, s))
        for k, s in ((3, 2), (5, 2), (2, 2), (4, 2), (6, 2), (6, 3), (9, 3))
    }
    assert ratios == {(3, 2): 4, (5, 2): 2.25, (2, 2): 1, (4, 2): 1, (6, 2): 1, (6, 3): 1, (9, 3): 1}
    assert overlap_ratio(nn.ConvTranspose1d(1, 1, 3, 2)) == 2
    assert overlap_ratio(nn.ConvTranspose2d(1, 1, (3, 4), 2)) == 2
    assert overlap_ratio(nn.ConvTranspose2d(1, 1, 1, 2)) == math.inf


def test_of_several_layers_the_least_even_counts_and_a_net_without_any_is_even():
    net = nn.Sequential(nn.ConvTranspose2d(1, 1, 4, 2), nn.ConvTranspose2d(1, 1, 3, 2), nn.Conv2d(1, 1, 3, 2))
    assert (overlap_ratio(net), overlap_variation(net)) == (4, pytest.approx(math.sqrt(1.1875) / 2.25))
    assert (overlap_ratio(net[:1]), overlap_variation(net[:1])) == (1, 0)
    assert (overlap_ratio(net[2:]), overlap_variation(net[2:])) == (1, 0)


# ---- at the start


def test_white_noise_shows_the_overlap_of_3x3_with_stride_2_and_no_other():
    found = {kind: phase_energy(state(Decoder(kind))) for kind in UPSAMPLE}
    assert found.pop("transposed 3") == pytest.approx(0.4843, abs=0.04)
    assert max(found.values()) < 0.04


def test_layers_after_one_another_show_it_too():
    uneven, *others = (
        phase_energy(state(Decoder(k)), until="ups.2") for k in ("transposed 3", "transposed 4", "nearest")
    )
    assert uneven > 0.35
    assert max(others) < 0.15


def test_one_tap_puts_all_energy_into_one_phase():
    layer = nn.ConvTranspose2d(3, 3, 1, 2, output_padding=1, bias=False)
    # (1, 0, 0, 0)
    assert phase_energy(state(nn.Sequential(layer)), layer="0") == pytest.approx(math.sqrt(3), rel=1e-4)


def test_the_index_depends_on_neither_the_images_nor_the_bias_nor_the_scale():
    net = state(Decoder("transposed 3"))
    before = phase_energy(net)
    net.data.test = InMemory(net.data.test.images // 3, net.data.test.targets)
    with torch.no_grad():
        net.model.ups[0].bias += 50 * torch.randn(32, generator=torch.Generator().manual_seed(0))
    assert phase_energy(net) == pytest.approx(before, rel=1e-4)
    with torch.no_grad():
        net.model.ups[0].weight *= 100
    assert phase_energy(net) == pytest.approx(before, rel=1e-4)


def test_phases_are_told_apart_on_maps_of_any_size():
    every_third = Net(lambda x: x * (torch.arange(x.shape[3]) % 3 == 0))
    assert phase_energy(state(nn.Sequential(every_third), side=31), layer="0", stride=3) == pytest.approx(
        math.sqrt(2), rel=1e-3
    )
    # A period of 3 is not one of 2
    assert phase_energy(state(nn.Sequential(every_third), side=40), layer="0", stride=2) < 0.2


def test_a_probe_leaves_the_net_as_it_was():
    net = state(Decoder("transposed 3"))
    phase_energy(net, until="ups.2")
    gradient_phase_energy(net)
    assert net.model.training
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in net.model.modules())
    assert all(parameter.grad is None for parameter in net.model.parameters())


def test_what_has_no_phases_is_an_error():
    net = state(Decoder("nearest"))
    with pytest.raises(ReproError, match=r"no layer 'decoder'; there are encoder, ups, ups\.0, "):
        phase_energy(net, layer="decoder")
    with pytest.raises(
        ReproError, match=r"phases of 8 want maps \[N, C, H, W\] of sides from 32 up, not \[32, 32, 16, 16\]"
    ):
        phase_energy(net, stride=8)


def encoder(*layers):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        widths = [3, 16, 16, 16]
        stages = [layer for i in range(3) for make in layers for layer in [make(widths[i], widths[i + 1])]]
    return nn.Sequential(*stages, nn.AdaptiveAvgPool2d(1), nn.Flatten())


def test_strides_put_the_pattern_into_gradients():
    relu = [lambda _i, _o: nn.ReLU()]
    nets = {
        "1": encoder(lambda i, o: nn.Conv2d(i, o, 1, 2), *relu),
        "3": encoder(lambda i, o: nn.Conv2d(i, o, 3, 2, 1), *relu),
        "4": encoder(lambda i, o: nn.Conv2d(i, o, 4, 2, 1), *relu),
        "pool": encoder(lambda i, o: nn.Conv2d(i, o, 3, 1, 1), *relu, lambda _i, _o: nn.MaxPool2d(2)),
    }
    found = {
        name: (gradient_phase_energy(state(net)), gradient_phase_energy(state(net), stride=8))
        for name, net in nets.items()
    }
    # One pixel of 4, and of 64
    assert found["1"] == (
        pytest.approx(math.sqrt(3)),
        pytest.approx(math.sqrt(63)),
    )
    assert found["3"][0] == pytest.approx(0.48, abs=0.1)
    assert found["1"][1] > found["3"][1] > found["4"][1] > found["pool"][1]
    assert found["pool"][0] < 0.05


# ---- after training


def board(x, sign_rows=1, sign_columns=1):
    rows, columns = (torch.arange(side) for side in x.shape[2:])
    return ((-1.0) ** (sign_rows * rows[:, None] + sign_columns * columns)).expand(x.shape)


def test_the_high_pass_of_flat_images_is_the_pattern_that_was_put_on_them():
    assert flat_high_pass(state(Net(lambda x: x))) == pytest.approx(0, abs=1e-6)
    # The mean has 1/9
    assert flat_high_pass(state(Net(lambda x: x + 0.3 * board(x)))) == pytest.approx(0.3 * 8 / 9, rel=1e-5)
    stripes = state(Net(lambda x: x + 0.3 * board(x, sign_rows=0)))
    assert flat_high_pass(stripes) == pytest.approx(0.3 * 4 / 3, rel=1e-5)  # a row's mean is -1/3
    edges = {
        column: flat_high_pass(state(Net(lambda x, c=column: x * (torch.arange(x.shape[3]) < c))))
        for column in (20, 32, 50)
    }
    assert edges[32] > 0.05  # an edge in the middle counts
    assert (edges[20], edges[50]) == pytest.approx((0, 0), abs=1e-6)  # and none elsewhere


def naive_power(maps, row, column):
    """The squared coefficient of one frequency, over images and channels on average, by its definition."""
    height, width = maps.shape[2:]
    wave = [
        [cmath.exp(-2j * math.pi * (row * y / height + column * x / width)) for x in range(width)]
        for y in range(height)
    ]
    maps = (maps - maps.mean((2, 3), keepdim=True)).to(torch.complex128)
    return (maps * torch.tensor(wave)).sum((2, 3)).abs().square().mean().item()


def test_the_corner_is_over_its_diagonal_neighbours_and_a_point_on_an_axis_over_those_on_it():
    net = state(
        Net(lambda x: x + 0.1 * board(x) + 0.3 * board(x, 0) + F.avg_pool2d(x.flip(3), 3, 1, 1)),
        side=16,
        images=3,
    )
    inputs = net.inputs(net.data.test.images)
    outputs = net.model(inputs)
    for of, maps in {"outputs": outputs, "residual": outputs - inputs}.items():
        diagonal = [naive_power(maps, y, x) for y in (6, 10) for x in (6, 10)]
        corner = naive_power(maps, 8, 8) / (sum(diagonal) / 4)
        assert corner_index(net, of=of, images=3) == pytest.approx(corner, rel=1e-4)
        down = naive_power(maps, 8, 0) / naive_power(maps, 6, 0)  # 10 is 6 again: maps are real
        across = naive_power(maps, 0, 8) / naive_power(maps, 0, 6)
        assert axis_index(net, of=of, images=3) == pytest.approx((down + across) / 2, rel=1e-4)


@cache
def noise(exponent, cropped, side=64, images=300, mean=0.0):
    """Gaussian maps [N, 1, side, side] of deviation 1, whose power falls as f^-exponent."""
    whole = 2 * side if cropped else side
    white = torch.randn(images, 1, whole, whole, generator=torch.Generator().manual_seed(7))
    frequency = torch.fft.fftfreq(whole)
    radius = (frequency[:, None].square() + frequency.square()).sqrt().clamp(min=1 / whole)
    maps = torch.fft.ifft2(torch.fft.fft2(white) * radius ** (-exponent / 2)).real[..., :side, :side]
    return maps / maps.std() + mean


def indices(maps):
    """Of a net that draws those maps."""
    drawn = cycle(maps.split(BATCH))
    net = state(Net(lambda _: next(drawn)), side=1, images=len(maps))
    return [index(net) for index in (corner_index, axis_index, phase_index)]


NULL = [(exponent, cropped) for exponent in (0, 1, 2) for cropped in (False, True)]


@pytest.mark.parametrize(("exponent", "cropped"), NULL)
def test_maps_without_a_pattern_have_none(exponent, cropped):
    corner, axis, phase = indices(noise(exponent, cropped))
    assert corner == pytest.approx(1, abs=0.35)
    assert axis == pytest.approx(1, abs=0.35)
    assert phase < 0.01


@pytest.mark.parametrize(("exponent", "cropped"), NULL)
def test_a_board_that_is_added_to_all_maps_shows_at_the_corner_and_by_phase(exponent, cropped):
    maps = noise(exponent, cropped)
    corner, axis, phase = indices(maps + 0.1 * board(maps))
    assert corner > 10
    assert axis == pytest.approx(1, abs=0.35)  # a board has no stripes
    assert phase == pytest.approx(0.1, rel=0.1)


@pytest.mark.parametrize(("exponent", "cropped"), NULL)
def test_stripes_that_are_added_to_all_maps_show_on_an_axis_and_by_phase(exponent, cropped):
    maps = noise(exponent, cropped)
    corner, axis, phase = indices(maps + 0.1 * board(maps, 0))
    assert corner == pytest.approx(1, abs=0.35)
    assert axis > 2
    assert phase == pytest.approx(0.1, rel=0.1)


@pytest.mark.parametrize(("exponent", "cropped"), NULL)
def test_a_board_that_multiplies_shows_by_the_means_of_maps(exponent, cropped):
    gain = 1 + 0.1 * board(noise(0, False, images=1))
    corner, _, phase = indices(noise(exponent, cropped, mean=1) * gain)
    assert corner > 10
    assert phase == pytest.approx(0.1, rel=0.1)
    *_, phase = indices(noise(exponent, cropped) * gain)
    assert phase < 0.01  # without a mean nothing of it is the same in all images


def test_more_of_a_board_is_a_higher_index():
    maps = noise(1, True)
    weak, strong = (indices(maps + strength * board(maps)) for strength in (0.05, 0.2))
    assert weak[0] < strong[0] and weak[2] < strong[2]


def test_stripes_on_an_object_count_on_the_axis_of_outputs_alone():
    maps = noise(1, True)
    object_ = torch.zeros(64, 64)
    object_[20:45, 10:40] = 1  # an odd side: whole periods would hide the stripes from N/2
    sign = torch.where(torch.arange(len(maps)) % 2 == 0, 1.0, -1.0).view(-1, 1, 1, 1)  # where stripes begin
    corner, axis, phase = indices(maps + sign * object_ * board(maps, 1, 0))
    assert corner == pytest.approx(1, abs=0.35)
    assert axis > 2
    assert phase < 0.01

    net = state(Net(lambda x: x + 0.1 * maps[: len(x)]), images=BATCH)  # draws what is there, and noise
    rows = (torch.arange(64) % 2 * 200).to(torch.uint8)[:, None]
    net.data.test = InMemory(net.data.test.images // 8 + rows, net.data.test.targets)
    assert axis_index(net) > 100
    assert axis_index(net, of="residual") == pytest.approx(1, abs=0.35)


def test_what_an_index_cannot_look_at_is_an_error():
    with pytest.raises(
        ReproError, match=r"outputs \[N, C, H, W\] of even sides from 16 up, not \[32, 3, 15, 15\]"
    ):
        corner_index(state(Net(lambda x: x), side=15))
    with pytest.raises(ReproError, match=r"even sides from 16 up, not \[32, 3\]"):
        axis_index(state(Net(lambda x: x.mean((2, 3)))))
    with pytest.raises(ReproError, match=r"from 16 up, not dict of \[32, 3, 64, 64\]"):
        phase_index(state(Net(lambda x: {"maps": x})))
    with pytest.raises(
        ReproError,
        match=r"a residual wants outputs as large as the inputs, \[32, 3, 64, 64\], not \[32, 2, 64, 64\]",
    ):
        corner_index(state(Net(lambda x: x[:, :2])), of="residual")


@pytest.mark.parametrize("name", NAMES)
def test_options_can_be_read_from_the_source(name):
    (first, required), *options = source.parameters(f"repro.measures.checkerboard:{name}").items()
    assert first in ("model", "state") and required.required
    assert all(option.bare in (int, float, str, CHOICE) and not option.required for _, option in options)
