"""GoogLeNet scaled down: Szegedy et al. 2014, "Going Deeper with Convolutions", arXiv 1409.4842.

For images of 14 to 64 pixels. Some of its modules (Table 1), with all widths multiplied, behind one 3×3
convolution instead of a stem of three; where a stage ends a pooling halves the map, as in the paper. There is
no response normalisation.

The paper has no comparison of its modules with others. Here a module can have one kind of kernel instead of
three: a 1×1 reduction and a 3×3 convolution, which gives as many channels. The reduction is as narrow as
makes parameters and multiply-adds those of the module with all branches, to rounding.
"""

from itertools import pairwise
from typing import Literal

from torch import nn

from repro.bounds import BelowOne, Multiplier, Names, Size
from repro.models.googlenet import (
    AUXILIARY,
    MODULES,
    Inception,
    InceptionNet,
    auxiliary_classifier,
    biased,
    pooling,
    scaled,
)
from repro.models.layers.initialisation import initialise

FIRST = 64  # filters of the first convolution, as in the paper


class ScaledGoogLeNet(InceptionNet):
    """[N, in_channels, H, W] → [N, classes]; in training, if `auxiliary`, [N, 1 + those, classes]: the
    classifier, then those behind 4a and 4d, as far as there are these modules.

    `modules` are names of Table 1, in their order. `kernels` "3x3" has modules of one kind of kernel. `norm`
    "batch" puts batch normalisation between each convolution and its ReLU, but not in auxiliary classifiers.
    `image_size` is that of the images where there are auxiliary classifiers, which want maps of 5×5 or more.
    `init` is one of `initialise`. Raises ValueError for other modules and for smaller maps.
    """

    def __init__(
        self,
        *,
        modules: Names = ("3a", "3b", "4a", "4b", "4c", "4d", "4e", "5a", "5b"),
        kernels: Literal["all", "3x3"] = "all",
        norm: Literal["batch", "none"] = "none",
        auxiliary: bool = False,
        dropout: BelowOne = 0.4,
        auxiliary_dropout: BelowOne = 0.7,
        init: Literal["gaussian", "xavier", "he"] = "xavier",
        width: Multiplier = 0.25,
        image_size: Size = 28,
        in_channels: Size = 1,
        classes: Size = 10,
    ):
        super().__init__()
        if not modules or list(modules) != [name for name in MODULES if name in modules]:
            raise ValueError(
                f"modules must be some of {', '.join(MODULES)} in this order, not {list(modules)}"
            )
        batch_norm = norm == "batch"
        (channels,) = scaled((FIRST,), width)
        self.stem = biased(in_channels, channels, 3, batch_norm=batch_norm)
        self.body = nn.ModuleDict()
        side = image_size
        maps: dict[str, tuple[int, int]] = {}  # the channels and the side of what modules give
        for before, name in pairwise((modules[0], *modules)):
            if before[0] != name[0]:  # another stage
                self.body[f"pool{before}"] = pooling()
                side //= 2
            row = scaled(MODULES[name], width)
            if kernels == "all":
                module: nn.Module = Inception(channels, row, reduce=True, batch_norm=batch_norm)
            else:
                module = one_kernel(channels, row, batch_norm=batch_norm)
            self.body[name] = module
            channels = filters_of(row)
            maps[name] = channels, side
        self.classifier = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(dropout), nn.Linear(channels, classes)
        )
        initialise(self, init)
        # After the draw, so that all other weights are the same with and without them
        self.auxiliary = nn.ModuleDict()
        for name in [name for name in AUXILIARY if auxiliary and name in maps]:
            self.auxiliary[name] = auxiliary_classifier(
                *maps[name], scaled((128, 1024), width), auxiliary_dropout, classes
            )
        initialise(self.auxiliary, init)


def filters_of(row: tuple[int, ...]) -> int:
    """The channels that a module's four branches give together."""
    one, _, three, _, five, projection = row
    return one + three + five + projection


def one_kernel(channels: int, row: tuple[int, ...], *, batch_norm: bool) -> nn.Sequential:
    """A 1×1 reduction and a 3×3 convolution with the channels and, about, the weights of a module's branches.

    Its longest path has two layers, too, and it sees 3×3 where a module sees up to 5×5.
    """
    one, three_reduce, three, five_reduce, five, projection = row
    filters = filters_of(row)
    weights = channels * (one + three_reduce + five_reduce + projection)
    weights += 9 * three_reduce * three + 25 * five_reduce * five
    reduced = max(1, round(weights / (channels + 9 * filters)))
    return nn.Sequential(
        biased(channels, reduced, 1, batch_norm=batch_norm),
        biased(reduced, filters, 3, batch_norm=batch_norm),
    )
