"""Maps put together along the channels, with gradients that the layers before them can take as they are."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor


class Concatenation(torch.autograd.Function):
    """`torch.cat` along the channels, whose gradients are copied out of their sum: dense, in the same layout.

    `torch.cat` leaves them as slices of it, for which a CPU has no kernels with channels last: bilinear
    interpolation goes back 4 to 9 times more slowly, and a map's two gradients add up 10 times more slowly.
    With copies a step of U-Net takes 13 % less, one of DeepLab v3+ 10 %.
    """

    @staticmethod
    def forward(ctx: Any, *maps: Tensor) -> Tensor:
        ctx.channels = [m.shape[1] for m in maps]
        return torch.cat(maps, dim=1)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, ...]:
        return tuple(part.clone() for part in gradient.split(ctx.channels, dim=1))


def concatenate(maps: Sequence[Tensor]) -> Tensor:
    """[N, C₁, H, W], [N, C₂, H, W], … → [N, C₁ + C₂ + …, H, W]"""
    joined: Tensor = Concatenation.apply(*maps)
    return joined
