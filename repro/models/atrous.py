"""Atrous convolution: Chen et al. 2014, "Semantic Image Segmentation with Deep Convolutional Nets and Fully Connected CRFs".

A layer whose stride is taken away leaves a map that is denser; the convolutions after it read every rate-th pixel of it
and so see what they saw before: `conv(x, rate 2)[::2, ::2]` is `conv(x[::2, ::2])`. No weight is added.
"""

from collections.abc import Iterable

from torch import nn


def strides_and_rates(strides: Iterable[int], output_stride: int, stem: int = 1) -> list[tuple[int, int]]:
    """Each layer's stride, and the rate of what comes after it, where no layer strides beyond `output_stride`.

    Strides 2, 2, 2, 2, 2 at output stride 8 are (2, 1), (2, 1), (2, 1), (1, 2), (1, 4). `stem` is the stride before them,
    which stays. Raises ValueError where the strides do not make the output stride.
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
        raise ValueError(f"output stride must be one of {', '.join(map(str, sorted(possible)))} here, not {output_stride}")
    return kept


def convolution(channels: int, width: int, kernel: int = 3, *, rate: int = 1, batch_norm: bool = True) -> nn.Sequential:
    """A convolution, batch normalisation (the convolution has a bias without it) and ReLU. [N, C, H, W] → [N, width, H, W]"""
    layers: list[nn.Module] = [nn.Conv2d(channels, width, kernel, padding="same", dilation=rate, bias=not batch_norm)]
    if batch_norm:
        layers.append(nn.BatchNorm2d(width))
    return nn.Sequential(*layers, nn.ReLU())


def separable(channels: int, width: int, *, rate: int = 1, batch_norm: bool = True) -> nn.Sequential:
    """A 3×3 filter on each channel, then a 1×1 convolution, each as `convolution` has it. [N, C, H, W] → [N, width, H, W]

    Normalisation and ReLU after the depthwise filter are those of DeepLab v3+, section 3.2.
    """
    depthwise = nn.Conv2d(channels, channels, 3, padding="same", dilation=rate, groups=channels, bias=not batch_norm)
    norm = [nn.BatchNorm2d(channels)] if batch_norm else []
    return nn.Sequential(depthwise, *norm, nn.ReLU(), *convolution(channels, width, 1, batch_norm=batch_norm))
