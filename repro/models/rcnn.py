"""R-CNN: Girshick et al. 2013, arXiv 1311.2524: each region goes through a CNN by itself.

It is warped to one size with what is around it, so that 16 pixels of context are on each side of 227
(appendix A); beyond the image is the mean of all images.

The paper tunes the CNN to label regions, fits linear SVMs to what its last hidden layer says (here the
treatment `linear_svm`), and a regression of boxes to its last pooling. Here the boxes are learnt with the
classes, from the hidden layer, by Fast R-CNN's loss, so that the two nets differ in what they share alone.
"""

from typing import Literal

import torch
from torch import Tensor, nn
from torchvision.ops import roi_align

from repro.models.fast_rcnn import DRAWN, RegionAnswers, RegionHead, Rules, by_image, check_counts, joined
from repro.models.region_proposals import GivenRegions
from repro.models.selective_search import SelectiveSearch
from repro.models.spatial_pyramid import SpatialPyramidPooling
from repro.models.trunks import make_trunk


class RCNN(nn.Module):
    """[N, in_channels, H, W] → `RegionAnswers` of `regions` an image, 2000 in the paper.

    In training each step takes `train_regions` of them at random, the same ones of all images of a batch.
    `side` is that of the warped regions and `context` the pixels on each of its sides that are beyond the
    region; `at_once` of them go through the convolutions together. The rest is as `FastRCNN` has it, but
    that `levels` are the bins of a whole warped region's map.
    """

    def __init__(
        self,
        trunk: Literal["alexnet", "zf5", "vgg16"] = "alexnet",
        *,
        proposals: Literal["spread", "selective_search"] = "selective_search",
        regions: int = 2000,
        train_regions: int = 64,
        scales: tuple[float, ...] = (50.0, 100.0),
        smallest: int = 20,
        remember: bool = True,
        side: int = 227,
        context: int = 16,
        at_once: int = 64,
        levels: tuple[int, ...] = (6,),
        box_loss: float = 1.0,
        background_from: float = 0.1,
        drawn: int = DRAWN,
        width: float | None = None,
        widths: tuple[int, ...] | None = None,
        depths: tuple[int, ...] | None = None,
        batch_norm: bool | None = None,
        fc: int = 4096,
        dropout: float = 0.5,
        in_channels: int = 3,
        classes: int = 20,
    ):
        super().__init__()
        check_counts(regions=regions, train_regions=train_regions, smallest=smallest, scales=len(scales))
        check_counts(
            classes=classes,
            at_once=at_once,
            drawn=drawn,
            **{"the side within its context": side - 2 * context},
        )
        check_counts(**{f"levels[{i}]": n for i, n in enumerate(levels)})
        self.train_regions, self.side, self.context, self.at_once = train_regions, side, context, at_once
        self.box_loss, self.background_from, self.drawn = box_loss, background_from, drawn
        self.proposals: nn.Module = GivenRegions(regions)
        if proposals == "selective_search":
            self.proposals = SelectiveSearch(regions, scales, smallest, remember)
        self.trunk = make_trunk(
            trunk,
            width=width,
            widths=widths,
            depths=depths,
            batch_norm=batch_norm,
            last_pool=False,
            in_channels=in_channels,
        )
        self.pool = SpatialPyramidPooling(levels)
        self.head = RegionHead(self.trunk.channels * sum(n**2 for n in levels), fc, dropout, classes)

    def forward(self, x: Tensor) -> RegionAnswers:
        height, width = x.shape[-2:]
        regions: Tensor = self.proposals(x, height, width)
        if self.training and self.train_regions < regions.shape[1]:
            some = torch.randperm(regions.shape[1], device=x.device)[: self.train_regions]
            regions = regions[:, some]
        parts = by_image(regions).split(self.at_once)
        said = [self.head(self.pool(self.trunk(self.warped(x, some))[-1])) for some in parts]
        rules = Rules(width, height, self.background_from, self.box_loss, self.head.apart, self.drawn)
        return joined(regions, said, rules)

    def warped(self, x: Tensor, regions: Tensor) -> Tensor:
        """Regions [R, 5], each behind the number of its image, with their context: [R, C, side, side].

        Bilinear, and not smoothed before.
        """
        image, starts, ends = regions.split([1, 2, 2], dim=1)
        beyond = (ends - starts) * (self.context / (self.side - 2 * self.context))
        boxes = torch.cat([image, starts - beyond, ends + beyond], dim=1)
        warped: Tensor = roi_align(x.float(), boxes, self.side, sampling_ratio=1, aligned=True)
        return warped.contiguous(memory_format=torch.channels_last)
