"""MobileNets: Howard et al. 2017, "Efficient Convolutional Neural Networks for Mobile Vision Applications".

arXiv 1704.04861. A 3×3 convolution and 13 depthwise separable ones (Table 1), global average pooling and one
linear layer: 4,231,976 parameters and 569 M multiply-adds at 224×224; with full convolutions 29.3 M and 4,866
M (Table 4). Table 1 gives the last depthwise layer stride 2, but a map of 7×7 on both sides: its stride is 1.

Activations are the paper's ReLU; the code that its authors released (TF-Slim's mobilenet_v1) has ReLU6. From
that code are the start, N(0, 0.09²) cut at two deviations, and the ε of batch normalisation. Its dropout of
0.001 is left out.
"""

from functools import partial
from typing import Literal

from torch import Tensor, nn

from repro.bounds import Layers, Multiplier, Size
from repro.models.layers.convolutions import rectified

FIRST = 32  # filters of the first, full convolution
# Table 1: stride and filters of each layer
BEFORE = (
    (1, 64),
    (2, 128),
    (1, 128),
    (2, 256),
    (1, 256),
    (2, 512),
)
MIDDLE = (1, 512)
AFTER = ((2, 1024), (1, 1024))
STEMS = {"imagenet": 2, "small": 1}  # stride of the first convolution


class MobileNet(nn.Module):
    """[N, in_channels, H, W] → [N, classes], H and W any.

    `width` is the paper's multiplier α (1, 0.75, 0.5, 0.25); its resolution multiplier is the size of the
    images. `separable=False` has full 3×3 convolutions (Table 4). `middle` counts the layers of 512 filters
    in the middle: 5, or 0 in the shallow net of Table 5. The stem `small` has stride 1, for images of 28 to
    64 pixels.
    """

    def __init__(
        self,
        *,
        width: Multiplier = 1.0,
        separable: bool = True,
        middle: Layers = 5,
        stem: Literal["imagenet", "small"] = "imagenet",
        in_channels: Size = 3,
        classes: Size = 1000,
    ):
        super().__init__()
        layer = partial(rectified, epsilon=1e-3)
        channels = max(1, round(FIRST * width))
        self.features = nn.Sequential(layer(in_channels, channels, 3, STEMS[stem]))
        for stride, filters in (*BEFORE, *[MIDDLE] * middle, *AFTER):
            filters = max(1, round(filters * width))
            if separable:
                self.features.append(layer(channels, channels, 3, stride, groups=channels))
            kernel, remaining = (1, 1) if separable else (3, stride)
            self.features.append(layer(channels, filters, kernel, remaining))
            channels = filters
        self.classifier = nn.Linear(channels, classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.09, a=-0.18, b=0.18)
        nn.init.zeros_(self.classifier.bias)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.classifier(self.features(x).mean(dim=(2, 3)))
        return logits
