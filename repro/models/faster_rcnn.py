"""Faster R-CNN: Ren et al. 2015, arXiv 1506.01497: a small net on the same map proposes the regions.

At each place of the map the region proposal network gives two scores, item or not, and four offsets to each
of 9 anchors. Both nets are trained together, and no gradient goes through the regions ("approximate joint
training", section 3.2). The paper's own four steps are trainings one after another, each of a part of the
net (`freeze`) with the weights of the one before.

Its loss (equation 1) draws 256 anchors of an image, half of them of items if there are so many; here all
anchors weigh what they would on average, and offsets weigh as scores do, which λ = 10 comes to in the paper
(10 / 2400 against 1 / 256).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.ops import nms

from repro.bounds import BelowOne, PositiveFloats, Size
from repro.errors import ReproError
from repro.models.layers.boxes import (
    Detections,
    chosen,
    clipped,
    decode,
    drawn_share,
    encode,
    ious,
)
from repro.models.layers.initialisation import initialise
from repro.models.region_detector import DRAWN_ANCHORS, RegionAnswers, RegionDetector, answers, check_counts

if TYPE_CHECKING:
    from repro.data.targets import Boxes

POSITIVE = 0.5  # section 3.1.3: of the anchors that are drawn, the most that are of items
ITEM, BACKGROUND = 0.7, 0.3  # section 3.1.2: IoUs
OVERLAP = 0.7  # section 3.3: of proposals


class ProposedAnswers(NamedTuple):
    """What the head says of the regions, and the proposal network of its `anchors` [N, A, 4], in pixels:
    `objectness` [N, A, 2], background first, and `offsets` [N, A, 4].
    """

    head: RegionAnswers
    anchors: Tensor
    objectness: Tensor
    offsets: Tensor

    @property
    def classes(self) -> int:
        return self.head.classes

    @property
    def regions(self) -> Tensor:
        return self.head.regions

    def loss(self, truth: Boxes) -> Tensor:
        return self.head.loss(truth) + self.proposal_loss(truth)

    def proposal_loss(self, truth: Boxes) -> Tensor:
        """Equation 1, of each image [N]."""
        rules = self.head.rules
        positive, negative, item = assigned(
            self.anchors, truth.corners, truth.labels, rules.width, rules.height
        )
        weights = drawn_share(positive, negative, rules.drawn_anchors, POSITIVE)
        of_class = F.cross_entropy(
            self.objectness.float().flatten(0, 1), positive.long().flatten(), reduction="none"
        )
        whole = self.anchors.new_tensor([0.0, 0.0, 1.0, 1.0])  # where no box is wanted: finite
        items = chosen(truth.corners, item).where(positive[..., None], whole)
        wanted = encode(items, self.anchors.where(positive[..., None], whole))
        of_box = F.smooth_l1_loss(self.offsets.float(), wanted, reduction="none").sum(2).where(positive, 0)
        return (weights * (of_class.view_as(weights) + of_box)).sum(1)

    def errors(self, truth: Boxes) -> tuple[Tensor, Tensor]:
        return self.head.errors(truth)

    def detections(self) -> Detections:
        return self.head.detections()


def anchors(
    rows: int, columns: int, width: int, height: int, shapes: Tensor, device: torch.device | None = None
) -> Tensor:
    """Boxes of `shapes` [A, 2], width and height, around the middle of each cell of a map, row by row.

    [rows · columns · A, 4], in pixels of an image of that size.
    """
    x = (torch.arange(columns, device=device) + 0.5) * (width / columns)
    y = (torch.arange(rows, device=device) + 0.5) * (height / rows)
    centres = torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1)[:, :, None]
    return torch.cat([centres - shapes / 2, centres + shapes / 2], dim=-1).flatten(0, 2)


def assigned(
    anchors: Tensor, items: Tensor, labels: Tensor, width: int, height: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Which anchors [N, A, 4] are of items [N, M, 4], which of background, and the item that each overlaps
    most: [N, A] each. Section 3.1.2.

    Those are of an item that overlap it by more than .7, or most of all anchors; of background that overlap
    none by .3. Anchors that reach beyond the image are neither.
    """
    inside = (anchors[..., :2] >= 0).all(-1) & (anchors[..., 2:] <= anchors.new_tensor([width, height])).all(
        -1
    )
    overlaps = ious(anchors, items).where((labels >= 0)[:, None] & inside[..., None], 0)
    overlap, item = overlaps.max(2)
    most = overlaps.amax(1, keepdim=True)
    best = (overlaps == most) & (most > 0)
    item = torch.where(
        best.any(2), best.long().argmax(2), item
    )  # which it is the best of, though another is nearer
    return (overlap > ITEM) | best.any(2), inside & (overlap < BACKGROUND) & ~best.any(2), item


