"""Convolutions and activations alone: what "Delving Deep into Rectifiers" asks, on small images.

He et al. 2015b, arXiv 1502.01852: which activation, and with which start. As many 3×3 convolutions in each
of three stages of 1, 2 and 4 times `width` filters, 2×2 max pooling between stages, global average pooling,
and a linear layer. The paper's nets (Table 3; 22 and 30 layers in section 2.2) end with fully connected
layers.

Switches on the same net: batch normalisation (Ioffe and Szegedy 2015) between convolution and activation, or
AlexNet's local response normalisation (Krizhevsky et al. 2012, section 3.3) behind the activations of the
first two convolutions; and the side of the first filters, which the paper has 7 pixels wide.
"""

from collections.abc import Callable
from typing import Literal

from torch import Tensor, nn

from repro.bounds import Depth, PositiveFloat, Size
from repro.models.layers.initialisation import initialise
from repro.models.layers.response_norm import LocalResponseNorm

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "leaky": nn.LeakyReLU,  # slope 0.01
    "prelu": nn.PReLU,  # one slope for all channels ("channel-shared" in Table 2), from 0.25 on
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
}
RESPONSE_NORMS = 2  # convolutions that have one behind them: AlexNet, section 3.5


class RectifierNet(nn.Module):
    """[N, in_channels, H, W] → [N, classes], of `depth` convolutions, each followed by the activation.

    `init` draws weights as `initialise` says; `he` is N(0, 2 / fan-in) for all activations, whatever their
    slope. `normal` is N(0, `std`²), with biases of 0, and `torch` is what torch's layers have by themselves:
    weights and biases from U(-1/√fan-in, 1/√fan-in), a sixth of He's variance. `first_kernel` is the side of
    the first filters. Raises ValueError if `depth` is no multiple of 3 or `first_kernel` even.
    """

    def __init__(
        self,
        depth: Depth,
        *,
        activation: Literal["relu", "leaky", "prelu", "tanh", "sigmoid"] = "relu",
        init: Literal["xavier", "he", "torch", "normal"] = "he",
        std: PositiveFloat = 0.01,
        norm: Literal["none", "batch", "lrn"] = "none",
        first_kernel: Size = 3,
        width: Size = 16,
        in_channels: Size = 1,
        classes: Size = 10,
    ):
        super().__init__()
        each, rest = divmod(depth, 3)
        if rest or each < 1:
            raise ValueError(f"depth must be a multiple of 3 (3, 6, 9, …), not {depth}")
        if first_kernel % 2 == 0:
            raise ValueError(f"first_kernel must be odd, not {first_kernel}: maps keep their size")
        self.features = nn.Sequential()
        channels = in_channels
        for number in range(depth):
            stage, within = divmod(number, each)
            if stage and not within:
                self.features.append(nn.MaxPool2d(2))
            kernel = 3 if number else first_kernel
            out = width * 2**stage
            self.features.append(nn.Conv2d(channels, out, kernel, padding=kernel // 2))
            if norm == "batch":
                self.features.append(nn.BatchNorm2d(out))
            self.features.append(ACTIVATIONS[activation]())
            if norm == "lrn" and number < RESPONSE_NORMS:
                self.features.append(LocalResponseNorm())
            channels = out
        self.classifier = nn.Linear(channels, classes)
        if init == "normal":
            self._draw(std)
        elif init != "torch":
            initialise(self, init)

    def _draw(self, std: float) -> None:
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.normal_(module.weight, std=std)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.classifier(self.features(x).mean(dim=(2, 3)))
        return logits
