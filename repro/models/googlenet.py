"""GoogLeNet: Szegedy et al. 2014, "Going Deeper with Convolutions", arXiv 1409.4842, Table 1 and section 5.

A stem, nine Inception modules, global average pooling and one linear layer. The table's rows sum to 6.8 M
parameters; its widths make 6,998,552, and 13,378,280 with the auxiliary classifiers. The 5×5 convolutions are
5×5 here (torchvision's are 3×3).

The paper says neither how weights start nor what response normalisation it uses: both are those of BVLC's
replication, which a co-author helped with (Caffe's models/bvlc_googlenet), but for biases that start at 0
instead of 0.2, and for Glorot's mean of fan-in and fan-out, where Caffe has the fan-in alone.
"""

from typing import Literal

import torch
from torch import Tensor, nn

from repro.bounds import BelowOne, Multiplier, Size
from repro.models.layers.initialisation import initialise
from repro.models.layers.response_norm import LocalResponseNorm

MODULES = {  # Table 1: #1×1, #3×3 reduce, #3×3, #5×5 reduce, #5×5, pool proj
    "3a": (64, 96, 128, 16, 32, 32),
    "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 208, 16, 48, 64),
    "4b": (160, 112, 224, 24, 64, 64),
    "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128),
    "5a": (256, 160, 320, 32, 128, 128),
    "5b": (384, 192, 384, 48, 128, 128),
}
POOLED = ("3b", "4e")  # the modules with a pooling behind them
AUXILIARY = ("4a", "4d")  # the modules with an auxiliary classifier
# the first convolution's kernel, and its stride and that of its pooling
STEMS = {"imagenet": (7, 2), "small": (3, 1)}


class InceptionNet(nn.Module):
    """A net of modules in a row, some of which have an auxiliary classifier behind them in training.

    [N, in_channels, H, W] → [N, classes]; in training, if there are any, [N, 1 + auxiliary, classes]: the
    classifier, then the auxiliary ones.
    """

    stem: nn.Module
    body: nn.ModuleDict
    auxiliary: nn.ModuleDict  # by the name of the module that it is behind
    classifier: nn.Module

    def forward(self, x: Tensor) -> Tensor:
        x, auxiliary = self.stem(x), []
        for name, layer in self.body.items():
            x = layer(x)
            if self.training and name in self.auxiliary:
                auxiliary.append(self.auxiliary[name](x))
        logits = self.classifier(x)
        return torch.stack([logits, *auxiliary], dim=1) if auxiliary else logits


