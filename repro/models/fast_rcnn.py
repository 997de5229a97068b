"""Fast R-CNN: Girshick 2015, arXiv 1504.08083: classes and boxes of regions that are pooled from one map.

Outputs and loss are in `repro.models.region_detector`.
"""

from typing import Any, Literal

from torch import Tensor

from repro.models.region_detector import RegionAnswers, SearchingDetector, answers
from repro.models.region_net import RegionPooling


class FastRCNN(SearchingDetector):
    """[N, in_channels, H, W] → `RegionAnswers` of `regions` an image.

    `levels` are the bins a side that a region is pooled to: 7, or (6, 3, 2, 1) as in SPPnet (He et al. 2014).
    """

    def __init__(
        self,
        trunk: Literal["alexnet", "zf5", "vgg16"] = "vgg16",
        *,
        levels: tuple[int, ...] = (7,),
        **others: Any,
    ):
        super().__init__(trunk, levels=levels, **others)
        self.pool = RegionPooling(levels)

    def forward(self, x: Tensor) -> RegionAnswers:
        regions = self.proposals(x, *x.shape[-2:])  # where they are given the image is not looked at
        return answers(self.trunk(x)[-1], regions, self.pool, self.head, self.rules(x))
