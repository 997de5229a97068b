"""U-Net: Ronneberger, Fischer and Brox 2015, arXiv 1505.04597, Figure 1.

A contracting path of pairs of unpadded 3×3 convolutions and 2×2 poolings, widths doubling from 64 to 1024; an
expanding path that upsamples by a 2×2 up-convolution halving the channels, concatenates the cropped map of
the same level and has two more 3×3 convolutions; a 1×1 convolution at the end. 23 convolutional layers,
572×572 → 388×388, and 31,030,658 parameters from 1 channel to 2 classes. There is no batch normalisation.

The net that the authors released (phseg_v5-train.prototxt) has a ReLU after each up-convolution and a dropout
at the end of the fourth level, too, before its map goes down and across: `released`. Its last up-convolution
has 128 channels, where Figure 1 and this net have 64.

`skips="self"` is the control of equal parameters and cost: the upsampled map is concatenated with itself, so
that nothing passes between the paths. Without skips (False) the convolutions after an up-convolution are
narrower.
"""

from functools import partial
from typing import Literal

from torch import Tensor, nn
from torch.nn import functional as F

from repro.bounds import BelowOne, Depth, Depths, Size, Sizes
from repro.models.layers.concatenation import concatenate
from repro.models.layers.interpolation import Bilinear


class UNet(nn.Module):
    """[N, in_channels, H, W] → [N, classes, H′, W′]; padded, H′ = H, else smaller: see `output_size`.

    Each pooling needs an even map: other sizes raise ValueError, which names the next that goes. `depths` and
    `depth_up` count the convolutions of a level, down and up. `up="bilinear"` is a 1×1 convolution that
    halves the channels, then bilinear interpolation. Dropout ends the contracting path (section 3.1).
    """

    def __init__(
        self,
        *,
        widths: Sizes = (64, 128, 256, 512, 1024),
        depths: Depths = (2, 2, 2, 2, 2),
        depth_up: Depth = 2,
        skips: Literal[True, False, "self"] = True,
        padded: bool = False,
        up: Literal["transposed", "bilinear"] = "transposed",
        batch_norm: bool = False,
        dropout: BelowOne = 0.5,
        released: bool = False,
        in_channels: Size = 1,
        classes: Size = 2,
    ):
        super().__init__()
        if len(widths) != len(depths):
            raise ValueError(
                f"widths and depths must be as long as each other, not {len(widths)} and {len(depths)} levels"
            )
        self.skips, self.trim = skips, 0 if padded else 2  # pixels that a 3×3 convolution takes off each side
        self.depths, self.depth_up, self.released = tuple(depths), depth_up, released
        inputs = [in_channels, *widths[:-1]]
        below, above = widths[:0:-1], widths[-2::-1]  # 1024 → 512, 512 → 256, …
        self.contracting = nn.ModuleList(map(partial(level, padded, batch_norm), inputs, widths, depths))
        self.dropout = nn.Dropout(dropout)
        self.up_convolutions = nn.ModuleList(map(UP[up], below, above))
        joined = [2 * width if skips else width for width in above]
        self.expanding = nn.ModuleList(
            map(partial(level, padded, batch_norm), joined, above, [depth_up] * len(above))
        )
        self.classifier = nn.Conv2d(widths[0], classes, 1)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                # Section 3: deviation √(2/N), N inputs of a unit
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            elif isinstance(module, nn.ConvTranspose2d):
                nn.init.normal_(module.weight, std=(2 / module.in_channels) ** 0.5)  # stamps do not overlap

    def forward(self, x: Tensor) -> Tensor:
        for side in x.shape[-2:]:
            self.output_size(side)
        *contracting, deepest = self.contracting
        maps = []
        for convolutions in contracting:
            x = convolutions(x)
            if self.released and convolutions is contracting[-1]:
                x = self.dropout(x)
            maps.append(x)
            x = F.max_pool2d(x, 2)
        x = self.dropout(deepest(x))
        for up, convolutions, skipped in zip(
            self.up_convolutions, self.expanding, reversed(maps), strict=True
        ):
            x = F.relu(up(x)) if self.released else up(x)
            if self.skips:
                x = concatenate([x if self.skips == "self" else centre(skipped, x), x])
            x = convolutions(x)
        logits: Tensor = self.classifier(x)
        return logits

    def output_size(self, side: int) -> int:
        """The logits' side for an image's: 388 for 572 in the paper. Raises ValueError if there is none."""
        found = self._output_size(side)
        if found is None:
            larger = next(
                s
                for s in range(side, side + 2 ** len(self.depths) * 1000)
                if self._output_size(s) is not None
            )
            raise ValueError(
                f"a side of {side} pixels does not go through "
                f"{len(self.depths) - 1} poolings by 2; {larger} does"
            )
        return found

    def _output_size(self, side: int) -> int | None:
        *contracting, deepest = self.depths
        for depth in contracting:
            side -= depth * self.trim
            if side < 2 or side % 2:
                return None
            side //= 2
        side -= deepest * self.trim
        for _ in contracting:
            side = 2 * side - self.depth_up * self.trim
            if side < 1:
                return None
        return side


def level(padded: bool, batch_norm: bool, channels: int, width: int, depth: int) -> nn.Sequential:
    """`depth` 3×3 convolutions, ReLU. [N, C, H, W] → [N, width, H, W], unpadded 2 · depth less on a side."""
    layers: list[nn.Module] = []
    for inputs in [channels, *[width] * (depth - 1)]:
        layers.append(nn.Conv2d(inputs, width, 3, padding=int(padded), bias=not batch_norm))
        layers += [nn.BatchNorm2d(width)] if batch_norm else []
        layers.append(nn.ReLU())
    return nn.Sequential(*layers)


UP = {
    "transposed": lambda channels, width: nn.ConvTranspose2d(channels, width, 2, stride=2),
    "bilinear": lambda channels, width: nn.Sequential(nn.Conv2d(channels, width, 1), Bilinear(2)),
}


def centre(x: Tensor, like: Tensor) -> Tensor:
    """The middle of a map, as large as the other. [N, C, H, W] → [N, C, H′, W′]"""
    top, left = (x.shape[-2] - like.shape[-2]) // 2, (x.shape[-1] - like.shape[-1]) // 2
    return x[..., top : top + like.shape[-2], left : left + like.shape[-1]]