class GoogLeNet(InceptionNet):
    """[N, in_channels, H, W] → [N, classes]; in training, if `auxiliary`, [N, 3, classes]: the classifier,
    then those at 4a and 4d, whose losses the paper adds with weight 0.3 each.

    `reduce=False` has the naive modules of Figure 2a: no 1×1 convolutions before the 3×3 and 5×5 ones, nor
    after the pooling, so that maps widen from module to module. `norm` is the stem's response normalisation,
    batch normalisation between every convolution of stem and modules and its ReLU, or none.
    `global_pooling=False` gives the last map itself to the linear layer, which then has weights for every
    position. `width` multiplies all filters and hidden units. The stem `small` does not shrink before its
    second pooling, for images of 20 to 64 pixels.

    `image_size` is the side of the images where a layer depends on it: in auxiliary classifiers and without
    global pooling. `init` is one of `initialise`. Raises ValueError if images are too small for the auxiliary
    classifiers.
    """

    def __init__(
        self,
        *,
        auxiliary: bool = False,
        reduce: bool = True,
        norm: Literal["response", "batch", "none"] = "response",
        global_pooling: bool = True,
        dropout: BelowOne = 0.4,
        auxiliary_dropout: BelowOne = 0.7,
        stem: Literal["imagenet", "small"] = "imagenet",
        init: Literal["gaussian", "xavier", "he"] = "xavier",
        width: Multiplier = 1.0,
        image_size: Size = 224,
        in_channels: Size = 3,
        classes: Size = 1000,
    ):
        super().__init__()
        kernel, stride = STEMS[stem]
        batch_norm, response = norm == "batch", norm == "response"
        first, second = scaled((64, 192), width)
        self.stem = nn.Sequential(
            biased(in_channels, first, kernel, stride, batch_norm=batch_norm),
            *([pooling()] if stride == 2 else []),
            *([bvlc_norm()] if response else []),
            biased(first, first, 1, batch_norm=batch_norm),
            biased(first, second, 3, batch_norm=batch_norm),
            *([bvlc_norm()] if response else []),
            pooling(),
        )
        self.body = nn.ModuleDict()
        channels = second
        wide: dict[str, int] = {}
        for name, row in MODULES.items():
            module = Inception(channels, scaled(row, width), reduce=reduce, batch_norm=batch_norm)
            self.body[name] = module
            channels = wide[name] = module.channels
            if name in POOLED:
                self.body[f"pool{name}"] = pooling()
        self.channels = channels  # of the last map
        side = -(-image_size // stride) // stride // 2 // 2  # of the maps at 4a to 4e
        positions = 1 if global_pooling else (side // 2) ** 2
        pool = [nn.AdaptiveAvgPool2d(1)] if global_pooling else []
        self.classifier = nn.Sequential(
            *pool, nn.Flatten(), nn.Dropout(dropout), nn.Linear(channels * positions, classes)
        )
        initialise(self, init)
        # After the draw, so that all other weights are the same with and without them
        self.auxiliary = nn.ModuleDict()
        if auxiliary:
            for name in AUXILIARY:
                self.auxiliary[name] = auxiliary_classifier(
                    wide[name], side, scaled((128, 1024), width), auxiliary_dropout, classes
                )
        initialise(self.auxiliary, init)


class Inception(nn.Module):
    """1×1, 3×3, 5×5 convolutions and a 3×3 pooling, side by side: Figure 2.

    [N, C, H, W] → [N, self.channels, H, W].
    """

    def __init__(self, channels: int, row: tuple[int, ...], *, reduce: bool, batch_norm: bool):
        super().__init__()
        one, three_reduce, three, five_reduce, five, projection = row
        pool = nn.MaxPool2d(3, stride=1, padding=1)
        kernels = {1: (one,), 3: (three_reduce, three), 5: (five_reduce, five)}
        self.branches = nn.ModuleList()
        for kernel, (*reduced, filters) in kernels.items():
            before = [biased(channels, r, 1, batch_norm=batch_norm) for r in reduced if reduce]
            inside = reduced[0] if before else channels
            self.branches.append(
                nn.Sequential(*before, biased(inside, filters, kernel, batch_norm=batch_norm))
            )
        after = [biased(channels, projection, 1, batch_norm=batch_norm)] if reduce else []
        self.branches.append(nn.Sequential(pool, *after))
        self.channels = one + three + five + (projection if reduce else channels)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([branch(x) for branch in self.branches], dim=1)


def biased(channels: int, filters: int, kernel: int, stride: int = 1, *, batch_norm: bool) -> nn.Sequential:
    """A convolution, batch normalisation if wanted, ReLU. Its bias stays with the former, as in Caffe."""
    norm = [nn.BatchNorm2d(filters)] if batch_norm else []
    return nn.Sequential(nn.Conv2d(channels, filters, kernel, stride, kernel // 2), *norm, nn.ReLU())


def pooling() -> nn.MaxPool2d:
    """3×3 at stride 2, ⌊n/2⌋ of n: 112 → 56 → 28 → 14 → 7 as in Table 1."""
    return nn.MaxPool2d(3, stride=2, ceil_mode=True)


def bvlc_norm() -> LocalResponseNorm:
    return LocalResponseNorm(alpha=1e-4 / 5, k=1.0)  # 1e-4 in Caffe, which divides it by the 5 channels


def auxiliary_classifier(
    channels: int, side: int, widths: tuple[int, ...], dropout: float, classes: int
) -> nn.Sequential:
    """Section 5: 5×5 average pooling by 3, a 1×1 convolution, a hidden layer. [N, C, s, s] → [N, classes]"""
    filters, hidden = widths
    pooled = (side - 5) // 3 + 1
    if pooled < 1:
        raise ValueError(
            "auxiliary classifiers need maps of at least 5×5, not the "
            f"{side}×{side} that these images come to"
        )
    return nn.Sequential(
        nn.AvgPool2d(5, stride=3),
        biased(channels, filters, 1, batch_norm=False),
        nn.Flatten(),
        *(nn.Linear(filters * pooled**2, hidden), nn.ReLU(), nn.Dropout(dropout)),
        nn.Linear(hidden, classes),
    )


def scaled(filters: tuple[int, ...], width: float) -> tuple[int, ...]:
    return tuple(max(1, round(n * width)) for n in filters)
