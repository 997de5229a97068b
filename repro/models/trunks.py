"""The nets that others build on, by name: what makes the maps of nets that label pixels, and of detectors.

A trunk takes images, [N, in_channels, H, W], and gives a list of maps, the finest first. `widths` are their
channels, and `channels` those of the last. With the option `last_pool=False` the last map is not yet pooled.
"""

from collections.abc import Callable
from functools import partial
from inspect import signature
from typing import Any, TypeAlias

from torch import Tensor, nn

from repro.models.alexnet import AlexNet
from repro.models.googlenet import GoogLeNet
from repro.models.resnet_trunk import ResNetTrunk
from repro.models.spatial_pyramid import SpatialPyramidNet
from repro.models.vgg_trunk import VggTrunk
from repro.models.xception import XceptionTrunk


class Convolutions(nn.Module):
    """Those of a net that labels images: [N, in_channels, H, W] → its last map alone, [N, channels, …]."""

    def __init__(self, layers: nn.Sequential, channels: int):
        super().__init__()
        self.layers = layers
        self.widths = (channels,)
        self.channels = channels

    def forward(self, x: Tensor) -> list[Tensor]:
        return [self.layers(x)]


def alexnet(*, width: float = 1.0, last_pool: bool = True, in_channels: int = 3) -> Convolutions:
    net = AlexNet(width=width, fc=1, init="he", in_channels=in_channels)  # narrow ones stall with the paper's
    layers = net.features if last_pool else net.features[:-1]
    return Convolutions(layers, net.channels)


def zf5(*, width: float = 1.0, last_pool: bool = True, in_channels: int = 3) -> Convolutions:
    net = SpatialPyramidNet(levels=(), width=width, fc=1, init="he", in_channels=in_channels)
    layers = nn.Sequential(*net.features, net.pool.get_submodule("0")) if last_pool else net.features
    return Convolutions(layers, net.channels)


def googlenet(*, width: float = 1.0, in_channels: int = 3) -> Convolutions:
    net = GoogLeNet(width=width, in_channels=in_channels)
    return Convolutions(nn.Sequential(net.stem, *net.body.values()), net.channels)


Trunk: TypeAlias = Convolutions | ResNetTrunk | VggTrunk | XceptionTrunk
TRUNKS: dict[str, Callable[..., Trunk]] = {
    "alexnet": alexnet,
    "googlenet": googlenet,
    "resnet50": partial(ResNetTrunk, depths=(3, 4, 6, 3)),
    "resnet101": partial(ResNetTrunk, depths=(3, 4, 23, 3)),
    "vgg16": VggTrunk,
    "xception65": XceptionTrunk,
    "zf5": zf5,
}


def make_trunk(name: str, **options: Any) -> Trunk:
    """Options that are None are the trunk's own. Raises ValueError for one that it does not have."""
    given = {key: value for key, value in options.items() if value is not None}
    known = signature(TRUNKS[name]).parameters
    for option in given.keys() - known.keys():
        raise ValueError(f"trunk '{name}' has no option '{option}' (it has {', '.join(known)})")
    return TRUNKS[name](**given)
