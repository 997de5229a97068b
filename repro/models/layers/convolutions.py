"""Convolutions without a bias, and what stands behind them in most nets: batch normalisation and ReLU.

Kernels are odd and padded, so that a map keeps its size at stride 1:
[N, channels, H, W] → [N, width, ⌈H/stride⌉, ⌈W/stride⌉].
"""

from torch import nn


def convolution(
    channels: int, width: int, kernel: int, stride: int = 1, *, rate: int = 1, groups: int = 1
) -> nn.Conv2d:
    padding = rate * (kernel // 2)
    return nn.Conv2d(channels, width, kernel, stride, padding, rate, groups, bias=False)


def normalised(
    channels: int,
    width: int,
    kernel: int,
    stride: int = 1,
    *,
    rate: int = 1,
    groups: int = 1,
    epsilon: float = 1e-5,
) -> nn.Sequential:
    """A convolution and batch normalisation."""
    layer = convolution(channels, width, kernel, stride, rate=rate, groups=groups)
    return nn.Sequential(layer, nn.BatchNorm2d(width, eps=epsilon))


def rectified(
    channels: int, width: int, kernel: int, stride: int = 1, *, groups: int = 1, epsilon: float = 1e-5
) -> nn.Sequential:
    """A convolution, batch normalisation and ReLU."""
    return normalised(channels, width, kernel, stride, groups=groups, epsilon=epsilon).append(nn.ReLU())
