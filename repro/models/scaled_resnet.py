"""A residual net that is scaled in depth, width and resolution: Tan & Le 2019, "EfficientNet", section 3.

arXiv 1905.11946. Table 3 scales MobileNets and ResNet-50 one way at a time and all ways together; here it is
the net for CIFAR of He et al. 2015 (`cifar_resnet`). Its resolution is a part of the net, which shrinks the
images that it gets, so that all scales are trained on the same data. Multiply-adds grow with depth and with
the squares of width and resolution (section 3.3), but for what the first and the last layer take.
"""

from torch import Tensor
from torch.nn import functional as F

from repro.bounds import Depth, Size
from repro.models.resnet import ResNet, equal_stages


class ScaledResNet(ResNet):
    """`cifar_resnet` with shortcut A, of images that are shrunk to `resolution`, each pixel a mean.

    [N, in_channels, H, W] → [N, classes]. `depth` is 6n+2. Raises ValueError for another one, and for images
    with fewer pixels on a side than `resolution`.
    """

    def __init__(
        self,
        *,
        depth: Depth = 14,
        width: Size = 16,
        resolution: Size = 32,
        in_channels: Size = 3,
        classes: Size = 10,
    ):
        equal_stages(depth, bottleneck=False)
        super().__init__(
            depth,
            bottleneck=False,
            shortcut="A",
            stem="cifar",
            width=width,
            in_channels=in_channels,
            classes=classes,
        )
        self.resolution = resolution

    def forward(self, x: Tensor) -> Tensor:
        if min(x.shape[2:]) < self.resolution:
            raise ValueError(
                f"images of {x.shape[2]}×{x.shape[3]} pixels have no resolution {self.resolution}"
            )
        return super().forward(F.adaptive_avg_pool2d(x, self.resolution))
