"""Spatial pyramid pooling: He et al. 2014, arXiv 1406.4729, in the paper's ZF-5 (section 3.1.1 and Table 1).

Five convolutions, at 224×224 with maps of 55, 27 and 13 pixels, and three fully connected layers. The pooling
behind the last convolution cuts whatever map it gets into the same bins, 6×6, 3×3, 2×2 and 1×1, so that
images of any size go in.

Bins are those of appendix A, [⌊(i−1)/n·w⌋, ⌈i/n·w⌉], which torch's adaptive pooling has as well. The sliding
windows it trains with are the same on maps of 13×13, but make 9 instead of 6 bins a side on its maps of
10×10.
"""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from repro.bounds import BelowOne, Multiplier, Size
from repro.models.layers.initialisation import initialise
from repro.models.layers.response_norm import LocalResponseNorm

CONVOLUTIONS = (  # Table 1: kernel, stride, padding (here chosen to make its maps) and filters
    (7, 2, 1, 96),
    (5, 2, 1, 256),
    (3, 1, 1, 384),
    (3, 1, 1, 384),
    (3, 1, 1, 256),
)
NORMALISED = 2  # of them have a response normalisation and a pooling behind them


class SpatialPyramidPooling(nn.Module):
    """The maximum of each bin of n×n, for each n of `levels`. [N, C, H, W] of any size → [N, C · Σ n²]"""

    def __init__(self, levels: tuple[int, ...] = (6, 3, 2, 1)):
        super().__init__()
        self.levels = tuple(levels)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([F.adaptive_max_pool2d(x, n).flatten(1) for n in self.levels], dim=1)


class SpatialPyramidNet(nn.Module):
    """[N, in_channels, H, W] → [N, classes], H and W from 23 on.

    No `levels` is the paper's baseline: ZF-5 with a 3×3 pooling at stride 2 there, for images of `image_size`
    alone. `width` multiplies the filters, `fc` counts the units of the two hidden layers and `dropout` is
    theirs. Response normalisation and start are AlexNet's, whose practice the paper follows, but with biases
    of 0; `init` is one of `initialise`.
    """

    def __init__(
        self,
        *,
        levels: tuple[Size, ...] = (6, 3, 2, 1),
        dropout: BelowOne = 0.5,
        init: Literal["gaussian", "xavier", "he"] = "gaussian",
        width: Multiplier = 1.0,
        fc: Size = 4096,
        image_size: Size = 224,
        in_channels: Size = 3,
        classes: Size = 1000,
    ):
        super().__init__()
        self.features, channels, side = nn.Sequential(), in_channels, image_size
        for i, (kernel, stride, padding, filters) in enumerate(CONVOLUTIONS):
            filters = max(1, round(filters * width))
            self.features.extend([nn.Conv2d(channels, filters, kernel, stride, padding), nn.ReLU()])
            side = (side + 2 * padding - kernel) // stride + 1
            if i < NORMALISED:
                self.features.extend([LocalResponseNorm(), nn.MaxPool2d(3, 2, ceil_mode=True)])
                side //= 2
            channels = filters
        self.channels = channels  # of the last map
        bins = sum(n**2 for n in levels) if levels else (side // 2) ** 2
        if bins < 1:
            raise ValueError(f"image_size must be at least 39 without a pyramid, not {image_size}")
        self.pool = (
            SpatialPyramidPooling(levels)
            if levels
            else nn.Sequential(nn.MaxPool2d(3, 2, ceil_mode=True), nn.Flatten())
        )
        self.classifier = nn.Sequential(
            *(nn.Linear(channels * bins, fc), nn.ReLU(), nn.Dropout(dropout)),
            *(nn.Linear(fc, fc), nn.ReLU(), nn.Dropout(dropout)),
            nn.Linear(fc, classes),
        )
        initialise(self, init)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.classifier(self.pool(self.features(x)))
        return logits
