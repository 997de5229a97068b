"""Orders and shortcuts of residual units: He et al. 2016, "Identity Mappings in Deep Residual Networks".

arXiv 1603.05027.

Where normalisation and ReLU stand in a unit is Figure 4 and Table 2; what stands on the shortcut is Figure 2
and Table 1 (there with the original order). The paper's nets are 110 (basic units) and 164, 1001
(bottlenecks) for CIFAR, 200 for ImageNet.

As in the appendix, the first unit's activation comes right after the stem, before the paths part, and the
last one's once more after the last addition. A projected shortcut of a unit shares the activation before its
branch, and is normalised if the branch ends so; its first convolution has the stride: all as in the authors'
code (KaimingHe/resnet-1k-layers).
"""

from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from repro.bounds import BelowOne, Depth, Finite, Size
from repro.models.layers.convolutions import convolution
from repro.models.layers.stems import stem_of
from repro.models.resnet import ROWS, ZeroPadded, convolutions, equal_stages


class Order(NamedTuple):
    """What stands before a unit's convolutions, after them and after the addition.

    Between two is always "norm relu".
    """

    before: str
    after: str
    joined: str


ORDERS = {  # Figure 4, (a) to (e)
    "original": Order("", "norm", "relu"),
    "norm_after_addition": Order("", "", "norm relu"),
    "relu_before_addition": Order("", "norm relu", ""),
    "relu_only_preactivation": Order("relu", "norm", ""),
    "full_preactivation": Order("norm relu", "", ""),
}
IMAGENET = {(depth, row.bottleneck): row.depths for depth, row in ROWS.items() if len(row.depths) == 4}


class Shortcuts(NamedTuple):
    """What is special about the shortcuts: Table 1."""

    kind: str
    scale: float
    branch_scale: float
    gate: str
    gate_bias: float
    dropout: float


