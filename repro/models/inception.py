"""Later Inception nets as torchvision and timm have them, for comparing what nets cost.

Inception-v3 (Szegedy et al. 2015, arXiv 1512.00567) is torchvision's; Inception-v4 and Inception-ResNet-v2
(Szegedy et al. 2016, arXiv 1602.07261) and Xception (Chollet 2016, arXiv 1610.02357) are timm's, which is an
extra of this package.
"""

from typing import Literal

import torch
from torch import Tensor, nn
from torchvision.models import inception_v3
from torchvision.models.inception import BasicConv2d

from repro.bounds import BelowOne, Size
from repro.models.layers.auxiliary import WithAuxiliary

AUXILIARY = 0.4  # the weight of v3's auxiliary loss in its authors' code, TF-Slim's; the paper names none


class InceptionV3(nn.Module):
    """[N, in_channels, H, W], H and W from 75 on (299 in the paper) → [N, classes]; in training, if
    `auxiliary`, `WithAuxiliary` of [N, 2, classes]: the classifier, then the auxiliary one, which needs 299
    or more.

    23,834,568 parameters, and 27,161,264 with the auxiliary classifier.
    """

    def __init__(
        self,
        *,
        auxiliary: bool = False,
        dropout: BelowOne = 0.5,
        in_channels: Size = 3,
        classes: Size = 1000,
    ):
        super().__init__()
        self.net = inception_v3(
            weights=None, aux_logits=auxiliary, init_weights=True, dropout=dropout, num_classes=classes
        )
        if in_channels != 3:
            self.net.Conv2d_1a_3x3 = BasicConv2d(in_channels, 32, kernel_size=3, stride=2)
            # As torchvision starts the others
            nn.init.trunc_normal_(self.net.Conv2d_1a_3x3.conv.weight, std=0.1)

    def forward(self, x: Tensor) -> Tensor | WithAuxiliary:
        outputs = self.net(x)
        if isinstance(outputs, Tensor):
            return outputs
        return WithAuxiliary(torch.stack(outputs, dim=1), AUXILIARY)


class TimmInception(nn.Module):
    """[N, in_channels, H, W], H and W from 75 on (299 in the papers) → [N, classes].

    42,679,816 parameters (v4), 55,843,464 (ResNet-v2) and 22,855,952 (Xception). Raises ValueError without
    timm.
    """

    def __init__(
        self,
        version: Literal["inception_v4", "inception_resnet_v2", "legacy_xception"],
        *,
        dropout: BelowOne = 0.0,
        in_channels: Size = 3,
        classes: Size = 1000,
    ):
        super().__init__()
        try:
            import timm
        except ImportError:
            raise ValueError(
                f"{version} comes from timm, which is not installed: pip install 'repro[reference]'"
            ) from None
        self.net = timm.create_model(
            version, pretrained=False, drop_rate=dropout, in_chans=in_channels, num_classes=classes
        )

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.net(x)
        return logits
