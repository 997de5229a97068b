"""DeepLab v1: Chen et al. 2014, arXiv 1412.7062, Table 2; v2: 2016, arXiv 1606.00915, section 3.2, Table 3.

v1 is VGG-16 with the strides of pool4 and pool5 taken away, so that scores come at stride 8, atrous
convolutions of rate 2 in stage 5 and of the given rate in fc6, fc7 and the scores as 1×1 convolutions, and
bilinear interpolation. v2 has several branches of fc6, fc7 and scores with a rate each, summed: atrous
spatial pyramid pooling. On ResNet-101 a branch is one 3×3 convolution to the scores.

Differs from the papers: random weights, one scale, no features of earlier layers (MSc), no dense CRF (which
is no layer). VGG's poolings are 2×2 where they have a stride; the released net's average pooling after pool5
is left out, as no paper mentions it.
"""

from typing import Literal

from torch import Tensor, nn

from repro.bounds import BelowOne, Depths, NonNegativeInt, Size, Sizes
from repro.models.layers.interpolation import interpolate_scores
from repro.models.trunks import make_trunk
from repro.models.vgg_trunk import FullyConnected

PAPER = {
    "v1 DeepLab": {"kernel": 4, "rates": (4,), "fc": 4096},
    "v1 DeepLab-4x4": {"kernel": 4, "rates": (8,), "fc": 4096},
    "v1 DeepLab-7x7": {"kernel": 7, "rates": (4,), "fc": 4096},
    "v1 DeepLab-LargeFOV": {"kernel": 3, "rates": (12,), "fc": 1024},
    "v2 ASPP-S": {"kernel": 3, "rates": (2, 4, 8, 12), "fc": 1024},
    "v2 ASPP-L": {"kernel": 3, "rates": (6, 12, 18, 24), "fc": 1024},
    "v2 ResNet-101 LargeFOV": {"trunk": "resnet101", "kernel": 3, "rates": (12,), "fc": 0},
    "v2 ResNet-101 ASPP": {"trunk": "resnet101", "kernel": 3, "rates": (6, 12, 18, 24), "fc": 0},
}


class DeepLab(nn.Module):
    """[N, in_channels, H, W] → [N, classes, H, W], of any size.

    A branch for each of `rates`: fc6 with that rate and `kernel`, fc7, scores, with `fc` channels; `fc=0` is
    one convolution to the scores. The names of scores hold `score`, for recipes. Rates are at the output
    stride, as printed in the papers. `widths`, `depths`: those of the trunk unless given.
    """

    def __init__(
        self,
        *,
        trunk: Literal["vgg16", "resnet50", "resnet101", "xception65"] = "vgg16",
        output_stride: Size = 8,
        kernel: Size = 3,
        rates: Sizes = (12,),
        fc: NonNegativeInt = 1024,
        widths: Sizes | None = None,
        depths: Depths | None = None,
        batch_norm: bool | None = None,
        dropout: BelowOne = 0.5,
        in_channels: Size = 3,
        classes: Size = 21,
    ):
        super().__init__()
        options = {"widths": widths, "depths": depths, "batch_norm": batch_norm, "in_channels": in_channels}
        self.trunk = make_trunk(trunk, output_stride=output_stride, **options)
        self.branches = nn.ModuleList()
        for rate in rates:
            branch = nn.Sequential()
            if fc:
                norm = bool(batch_norm)
                fully_connected = FullyConnected(
                    self.trunk.channels, fc, (kernel, 1), (rate, 1), batch_norm=norm, dropout=dropout
                )
                branch.add_module("fc", fully_connected)
                branch.add_module("score", nn.Conv2d(fc, classes, 1))
            else:
                wide = nn.Conv2d(self.trunk.channels, classes, kernel, padding="same", dilation=rate)
                branch.add_module("score", wide)
            self.branches.append(branch)

    def forward(self, x: Tensor) -> Tensor:
        last = self.trunk(x)[-1]
        first, *others = (branch(last) for branch in self.branches)
        return interpolate_scores(sum(others, first), x.shape[-2:])