class PreActResNet(nn.Module):
    """[N, in_channels, H, W] → [N, classes]. With the stem "cifar", depths are 6n+2, of bottlenecks 9n+2.

    `shortcut` is zero-padded (A) or projected (B) where the shape changes, or projected everywhere (C, "1×1
    conv" in Table 1). The other shortcuts of Table 1: `shortcut_scale` and `branch_scale` (constant scaling;
    0 and 1 is a plain net); `gate` g = σ(1×1 convolution of x, its bias from `gate_bias`), 1−g times the
    shortcut and, if "exclusive", g times the branch; `shortcut_dropout` (which keeps the mean: the paper's
    expectation of 0.5 is dropout 0.5 with shortcut_scale 0.5).

    With the stem "imagenet" depths are those of ROWS; the paper's `width` there is 64, on CIFAR 16.
    Raises ValueError for a depth there is not.
    """

    def __init__(
        self,
        depth: Depth,
        *,
        bottleneck: bool = False,
        order: Literal[
            "original",
            "norm_after_addition",
            "relu_before_addition",
            "relu_only_preactivation",
            "full_preactivation",
        ] = "full_preactivation",
        shortcut: Literal["A", "B", "C"] = "A",
        shortcut_scale: Finite = 1.0,
        branch_scale: Finite = 1.0,
        gate: Literal["none", "exclusive", "shortcut"] = "none",
        gate_bias: Finite = 0.0,
        shortcut_dropout: BelowOne = 0.0,
        bottleneck_stride: Literal["1x1", "3x3"] = "1x1",
        stem: Literal["imagenet", "cifar"] = "cifar",
        width: Size = 16,
        in_channels: Size = 3,
        classes: Size = 10,
    ):
        super().__init__()
        shortcuts = Shortcuts(shortcut, shortcut_scale, branch_scale, gate, gate_bias, shortcut_dropout)
        self.stem = stem_of(stem, in_channels, width)
        units: list[Unit] = []
        channels = width
        for stage, count in enumerate(units_of_stages(depth, bottleneck, stem)):
            for stride in [2 if stage else 1, *[1] * (count - 1)]:
                inner = width * 2**stage
                out = inner * (4 if bottleneck else 1)
                layers = convolutions((channels, inner, out), stride, bottleneck, bottleneck_stride)
                # The stem ends with what would stand before the first
                placed = ORDERS[order] if units else ORDERS[order]._replace(before="")
                units.append(Unit(layers, stride, placed, shortcuts))
                channels = out
        self.stages = nn.Sequential(*units)
        self.last = activations(ORDERS[order].before, channels)
        self.classifier = nn.Linear(channels, classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                # As the authors' code
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        nn.init.zeros_(self.classifier.bias)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.classifier(self.last(self.stages(self.stem(x))).mean(dim=(2, 3)))
        return logits


def units_of_stages(depth: int, bottleneck: bool, stem: str) -> tuple[int, ...]:
    if stem == "imagenet":
        if (depth, bottleneck) not in IMAGENET:
            possible = ", ".join(str(known) for known, narrowed in sorted(IMAGENET) if narrowed == bottleneck)
            raise ValueError(f"depth must be one of {possible} with bottleneck={bottleneck}, not {depth}")
        return IMAGENET[depth, bottleneck]
    return equal_stages(depth, bottleneck)


class Shared(NamedTuple):
    """What a unit's branch and shortcut start from: the activation, and how far the gate, if any, is open."""

    active: Tensor
    opened: Tensor | None


class Unit(nn.Module):
    """joined(short_cut(x) + branch(before(x))). [N, C, H, W] → [N, width, H/stride, W/stride]"""

    def __init__(self, layers: list[nn.Conv2d], stride: int, order: Order, shortcuts: Shortcuts):
        super().__init__()
        channels, width = layers[0].in_channels, layers[-1].out_channels
        changes = stride > 1 or channels != width
        self.before = activations(order.before, channels)
        self.branch = nn.Sequential(layers[0])
        for layer in layers[1:]:
            self.branch.extend([nn.BatchNorm2d(layer.in_channels), nn.ReLU(), layer])
        self.branch.extend(activations(order.after, width))
        if shortcuts.branch_scale != 1:
            self.branch.append(Scaled(shortcuts.branch_scale))

        self.shortcut = nn.Sequential()
        self.projected = shortcuts.kind == "C" or (shortcuts.kind == "B" and changes)
        if self.projected:
            self.shortcut.append(convolution(channels, width, 1, stride))
            if "norm" in order.after:
                self.shortcut.append(nn.BatchNorm2d(width))
        elif changes:
            self.shortcut.append(ZeroPadded(stride, width - channels))
        if shortcuts.dropout:
            self.shortcut.append(nn.Dropout(shortcuts.dropout))
        if shortcuts.scale != 1:
            self.shortcut.append(Scaled(shortcuts.scale))

        self.exclusive = shortcuts.gate == "exclusive"
        self.gate: nn.Conv2d | None = None
        if shortcuts.gate != "none":
            self.gate = nn.Conv2d(channels, width, 1, stride)
            nn.init.constant_(self.gate.get_parameter("bias"), shortcuts.gate_bias)
        self.joined = activations(order.joined, width)

    def forward(self, x: Tensor) -> Tensor:
        shared = self.shared(x)
        y = self.branch(shared.active)
        if self.exclusive:
            y = shared.opened * y
        joined: Tensor = self.joined(self.short_cut(x, shared) + y)
        return joined

    def shared(self, x: Tensor) -> Shared:
        return Shared(self.before(x), None if self.gate is None else torch.sigmoid(self.gate(x)))

    def short_cut(self, x: Tensor, shared: Shared | None = None) -> Tensor:
        """What is added to the branch, the gate's 1−g included. `shared` is computed from x unless given."""
        active, opened = self.shared(x) if shared is None else shared
        kept: Tensor = self.shortcut(active if self.projected else x)
        return kept if opened is None else (1 - opened) * kept


class Scaled(nn.Module):
    def __init__(self, factor: float):
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        return self.factor * x


def activations(layers: str, channels: int) -> nn.Sequential:
    """ "norm relu" is batch normalisation, then ReLU; "" the identity."""
    return nn.Sequential(
        *(nn.BatchNorm2d(channels) if layer == "norm" else nn.ReLU() for layer in layers.split())
    )
