"""DeepLab v3 and v3+: Chen et al. 2017, arXiv 1706.05587, Figure 5, and 2018, arXiv 1802.02611, Figure 2.

v3: an atrous trunk; a 1×1 and three 3×3 convolutions with a rate each and the pooled image, 256 channels each
with batch normalisation, concatenated; a 1×1 convolution of 256; scores; bilinear interpolation. v3+ joins
what v3 scores, upsampled to a map of stride 4, with that map cut to 48 channels, and refines both by two 3×3
convolutions of 256 before the scores; it makes pyramid and decoder of atrous separable convolutions.

Differs from the papers: random weights, and interpolation whose corners are not aligned, as is usual in
PyTorch.
"""

from collections.abc import Callable
from typing import Literal

from torch import Tensor, nn
from torch.nn import functional as F

from repro.bounds import Depths, NonNegativeInt, Size, Sizes
from repro.models.layers import atrous
from repro.models.layers.concatenation import concatenate
from repro.models.layers.interpolation import bilinear, interpolate_scores
from repro.models.trunks import make_trunk

DECODER = {"low_level": 48, "decoder": (256, 256)}  # v3+, Tables 1 and 2
PAPER = {
    # Rates are at the output stride: stride 8 has twice those of stride 16 (v3, section 3.3).
    "v3 ResNet-50": {"trunk": "resnet50", "output_stride": 16, "rates": (6, 12, 18), "multi_grid": (1, 2, 4)},
    "v3 ResNet-101": {
        "trunk": "resnet101",
        "output_stride": 16,
        "rates": (6, 12, 18),
        "multi_grid": (1, 2, 4),
    },
    "v3 ResNet-101, stride 8": {
        "trunk": "resnet101",
        "output_stride": 8,
        "rates": (12, 24, 36),
        "multi_grid": (1, 2, 4),
    },
    "v3+ ResNet-101": {"trunk": "resnet101", "output_stride": 16, "multi_grid": (1, 2, 4), **DECODER},
    "v3 Xception": {"trunk": "xception65", "output_stride": 16},
    "v3+ Xception": {"trunk": "xception65", "output_stride": 16, **DECODER},
    "v3+ Xception, separable": {"trunk": "xception65", "output_stride": 16, "separable": True, **DECODER},
}


def cascade(blocks: int, output_stride: int, multi_grid: tuple[int, ...] = (1, 1, 1)) -> dict[str, object]:
    """v3's "going deeper": ResNet-50 to block 4, 5, 6 or 7 and no pyramid (its Tables 1 to 4)."""
    depths, widths = (3, 4, 6) + (3,) * (blocks - 3), (64, 128, 256) + (512,) * (blocks - 3)
    without = {"rates": (), "pointwise": False, "image_pool": False}
    return {
        "output_stride": output_stride,
        "multi_grid": multi_grid,
        "depths": depths,
        "widths": widths,
        **without,
    }


class DeepLabV3(nn.Module):
    """[N, in_channels, H, W] → [N, classes, H, W], of any size.

    Trains on 2 images or more, for the pooled image's norm.

    The pyramid has a branch of `width` channels for each of `rates` (at the output stride), one with a 1×1
    convolution if `pointwise` and one with the image's mean if `image_pool`; without any the trunk is scored.
    `fused`: `width` unless given. `decoder`: widths of 3×3 convolutions before the scores, joined by
    `low_level` channels of the trunk's first map (0: none).
    """

    def __init__(
        self,
        *,
        trunk: Literal["vgg16", "resnet50", "resnet101", "xception65"] = "resnet50",
        output_stride: Size = 16,
        multi_grid: Sizes | None = None,
        rates: tuple[Size, ...] = (6, 12, 18),
        pointwise: bool = True,
        image_pool: bool = True,
        width: Size = 256,
        fused: Size | None = None,
        low_level: NonNegativeInt = 0,
        decoder: tuple[Size, ...] = (),
        separable: bool = False,
        widths: Sizes | None = None,
        depths: Depths | None = None,
        batch_norm: bool | None = None,
        separable_trunk: bool | None = None,
        in_channels: Size = 3,
        classes: Size = 21,
    ):
        super().__init__()
        own = {"multi_grid": multi_grid, "batch_norm": batch_norm, "separable_trunk": separable_trunk}
        sizes = {"widths": widths, "depths": depths, "in_channels": in_channels}
        self.trunk = make_trunk(trunk, output_stride=output_stride, **sizes, **own)
        channels = self.trunk.channels
        self.pyramid: nn.Module = nn.Identity()
        if rates or pointwise or image_pool:
            fused = width if fused is None else fused
            self.pyramid = Pyramid(channels, width, fused, rates, pointwise, image_pool, separable)
            channels = fused
        self.low_level = atrous.convolution(self.trunk.widths[0], low_level, 1) if low_level else None
        channels += low_level
        self.decoder = nn.Sequential()
        for refined in decoder:
            self.decoder.append(three_by_three(separable)(channels, refined))
            channels = refined
        self.classifier = nn.Conv2d(channels, classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        first, *_, last = self.trunk(x)
        y = self.pyramid(last)
        if self.low_level is not None:
            low = self.low_level(first)
            y = concatenate([bilinear(y, low.shape[-2:]), low])
        return interpolate_scores(self.classifier(self.decoder(y)), x.shape[-2:])


class Pyramid(nn.Module):
    """Atrous spatial pyramid pooling, concatenated (v3, section 3.3). [N, C, H, W] → [N, fused, H, W]"""

    def __init__(
        self,
        channels: int,
        width: int,
        fused: int,
        rates: tuple[int, ...],
        pointwise: bool,
        image_pool: bool,
        separable: bool,
    ):
        super().__init__()
        self.branches = nn.ModuleList([atrous.convolution(channels, width, 1)] if pointwise else [])
        self.branches.extend(three_by_three(separable)(channels, width, rate=rate) for rate in rates)
        self.image = atrous.convolution(channels, width, 1) if image_pool else None
        self.fuse = atrous.convolution(width * (len(rates) + pointwise + image_pool), fused, 1)

    def forward(self, x: Tensor) -> Tensor:
        features = [branch(x) for branch in self.branches]
        if self.image is not None:
            # As `x.mean`, whose gradient would lie in another layout: 5 % of a CPU step
            mean = F.avg_pool2d(x, x.shape[-2:])
            features.append(self.image(mean).expand(-1, -1, *x.shape[-2:]))
        fused: Tensor = self.fuse(concatenate(features))
        return fused


def three_by_three(separated: bool) -> Callable[..., nn.Sequential]:
    return atrous.separable if separated else atrous.convolution
