"""Nets as torchvision has them, for the weights that it publishes: `weights: imagenet`.

GoogLeNet and Inception-v3 have TensorFlow's weights, and turn inputs normalised for torchvision's others into
what those want. Neither has its auxiliary classifiers here, which count in training only.
"""

from collections.abc import Mapping
from typing import Literal

from torch import Tensor, nn
from torchvision.models import get_model

from repro.bounds import Size

FROM_TENSORFLOW = {"aux_logits": False, "transform_input": True, "init_weights": False}
OPTIONS = {"googlenet": FROM_TENSORFLOW, "inception_v3": FROM_TENSORFLOW}


class TorchvisionNet(nn.Module):
    """Images [N, 3, H, W], normalised as those of ImageNet are → logits [N, classes]."""

    def __init__(
        self,
        net: Literal[
            "alexnet", "googlenet", "inception_v3", "resnet50", "resnet101", "resnet152", "vgg16", "vgg19"
        ] = "resnet50",
        *,
        in_channels: Size = 3,
        classes: Size = 1000,
    ):
        super().__init__()
        if in_channels != 3:
            raise ValueError(f"nets of torchvision take images of 3 channels, not {in_channels}")
        self.net = get_model(net, weights=None, num_classes=classes, **OPTIONS.get(net, {}))
        self.source = net if classes == 1000 else None  # torchvision's net with the same weights

    def carry_over(self, weights: Mapping[str, Tensor]) -> None:
        """Take torchvision's own, but for those of auxiliary classifiers."""
        own = self.net.state_dict()
        self.net.load_state_dict({name: weight for name, weight in weights.items() if name in own})

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.net(x)
        return logits
