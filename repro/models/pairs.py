"""Two ways to compute one thing, claimed to be equal: a net that gives both, on inputs of its own.

    {model: pair, of: fc6_as_convolution}   and   max_abs_diff(that arm) < 1e-5

A pair is a function of a random generator that gives two tensors; its docstring says what they are. Numbers are in
double precision unless the pair is about rounding, so that what is equal in exact arithmetic differs by about 1e-14.
"""

from collections.abc import Callable
from typing import Literal

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

PAIRS: dict[str, Callable[[Generator], tuple[Tensor, Tensor]]] = {}


def pair(function: Callable[[Generator], tuple[Tensor, Tensor]]) -> Callable[[Generator], tuple[Tensor, Tensor]]:
    PAIRS[function.__name__] = function
    return function


def numbers(generator: Generator, *shape: int) -> Tensor:
    return torch.randn(shape, generator=generator, dtype=torch.float64)


class Pair(nn.Module):
    """() → the two tensors of the pair `of`."""

    def __init__(
        self,
        *,
        of: Literal[
            "pointwise_as_linear",
            "fc6_as_convolution",
            "fc6_as_pointwise",
            "convolution_shifts_with_its_input",
            "transposed_as_stamps",
            "transposed_as_gradient",
            "transposed_undoes_convolution",
            "transposed_as_padded_convolution",
            "nearest_as_blocks",
            "bilinear_as_midpoints",
            "bilinear_by_distance",
            "resize_and_convolve_is_linear",
            "atrous_as_subsampling",
            "separable_as_two_steps",
        ],
        in_channels: int = 3,
    ):
        super().__init__()
        self.of, self.in_channels = of, in_channels

    def forward(self) -> tuple[Tensor, Tensor]:
        return PAIRS[self.of](torch.Generator().manual_seed(0))


@pair
def pointwise_as_linear(generator: Generator) -> tuple[Tensor, Tensor]:
    """A 1×1 convolution, and the same weights as a linear layer at each position."""
    x, weight = numbers(generator, 2, 8, 5, 6), numbers(generator, 4, 8)
    return F.conv2d(x, weight[:, :, None, None]), F.linear(x.movedim(1, -1), weight).movedim(-1, 1)


@pair
def fc6_as_convolution(generator: Generator) -> tuple[Tensor, Tensor]:
    """A linear layer on a whole 7×7 map, and its weights as a 7×7 convolution."""
    x, weight = numbers(generator, 2, 8, 7, 7), numbers(generator, 16, 8 * 49)
    return F.linear(x.flatten(1), weight), F.conv2d(x, weight.view(16, 8, 7, 7)).flatten(1)


@pair
def fc6_as_pointwise(generator: Generator) -> tuple[Tensor, Tensor]:
    """The same linear layer, and a 1×1 convolution with the weights of its middle position: not the same."""
    x, weight = numbers(generator, 2, 8, 7, 7), numbers(generator, 16, 8 * 49)
    return F.linear(x.flatten(1), weight), F.conv2d(x, weight.view(16, 8, 7, 7)[:, :, 3:4, 3:4])[:, :, 3, 3]


@pair
def convolution_shifts_with_its_input(generator: Generator) -> tuple[Tensor, Tensor]:
    """A convolution of an image moved by 2 and 3 pixels, and the convolution moved so, away from the border."""
    x, weight = numbers(generator, 1, 3, 24, 24), numbers(generator, 4, 3, 5, 5)
    moved = F.conv2d(x.roll((2, 3), (2, 3)), weight)
    return moved[:, :, 2:, 3:], F.conv2d(x, weight)[:, :, :-2, :-3]


@pair
def transposed_as_stamps(generator: Generator) -> tuple[Tensor, Tensor]:
    """A transposed convolution, and the kernel stamped at each input value, scaled by it, overlaps added up."""
    x, kernel, stride = numbers(generator, 5, 6), numbers(generator, 3, 3), 2
    stamped = torch.zeros(4 * stride + 3, 5 * stride + 3, dtype=x.dtype)
    for row in range(5):
        for column in range(6):
            stamped[row * stride : row * stride + 3, column * stride : column * stride + 3] += x[row, column] * kernel
    return F.conv_transpose2d(x[None, None], kernel[None, None], stride=stride)[0, 0], stamped