class ProposalNet(nn.Module):
    """[N, channels, h, w] → objectness [N, h · w · anchors, 2] and offsets [N, h · w · anchors, 4]."""

    def __init__(self, channels: int, hidden: int, shapes: int):
        super().__init__()
        self.hidden = nn.Sequential(nn.Conv2d(channels, hidden, 3, padding=1), nn.ReLU())
        self.scores = nn.Conv2d(hidden, 2 * shapes, 1)
        self.offsets = nn.Conv2d(hidden, 4 * shapes, 1)
        initialise(self, "gaussian")  # section 3.1.3

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        hidden = self.hidden(x)
        scores, offsets = self.scores(hidden), self.offsets(hidden)
        return by_anchor(scores, 2), by_anchor(offsets, 4)


def by_anchor(maps: Tensor, numbers: int) -> Tensor:
    """[N, A · numbers, h, w] → [N, h · w · A, numbers], in the order of `anchors`."""
    parts: Tensor = maps.unflatten(1, (-1, numbers))
    return parts.permute(0, 3, 4, 1, 2).flatten(1, 3)


class FasterRCNN(RegionDetector):
    """[N, in_channels, H, W] → `ProposedAnswers` of the best `regions` of an image, or `train_regions` in
    training: 300 and 2000 in the paper, of the best 6000 and 12,000 anchors, `candidates` and twice as many.

    `scales` are square roots of the anchors' areas in pixels and `ratios` their height over width. All
    regions that overlap items by less than half are background, as in the released code. Where proposals are
    fewer, they are repeated from the first on. So many anchors of an image as `drawn_anchors` weigh in its
    loss, half of them of items at most. If not `shared`, what proposes has a trunk of its own, as in the
    first two of the paper's four steps.

    Raises `ReproError` for training images that no anchor fits into: no regions could be learnt there.
    """

    shapes: Tensor

    def __init__(
        self,
        *args: Any,
        regions: Size = 300,
        train_regions: Size = 2000,
        candidates: Size = 6000,
        scales: PositiveFloats = (128.0, 256.0, 512.0),
        ratios: PositiveFloats = (0.5, 1.0, 2.0),
        background_from: BelowOne = 0.0,
        drawn_anchors: Size = DRAWN_ANCHORS,
        shared: bool = True,
        **others: Any,
    ):
        super().__init__(*args, background_from=background_from, **others)
        check_counts(regions=regions, train_regions=train_regions, candidates=candidates)
        check_counts(drawn_anchors=drawn_anchors, anchors=len(scales) * len(ratios))
        self.regions, self.train_regions, self.candidates = regions, train_regions, candidates
        self.drawn_anchors = drawn_anchors
        shapes = [(scale / ratio**0.5, scale * ratio**0.5) for scale in scales for ratio in ratios]
        self.sides = shapes  # as the buffer, which may be on a device
        self.register_buffer("shapes", torch.tensor(shapes), persistent=False)
        self.proposals = ProposalNet(self.trunk.channels, self.trunk.channels, len(shapes))
        self.proposal_trunk = None if shared else self.new_trunk()

    def forward(self, x: Tensor) -> ProposedAnswers:
        height, width = x.shape[-2:]
        maps = self.trunk(x)[-1]
        rows, columns = maps.shape[-2:]
        if self.training and not x.is_meta:
            self.check_anchors(width, height)
        places = anchors(rows, columns, width, height, self.shapes, x.device)
        own = maps if self.proposal_trunk is None else self.proposal_trunk(x)[-1]
        objectness, offsets = self.proposals(own)
        count = self.train_regions if self.training else self.regions
        candidates = self.candidates * (2 if self.training else 1)
        regions = proposed(places, objectness, offsets, (width, height), candidates, count)
        rules = replace(self.rules(x), drawn_anchors=self.drawn_anchors)
        head = answers(maps, regions, self.pool, self.head, rules)
        return ProposedAnswers(head, places.expand(len(x), -1, -1), objectness, offsets)

    def check_anchors(self, width: int, height: int) -> None:
        if not any(wide <= width and high <= height for wide, high in self.sides):
            least = min(max(sides) for sides in self.sides)
            raise ReproError(
                f"model 'faster_rcnn': no anchor fits into images of {width}×{height} pixels: the smallest "
                f"has a side of {least:.0f}; give smaller `scales`"
            )


@torch.no_grad()
def proposed(
    anchors: Tensor,
    objectness: Tensor,
    offsets: Tensor,
    size: tuple[int, int],
    candidates: int,
    count: int,
) -> Tensor:
    """The best boxes that anchors [A, 4] have become, [N, count, 4], within images of a width and height.

    Of the `candidates` that score most those stay that overlap no better one by more than .7 (section 3.3).
    On the meta device there are as many, and nobody knows which.
    """
    if objectness.is_meta:
        return anchors.new_empty(len(objectness), count, 4)
    likely = (objectness[..., 1] - objectness[..., 0]).float().nan_to_num(0.0)  # in the order of the softmax
    likely, best = likely.topk(min(candidates, likely.shape[1]))
    moved = clipped(decode(offsets.float(), anchors).nan_to_num(0.0), *size)
    kept = []
    for scores, boxes in zip(likely, chosen(moved, best), strict=True):
        left = nms(boxes, scores, OVERLAP)
        kept.append(boxes[left[torch.arange(count, device=left.device) % len(left)]])
    return torch.stack(kept)
