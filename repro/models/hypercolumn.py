"""Hypercolumns: Hariharan et al. 2015, arXiv 1411.5752, section 3.

A pixel's hypercolumn is the vector of all activations above it: chosen maps of the trunk and fc7, each
upsampled bilinearly to the image and put one on the other. A linear classifier on it is a sum of 1×1
convolutions, one on each map, and upsampling commutes with them, so the maps are scored first and the scores
upsampled and added: `fuse="sum"`, as the paper computes it. `fuse="concat"` builds the hypercolumns: the same
function of the same weights at far more memory.

Differs from the paper: whole images rather than boxes of detections, one classifier for all positions rather
than an interpolated grid of them, VGG-16 throughout, with the outputs of poolings for the maps below fc7.
"""

from typing import Literal

import torch
from torch import Tensor, nn

from repro.bounds import BelowOne, Depths, Size, Sizes
from repro.models.layers.interpolation import Bilinear
from repro.models.vgg_trunk import FullyConnected, VggTrunk, crop


class Hypercolumn(nn.Module):
    """[N, in_channels, H, W] → [N, classes, H, W], of any size.

    `pools` are the poolings, from 1, that join fc7; () classifies by fc7 alone, the paper's baseline.
    """

    def __init__(
        self,
        *,
        pools: tuple[Size, ...] = (2, 4),
        fuse: Literal["sum", "concat"] = "sum",
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
        unknown = sorted(set(pools) - set(range(1, len(widths) + 1)))
        if unknown:
            raise ValueError(f"pools must be among 1 to {len(widths)}, not {', '.join(map(str, unknown))}")
        self.trunk = VggTrunk(widths=widths, depths=depths, batch_norm=batch_norm, in_channels=in_channels)
        self.fc = FullyConnected(widths[-1], fc, kernels, rates, batch_norm=batch_norm, dropout=dropout)
        self.pools, self.fuse = tuple(pools), fuse
        below = [widths[pool - 1] for pool in pools]
        self.classifier = nn.ModuleList()
        if fuse == "concat":
            self.classifier.append(nn.Conv2d(sum(below) + fc, classes, 1))
        else:  # one bias is enough
            self.classifier.extend(nn.Conv2d(channels, classes, 1, bias=False) for channels in below)
            self.classifier.append(nn.Conv2d(fc, classes, 1))

    def forward(self, x: Tensor) -> Tensor:
        maps = [self.hypercolumns(x)] if self.fuse == "concat" else self.maps(x)
        scores: list[Tensor] = [classify(m) for classify, m in zip(self.classifier, maps, strict=True)]
        if self.fuse == "concat":
            return scores[0]
        return torch.stack(self.upsampled(scores, x)).sum(dim=0)

    def hypercolumns(self, x: Tensor) -> Tensor:
        """[N, in_channels, H, W] → [N, all chosen channels, H, W], fc7's last"""
        return torch.cat(self.upsampled(self.maps(x), x), dim=1)

    def maps(self, x: Tensor) -> list[Tensor]:
        pooled = self.trunk(x)
        return [*(pooled[pool - 1] for pool in self.pools), self.fc(pooled[-1])]

    def upsampled(self, maps: list[Tensor], x: Tensor) -> list[Tensor]:
        strides = [2**pool for pool in self.pools] + [2 ** len(self.trunk.stages)]
        return [crop(Bilinear(stride)(one), x) for one, stride in zip(maps, strides, strict=True)]