@pair
def transposed_as_gradient(generator: Generator) -> tuple[Tensor, Tensor]:
    """A transposed convolution, and the backward pass of the convolution with the same weights."""
    y, weight = numbers(generator, 2, 4, 5, 5), numbers(generator, 4, 3, 4, 4)
    x = torch.zeros(2, 3, 12, 12, dtype=y.dtype, requires_grad=True)
    with torch.enable_grad():
        (gradient,) = torch.autograd.grad(F.conv2d(x, weight, stride=2), x, y)
    return F.conv_transpose2d(y, weight, stride=2), gradient


@pair
def transposed_undoes_convolution(generator: Generator) -> tuple[Tensor, Tensor]:
    """An image, and the transposed convolution of its convolution: of the same size, not the same."""
    x, weight = numbers(generator, 1, 3, 12, 12), numbers(generator, 4, 3, 4, 4)
    return x, F.conv_transpose2d(F.conv2d(x, weight, stride=2), weight, stride=2)


@pair
def transposed_as_padded_convolution(generator: Generator) -> tuple[Tensor, Tensor]:
    """A transposed convolution, and the convolution by the turned kernel of the input with zeros between and around."""
    x, weight = numbers(generator, 1, 3, 5, 5), numbers(generator, 3, 4, 3, 3)
    spread = torch.zeros(1, 3, 9, 9, dtype=x.dtype)
    spread[:, :, ::2, ::2] = x
    return F.conv_transpose2d(x, weight, stride=2), F.conv2d(spread, weight.flip(2, 3).transpose(0, 1), padding=2)


@pair
def nearest_as_blocks(_: Generator) -> tuple[Tensor, Tensor]:
    """[[1, 2], [3, 4]] enlarged to 4×4 by the nearest pixel, and blocks of 2×2."""
    x = torch.tensor([[1.0, 2.0], [3.0, 4.0]], dtype=torch.float64)
    blocks = torch.tensor([[1, 1, 2, 2], [1, 1, 2, 2], [3, 3, 4, 4], [3, 3, 4, 4]], dtype=torch.float64)
    return F.interpolate(x[None, None], scale_factor=2)[0, 0], blocks


@pair
def bilinear_as_midpoints(_: Generator) -> tuple[Tensor, Tensor]:
    """(1, 2) enlarged twice bilinearly, and with the midpoint 1.5 for what is new: not the same."""
    x = torch.tensor([[[[1.0, 2.0]]]], dtype=torch.float64)
    return _widened(x), torch.tensor([1.0, 1.5, 1.5, 2.0], dtype=x.dtype)


@pair
def bilinear_by_distance(_: Generator) -> tuple[Tensor, Tensor]:
    """(1, 2) enlarged twice bilinearly, and the mean of both by their distances: 1, 1.25, 1.75, 2."""
    x = torch.tensor([[[[1.0, 2.0]]]], dtype=torch.float64)
    return _widened(x), torch.tensor([1.0, 1.25, 1.75, 2.0], dtype=x.dtype)


def _widened(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=(1, 2), mode="bilinear", align_corners=False).flatten()


@pair
def resize_and_convolve_is_linear(generator: Generator) -> tuple[Tensor, Tensor]:
    """Resizing and convolving a sum of two maps, and the sum of both resized and convolved: one matrix does both steps."""
    (x, y), weight = numbers(generator, 2, 1, 3, 6, 6), numbers(generator, 4, 3, 3, 3)

    def both(z: Tensor) -> Tensor:
        return F.conv2d(F.interpolate(z, scale_factor=2, mode="bilinear"), weight)

    return both(2 * x - 3 * y), 2 * both(x) - 3 * both(y)


@pair
def atrous_as_subsampling(generator: Generator) -> tuple[Tensor, Tensor]:
    """Every second output of a convolution of rate 2, and the plain convolution of every second pixel."""
    x, weight = numbers(generator, 1, 3, 16, 16), numbers(generator, 4, 3, 3, 3)
    return F.conv2d(x, weight, dilation=2)[:, :, ::2, ::2], F.conv2d(x[:, :, ::2, ::2], weight)


@pair
def separable_as_two_steps(generator: Generator) -> tuple[Tensor, Tensor]:
    """A filter on each channel and then a 1×1 convolution, and the full convolution whose kernels are their products."""
    x, depthwise, pointwise = numbers(generator, 1, 3, 9, 9), numbers(generator, 3, 1, 3, 3), numbers(generator, 4, 3)
    steps = F.conv2d(F.conv2d(x, depthwise, groups=3), pointwise[:, :, None, None])
    return steps, F.conv2d(x, pointwise[:, :, None, None] * depthwise[:, 0])
