"""Convolutions and activations alone: what "Delving Deep into Rectifiers" asks, on small images.

He et al. 2015b, arXiv 1502.01852: which activation, and with which start. As many 3×3 convolutions in each
of three stages of 1, 2 and 4 times `width` filters, 2×2 max pooling between stages, global average pooling,
and a linear layer. The paper's nets (Table 3; 22 and 30 layers in section 2.2) end with fully connected
layers.
"""

from collections.abc import Callable
from typing import Literal

from torch import Tensor, nn

from repro.models.layers.initialisation import initialise

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "leaky": nn.LeakyReLU,  # slope 0.01
    "prelu": nn.PReLU,  # one slope for all channels ("channel-shared" in Table 2), from 0.25 on
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
}


class RectifierNet(nn.Module):
    """[N, in_channels, H, W] → [N, classes], of `depth` convolutions, each followed by the activation.

    `init` draws weights as `initialise` says; `he` is N(0, 2 / fan-in) for all activations, whatever their
    slope. Raises ValueError if `depth` is no multiple of 3.
    """

    def __init__(
        self,
        depth: int,
        *,
        activation: Literal["relu", "leaky", "prelu", "tanh", "sigmoid"] = "relu",
        init: Literal["xavier", "he"] = "he",
        width: int = 16,
        in_channels: int = 1,
        classes: int = 10,
    ):
        super().__init__()
        each, rest = divmod(depth, 3)
        if rest or each < 1:
            raise ValueError(f"depth must be a multiple of 3 (3, 6, 9, …), not {depth}")
        self.features = nn.Sequential()
        channels = in_channels
        for stage in range(3):
            if stage:
                self.features.append(nn.MaxPool2d(2))
            for _ in range(each):
                out = width * 2**stage
                self.features.extend([nn.Conv2d(channels, out, 3, padding=1), ACTIVATIONS[activation]()])
                channels = out
        self.classifier = nn.Linear(channels, classes)
        initialise(self, init)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.classifier(self.features(x).mean(dim=(2, 3)))
        return logits
