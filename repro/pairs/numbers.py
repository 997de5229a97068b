"""What pairs are computed on: random numbers in double precision, and gradients by them."""

from collections.abc import Callable

import torch
from torch import Generator, Tensor


def numbers(generator: Generator, *shape: int) -> Tensor:
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def gradient(function: Callable[[Tensor], Tensor], x: Tensor, above: Tensor) -> Tensor:
    """The gradient by x of a function's output, where that by the output is `above`."""
    x = x.clone().requires_grad_()
    with torch.enable_grad():
        return torch.autograd.grad(function(x), x, above)[0]
