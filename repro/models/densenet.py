"""Densely connected networks: Huang et al. 2016, arXiv 1608.06993, Table 1 (ImageNet) and section 4 (CIFAR).

Every layer of a dense block reads the concatenation of all maps before it in the block and adds `growth_rate`
(k) channels. Between blocks a transition, 1×1 convolution and average pooling, halves the map. A layer is
normalisation, ReLU and a 3×3 convolution; with `bottleneck` (B) a 1×1 convolution to 4k channels comes
before. Transitions keep the share `compression` (θ; C is θ < 1) of the channels. The paper's BC nets are
bottleneck with θ = 0.5, its plain ones neither.
"""

from typing import Literal

import torch
from torch import Tensor, nn

from repro.bounds import AboveZero, BelowOne, Depth, Size
from repro.models.layers.convolutions import convolution
from repro.models.layers.stems import stem_of

IMAGENET = {  # layers in each dense block
    121: (6, 12, 24, 16),
    161: (6, 12, 36, 24),  # the paper's third version and its code, with k = 48
    169: (6, 12, 32, 32),
    201: (6, 12, 48, 32),
    264: (6, 12, 64, 48),  # which are 265 weighted layers
}


class DenseNet(nn.Module):
    """[N, in_channels, H, W] → [N, classes].

    With the stem "imagenet", `depth` is one of IMAGENET's and k = 32 (161: 48). With the stem "cifar" it is
    3n+4, or 6n+4 with `bottleneck`: L = 40 and 100 with k = 12, 100 with 24; BC 100 with 12, 250 with 24, 190
    with 40. Any other depth raises ValueError. `dropout` follows every convolution but the first (0.2 in the
    paper where there is no augmentation).
    """

    def __init__(
        self,
        depth: Depth,
        *,
        growth_rate: Size = 32,
        bottleneck: bool = True,
        compression: AboveZero = 0.5,
        dropout: BelowOne = 0.0,
        stem: Literal["imagenet", "cifar"] = "imagenet",
        in_channels: Size = 3,
        classes: Size = 1000,
    ):
        super().__init__()
        if not 0 < compression <= 1:
            raise ValueError(f"compression must be above 0 and at most 1, not {compression}")
        # Sections 3 and 4.2: twice the growth rate on ImageNet and for BC nets, 16 for the others.
        channels = 2 * growth_rate if stem == "imagenet" or (bottleneck and compression < 1) else 16
        if stem == "imagenet":
            self.stem = stem_of(stem, in_channels, channels)
        else:
            self.stem = nn.Sequential(convolution(in_channels, channels, 3))
        self.blocks = nn.Sequential()
        for block, layers in enumerate(layers_of_blocks(depth, bottleneck, stem)):
            if block:
                kept = int(compression * channels)
                self.blocks.append(transition(channels, kept, dropout))
                channels = kept
            inputs = [channels + layer * growth_rate for layer in range(layers)]
            self.blocks.append(
                nn.Sequential(*(Layer(width, growth_rate, bottleneck, dropout) for width in inputs))
            )
            channels += layers * growth_rate
        self.last = nn.Sequential(nn.BatchNorm2d(channels), nn.ReLU())
        self.classifier = nn.Linear(channels, classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                # The paper's [10]; its code: fan out
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        nn.init.zeros_(self.classifier.bias)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.classifier(self.last(self.blocks(self.stem(x))).mean(dim=(2, 3)))
        return logits


class Layer(nn.Module):
    """[N, channels, H, W] → [N, channels + growth_rate, H, W]: the input, and after it what is new."""

    def __init__(self, channels: int, growth_rate: int, bottleneck: bool, dropout: float):
        super().__init__()
        if bottleneck:
            narrowed = activated(channels, 4 * growth_rate, 1, dropout)
            self.new = nn.Sequential(*narrowed, *activated(4 * growth_rate, growth_rate, 3, dropout))
        else:
            self.new = nn.Sequential(*activated(channels, growth_rate, 3, dropout))

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x, self.new(x)], dim=1)


def layers_of_blocks(depth: int, bottleneck: bool, stem: str) -> tuple[int, ...]:
    if stem == "imagenet":
        if depth not in IMAGENET:
            raise ValueError(f"depth must be one of {', '.join(map(str, IMAGENET))}, not {depth}")
        return IMAGENET[depth]
    convolutions = 6 if bottleneck else 3
    layers, rest = divmod(depth - 4, convolutions)
    if rest or layers < 1:
        raise ValueError(f"depth must be {convolutions}n+4 with bottleneck={bottleneck}, not {depth}")
    return (layers,) * 3


def transition(channels: int, width: int, dropout: float) -> nn.Sequential:
    return nn.Sequential(*activated(channels, width, 1, dropout), nn.AvgPool2d(2))


def activated(channels: int, width: int, kernel: int, dropout: float) -> list[nn.Module]:
    """A convolution with normalisation and ReLU before it."""
    dropped = [nn.Dropout(dropout)] if dropout else []
    return [nn.BatchNorm2d(channels), nn.ReLU(), convolution(channels, width, kernel), *dropped]
