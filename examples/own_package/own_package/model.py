"""A net without pooling: Springenberg et al. 2015, "Striving for Simplicity", Table 1 (arXiv 1412.6806).

Two stages of one convolution instead of the paper's three of two, for images of 7×7 to 28×28 pixels.
"""

from torch import Tensor, nn


class AllConvolutional(nn.Module):
    """Images [N, in_channels, H, W] → logits [N, classes].

    With `pooling` a stage ends with a max pooling of stride 2, as the paper's base nets do, and without it
    with a convolution of the same stride.
    """

    def __init__(self, *, width: int = 96, pooling: bool = False, in_channels: int = 3, classes: int = 10):
        super().__init__()
        self.stages = nn.Sequential(
            *stage(in_channels, width, pooling),
            *stage(width, 2 * width, pooling),
        )
        self.classifier = nn.Conv2d(2 * width, classes, 1)

    def forward(self, images: Tensor) -> Tensor:
        return self.classifier(self.stages(images)).mean(dim=(2, 3))


def stage(channels: int, width: int, pooling: bool) -> list[nn.Module]:
    """[N, channels, H, W] → [N, width, ⌈H/2⌉, ⌈W/2⌉]"""
    halving = (
        [nn.MaxPool2d(3, stride=2, padding=1)]
        if pooling
        else [nn.Conv2d(width, width, 3, stride=2, padding=1), nn.ReLU()]
    )
    return [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU(), *halving]
