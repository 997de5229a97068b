"""Pairs of transposed convolutions and of resizing: see `repro.pairs.pair`."""

import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from repro.models.upsampling import unpool
from repro.pairs.numbers import numbers


def transposed_as_stamps(generator: Generator) -> tuple[Tensor, Tensor]:
    """A transposed convolution, and the kernel stamped at each input value, scaled by it, overlaps added."""
    x, kernel, stride = numbers(generator, 5, 6), numbers(generator, 3, 3), 2
    stamped = torch.zeros(4 * stride + 3, 5 * stride + 3, dtype=x.dtype)
    for row in range(5):
        for column in range(6):
            stamped[row * stride : row * stride + 3, column * stride : column * stride + 3] += (
                x[row, column] * kernel
            )
    return F.conv_transpose2d(x[None, None], kernel[None, None], stride=stride)[0, 0], stamped


def transposed_as_gradient(generator: Generator) -> tuple[Tensor, Tensor]:
    """A transposed convolution, and the backward pass of the convolution with the same weights."""
    y, weight = numbers(generator, 2, 4, 5, 5), numbers(generator, 4, 3, 4, 4)
    x = torch.zeros(2, 3, 12, 12, dtype=y.dtype, requires_grad=True)
    with torch.enable_grad():
        (gradient,) = torch.autograd.grad(F.conv2d(x, weight, stride=2), x, y)
    return F.conv_transpose2d(y, weight, stride=2), gradient


def transposed_undoes_convolution(generator: Generator) -> tuple[Tensor, Tensor]:
    """An image, and the transposed convolution of its convolution: of the same size, not the same."""
    x, weight = numbers(generator, 1, 3, 12, 12), numbers(generator, 4, 3, 4, 4)
    return x, F.conv_transpose2d(F.conv2d(x, weight, stride=2), weight, stride=2)


def transposed_as_padded_convolution(generator: Generator) -> tuple[Tensor, Tensor]:
    """A transposed convolution; the convolution, its kernel turned, of the input with zeros in between."""
    x, weight = numbers(generator, 1, 3, 5, 5), numbers(generator, 3, 4, 3, 3)
    spread = torch.zeros(1, 3, 9, 9, dtype=x.dtype)
    spread[:, :, ::2, ::2] = x
    return F.conv_transpose2d(x, weight, stride=2), F.conv2d(
        spread, weight.flip(2, 3).transpose(0, 1), padding=2
    )


def nearest_as_blocks(_: Generator) -> tuple[Tensor, Tensor]:
    """[[1, 2], [3, 4]] enlarged to 4×4 by the nearest pixel, and blocks of 2×2."""
    x = torch.tensor([[1.0, 2.0], [3.0, 4.0]], dtype=torch.float64)
    blocks = torch.tensor([[1, 1, 2, 2], [1, 1, 2, 2], [3, 3, 4, 4], [3, 3, 4, 4]], dtype=torch.float64)
    return F.interpolate(x[None, None], scale_factor=2)[0, 0], blocks


def bilinear_as_midpoints(_: Generator) -> tuple[Tensor, Tensor]:
    """(1, 2) enlarged twice bilinearly, and with the midpoint 1.5 for what is new: not the same."""
    x = torch.tensor([[[[1.0, 2.0]]]], dtype=torch.float64)
    return _widened(x), torch.tensor([1.0, 1.5, 1.5, 2.0], dtype=x.dtype)


def bilinear_by_distance(_: Generator) -> tuple[Tensor, Tensor]:
    """(1, 2) enlarged twice bilinearly, and the mean of both by their distances: 1, 1.25, 1.75, 2."""
    x = torch.tensor([[[[1.0, 2.0]]]], dtype=torch.float64)
    return _widened(x), torch.tensor([1.0, 1.25, 1.75, 2.0], dtype=x.dtype)


def _widened(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=(1, 2), mode="bilinear", align_corners=False).flatten()


def resize_and_convolve_is_linear(generator: Generator) -> tuple[Tensor, Tensor]:
    """A sum of two maps resized and convolved, and the sum of both resized and convolved: a linear map."""
    (x, y), weight = numbers(generator, 2, 1, 3, 6, 6), numbers(generator, 4, 3, 3, 3)

    def both(z: Tensor) -> Tensor:
        return F.conv2d(F.interpolate(z, scale_factor=2, mode="bilinear"), weight)

    return both(2 * x - 3 * y), 2 * both(x) - 3 * both(y)


def zeros_after_upsampling(generator: Generator) -> tuple[Tensor, Tensor]:
    """The shares of zeros in maps that unpooling, transposed convolution and resizing enlarge; 3/4, 0, 0.

    By 2, before any convolution that follows; the transposed one has a 4×4 kernel, resizing is bilinear.
    """
    x, before = numbers(generator, 1, 4, 6, 6), numbers(generator, 1, 4, 12, 12)
    stamped = F.conv_transpose2d(x, numbers(generator, 4, 4, 4, 4), stride=2, padding=1)
    maps = [unpool(x, before), stamped, F.interpolate(x, scale_factor=2, mode="bilinear")]
    return torch.stack([(m == 0).double().mean() for m in maps]), torch.tensor([0.75, 0.0, 0.0]).double()
