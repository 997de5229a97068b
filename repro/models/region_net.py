"""Detectors that look at regions: R-CNN, SPPnet, Fast and Faster R-CNN, to measure what they cost.

R-CNN (Girshick et al. 2013, arXiv 1311.2524): each region, warped to the size a CNN takes, goes through it by
itself. Its 16 pixels of context are left out. SPPnet (He et al. 2014, arXiv 1406.4729) and Fast R-CNN
(Girshick 2015, arXiv 1504.08083): the image goes through the convolutions once, each region's part of the map
is pooled to so many bins, and only linear layers see it by itself. Faster R-CNN (Ren et al. 2015, arXiv
1506.01497): the regions come from a small net on the same map.

All have Fast R-CNN's two outputs here, scores and box offsets, where the first two have linear SVMs and
regressions.
"""

from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torchvision.ops import roi_align, roi_pool

from repro.bounds import BelowOne, Multiplier, Size
from repro.models.region_proposals import GivenRegions, RegionProposals, scaled
from repro.models.spatial_pyramid import SpatialPyramidPooling
from repro.models.trunks import make_trunk


class Classifier(NamedTuple):
    """The net that labels images on a trunk."""

    side: int  # of its images
    kernel: int  # of the pooling behind its last convolution, at stride 2
    bins: int  # a side, which that pooling makes


CLASSIFIERS = {
    "alexnet": Classifier(227, 3, 6),
    "zf5": Classifier(224, 3, 6),
    "vgg16": Classifier(224, 2, 7),
}


class RegionPooling(nn.Module):
    """The maximum of each bin of n×n of each region, n in `levels`. [N, C, h, w], [R, 5] → [R, C · Σ n²]

    Regions are (image, x1, y1, x2, y2) in pixels of the map, rounded as Fast R-CNN does; bins are those of
    the pyramid.
    """

    def __init__(self, levels: tuple[int, ...]):
        super().__init__()
        self.levels = tuple(levels)

    def forward(self, x: Tensor, regions: Tensor) -> Tensor:
        # torchvision's operator wants the last pixel of a region, which is one before its end, and has no
        # bfloat16.
        start, end = regions.split([3, 2], dim=1)
        inclusive = torch.cat([start, end - 1], dim=1)
        return torch.cat([roi_pool(x.float(), inclusive, n).flatten(1) for n in self.levels], dim=1)


class RegionNet(nn.Module):
    """[N, in_channels, H, W] → [N · regions, classes + 4 · classes]: class scores, then box offsets.

    `sharing` `none` is R-CNN, whose convolutions see each region by itself; `map` are the others. Regions are
    `given`, the same spread of boxes in every image, or from Faster R-CNN's `rpn`, which is for real images:
    it does not run on the meta device. The papers have 2000 given ones, or 300 of the `rpn`.

    `levels` are the bins a side of SPPnet's pyramid, (6, 3, 2, 1), or of Fast R-CNN's pooling; without any
    there are as many as the trunk's own pooling makes. `width` multiplies the filters, `fc` counts the units
    of the two hidden linear layers, `dropout` is theirs, and `classes` count the background.

    With `none`, `at_once` regions go through the convolutions as a batch: VGG-16 holds 26 MB of each, and of
    all of them if gradients are wanted. CPUs run small trunks fastest with about 4. Raises ValueError for an
    `rpn` without a map.
    """

    def __init__(
        self,
        trunk: Literal["alexnet", "zf5", "vgg16"] = "vgg16",
        *,
        sharing: Literal["none", "map"] = "map",
        proposals: Literal["given", "rpn"] = "given",
        regions: Size = 2000,
        at_once: Size = 32,
        levels: tuple[Size, ...] = (),
        dropout: BelowOne = 0.5,
        width: Multiplier = 1.0,
        fc: Size = 4096,
        in_channels: Size = 3,
        classes: Size = 21,
    ):
        super().__init__()
        for name, count in (("regions", regions), ("at_once", at_once)):
            if count < 1:
                raise ValueError(f"{name} must be at least 1, not {count}")
        if any(n < 1 for n in levels):
            raise ValueError(f"levels must each be at least 1, not {tuple(levels)}")
        if (sharing, proposals) == ("none", "rpn"):
            raise ValueError(
                "proposals must be 'given' with sharing 'none', not 'rpn', which looks at the shared map"
            )
        self.side, kernel, bins = CLASSIFIERS[trunk]
        self.sharing = sharing
        self.at_once = at_once
        self.trunk = make_trunk(trunk, width=width, last_pool=False, in_channels=in_channels)
        channels = self.trunk.channels
        self.proposals = RegionProposals(channels, regions) if proposals == "rpn" else GivenRegions(regions)
        if sharing == "map":
            self.pool: nn.Module = RegionPooling(levels or (bins,))
        elif levels:
            self.pool = SpatialPyramidPooling(levels)
        else:
            self.pool = nn.Sequential(nn.MaxPool2d(kernel, 2), nn.Flatten())
        self.hidden = nn.Sequential(
            *(nn.Linear(channels * sum(n**2 for n in levels or (bins,)), fc), nn.ReLU(), nn.Dropout(dropout)),
            *(nn.Linear(fc, fc), nn.ReLU(), nn.Dropout(dropout)),
        )
        self.scores, self.offsets = nn.Linear(fc, classes), nn.Linear(fc, 4 * classes)
        for layer, std in ((self.scores, 0.01), (self.offsets, 0.001)):  # Fast R-CNN, section 2.3
            nn.init.normal_(layer.weight, std=std)
            nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[-2:]
        source = self.trunk(x)[-1] if self.sharing == "map" else x
        boxes = self.proposals(source, height, width)
        image = torch.arange(len(x), device=x.device).repeat_interleave(boxes.shape[1])
        boxes = scaled(boxes.flatten(0, 1), source.shape[-1] / width, source.shape[-2] / height)
        regions = torch.cat([image[:, None], boxes], dim=1)
        if self.sharing == "map":
            pooled = self.pool(source, regions)
        else:
            parts = (self.warped(x, some) for some in regions.split(self.at_once))
            pooled = torch.cat([self.pool(self.trunk(part)[-1]) for part in parts])
        hidden = self.hidden(pooled)
        return torch.cat([self.scores(hidden), self.offsets(hidden)], dim=1)

    def warped(self, x: Tensor, regions: Tensor) -> Tensor:
        """Each region at the trunk's side, bilinear, not smoothed before, as in R-CNN: [R, C, side, side]."""
        warped: Tensor = roi_align(x.float(), regions, self.side, sampling_ratio=1, aligned=True)
        return warped
