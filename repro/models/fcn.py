"""Fully convolutional networks: Long et al. 2015, arXiv 1411.4038, Figure 3 and Tables 1 and 2.

VGG-16 with fc6 and fc7 as 7×7 and 1×1 convolutions of 4096 channels, a 1×1 convolution that scores the
classes, and upsampling. FCN-16s adds the scores of pool4 to the scores upsampled by 2, FCN-8s those of pool3
too: `skips`. The 2× upsamplings are learnt and start bilinear, the last one is bilinear and fixed. FCN-32s
has 134,346,581 parameters at 21 classes (Table 1 counts 134 M).

Differs from the paper: every convolution is padded to keep its size and the output is cropped to the image,
where the paper pads the image by 100 pixels for an unpadded fc6: same weights, other borders. All skips train
from the start; `zero_skips` is the paper's start of a stage on top of a trained coarser net. Scores start at
random, unless `zero_scores`, as the paper has it.
"""

import torch
from torch import Tensor, nn

from repro.bounds import BelowOne, Depths, NonNegativeInt, Size, Sizes
from repro.models.layers.interpolation import interpolate_scores
from repro.models.vgg_trunk import FullyConnected, VggTrunk, crop

# Table 2. Fewer stages make the analogue at smaller strides: 3 stages are FCN-8s, 4s and 2s.
PAPER = {"FCN-32s": {"skips": 0}, "FCN-16s": {"skips": 1}, "FCN-8s": {"skips": 2}}
# What the authors' net that trains at once (voc-fcn8s-atonce) multiplies pool4 and pool3 by to score them.
# They are for Caffe's VGG-16, which takes images of levels to 255 and has larger maps than torchvision's.
AT_ONCE = (1e-2, 1e-4)


class FCN(nn.Module):
    """[N, in_channels, H, W] → [N, classes, H, W], of any size. `skips` earlier poolings are scored, too.

    `kernels` and `rates` are those of fc6, fc7, … with `fc` channels each. `fixed` trains the scores and the
    upsampling alone, on the trunk and fc6, fc7 as they start (Table 2, FCN-32s-fixed). `zero_scores` starts
    all layers of scores at zero (section 4.3), `zero_skips` those of the skips alone. `at_once` scales the
    maps that the first two skips score by AT_ONCE, so that they come in slowly.
    """

    def __init__(
        self,
        *,
        skips: NonNegativeInt = 0,
        zero_skips: bool = False,
        zero_scores: bool = False,
        at_once: bool = False,
        fixed: bool = False,
        widths: Sizes = (64, 128, 256, 512, 512),
        depths: Depths = (2, 2, 3, 3, 3),
        fc: Size = 4096,
        kernels: Sizes = (7, 1),
        rates: Sizes = (1, 1),
        batch_norm: bool = False,
        dropout: BelowOne = 0.5,
        in_channels: Size = 3,
        classes: Size = 21,
    ):
        super().__init__()
        if not 0 <= skips < len(widths):
            raise ValueError(f"skips must be 0 to {len(widths) - 1} with {len(widths)} stages, not {skips}")
        if at_once and skips > len(AT_ONCE):
            raise ValueError(f"at_once has scales for {len(AT_ONCE)} skips, not {skips}")
        self.trunk = VggTrunk(widths=widths, depths=depths, batch_norm=batch_norm, in_channels=in_channels)
        self.fc = FullyConnected(widths[-1], fc, kernels, rates, batch_norm=batch_norm, dropout=dropout)
        self.score = nn.Conv2d(fc, classes, 1)
        self.skip_scores = nn.ModuleList(nn.Conv2d(widths[-2 - skip], classes, 1) for skip in range(skips))
        self.ups = nn.ModuleList(bilinear_upsampling(classes) for _ in range(skips))
        self.last_stride = 2 ** (len(widths) - skips)
        if fixed:
            self.trunk.requires_grad_(False)
            self.fc.requires_grad_(False)
        self.scales = AT_ONCE[:skips] if at_once else (1.0,) * skips
        for parameter in self.skip_scores.parameters():
            if zero_skips or zero_scores:
                nn.init.zeros_(parameter)
        if zero_scores:
            for parameter in self.score.parameters():
                nn.init.zeros_(parameter)

    def forward(self, x: Tensor) -> Tensor:
        *earlier, last = self.trunk(x)
        scores = self.score(self.fc(last))
        for up, skip, scale, feature in zip(
            self.ups, self.skip_scores, self.scales, reversed(earlier), strict=False
        ):
            skipped = skip(scale * feature)
            scores = crop(up(scores), skipped) + skipped
        size = (scores.shape[-2] * self.last_stride, scores.shape[-1] * self.last_stride)
        return crop(interpolate_scores(scores, size), x)


def bilinear_upsampling(channels: int) -> nn.ConvTranspose2d:
    """A transposed convolution by 2 that starts as bilinear interpolation.

    Learnable, of each channel alone; beyond the border is zero.
    """
    layer = nn.ConvTranspose2d(channels, channels, 4, stride=2, padding=1, bias=False)
    line = torch.tensor([0.25, 0.75, 0.75, 0.25])
    with torch.no_grad():
        layer.weight.zero_()
        layer.weight[range(channels), range(channels)] = line[:, None] * line
    return layer
