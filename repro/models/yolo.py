"""YOLO: Redmon et al. 2015, "You Only Look Once", arXiv 1506.02640: boxes and classes in one look.

24 convolutions, on images of 448×448, and two linear layers (Figure 3), with leaky ReLU. Each cell of a grid
of S×S, S = 7, has B = 2 boxes of five numbers, and the probabilities of C classes. The hidden linear layer
has 4096 units, as the authors' configuration has it and Figure 3.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils._pytree import register_constant

from repro.bounds import BelowOne, Depths, Multiplier, Size, Sizes
from repro.models.layers.boxes import Detections, chosen, clipped, surest
from repro.models.layers.convolutions import convolution
from repro.models.trunks import Convolutions, Trunk, make_trunk

if TYPE_CHECKING:
    from repro.data.targets import Boxes

FIGURE_3 = (  # kernel, filters and stride of each convolution; None is a pooling of 2×2
    *((7, 64, 2), None, (3, 192, 1), None),
    *((1, 128, 1), (3, 256, 1), (1, 256, 1), (3, 512, 1), None),
    *(((1, 256, 1), (3, 512, 1)) * 4),
    *((1, 512, 1), (3, 1024, 1), None),
    *(((1, 512, 1), (3, 1024, 1)) * 2),
    *((3, 1024, 1), (3, 1024, 2), (3, 1024, 1), (3, 1024, 1)),
)
SLOPE = 0.1  # equation 2
COORDINATES, NOTHING = 5.0, 0.5  # section 2.2: weights of places and sizes, and of confidence without an item
OVERLAP = 0.5  # of non-maximal suppression, as in the authors' code; section 2.3 gives none


@dataclass(frozen=True)
class Grid:
    """How the numbers of a cell are read: `boxes` of x, y, √w, √h and confidence, then the classes.

    x and y are the centre's place within the cell, w and h shares of the image, all from 0 to 1.
    """

    boxes: int
    width: int  # of the image, in pixels
    height: int


register_constant(Grid)  # part of trees of tensors, as it is


class GridAnswers(NamedTuple):
    """`cells` are [N, S, S, 5B + C]: rows, then columns."""

    cells: Tensor
    grid: Grid

    @property
    def classes(self) -> int:
        return self.cells.shape[3] - 5 * self.grid.boxes

    def parts(self) -> tuple[Tensor, Tensor, Tensor]:
        """Places and sizes [N, S, S, B, 4], confidences [N, S, S, B], and classes [N, S, S, C]."""
        numbers = 5 * self.grid.boxes
        boxes, classes = self.cells.float().split([numbers, self.classes], dim=3)
        places, confidences = boxes.unflatten(3, (-1, 5)).split([4, 1], dim=4)
        return places, confidences[..., 0], classes

    def corners(self) -> Tensor:
        """Of the boxes, in pixels: [N, S, S, B, 4]."""
        side = self.cells.shape[1]
        x, y, wide, high = self.parts()[0].unbind(-1)
        cells = torch.arange(side, device=x.device)
        x, y = (x + cells[:, None]) / side, (y + cells[:, None, None]) / side
        halves = wide.square() / 2, high.square() / 2
        ends = [x - halves[0], y - halves[1], x + halves[0], y + halves[1]]
        size = torch.tensor([self.grid.width, self.grid.height] * 2, device=x.device)
        return torch.stack(ends, dim=-1) * size

    def cells_of(self, corners: Tensor) -> Tensor:
        """The cell that holds the centre of each item, row · S + column: [N, M, 4] → [N, M]."""
        side = self.cells.shape[1]
        size = torch.tensor([self.grid.width, self.grid.height], device=corners.device)
        column, row = (
            ((corners[..., :2] + corners[..., 2:]) / 2 / size * side).long().clamp(0, side - 1).unbind(-1)
        )
        return row * side + column

    def loss(self, truth: Boxes) -> Tensor:
        """Equation 3. Where the centres of several items are in one cell, it has the first one's box.

        The confidence that is wanted of the box which is responsible is its IoU, as section 2 says.
        """
        places, confidences, classes = (part.flatten(1, 2) for part in self.parts())
        cells, counts = self._of_items(truth)
        aims = self._places(truth.corners, cells)
        mine = chosen(places, cells)  # [N, M, B, 4]
        overlaps = _ious(chosen(self.corners().flatten(1, 2), cells), truth.corners[:, :, None])
        overlap, best = overlaps.detach().max(2)
        place = mine.take_along_dim(best[..., None, None], dim=2)[:, :, 0]
        confidence = chosen(confidences, cells).take_along_dim(best[..., None], dim=2)[..., 0]
        one_hot = F.one_hot(truth.labels.clamp(min=0), self.classes)
        of_items = (
            COORDINATES * (place - aims).square().sum(2)
            + (confidence - overlap).square()
            - NOTHING * confidence.square()  # which the sum over all boxes has too much
            + (chosen(classes, cells) - one_hot).square().sum(2)
        )
        of_nothing = NOTHING * confidences.square().flatten(1).sum(1)
        return of_nothing + of_items.where(counts, 0).sum(1)

    def errors(self, truth: Boxes) -> tuple[Tensor, Tensor]:
        """Items whose cell takes them for another class."""
        cells, counts = self._of_items(truth)
        says = chosen(self.parts()[2].flatten(1, 2), cells).nan_to_num(0.0).argmax(2)
        return ((says != truth.labels) & counts).sum(), counts.sum()

    def detections(self) -> Detections:
        """A box scores a class's probability times its confidence, equation 1."""
        _, confidences, classes = self.parts()
        scores = confidences.clamp(min=0)[..., None] * classes.clamp(min=0)[..., None, :]
        corners = clipped(self.corners(), self.grid.width, self.grid.height)
        return surest(corners.flatten(1, 3), scores.flatten(1, 3), overlap=OVERLAP)

    def _of_items(self, truth: Boxes) -> tuple[Tensor, Tensor]:
        """The cell of each item, and whether it is the first item of its cell, [N, M] each."""
        cells, there = self.cells_of(truth.corners), truth.labels >= 0
        shared = (cells[:, :, None] == cells[:, None]) & there[:, None]
        return cells, there & ~shared.tril(-1).any(2)

    def _places(self, corners: Tensor, cells: Tensor) -> Tensor:
        """What is wanted of the numbers x, y, √w and √h: [N, M, 4]."""
        side = self.cells.shape[1]
        size = torch.tensor([self.grid.width, self.grid.height], device=corners.device)
        starts, ends = (corners / size.repeat(2)).split(2, dim=2)
        own = torch.stack([cells % side, cells.div(side, rounding_mode="floor")], dim=2)
        return torch.cat([(starts + ends) / 2 * side - own, (ends - starts).sqrt()], dim=2)


