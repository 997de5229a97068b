"""What most nets begin with, before their stages."""

from torch import nn

from repro.models.layers.convolutions import rectified


def stem_of(kind: str, channels: int, width: int) -> nn.Sequential:
    """ "imagenet" is a 7×7 convolution and a pooling that divide the map by 4, "cifar" a 3×3 convolution.

    Batch normalisation and ReLU stand behind the convolution. [N, channels, H, W] → [N, width, …]
    """
    if kind == "cifar":
        return rectified(channels, width, 3)
    return rectified(channels, width, 7, 2).append(nn.MaxPool2d(3, stride=2, padding=1))
