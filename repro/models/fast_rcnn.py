"""Fast R-CNN: Girshick 2015, arXiv 1504.08083: classes and boxes of regions that are pooled from one map.

Outputs and loss are in `repro.models.region_detector`.
"""

from torch import Tensor

from repro.models.region_detector import RegionAnswers, SearchingDetector, answers


class FastRCNN(SearchingDetector):
    """[N, in_channels, H, W] → `RegionAnswers` of `regions` an image."""

    def forward(self, x: Tensor) -> RegionAnswers:
        regions = self.proposals(x, *x.shape[-2:])  # where they are given the image is not looked at
        return answers(self.trunk(x)[-1], regions, self.pool, self.head, self.rules(x))
