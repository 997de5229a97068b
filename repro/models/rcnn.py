"""R-CNN: Girshick et al. 2013, arXiv 1311.2524: each region goes through a CNN by itself.

It is warped to one size with what is around it, so that 16 pixels of context are on each side of 227
(appendix A); beyond the image is the mean of all images.

The paper tunes the CNN to label regions, fits linear SVMs to what its last hidden layer says (here the
treatment `linear_svm`), and a regression of boxes to its last pooling. Here the boxes are learnt with the
classes, from the hidden layer, by Fast R-CNN's loss, so that the two nets differ in what they share alone.
"""

from typing import Any, Literal

import torch
from torch import Tensor
from torchvision.ops import roi_align

from repro.bounds import NonNegativeInt, Size, Sizes
from repro.models.region_detector import RegionAnswers, SearchingDetector, by_image, check_counts, joined
from repro.models.spatial_pyramid import SpatialPyramidPooling


class RCNN(SearchingDetector):
    """[N, in_channels, H, W] → `RegionAnswers` of `regions` an image.

    In training each step takes `train_regions` of them at random, the same ones of all images of a batch.
    `side` is that of the warped regions and `context` the pixels on each of its sides that are beyond the
    region; `at_once` of them go through the convolutions together. `levels` are the bins a side of a whole
    warped region's map.
    """

    pooling = SpatialPyramidPooling

    def __init__(
        self,
        trunk: Literal["alexnet", "zf5", "vgg16"] = "alexnet",
        *,
        proposals: Literal["spread", "selective_search"] = "selective_search",
        train_regions: Size = 64,
        side: Size = 227,
        context: NonNegativeInt = 16,
        at_once: Size = 64,
        levels: Sizes = (6,),
        **others: Any,
    ):
        super().__init__(trunk, proposals=proposals, levels=levels, **others)
        check_counts(train_regions=train_regions, at_once=at_once)
        check_counts(**{"the side within its context": side - 2 * context})
        self.train_regions, self.side, self.context, self.at_once = train_regions, side, context, at_once

    def forward(self, x: Tensor) -> RegionAnswers:
        regions: Tensor = self.proposals(x, *x.shape[-2:])
        if self.training and self.train_regions < regions.shape[1]:
            some = torch.randperm(regions.shape[1], device=x.device)[: self.train_regions]
            regions = regions[:, some]
        parts = by_image(regions).split(self.at_once)
        said = [self.head(self.pool(self.trunk(self.warped(x, some))[-1])) for some in parts]
        return joined(regions, said, self.rules(x))

    def warped(self, x: Tensor, regions: Tensor) -> Tensor:
        """Regions [R, 5], each behind the number of its image, with their context: [R, C, side, side].

        Bilinear, and not smoothed before.
        """
        image, starts, ends = regions.split([1, 2, 2], dim=1)
        beyond = (ends - starts) * (self.context / (self.side - 2 * self.context))
        boxes = torch.cat([image, starts - beyond, ends + beyond], dim=1)
        warped: Tensor = roi_align(x.float(), boxes, self.side, sampling_ratio=1, aligned=True)
        return warped.contiguous(memory_format=torch.channels_last)
