"""Atrous convolution: Chen et al. 2014, arXiv 1412.7062, section 3.1.

A layer whose stride is taken away leaves a map that is denser; the convolutions after it read every rate-th
pixel of it and so see what they saw before: `conv(x, rate 2)[::2, ::2]` is `conv(x[::2, ::2])`. No weight is
added.
"""

from collections.abc import Iterable

from torch import Tensor, nn
from torch.nn import functional as F


def strides_and_rates(strides: Iterable[int], output_stride: int, stem: int = 1) -> list[tuple[int, int]]:
    """Each layer's stride, and the rate of what follows it, where no layer strides beyond `output_stride`.

    Strides 2, 2, 2, 2, 2 at output stride 8 are (2, 1), (2, 1), (2, 1), (1, 2), (1, 4). `stem` is the stride
    before them, which stays. Raises ValueError where the strides do not make the output stride.
    """
    kept, reached, rate, possible = [], stem, 1, {stem}
    for stride in strides:
        possible.add(max(possible) * stride)
        if reached * stride <= output_stride:
            reached *= stride
            kept.append((stride, rate))
        else:
            rate *= stride
            kept.append((1, rate))
    if reached != output_stride:
        raise ValueError(
            f"output stride must be one of {', '.join(map(str, sorted(possible)))} here, not {output_stride}"
        )
    return kept


def convolution(
    channels: int, width: int, kernel: int = 3, *, rate: int = 1, batch_norm: bool = True
) -> nn.Sequential:
    """A convolution (with a bias if without a norm), batch norm, ReLU. [N, C, H, W] → [N, width, H, W]"""
    layers: list[nn.Module] = [
        nn.Conv2d(channels, width, kernel, padding="same", dilation=rate, bias=not batch_norm)
    ]
    if batch_norm:
        layers.append(nn.BatchNorm2d(width))
    return nn.Sequential(*layers, nn.ReLU())


def separable(channels: int, width: int, *, rate: int = 1, batch_norm: bool = True) -> nn.Sequential:
    """A 3×3 filter on each channel, then 1×1, each as `convolution`. [N, C, H, W] → [N, width, H, W].

    Normalisation and ReLU after the depthwise filter are those of DeepLab v3+, section 3.2.
    """
    depthwise = Depthwise(channels, rate, bias=not batch_norm)
    norm = [nn.BatchNorm2d(channels)] if batch_norm else []
    return nn.Sequential(depthwise, *norm, nn.ReLU(), *convolution(channels, width, 1, batch_norm=batch_norm))


class Depthwise(nn.Conv2d):
    """A 3×3 filter on each channel, of rate r. [N, C, H, W] → [N, C, H, W]

    On a CPU the map is read as r² maps, each of every r-th row and column, which one of rate 1 filters alike:
    there and back through a depthwise convolution with a rate takes 4 to 13 times as long.
    """

    def __init__(self, channels: int, rate: int = 1, bias: bool = True):
        super().__init__(channels, channels, 3, padding=rate, dilation=rate, groups=channels, bias=bias)
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        if self.rate == 1 or x.device.type != "cpu":
            return super().forward(x)
        rate, (images, channels, height, width) = self.rate, x.shape
        padded = F.pad(x, (0, -width % rate, 0, -height % rate)).permute(0, 2, 3, 1)
        rows, columns = padded.shape[1] // rate, padded.shape[2] // rate
        phases = (
            padded.reshape(images, rows, rate, columns, rate, channels)
            .permute(2, 4, 0, 1, 3, 5)
            .flatten(0, 2)
        )
        filtered = F.conv2d(phases.permute(0, 3, 1, 2), self.weight, self.bias, padding=1, groups=channels)
        parts: Tensor = filtered.permute(0, 2, 3, 1).unflatten(0, (rate, rate, images))
        back = parts.permute(2, 3, 0, 4, 1, 5)
        return back.flatten(3, 4).flatten(1, 2)[:, :height, :width].contiguous().permute(0, 3, 1, 2)
