"""What R-CNN, Fast and Faster R-CNN share: what is said of regions, its loss, and the layers that say it.

The outputs are those of Fast R-CNN, Girshick 2015, arXiv 1504.08083: two hidden linear layers see what is
pooled of each region, and two more say its class, the background among them, and for each class how the box
is to move. They are trained together, by the loss of section 2.3.

The paper draws 64 regions of each image at random, a quarter of them with an IoU of .5 or more with an item
and the rest between .1 and .5. Here all are put through the net, and each weighs what it would on average.
The items' own boxes are not among the regions, as they are in the released code. An image of a batch has its
classes and its places weighed alike, whether it has many items or few.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils._pytree import register_constant

from repro.bounds import (
    BelowOne,
    Depths,
    Multiplier,
    NonNegativeFloat,
    PositiveFloats,
    Size,
    Sizes,
)
from repro.models.layers.boxes import (
    Detections,
    chosen,
    clipped,
    decode,
    drawn_share,
    encode,
    matched,
    surest,
)
from repro.models.region_net import RegionPooling
from repro.models.region_proposals import GivenRegions, scaled
from repro.models.selective_search import SelectiveSearch
from repro.models.trunks import make_trunk

if TYPE_CHECKING:
    from repro.data.targets import Boxes

DRAWN, POSITIVE, ENOUGH = 64, 0.25, 0.5  # section 2.3: regions of an image, their part with items, the IoU
DRAWN_ANCHORS = 256  # Faster R-CNN's section 3.1.3
SPREADS = (0.1, 0.1, 0.2, 0.2)  # of the offsets, which are divided by them; from the released code
AT_ONCE = 2**13  # regions: 2000 of each of hundreds of images that are evaluated together would fill memories
OVERLAP = 0.3  # of non-maximal suppression, as in R-CNN's and the released code


@dataclass(frozen=True)
class Rules:
    """How regions are judged: as background from an IoU of so much on, with the boxes' loss so many times.

    `drawn` are as many regions of an image as would be drawn at random, and `drawn_anchors` of anchors. Where
    classes are scored `apart`, as by a support vector machine each, they do not share a softmax.
    """

    width: int  # of the image, in pixels
    height: int
    background_from: float
    box_loss: float  # λ of equation 1
    apart: bool = False
    drawn: int = DRAWN
    drawn_anchors: int = DRAWN_ANCHORS


register_constant(Rules)  # part of trees of tensors, as it is


class RegionAnswers(NamedTuple):
    """`regions` [N, R, 4], in pixels, the best first, if there is an order; `scores` [N, R, 1 + C], the
    background's first; `offsets` [N, R, C, 4], in `SPREADS`.
    """

    regions: Tensor
    scores: Tensor
    offsets: Tensor
    rules: Rules

    @property
    def classes(self) -> int:
        return self.offsets.shape[2]

    def loss(self, truth: Boxes) -> Tensor:
        """Equation 1, the mean over the regions of an image that may be drawn."""
        labels, items, weights = self._targets(truth)
        of_class = F.cross_entropy(self.scores.float().flatten(0, 1), labels.flatten(), reduction="none")
        positive = labels > 0
        own = self.offsets.float().take_along_dim((labels - 1).clamp(min=0)[..., None, None], dim=2)[:, :, 0]
        whole = items.new_tensor([0.0, 0.0, 1.0, 1.0])  # where no box is wanted: finite
        items, regions = (boxes.where(positive[..., None], whole) for boxes in (items, self.regions))
        wanted = encode(items, regions) / items.new_tensor(SPREADS)
        of_box = F.smooth_l1_loss(own, wanted, reduction="none").sum(2).where(positive, 0)
        return (weights * (of_class.view_as(weights) + self.rules.box_loss * of_box)).sum(1)

    def errors(self, truth: Boxes) -> tuple[Tensor, Tensor]:
        """Regions of items that are taken for another class, or for background."""
        labels, *_ = self._targets(truth)
        says = self.scores.nan_to_num(0.0).argmax(2)
        return ((says != labels) & (labels > 0)).sum(), (labels > 0).sum()

    def detections(self) -> Detections:
        moved = decode(self.offsets.float() * self.regions.new_tensor(SPREADS), self.regions[:, :, None])
        corners = clipped(moved, self.rules.width, self.rules.height)
        scores = self.scores.float()
        scores = scores.sigmoid() if self.rules.apart else scores.softmax(2)
        return surest(corners, scores[..., 1:], overlap=OVERLAP)

    def _targets(self, truth: Boxes) -> tuple[Tensor, Tensor, Tensor]:
        """Of each region: its class, 0 for background, the box of its item, and its weight."""
        overlaps, item = matched(self.regions, truth)
        positive = overlaps >= ENOUGH
        negative = ~positive & (overlaps >= self.rules.background_from)
        labels = (1 + chosen(truth.labels, item)).where(positive, 0)
        weights = drawn_share(positive, negative, self.rules.drawn, POSITIVE)
        return labels, chosen(truth.corners, item), weights


class RegionHead(nn.Module):
    """The layers that see a region: [R, features] → scores [R, 1 + classes] and offsets [R, classes, 4].

    `apart` is that of `Rules`.
    """

    apart = False

    def __init__(self, features: int, fc: int, dropout: float, classes: int):
        super().__init__()
        self.hidden = nn.Sequential(
            *(nn.Linear(features, fc), nn.ReLU(), nn.Dropout(dropout)),
            *(nn.Linear(fc, fc), nn.ReLU(), nn.Dropout(dropout)),
        )
        self.scores, self.offsets = nn.Linear(fc, 1 + classes), nn.Linear(fc, 4 * classes)
        for layer, std in ((self.scores, 0.01), (self.offsets, 0.001)):  # section 2.3
            nn.init.normal_(layer.weight, std=std)
            nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        hidden = self.hidden(x)
        return self.scores(hidden), self.offsets(hidden).unflatten(1, (-1, 4))


class RegionDetector(nn.Module):
    """A trunk, and a head that sees bins of its channels for each region: those of all `levels` a side, 7, or
    (6, 3, 2, 1) as in SPPnet (He et al. 2014).

    `trunk` has `width`, `widths`, `depths` and `batch_norm` where it knows them; its last pooling is left
    out. `fc` counts the units of the two hidden layers and `dropout` is theirs. `box_loss` is λ, 0 for a net
    that learns classes alone, `background_from` the least IoU of a region that is background, and `drawn` so
    many regions of an image as weigh in its loss, a quarter of them of items at most.
    """

    pooling: type[nn.Module] = RegionPooling

    def __init__(
        self,
        trunk: Literal["alexnet", "zf5", "vgg16"] = "vgg16",
        *,
        levels: Sizes = (7,),
        box_loss: NonNegativeFloat = 1.0,
        background_from: BelowOne = 0.1,
        drawn: Size = DRAWN,
        width: Multiplier | None = None,
        widths: Sizes | None = None,
        depths: Depths | None = None,
        batch_norm: bool | None = None,
        fc: Size = 4096,
        dropout: BelowOne = 0.5,
        in_channels: Size = 3,
        classes: Size = 20,
    ):
        super().__init__()
        check_counts(classes=classes, drawn=drawn, **{f"levels[{i}]": n for i, n in enumerate(levels)})
        if background_from >= ENOUGH:
            raise ValueError(f"background_from must be below {ENOUGH}, from where on regions are of items")
        self.box_loss, self.background_from, self.drawn = box_loss, background_from, drawn
        self.new_trunk = partial(
            make_trunk,
            trunk,
            width=width,
            widths=widths,
            depths=depths,
            batch_norm=batch_norm,
            last_pool=False,
            in_channels=in_channels,
        )
        self.trunk = self.new_trunk()
        self.head = RegionHead(self.trunk.channels * sum(n**2 for n in levels), fc, dropout, classes)
        self.pool = self.pooling(levels)

    def rules(self, images: Tensor) -> Rules:
        """Of images [N, C, H, W]."""
        height, width = images.shape[-2:]
        return Rules(width, height, self.background_from, self.box_loss, self.head.apart, self.drawn)


class SearchingDetector(RegionDetector):
    """One whose `regions`, 2000 of an image in the papers, are from outside the net.

    They are a fixed `spread` of boxes, the same for all images, or what `selective_search` finds, with the
    graph's `scales` and `smallest` region in pixels: the net does it, so that its time is the net's. It does
    `remember` what it found in an image, which it must not where passes of one image are timed.
    """

    def __init__(
        self,
        *args: Any,
        proposals: Literal["spread", "selective_search"] = "spread",
        regions: Size = 2000,
        scales: PositiveFloats = (50.0, 100.0),
        smallest: Size = 20,
        remember: bool = True,
        **others: Any,
    ):
        super().__init__(*args, **others)
        check_counts(regions=regions, smallest=smallest, scales=len(scales))
        self.proposals: nn.Module = GivenRegions(regions)
        if proposals == "selective_search":
            self.proposals = SelectiveSearch(regions, scales, smallest, remember)


def answers(maps: Tensor, regions: Tensor, pool: nn.Module, head: RegionHead, rules: Rules) -> RegionAnswers:
    """What a head says of regions [N, R, 4] of maps [N, C, h, w]."""
    boxes = scaled(regions, maps.shape[-1] / rules.width, maps.shape[-2] / rules.height)
    said = [head(pool(maps, some)) for some in by_image(boxes).split(AT_ONCE)]
    return joined(regions, said, rules)


def by_image(boxes: Tensor) -> Tensor:
    """[N, R, 4] → [N · R, 5], the number of its image before each box."""
    image = torch.arange(len(boxes), device=boxes.device, dtype=boxes.dtype)
    return torch.cat([image[:, None, None].expand(-1, boxes.shape[1], 1), boxes], dim=2).flatten(0, 1)


def joined(regions: Tensor, said: list[tuple[Tensor, Tensor]], rules: Rules) -> RegionAnswers:
    """Scores and offsets of some regions and of those that follow them, as answers of all [N, R, 4]."""
    scores, offsets = (torch.cat(parts).unflatten(0, regions.shape[:2]) for parts in zip(*said, strict=True))
    return RegionAnswers(regions, scores, offsets, rules)


def check_counts(**counts: int) -> None:
    """Raises ValueError for one below 1."""
    for name, count in counts.items():
        if count < 1:
            raise ValueError(f"{name} must be at least 1, not {count}")