def _ious(boxes: Tensor, others: Tensor) -> Tensor:
    """Of boxes with one other each, […, 4] → […]."""
    starts, ends = torch.maximum(boxes, others)[..., :2], torch.minimum(boxes, others)[..., 2:]
    shared = (ends - starts).clamp(min=0).prod(-1)
    first, second = ((some[..., 2:] - some[..., :2]).prod(-1) for some in (boxes, others))
    union = first + second - shared
    return shared / union.clamp(min=torch.finfo(union.dtype).tiny)


class Yolo(nn.Module):
    """[N, in_channels, H, W] → `GridAnswers`, [N, S, S, 5B + C]: S is `cells`, B `boxes` and C `classes`.

    `width` multiplies the filters. `trunk` `vgg16` has VGG's convolutions instead of Figure 3's, with
    `widths`, `depths` and `batch_norm` of its own. A map that is not S×S is averaged to that.

    With `convolutional`, two convolutions of 3×3 and one of 1×1 stand for the linear layers; `fc` are the
    hidden units or filters.
    """

    def __init__(
        self,
        trunk: Literal["yolo", "vgg16"] = "yolo",
        *,
        cells: Size = 7,
        boxes: Size = 2,
        convolutional: bool = False,
        batch_norm: bool = False,
        width: Multiplier = 1.0,
        widths: Sizes | None = None,
        depths: Depths | None = None,
        fc: Size = 4096,
        dropout: BelowOne = 0.5,
        in_channels: Size = 3,
        classes: Size = 20,
    ):
        super().__init__()
        for name, count in (("cells", cells), ("boxes", boxes), ("classes", classes)):
            if count < 1:
                raise ValueError(f"{name} must be at least 1, not {count}")
        self.boxes = boxes
        if trunk == "yolo":
            if widths is not None or depths is not None:
                raise ValueError("widths and depths are options of the trunk 'vgg16'")
            self.trunk: Trunk = _figure_3(in_channels, width, batch_norm)
        else:
            self.trunk = make_trunk(
                trunk,
                widths=widths,
                depths=depths,
                width=width,
                batch_norm=batch_norm,
                in_channels=in_channels,
            )
        channels = self.trunk.channels
        self.pool = nn.AdaptiveAvgPool2d(cells)
        numbers = 5 * boxes + classes
        if convolutional:
            self.head = nn.Sequential(
                *_leaky(channels, fc, 3, batch_norm=batch_norm),
                *_leaky(fc, fc, 3, batch_norm=batch_norm),
                nn.Conv2d(fc, numbers, 1),
            )
        else:
            self.head = nn.Sequential(
                *(nn.Flatten(), nn.Linear(channels * cells**2, fc), nn.LeakyReLU(SLOPE), nn.Dropout(dropout)),
                *(nn.Linear(fc, numbers * cells**2), nn.Unflatten(1, (numbers, cells, cells))),
            )

    def forward(self, x: Tensor) -> GridAnswers:
        numbers = self.head(self.pool(self.trunk(x)[-1]))
        return GridAnswers(numbers.permute(0, 2, 3, 1), Grid(self.boxes, x.shape[3], x.shape[2]))


def _figure_3(channels: int, width: float, batch_norm: bool) -> Convolutions:
    """Whose map has a 64th of the image's sides."""
    layers = nn.Sequential()
    for row in FIGURE_3:
        if row is None:
            layers.append(nn.MaxPool2d(2))
            continue
        kernel, filters, stride = row
        filters = max(1, round(filters * width))
        layers.extend(_leaky(channels, filters, kernel, stride, batch_norm=batch_norm))
        channels = filters
    return Convolutions(layers, channels)


def _leaky(channels: int, width: int, kernel: int, stride: int = 1, *, batch_norm: bool) -> list[nn.Module]:
    if batch_norm:
        layer = convolution(channels, width, kernel, stride)
    else:
        layer = nn.Conv2d(channels, width, kernel, stride, kernel // 2)
    nn.init.kaiming_normal_(layer.weight, SLOPE)
    return [layer, *([nn.BatchNorm2d(width)] if batch_norm else []), nn.LeakyReLU(SLOPE)]
