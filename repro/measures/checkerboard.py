"""Checkerboards of upsampling, as numbers: Odena et al. 2016, "Deconvolution and Checkerboard Artifacts".

With stride s an output's pixels fall into s × s phases, by their row and column modulo s. Before training,
phases differ by how many taps of the kernel reach them; after it, patterns show as power at the finest
frequencies. Which index tells which layers apart is said with each: none tells all.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from repro.bounds import PositiveInt
from repro.data.split import head, image_shape
from repro.declaration import declare
from repro.errors import ReproError
from repro.measures.layer import outputs_of, submodule
from repro.state.net import State, joined
from repro.state.randomness import generator
from repro.tasks.form import form

BATCH = 100  # images through the net at a time
ROUNDED_OFF = 2**-20  # of maps: what is less, 16 units in fp32's last place, may be of their arithmetic alone


def overlap(kernel: int, stride: int, dilation: int = 1) -> list[int]:
    """How many taps of a transposed convolution reach each of its `stride` phases, along one axis.

    Counted away from the border.
    """
    return [sum(tap * dilation % stride == phase for tap in range(kernel)) for phase in range(stride)]


def overlap_ratio(model: nn.Module) -> float:
    """Taps of the phase with most over taps of that with least; 1 without any.

    Of the net's transposed convolutions, the largest.

    In two dimensions: 4 for 3×3 with stride 2, 2.25 for 5×5, 1 where the stride divides the kernel. Infinite
    if a phase has none.
    """
    return max((max(taps) / min(taps) if min(taps) else math.inf for taps in _overlaps(model)), default=1.0)


def overlap_variation(model: nn.Module) -> float:
    """The coefficient of variation of the taps over the phases; 0 without any.

    Of the net's transposed convolutions, the largest.

    What `phase_energy` is of one such layer on average over random weights: √1.1875 / 2.25 = 0.4843 for 3×3
    with stride 2.
    """
    return max(
        (_variation(torch.tensor(taps, dtype=torch.float64)) for taps in _overlaps(model)), default=0.0
    )


@torch.no_grad()
def phase_energy(
    state: State,
    layer: str = "ups.0",
    until: str = "",
    stride: PositiveInt = 2,
    images: PositiveInt = 64,
) -> float:
    """How unequal phases are in a layer's response to white noise.

    The coefficient of variation, over `stride` × `stride` phases, of the mean square of the layer's output.

    `layer` gets the noise in place of (the first of) its inputs; the output is that of `until`, or else of
    `layer`. Each channel's mean is taken off and the outer quarter of each side left out. One layer at its
    start: 0.48 for 3×3 transposed, below 0.03 for the others (2×2, 4×4, resize and convolve), which it does
    not tell apart. fp32, running statistics. NaN for a layer that gives the same in all places.
    """
    source = generator(state.spec.seed, "white noise")

    def make_noise(_module: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        return (torch.randn(inputs[0].shape, generator=source).to(inputs[0]), *inputs[1:])

    handle = submodule(state.model, layer).register_forward_pre_hook(make_noise)
    try:
        with _evaluating(state), outputs_of(state.model, until or layer) as found:
            state.model(state.inputs(head(state.data.test, images)[0]))
    finally:
        handle.remove()
    inner = _inner(found[-1], stride)
    if _is_rounded_off(inner - inner.mean((2, 3), keepdim=True), inner):
        return math.nan
    return _variation(_phases((inner - inner.mean((0, 2, 3), keepdim=True)).square(), stride))


def gradient_phase_energy(state: State, stride: PositiveInt = 2, images: PositiveInt = 64) -> float:
    """How unequal phases of the image are in the gradient of the outputs by the image.

    The coefficient of variation over the phases of its mean square.

    The outputs are added up with random signs. As for `phase_energy`, the outer quarters are left out. At the
    start, 3 layers of stride 2, phases of 2 (8): 1×1 1.7 (7.9), 3×3 0.48 (0.59), 4×4 0.07 (0.12), convolve
    and pool at most 0.02 (0.04). NaN where the gradient is 0.
    """
    inputs = state.inputs(head(state.data.test, images)[0]).requires_grad_()
    with _evaluating(state), torch.enable_grad():
        outputs = state.model(inputs)
        signs = (
            torch.randint(2, outputs.shape, generator=generator(state.spec.seed, "signs of outputs")) * 2 - 1
        )
        (gradient,) = torch.autograd.grad((outputs * signs.to(outputs)).sum(), inputs, allow_unused=True)
    if gradient is None:
        raise ReproError("gradient_phase_energy: the outputs do not depend on the image")
    return _variation(_phases(_inner(gradient, stride).square(), stride))


@torch.no_grad()
@declare(better="lower")
def flat_high_pass(state: State, canvases: PositiveInt = 64) -> float:
    """The root mean square of outputs minus their 3×3 mean, in the middle of images of one colour each.

    The middle is a quarter of each side, the colours are the same for all nets. There is no pattern to see in
    such images, so what is there was made. Of trained nets it tells transposed convolutions from resizing (18
    to 51 times), 3×3 from 4×4 less surely. NaN for a net that gives the same for every colour.
    """
    channels, *sides = image_shape(state.data.test)
    colours = torch.rand(canvases, channels, 1, 1, generator=generator(0, "colours of canvases")) * 0.8 + 0.1
    images = (255 * colours).to(torch.uint8).expand(-1, -1, *sides).to(state.device)
    outputs = outputs_on(state, images)
    if _is_rounded_off(outputs - outputs.mean((0, 2, 3), keepdim=True), outputs):
        return math.nan
    rest = outputs - F.avg_pool2d(outputs, 3, 1, 1)
    for axis, side in enumerate(outputs.shape[2:], start=2):
        rest = rest.narrow(axis, side * 3 // 8, side * 5 // 8 - side * 3 // 8)
    return float(rest.double().square().mean().sqrt())


@torch.no_grad()
@declare(better="lower")
def corner_index(
    state: State, of: Literal["outputs", "residual"] = "outputs", images: PositiveInt = 300
) -> float:
    """Power at the frequency of a checkerboard, (N/2, N/2), over that at its four diagonal neighbours.

    Those are 2 steps away; N/2 is half the sampling frequency. The spectrum is that of the first `images`
    test images, on average. `of="residual"`, for autoencoders, looks at outputs minus inputs, so that what
    is in the images does not count. From 0 up: 1 where there is no pattern, 0.68 to 1.34 for 300 maps of one
    channel of noise whose power falls as 1/f⁰ to 1/f², periodic or cropped. A board added to all outputs
    raises it, and one that multiplies them does by their means. Stripes do not, be they of the net or of the
    image: see `axis_index`. NaN where no output has a pattern.
    """
    maps = _looked_at(state, of, images)
    if maps is None:
        return math.nan
    power = power_spectrum(maps)
    height, width = power.shape
    return _over(power, (height // 2, width // 2), [(dy, dx) for dy in (-2, 2) for dx in (-2, 2)])


@torch.no_grad()
@declare(better="lower")
def axis_index(
    state: State, of: Literal["outputs", "residual"] = "outputs", images: PositiveInt = 300
) -> float:
    """Power at (N/2, 0), and at (0, N/2), over that 2 steps away on the same axis: the mean of both ratios.

    These are the frequencies of stripes of one pixel, across and down; the rest is as for `corner_index`.
    Maps that do not end as they begin put power on the axes alone, so a neighbour beside them would say
    nothing. Stripes that are in the images count in `outputs`, not in the `residual` of a net that draws
    them.
    """
    maps = _looked_at(state, of, images)
    if maps is None:
        return math.nan
    power = power_spectrum(maps)
    height, width = power.shape
    down = _over(power, (height // 2, 0), [(-2, 0), (2, 0)])
    across = _over(power, (0, width // 2), [(0, -2), (0, 2)])
    return (down + across) / 2


@torch.no_grad()
@declare(better="lower")
def phase_index(
    state: State,
    stride: PositiveInt = 2,
    of: Literal["outputs", "residual"] = "outputs",
    images: PositiveInt = 300,
) -> float:
    """The part of a pattern that all images share: the deviation of phases' means over that of pixels.

    √(Σ_c var over phases of the mean over images and places / Σ_c var over all pixels), c the channels, with
    `stride` × `stride` phases and without the outer quarter of each side. From 0 to 1: below 0.01 for 300
    maps of 64×64 that hold no pattern, since a phase's mean is of 75,000 pixels. What follows the image,
    stripes that are in it as well as a board that multiplies maps of mean 0, does not raise it. `of` and NaN
    are as for `corner_index`.
    """
    maps = _looked_at(state, of, images)
    if maps is None:
        return math.nan
    inner = _inner(maps, stride).double()
    between = _phases_of_channels(inner, stride).flatten(1).var(1, correction=0).sum()
    return float((between / inner.var((0, 2, 3), correction=0).sum()).sqrt())


def _looked_at(state: State, of: str, images: int) -> Tensor | None:
    """Outputs on the first test images, or those minus inputs. None if they vary from place to place no more
    than by rounding.
    """
    seen, _ = head(state.data.test, images)
    outputs = outputs_on(state, seen)
    if of == "outputs":
        maps, scale = outputs, outputs
    else:
        inputs = state.inputs(seen)
        if outputs.shape != inputs.shape:
            raise ReproError(
                "a residual wants outputs as large as the inputs, "
                f"{list(inputs.shape)}, not {list(outputs.shape)}"
            )
        maps, scale = outputs - inputs, inputs
    return None if _is_rounded_off(maps - maps.mean((2, 3), keepdim=True), scale) else maps


def _over(power: Tensor, point: tuple[int, int], steps: list[tuple[int, int]]) -> float:
    """A point's power over the mean of its neighbours', those `steps` away. `power` is periodic: [H, W]."""
    (y, x), (height, width) = point, power.shape
    around = [power[(y + dy) % height, (x + dx) % width] for dy, dx in steps]
    return float(power[point] / torch.stack(around).mean())


def _overlaps(model: nn.Module) -> Iterator[list[int]]:
    """Taps of every phase, over all axes, of each transposed convolution."""
    for m in model.modules():
        if isinstance(m, nn.ConvTranspose1d | nn.ConvTranspose2d | nn.ConvTranspose3d):
            yield [math.prod(taps) for taps in product(*map(overlap, m.kernel_size, m.stride, m.dilation))]


@contextmanager
def _evaluating(state: State) -> Iterator[None]:
    state.model.eval()
    try:
        yield
    finally:
        state.model.train()


def outputs_on(state: State, images: Tensor) -> Tensor:
    """[N, C, H, W] in fp32. Raises `ReproError` unless sides are even and 16 or more, as the indices need."""
    with _evaluating(state):
        outputs = joined([state.model(state.inputs(some)) for some in images.split(BATCH)])
    maps = outputs if isinstance(outputs, Tensor) and outputs.dim() == 4 else None
    if maps is None or any(side % 2 or side < 16 for side in maps.shape[2:]):
        raise ReproError(
            f"a checkerboard index wants outputs [N, C, H, W] of even sides from 16 up, not {form(outputs)}"
        )
    return maps


def _inner(maps: Tensor, stride: int) -> Tensor:
    """[N, C, H, W] without a quarter at each side: the same number of each phase, the first first."""
    if maps.dim() != 4 or min(maps.shape[2:]) < 4 * stride:
        raise ReproError(
            f"phases of {stride} want maps [N, C, H, W] of sides from {4 * stride} up, not {list(maps.shape)}"
        )
    for axis, side in enumerate(maps.shape[2:], start=2):
        first = -(-side // 4 // stride) * stride
        maps = maps.narrow(axis, first, side // 2 // stride * stride)
    return maps


def _phases(maps: Tensor, stride: int) -> Tensor:
    """The mean of each phase. [N, C, H, W] → [stride, stride]"""
    return _phases_of_channels(maps, stride).mean(0)


def _phases_of_channels(maps: Tensor, stride: int) -> Tensor:
    """The same of each channel. [N, C, H, W] → [C, stride, stride]"""
    phases: Tensor = maps.double().unflatten(3, (-1, stride)).unflatten(2, (-1, stride))
    return phases.mean((0, 2, 4))


def _is_rounded_off(varied: Tensor, maps: Tensor) -> bool:
    """Whether what varies in maps is so little that there is nothing to measure."""
    power, least = (part.double().square().mean() for part in (varied, maps * ROUNDED_OFF))
    return bool(power <= least)


def _variation(values: Tensor) -> float:
    return float(values.std(correction=0) / values.mean())


def power_spectrum(maps: Tensor) -> Tensor:
    """The spectrum's squares without the maps' means, averaged. [N, C, H, W] → [H, W]"""
    spectra: Tensor = torch.fft.fft2(maps - maps.mean((2, 3), keepdim=True))
    return spectra.abs().square().mean((0, 1)).double()
