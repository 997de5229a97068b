"""Residual networks: He et al. 2015, "Deep Residual Learning for Image Recognition", arXiv 1512.03385.

A stem, stages of blocks of which each halves the map and doubles the width, global average pooling and a
linear layer. A basic block is two 3×3 convolutions; a bottleneck 1×1, 3×3, 1×1, the last four times as wide.
The nets for ImageNet are those of Table 1. Those for CIFAR (section 4.2, `cifar_resnet`) have 6n+2 layers:
three stages of n basic blocks. Table 6 counts 0.27/0.46/0.66/0.85/1.7 M parameters at depth 20/32/44/56/110.

Switches on the same net:

- ResNeXt (Xie et al. 2016, arXiv 1611.05431, Table 1): a bottleneck's 3×3 convolution in `cardinality` groups
  of `group_width`.
- SENet (Hu et al. 2017): squeeze and excitation at the end of each branch.
- Deformable ConvNets (Dai et al. 2017): the last `deformable` 3×3 convolutions.

A bottleneck's stride is in its first convolution, as in the paper; torchvision's and ResNeXt's are in the 3×3
one.
"""

from collections.abc import Iterable
from typing import Literal, NamedTuple

from torch import Tensor, nn
from torch.nn import functional as F

from repro.bounds import Depth, NonNegativeInt, Size
from repro.models.layers.convolutions import convolution, normalised
from repro.models.layers.deformable import deform_last
from repro.models.layers.squeeze_excitation import SqueezeExcitation
from repro.models.layers.stems import stem_of


class Row(NamedTuple):
    """The blocks of each stage."""

    bottleneck: bool
    depths: tuple[int, ...]


ROWS = {
    18: Row(False, (2, 2, 2, 2)),
    34: Row(False, (3, 4, 6, 3)),
    50: Row(True, (3, 4, 6, 3)),
    101: Row(True, (3, 4, 23, 3)),
    152: Row(True, (3, 8, 36, 3)),
    200: Row(True, (3, 24, 36, 3)),  # He et al. 2016, arXiv 1603.05027, Table 5
    29: Row(True, (3, 3, 3)),  # for CIFAR: ResNeXt, section 5.3
}


class Block(nn.Module):
    """relu(branch(x) + short_cut(x)), or relu(branch(x)) if not `residual`.

    [N, C, H, W] → [N, width, H/stride, W/stride].
    """

    def __init__(self, branch: nn.Module, short_cut: nn.Module, residual: bool):
        super().__init__()
        self.branch = branch
        self.short_cut = short_cut
        self.residual = residual
        self.joined = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.branch(x)
        if self.residual:
            y = y + self.short_cut(x)
        joined: Tensor = self.joined(y)
        return joined


