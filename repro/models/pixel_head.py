"""Two heads for a net that labels pixels: a 1×1 convolution, and an affine layer over all pixels of the map.

The net is a small FCN-32s (Long et al. 2015, arXiv 1411.4038, section 3.1) of fewer stages, so that only what
makes scores of its last map differs. The affine layer has side² · side² as many weights as the convolution,
one for each pair of a place that is seen and a place that is scored, and as many times side² multiply-adds.
"""

from typing import Literal

from torch import Tensor, nn

from repro.bounds import BelowOne, Depths, NonNegativeInt, Size, Sizes
from repro.models.layers.interpolation import interpolate_scores
from repro.models.vgg_trunk import FullyConnected, VggTrunk, crop


class PixelHead(nn.Module):
    """[N, in_channels, H, W] → [N, classes, H, W].

    `reduced`: channels to which a 1×1 convolution cuts the map before the head (0: none). The affine head
    takes square images of `image_size` alone: others raise ValueError. The rest is as in `FCN`.
    """

    def __init__(
        self,
        *,
        head: Literal["pointwise", "affine"] = "pointwise",
        reduced: NonNegativeInt = 0,
        image_size: Size = 64,
        widths: Sizes = (16, 32, 64),
        depths: Depths = (1, 1, 1),
        fc: Size = 64,
        kernels: Sizes = (3, 3, 1),
        rates: Sizes = (1, 2, 1),
        batch_norm: bool = True,
        dropout: BelowOne = 0.0,
        in_channels: Size = 3,
        classes: Size = 6,
    ):
        super().__init__()
        self.trunk = VggTrunk(widths=widths, depths=depths, batch_norm=batch_norm, in_channels=in_channels)
        self.fc = FullyConnected(widths[-1], fc, kernels, rates, batch_norm=batch_norm, dropout=dropout)
        self.reduce = nn.Conv2d(fc, reduced, 1) if reduced else nn.Identity()
        self.stride, channels = 2 ** len(widths), reduced or fc
        self.image_size = image_size if head == "affine" else None
        self.score: nn.Module
        if head == "affine":
            side = -(-image_size // self.stride)
            self.score = nn.Sequential(
                nn.Flatten(),
                nn.Linear(channels * side**2, classes * side**2),
                nn.Unflatten(1, (classes, side, side)),
            )
        else:
            self.score = nn.Conv2d(channels, classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[-2:]
        if self.image_size is not None and (height, width) != (self.image_size, self.image_size):
            raise ValueError(
                f"the affine head takes images of {self.image_size}×{self.image_size} pixels, "
                f"not {height}×{width}"
            )
        scores = self.score(self.reduce(self.fc(self.trunk(x)[-1])))
        size = (scores.shape[-2] * self.stride, scores.shape[-1] * self.stride)
        return crop(interpolate_scores(scores, size), x)
