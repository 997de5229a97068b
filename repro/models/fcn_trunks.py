"""FCN-32s on the other trunks of its paper: Long, Shelhamer and Darrell 2015, arXiv 1411.4038, Table 1.

AlexNet's five convolutions (one tower, as in Caffe: grouped) with fc6 and fc7 as 6×6 and 1×1 convolutions of
4096 channels, or GoogLeNet to its average pooling of 7×7, at stride 1; then a 1×1 convolution that scores the
classes, and bilinear upsampling. The paper counts 57 and 6 million parameters, receptive fields of 355 and
907 pixels, strides of 32.

Differs from the paper: fc6 and the average pooling are padded to keep the map's size and the scores are
resized to the image, where the paper pads the image by 100 pixels and crops: same weights, other borders. On
VGG-16 see `fcn`.
"""

from typing import Literal

from torch import Tensor, nn

from repro.bounds import BelowOne, Multiplier, Size
from repro.models.layers.interpolation import interpolate_scores
from repro.models.trunks import make_trunk


class CoarseFCN(nn.Module):
    """[N, in_channels, H, W] → [N, classes, H, W], of any size from 32 × 32 on. `width` scales all widths."""

    def __init__(
        self,
        *,
        trunk: Literal["alexnet", "googlenet"],
        width: Multiplier = 1.0,
        dropout: BelowOne = 0.5,
        in_channels: Size = 3,
        classes: Size = 21,
    ):
        super().__init__()
        self.trunk = make_trunk(trunk, width=width, in_channels=in_channels)
        self.head, channels = HEADS[trunk](self.trunk.channels, width, dropout)
        self.score = nn.Conv2d(channels, classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        return interpolate_scores(self.score(self.head(self.trunk(x)[-1])), x.shape[-2:])


def fully_connected(channels: int, width: float, dropout: float) -> tuple[nn.Sequential, int]:
    """fc6 and fc7, and the channels of fc7."""
    hidden = max(1, round(4096 * width))
    fc6 = (nn.ZeroPad2d((2, 3, 2, 3)), nn.Conv2d(channels, hidden, 6), nn.ReLU(), nn.Dropout(dropout))
    fc7 = (nn.Conv2d(hidden, hidden, 1), nn.ReLU(), nn.Dropout(dropout))
    return nn.Sequential(*fc6, *fc7), hidden


def average(channels: int, _width: float, _dropout: float) -> tuple[nn.Sequential, int]:
    """The average pooling, and its channels."""
    return nn.Sequential(nn.AvgPool2d(7, stride=1, padding=3, count_include_pad=False)), channels


HEADS = {"alexnet": fully_connected, "googlenet": average}