class ResNet(nn.Module):
    """[N, in_channels, H, W] → [N, classes]. `residual=False` is the plain net.

    `depth` is one of ROWS, or else that of three equal stages: 6n+2, or 9n+2 with `bottleneck`. Where it is
    both, ROWS counts; `bottleneck=False` tells 50, 152 and 200 of basic blocks from those for ImageNet.
    `width` 64 is the paper's, on CIFAR 16.

    The shortcut where the shape changes is zero-padded (A) or projected (B); C projects all. `stem`
    "imagenet" divides the map by 4, "cifar" is a 3×3 convolution without stride. A bottleneck's inner width
    is cardinality · group_width · 2^stage; `group_width` None is `width`. `reduction` is SENet's r; `squeeze`
    and `gate` are SqueezeExcitation's. Raises ValueError for a depth that there is not, for groups in basic
    blocks, and for more `deformable` convolutions than there are.
    """

    def __init__(
        self,
        depth: Depth,
        *,
        bottleneck: bool | None = None,
        residual: bool = True,
        shortcut: Literal["A", "B", "C"] = "B",
        bottleneck_stride: Literal["1x1", "3x3"] = "1x1",
        cardinality: Size = 1,
        group_width: Size | None = None,
        squeeze_excitation: bool = False,
        reduction: Size = 16,
        squeeze: Literal["average", "max", "none"] = "average",
        gate: Literal["sigmoid", "tanh", "relu"] = "sigmoid",
        deformable: NonNegativeInt = 0,
        stem: Literal["imagenet", "cifar"] = "imagenet",
        width: Size = 64,
        in_channels: Size = 3,
        classes: Size = 1000,
    ):
        super().__init__()
        bottleneck, depths = row_of(depth, bottleneck)
        if not bottleneck and (cardinality > 1 or group_width is not None):
            raise ValueError(
                f"cardinality and group_width are those of bottlenecks, and ResNet-{depth} has basic blocks"
            )
        self.stem = stem_of(stem, in_channels, width)
        self.stages = nn.Sequential()
        channels = width
        for stage, count in enumerate(depths):
            inner = cardinality * (group_width or width) * 2**stage if bottleneck else width * 2**stage
            blocks = []
            for stride in [2 if stage else 1, *[1] * (count - 1)]:
                out = width * 2**stage * (4 if bottleneck else 1)
                widths = (channels, inner, out)
                branch = branch_of(convolutions(widths, stride, bottleneck, bottleneck_stride, cardinality))
                if squeeze_excitation:
                    branch.append(SqueezeExcitation(out, out // reduction, squeeze=squeeze, gate=gate))
                around = shortcut_of(shortcut if residual else "A", channels, out, stride)
                blocks.append(Block(branch, around, residual))
                channels = out
            self.stages.append(nn.Sequential(*blocks))
        self.classifier = nn.Linear(channels, classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                # The paper's [13], He et al. 2015b
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        deform_last(self, deformable)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.classifier(self.stages(self.stem(x)).mean(dim=(2, 3)))
        return logits


def cifar_resnet(
    depth: Depth,
    *,
    residual: bool = True,
    shortcut: Literal["A", "B", "C"] = "A",
    width: Size = 16,
    in_channels: Size = 3,
    classes: Size = 10,
) -> ResNet:
    """The nets of section 4.2: `depth` is 6n+2 (20, 32, 44, 56, 110 in Table 6), `shortcut` A the paper's."""
    equal_stages(depth, bottleneck=False)
    return ResNet(
        depth,
        bottleneck=False,
        residual=residual,
        shortcut=shortcut,
        stem="cifar",
        width=width,
        in_channels=in_channels,
        classes=classes,
    )


def row_of(depth: int, bottleneck: bool | None) -> Row:
    """That of ROWS, if its blocks are such, else three equal stages."""
    row = ROWS.get(depth)
    if row is not None and bottleneck in (None, row.bottleneck):
        return row
    known = [str(depth) for depth, row in sorted(ROWS.items()) if bottleneck in (None, row.bottleneck)]
    return Row(bool(bottleneck), equal_stages(depth, bool(bottleneck), f", or one of {', '.join(known)}"))


def equal_stages(depth: int, bottleneck: bool, besides: str = "") -> tuple[int, int, int]:
    """The blocks of the nets for CIFAR. Raises ValueError for another depth; `besides` is said there."""
    layers, name = (9, "bottlenecks") if bottleneck else (6, "basic blocks")
    count, rest = divmod(depth - 2, layers)
    if rest or count < 1:
        first = ", ".join(str(layers * n + 2) for n in (1, 2, 3))
        raise ValueError(f"depth must be {layers}n+2 ({first}, …) with {name}{besides}, not {depth}")
    return (count, count, count)


def convolutions(
    widths: tuple[int, int, int],
    stride: int,
    bottleneck: bool,
    bottleneck_stride: str = "1x1",
    groups: int = 1,
) -> list[nn.Conv2d]:
    """Those of a block, without what stands between them; `widths` of its input, inside it, of its output."""
    channels, inner, out = widths
    if not bottleneck:
        return [convolution(channels, inner, 3, stride), convolution(inner, out, 3)]
    first, second = (stride, 1) if bottleneck_stride == "1x1" else (1, stride)
    return [
        convolution(channels, inner, 1, first),
        convolution(inner, inner, 3, second, groups=groups),
        convolution(inner, out, 1),
    ]


def branch_of(layers: Iterable[nn.Conv2d]) -> nn.Sequential:
    """Each convolution with batch normalisation behind it, and ReLU between them."""
    modules = [
        module for layer in layers for module in (layer, nn.BatchNorm2d(layer.out_channels), nn.ReLU())
    ]
    return nn.Sequential(*modules[:-1])


def shortcut_of(kind: str, channels: int, width: int, stride: int) -> nn.Module:
    """The paper's options A, B and C of section 4.1."""
    changes = stride > 1 or channels != width
    if kind == "C" or (kind == "B" and changes):
        return normalised(channels, width, 1, stride)
    return ZeroPadded(stride, width - channels) if changes else nn.Identity()


class ZeroPadded(nn.Module):
    """Every `stride`-th pixel, and `new_channels` of zeros: option A."""

    def __init__(self, stride: int, new_channels: int):
        super().__init__()
        self.stride = stride
        self.new_channels = new_channels

    def forward(self, x: Tensor) -> Tensor:
        # As `x[:, :, ::stride, ::stride]`, whose gradient would come back in another layout and take the
        # whole branch before it off the fast path: 8 to 12 % of a training step at 20 layers.
        kept = F.avg_pool2d(x, 1, self.stride)
        return F.pad(kept, (0, 0, 0, 0, 0, self.new_channels))
