"""Inception with batch norm: Ioffe and Szegedy 2015, "Batch Normalization", arXiv 1502.03167, Figure 5.

GoogLeNet with two 3×3 convolutions for each 5×5 one, three modules of 28×28 instead of two, 3c and 4e at
stride 2 instead of a pooling behind, average pooling in most modules, no dropout, and batch normalisation
after every convolution, which so needs no bias (section 3.2). 11,285,224 parameters; replications, whose
convolutions have biases too, count 11,295,240.

The widths that the table gives for 4c and 4d sum to 608, where it says 576. The widths count here, as in the
replications in Caffe and PyTorch; TF-Slim's projects the pooling to 96 there instead of 128. The paper's
first convolution is separable, and it does not say how weights start: here it is a plain one, and Glorot's
weights are those of our GoogLeNet.
"""

from typing import Literal

import torch
from torch import Tensor, nn

from repro.bounds import BelowOne, Multiplier, Size
from repro.models.googlenet import STEMS, pooling, scaled
from repro.models.layers.convolutions import rectified
from repro.models.layers.initialisation import initialise
from repro.models.layers.squeeze_excitation import SqueezeExcitation

MODULES = {  # Figure 5: #1×1, #3×3 reduce, #3×3, double #3×3 reduce, double #3×3, pool proj; what it pools by
    "3a": (64, 64, 64, 64, 96, 32, "average"),
    "3b": (64, 64, 96, 64, 96, 64, "average"),
    "3c": (0, 128, 160, 64, 96, 0, "max"),
    "4a": (224, 64, 96, 96, 128, 128, "average"),
    "4b": (192, 96, 128, 96, 128, 128, "average"),
    "4c": (160, 128, 160, 128, 160, 128, "average"),
    "4d": (96, 128, 192, 160, 192, 128, "average"),
    "4e": (0, 128, 192, 192, 256, 0, "max"),
    "5a": (352, 192, 320, 160, 224, 128, "average"),
    "5b": (352, 192, 320, 192, 224, 128, "max"),
}


class InceptionV2(nn.Module):
    """[N, in_channels, H, W] → [N, classes]

    `width` multiplies all filters. `squeeze_excitation` scales the channels of each module (Hu et al. 2017,
    Figure 2) by the ratio `reduction`: 646,398 parameters more. The stem `small` does not shrink before its
    second pooling, for images of 20 to 64 pixels.
    """

    def __init__(
        self,
        *,
        dropout: BelowOne = 0.0,
        squeeze_excitation: bool = False,
        reduction: Size = 16,
        stem: Literal["imagenet", "small"] = "imagenet",
        width: Multiplier = 1.0,
        in_channels: Size = 3,
        classes: Size = 1000,
    ):
        super().__init__()
        kernel, stride = STEMS[stem]
        first, second = scaled((64, 192), width)
        self.stem = nn.Sequential(
            rectified(in_channels, first, kernel, stride),
            *([pooling()] if stride == 2 else []),
            rectified(first, first, 1),
            rectified(first, second, 3),
            pooling(),
        )
        self.body, channels = nn.Sequential(), second
        for name, (*filters, pool) in MODULES.items():
            module = Inception(channels, tuple(scaled((n,), width)[0] if n else 0 for n in filters), pool)
            channels = module.channels
            if squeeze_excitation:
                excited = SqueezeExcitation(channels, channels // reduction)
                self.body.add_module(name, nn.Sequential(module, excited))
            else:
                self.body.add_module(name, module)
        self.classifier = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(dropout), nn.Linear(channels, classes)
        )
        initialise(self, "xavier")

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.classifier(self.body(self.stem(x)))
        return logits


class Inception(nn.Module):
    """1×1, 3×3, twice 3×3 and a 3×3 pooling, side by side. [N, C, H, W] → [N, self.channels, H', W'].

    Without 1×1 convolutions and projection its stride is 2, and H' is ⌈H/2⌉. Its pooling then has windows
    centred where those of the convolutions are, so that any size fits; replications start them at the first
    pixel, which even sizes allow.
    """

    def __init__(self, channels: int, filters: tuple[int, ...], pool: str):
        super().__init__()
        one, three_reduce, three, double_reduce, double, projection = filters
        stride = 1 if one else 2
        pooled = {"average": nn.AvgPool2d, "max": nn.MaxPool2d}[pool](3, stride, padding=1)
        self.branches = nn.ModuleList([rectified(channels, one, 1)] if one else [])
        self.branches.append(
            nn.Sequential(rectified(channels, three_reduce, 1), rectified(three_reduce, three, 3, stride))
        )
        self.branches.append(
            nn.Sequential(
                rectified(channels, double_reduce, 1),
                rectified(double_reduce, double, 3),
                rectified(double, double, 3, stride),
            )
        )
        self.branches.append(
            nn.Sequential(pooled, *([rectified(channels, projection, 1)] if projection else []))
        )
        self.channels = one + three + double + (projection or channels)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([branch(x) for branch in self.branches], dim=1)
