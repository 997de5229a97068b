"""EfficientNets: Tan & Le 2019, "EfficientNet: Rethinking Model Scaling", arXiv 1905.11946, Table 1.

What the paper leaves to the authors' code (tensorflow/tpu, efficientnet) is taken from there: widths rounded
to multiples of 8, squeeze and excitation to a quarter of a block's input, the coefficients of B1 to B7, and
the initialisation. Convolutions of stride 2 pad both sides alike, as torchvision's do, where TensorFlow pads
the far side more. torchvision's nets differ from the paper's in two more things, not followed here: they
start depthwise filters as if each saw all channels (a standard deviation smaller by the root of their
number), and B0 to B4 normalise with ε 1e-5 and momentum 0.1.
"""

from math import ceil
from typing import Literal, NamedTuple

from torch import Tensor, nn
from torchvision.ops import StochasticDepth

from repro.bounds import AboveZero, BelowOne, Multiplier, Size
from repro.models.layers.convolutions import normalised
from repro.models.layers.squeeze_excitation import SqueezeExcitation

EPSILON = 1e-3  # of batch normalisation, in the authors' code


class Stage(NamedTuple):
    """A row of Table 1. Its first block has the stride; the table shows it as the next row's resolution."""

    expansion: int
    kernel: int
    stride: int
    width: int
    blocks: int


STAGES = (
    Stage(1, 3, 1, 16, 1),
    Stage(6, 3, 2, 24, 2),
    Stage(6, 5, 2, 40, 2),
    Stage(6, 3, 2, 80, 3),
    Stage(6, 5, 1, 112, 3),
    Stage(6, 5, 2, 192, 4),
    Stage(6, 3, 1, 320, 1),
)
STEM, HEAD = 32, 1280


class Scale(NamedTuple):
    """Factors of depth and width, and the side of the images."""

    depth: float
    width: float
    resolution: int
    dropout: float


# Of the authors' code. Equation 3, α^φ, β^φ and γ^φ with 1.2, 1.1 and 1.15, gives B1 to B3 (φ = 0.5, 1, 2)
# rounded to a digit, and B4 to B7 less closely.
VARIANTS = {
    "B0": Scale(1.0, 1.0, 224, 0.2),
    "B1": Scale(1.1, 1.0, 240, 0.2),
    "B2": Scale(1.2, 1.1, 260, 0.3),
    "B3": Scale(1.4, 1.2, 300, 0.3),
    "B4": Scale(1.8, 1.4, 380, 0.4),
    "B5": Scale(2.2, 1.6, 456, 0.4),
    "B6": Scale(2.6, 1.8, 528, 0.5),
    "B7": Scale(3.1, 2.0, 600, 0.5),
}


def scaled_width(width: int, factor: float) -> int:
    """The nearest multiple of 8, at least 8, and not less than 90 % of the scaled width."""
    rounded = max(8, int(width * factor + 4) // 8 * 8)
    return rounded if rounded >= 0.9 * width * factor else rounded + 8


def scaled_depth(blocks: int, factor: float) -> int:
    return ceil(blocks * factor)


class EfficientNet(nn.Module):
    """[N, in_channels, H, W] → [N, classes]. The side of the images is the data's: VARIANTS has the paper's.

    `depth` and `width` multiply those of the variant: B0 with depth 4 or width 2 are rows of Table 7.
    `dropout` None is the variant's. `stochastic_depth` is the last block's chance to be skipped in training
    (1 minus the paper's survival of 0.8). `norm_momentum` 0.01 is TensorFlow's 0.99; a training of a few
    hundred steps wants torch's 0.1. `stem` "cifar" has no stride, so that the net divides the map by 16
    instead of 32.
    """

    def __init__(
        self,
        variant: Literal["B0", "B1", "B2", "B3", "B4", "B5", "B6", "B7"] = "B0",
        *,
        depth: Multiplier = 1.0,
        width: Multiplier = 1.0,
        dropout: BelowOne | None = None,
        stochastic_depth: BelowOne = 0.2,
        norm_momentum: AboveZero = 0.01,
        stem: Literal["imagenet", "cifar"] = "imagenet",
        in_channels: Size = 3,
        classes: Size = 1000,
    ):
        super().__init__()
        scale = VARIANTS[variant]
        depth, width = depth * scale.depth, width * scale.width
        counts = [scaled_depth(stage.blocks, depth) for stage in STAGES]
        channels, head = scaled_width(STEM, width), scaled_width(HEAD, width)
        self.stem = nn.Sequential(
            *normalised(in_channels, channels, 3, 1 if stem == "cifar" else 2), nn.SiLU()
        )
        self.blocks = nn.Sequential()
        for stage, count in zip(STAGES, counts, strict=True):
            for stride in [stage.stride, *[1] * (count - 1)]:
                out = scaled_width(stage.width, width)
                skipped = stochastic_depth * len(self.blocks) / sum(counts)
                self.blocks.append(
                    MobileBottleneck(channels, out, stage.expansion, stage.kernel, stride, skipped)
                )
                channels = out
        self.head = nn.Sequential(*normalised(channels, head, 1), nn.SiLU())
        self.dropout = nn.Dropout(scale.dropout if dropout is None else dropout)
        self.classifier = nn.Linear(head, classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                fan_out = module.kernel_size[0] * module.kernel_size[1] * module.out_channels // module.groups
                nn.init.normal_(module.weight, std=(2 / fan_out) ** 0.5)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
            if isinstance(module, nn.BatchNorm2d):
                module.eps, module.momentum = EPSILON, norm_momentum
        nn.init.uniform_(self.classifier.weight, -(classes**-0.5), classes**-0.5)
        nn.init.zeros_(self.classifier.bias)

    def forward(self, x: Tensor) -> Tensor:
        features = self.head(self.blocks(self.stem(x))).mean(dim=(2, 3))
        logits: Tensor = self.classifier(self.dropout(features))
        return logits


class MobileBottleneck(nn.Module):
    """MBConv: widen by 1×1, filter each channel, squeeze and excite, narrow by 1×1.

    [N, C, H, W] → [N, width, H/stride, W/stride].

    The shortcut around it is there where the shape does not change. `skipped` is the chance that only it is
    taken.
    """

    def __init__(self, channels: int, width: int, expansion: int, kernel: int, stride: int, skipped: float):
        super().__init__()
        inner = channels * expansion
        widened = [*normalised(channels, inner, 1), nn.SiLU()] if expansion > 1 else []
        filtered = [*normalised(inner, inner, kernel, stride, groups=inner), nn.SiLU()]
        excited = SqueezeExcitation(inner, max(1, channels // 4), activation=nn.SiLU)
        self.branch = nn.Sequential(*widened, *filtered, excited, *normalised(inner, width, 1))
        self.residual = stride == 1 and channels == width
        self.skip = StochasticDepth(skipped, "row")

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.branch(x)
        return x + self.skip(y) if self.residual else y
