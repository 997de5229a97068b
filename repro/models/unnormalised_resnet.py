"""Plain and residual nets for CIFAR without batch normalisation: what it hides of the way of gradients.

The nets of He et al. 2015, "Deep Residual Learning", section 4.2 (`cifar_resnet`), with the same weights at
the start. The paper has none like them; its references for plain nets without normalisation are Glorot and
Bengio 2010 and He et al. 2015b.
"""

from torch import nn

from repro.bounds import Depth, Size
from repro.models.resnet import ResNet, cifar_resnet


def unnormalised_resnet(
    depth: Depth,
    *,
    residual: bool = True,
    width: Size = 16,
    in_channels: Size = 3,
    classes: Size = 10,
) -> ResNet:
    """`cifar_resnet` with shortcut A whose normalisations are identities: its convolutions have no biases."""
    net = cifar_resnet(depth, residual=residual, width=width, in_channels=in_channels, classes=classes)
    for name, module in [*net.named_modules()]:
        if isinstance(module, nn.BatchNorm2d):
            net.set_submodule(name, nn.Identity())
    return net
