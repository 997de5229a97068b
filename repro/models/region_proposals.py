"""Where detectors look: regions from outside the net, or region proposals, Ren et al. 2015, arXiv 1506.01497.

A region proposal network gives two scores, object or not, and four offsets to each of 9 anchors at each place
of the map. Its boxes end at the image's borders; of the 6000 best, those stay that overlap no better one by
more than 0.7 (section 3.3).

Regions from outside are a fixed spread of boxes here, as many as a search would give; what searches is
`repro.models.selective_search`. Boxes are corners (x1, y1, x2, y2) in pixels of the image, from 0 to its
width and height.
"""

import torch
from torch import Tensor, nn
from torchvision.ops import nms

from repro.models.layers.initialisation import initialise

SMALLEST = 0.1  # of the spread: the least size, as a share of the image's
LONGEST = 3.0  # of the spread: the greatest aspect ratio
SCALES = (128, 256, 512)  # section 3.3: square roots of the anchors' areas
RATIOS = (0.5, 1.0, 2.0)  # section 3.3: height over width
CANDIDATES, OVERLAP = 6000, 0.7


def spread(count: int) -> Tensor:
    """Boxes of all sizes, shapes and places, as shares of the image's sides.

    [count, 4]; the first is the whole image.

    The four numbers that make a box are spread evenly however many there are: Roberts's R₄ sequence,
    multiples of the powers of 1/φ where φ⁵ = φ + 1. Sizes run from 1 down to 0.1, width over height from 1/3
    to 3, both evenly in their logarithm.
    """
    steps = 1.1673039782614187 ** -torch.arange(1, 5, dtype=torch.float64)
    size, ratio, x, y = (torch.arange(count)[:, None] * steps % 1).T
    size, ratio = SMALLEST**size, LONGEST ** ((2 * ratio + 1) % 2 - 1)
    width, height = (size * ratio.sqrt()).clamp(max=1), (size / ratio.sqrt()).clamp(max=1)
    x, y = x * (1 - width), y * (1 - height)
    return torch.stack([x, y, x + width, y + height], dim=1).float()


def scaled(boxes: Tensor, horizontally: float, vertically: float) -> Tensor:
    """[…, 4] → […, 4]"""
    x1, y1, x2, y2 = boxes.unbind(-1)
    return torch.stack([x1 * horizontally, y1 * vertically, x2 * horizontally, y2 * vertically], dim=-1)


class GivenRegions(nn.Module):
    """The same boxes for every image, those of `spread`. [N, C, h, w] of height × width → [N, count, 4]"""

    boxes: Tensor

    def __init__(self, count: int):
        super().__init__()
        self.register_buffer("boxes", spread(count), persistent=False)

    def forward(self, x: Tensor, height: int, width: int) -> Tensor:
        return scaled(self.boxes, width, height).expand(len(x), -1, -1)


class RegionProposals(nn.Module):
    """[N, channels, h, w], maps of images of height × width → [N, count, 4], the best first.

    Where fewer than `count` are left, they are repeated from the first on. No gradient flows back: the loss
    that trains it is one on its own scores and offsets. Does not run on the meta device, where nobody knows
    how many are left.
    """

    anchors: Tensor

    def __init__(self, channels: int, count: int):
        super().__init__()
        self.count = count
        anchors = [(scale / ratio**0.5, scale * ratio**0.5) for scale in SCALES for ratio in RATIOS]
        self.hidden = nn.Sequential(nn.Conv2d(channels, channels, 3, padding=1), nn.ReLU())
        self.scores = nn.Conv2d(channels, 2 * len(anchors), 1)
        self.offsets = nn.Conv2d(channels, 4 * len(anchors), 1)
        self.register_buffer("anchors", torch.tensor(anchors), persistent=False)  # width and height
        initialise(self, "gaussian")  # section 3.1.3

    @torch.no_grad()
    def forward(self, x: Tensor, height: int, width: int) -> Tensor:
        hidden = self.hidden(x)
        no, yes = self.scores(hidden).float().unflatten(1, (-1, 2)).unbind(2)
        boxes = self.decode(self.offsets(hidden).float().unflatten(1, (-1, 4)), height, width).flatten(1, 3)
        likely = (yes - no).flatten(1)  # in the order of the softmax of both
        scores, best = likely.topk(min(CANDIDATES, boxes.shape[1]))
        kept = []
        for scores_of_one, boxes_of_one in zip(
            scores, boxes.take_along_dim(best[..., None], dim=1), strict=True
        ):
            left = nms(boxes_of_one, scores_of_one, OVERLAP)
            kept.append(boxes_of_one[left[torch.arange(self.count, device=x.device) % len(left)]])
        return torch.stack(kept)

    def decode(self, offsets: Tensor, height: int, width: int) -> Tensor:
        """Equation 2, inverted: [N, 9, 4, h, w] → [N, 9, h, w, 4], cut off at the image's borders."""
        rows, columns = offsets.shape[-2:]
        x = (torch.arange(columns, device=offsets.device) + 0.5) * (width / columns)
        y = (torch.arange(rows, device=offsets.device)[:, None] + 0.5) * (height / rows)
        wide, high = self.anchors.T[..., None, None]
        dx, dy, grow_x, grow_y = offsets.unbind(2)
        x, half_width = x + dx * wide, wide * grow_x.exp() / 2
        y, half_height = y + dy * high, high * grow_y.exp() / 2
        x1, x2 = ((x + side * half_width).clamp(0, width) for side in (-1, 1))
        y1, y2 = ((y + side * half_height).clamp(0, height) for side in (-1, 1))
        return torch.stack([x1, y1, x2, y2], dim=-1)
