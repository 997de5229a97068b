"""Selective search, Uijlings et al. 2013, "Selective Search for Object Recognition" (IJCV 104).

An image is cut into regions by Felzenszwalb and Huttenlocher's graph (IJCV 59, 2004), and the two most
similar neighbours are joined until one region is left; the boxes of all regions that ever were are the
proposals.
Similarity is the sum of the paper's four measures: colour, texture, size and fill. It is done for each of
`scales` (the graph's k), which the paper has as well, but in one space of colours, that of the image, where
the paper's "fast" mode has two. Gradients are along eight directions, of differences of neighbours.

The order is the paper's: regions that were made late come first, by a place that is multiplied with a random
number, here always the same ones.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from hashlib import blake2b
from typing import NamedTuple, TypeAlias

import numpy as np
import scipy
import torch
from scipy.ndimage import gaussian_filter
from torch import Tensor, nn

from repro import source
from repro.proposals import proposals

SMOOTHING = 0.8  # pixels, section 3.1 and Felzenszwalb and Huttenlocher's section 6
COLOURS, DIRECTIONS, STRENGTHS = 25, 8, 10  # bins, section 3.2

Box: TypeAlias = tuple[int, int, int, int]


def segments(image: np.ndarray, scale: float, smallest: int) -> np.ndarray:
    """float [H, W, C], 0 to 255 → the number of each pixel's region, from 0: int [H, W].

    Two regions are joined along an edge that is no greater than the greatest edge within each of them plus
    `scale` over its pixels; then those below `smallest` pixels are joined to a neighbour.
    """
    height, width = image.shape[:2]
    edges = _edges(gaussian_filter(image, (SMOOTHING, SMOOTHING, 0)))
    forest = _Forest(height * width)
    limits, left = [scale] * (height * width), edges
    while len(left.lengths):
        now, left = left.cut(height * width // 2)
        for start, end, edge in now.rows():
            one, other = forest.top(start), forest.top(end)
            if one != other and edge <= limits[one] and edge <= limits[other]:
                top = forest.join(one, other)
                limits[top] = edge + scale / forest.sizes[top]
        left = left.between(forest.tops(), np.array(limits))
    for start, end, _ in edges.between(forest.tops()).rows():
        one, other = forest.top(start), forest.top(end)
        if one != other and min(forest.sizes[one], forest.sizes[other]) < smallest:
            forest.join(one, other)
    return np.unique(forest.tops(), return_inverse=True)[1].reshape(height, width)


class _Edges(NamedTuple):
    """Between pixels, the shortest first: their numbers [E] and the lengths [E]."""

    starts: np.ndarray
    ends: np.ndarray
    lengths: np.ndarray

    def rows(self) -> Iterable[tuple[int, int, float]]:
        return zip(*(part.tolist() for part in self), strict=True)

    def cut(self, count: int) -> tuple[_Edges, _Edges]:
        """The first edges, and the rest."""
        return _Edges(*(part[:count] for part in self)), _Edges(*(part[count:] for part in self))

    def between(self, tops: np.ndarray, limits: np.ndarray | None = None) -> _Edges:
        """The first edge of each two regions, if even the shortest left is within the limits of both.

        No other joins any: a region with a limit below an edge stays as it is, for all that follow are as
        long (Felzenszwalb and Huttenlocher's lemma 1). Tops and limits are [pixels], the latter of tops.
        """
        starts, ends = tops[self.starts], tops[self.ends]
        kept = starts != ends
        if limits is not None:
            kept &= np.minimum(limits[starts], limits[ends]) >= self.lengths.min(initial=np.inf)
        kept = np.flatnonzero(kept)
        pairs = np.minimum(starts, ends)[kept] * len(tops) + np.maximum(starts, ends)[kept]
        kept = kept[np.sort(np.unique(pairs, return_index=True)[1])]
        return _Edges(starts[kept], ends[kept], self.lengths[kept])


class _Forest:
    """Pixels in trees, of which each is a region, named by its top."""

    def __init__(self, pixels: int):
        self.above, self.sizes = list(range(pixels)), [1] * pixels

    def top(self, pixel: int) -> int:
        above = self.above
        while above[pixel] != pixel:
            above[pixel] = above[above[pixel]]
            pixel = above[pixel]
        return pixel

    def join(self, one: int, other: int) -> int:
        """The top of both."""
        self.above[other] = one
        self.sizes[one] += self.sizes[other]
        return one

    def tops(self) -> np.ndarray:
        """Of all pixels."""
        tops = np.array(self.above)
        while not np.array_equal(tops, tops[tops]):
            tops = tops[tops]
        return tops


def _edges(image: np.ndarray) -> _Edges:
    """Of all pixels [H, W, C] with their eight neighbours, each once."""
    height, width = image.shape[:2]
    number = np.arange(height * width).reshape(height, width)
    starts, ends, lengths = [], [], []
    for down, across in ((0, 1), (1, 0), (1, 1), (1, -1)):
        here = (slice(0, height - down), slice(max(0, -across), width - max(0, across)))
        there = (slice(down, height), slice(max(0, across), width + min(0, across)))
        starts.append(number[here].ravel())
        ends.append(number[there].ravel())
        lengths.append(np.sqrt(((image[here] - image[there]) ** 2).sum(2)).ravel())
    length = np.concatenate(lengths)
    order = np.argsort(length, kind="stable")
    return _Edges(np.concatenate(starts)[order], np.concatenate(ends)[order], length[order])


def search(
    image: np.ndarray, scales: tuple[float, ...], smallest: int, count: int | None = None
) -> np.ndarray:
    """Boxes in an image, uint8 [H, W, C]: x1, y1, x2, y2, the latter two exclusive. int [boxes, 4], the first
    `count` or all.
    """
    ranked: list[tuple[float, Box]] = []
    random = np.random.default_rng(0)
    for scale in scales:
        boxes = _joined(image, segments(image.astype(np.float64), scale, smallest))
        ranked += [(rank * random.random(), box) for rank, box in enumerate(reversed(boxes), start=1)]
    return np.array([*dict.fromkeys(box for _, box in sorted(ranked))][:count])


def _joined(image: np.ndarray, labels: np.ndarray) -> list[Box]:
    """The boxes of the regions, and of those that they are joined to, in the order of their making."""
    count, area = int(labels.max()) + 1, labels.size
    sizes = np.bincount(labels.ravel()).astype(float).tolist()
    colours, textures = _colours(image, labels, count), _textures(image, labels, count)
    boxes: list[Box] = list(map(tuple, _boxes(labels, count).tolist()))
    neighbours = _neighbours(labels, count)

    def similarity(one: int, other: int) -> float:
        x1, y1, x2, y2 = _around(boxes[one], boxes[other])
        size = 1 - (sizes[one] + sizes[other]) / area
        fill = 1 - ((x2 - x1) * (y2 - y1) - sizes[one] - sizes[other]) / area
        alike = sum(np.minimum(part[one], part[other]).sum().item() for part in (colours, textures))
        return float(alike + size + fill)

    queue = [
        (-similarity(one, other), one, other)
        for one in range(count)
        for other in neighbours[one]
        if one < other
    ]
    heapq.heapify(queue)
    gone = set[int]()
    while queue:
        _, one, other = heapq.heappop(queue)
        if one in gone or other in gone:
            continue
        new, size = len(boxes), sizes[one] + sizes[other]
        for part in (colours, textures):
            part.append((sizes[one] * part[one] + sizes[other] * part[other]) / size)
        boxes.append(_around(boxes[one], boxes[other]))
        sizes.append(size)
        gone |= {one, other}
        near = (neighbours[one] | neighbours[other]) - gone
        neighbours.append(near)
        for neighbour in sorted(near):
            neighbours[neighbour].add(new)
            heapq.heappush(queue, (-similarity(neighbour, new), neighbour, new))
    return boxes


def _around(one: Box, other: Box) -> Box:
    return min(one[0], other[0]), min(one[1], other[1]), max(one[2], other[2]), max(one[3], other[3])


def _colours(image: np.ndarray, labels: np.ndarray, count: int) -> list[np.ndarray]:
    """Of each region a histogram of each channel, together 1."""
    bins = image.astype(np.int64) * COLOURS // 256
    return _histograms([bins[..., channel] for channel in range(image.shape[2])], labels, COLOURS, count)


def _textures(image: np.ndarray, labels: np.ndarray, count: int) -> list[np.ndarray]:
    """Of each region a histogram of the gradient along each direction, of each channel, together 1."""
    down, across = np.gradient(image.astype(float), axis=(0, 1))
    maps = []
    for direction in range(DIRECTIONS):
        angle = 2 * np.pi * direction / DIRECTIONS
        along = (np.cos(angle) * across + np.sin(angle) * down).clip(0, 127)  # half of 255, at most
        maps += [(along[..., channel] * STRENGTHS // 128).astype(int) for channel in range(image.shape[2])]
    return _histograms(maps, labels, STRENGTHS, count)


def _histograms(maps: list[np.ndarray], labels: np.ndarray, bins: int, count: int) -> list[np.ndarray]:
    parts = [
        np.bincount(labels.ravel() * bins + some.ravel(), minlength=count * bins).reshape(count, bins)
        for some in maps
    ]
    joined = np.concatenate(parts, axis=1).astype(float)
    return list(joined / joined.sum(1, keepdims=True))


def _boxes(labels: np.ndarray, count: int) -> np.ndarray:
    height, width = labels.shape
    rows, columns = np.indices(labels.shape).reshape(2, -1)
    flat, least, most = labels.ravel(), np.empty((count, 2), int), np.zeros((count, 2), int)
    least[:] = width, height
    for axis, places in enumerate((columns, rows)):
        np.minimum.at(least[:, axis], flat, places)
        np.maximum.at(most[:, axis], flat, places + 1)
    return np.concatenate([least, most], axis=1)


def _neighbours(labels: np.ndarray, count: int) -> list[set[int]]:
    """Regions that share a side of a pixel."""
    pairs = np.concatenate(
        [
            np.stack([labels[:, :-1].ravel(), labels[:, 1:].ravel()], axis=1),
            np.stack([labels[:-1].ravel(), labels[1:].ravel()], axis=1),
        ]
    )
    neighbours = [set[int]() for _ in range(count)]
    for one, other in np.unique(pairs[pairs[:, 0] != pairs[:, 1]], axis=0).tolist():
        neighbours[one].add(other)
        neighbours[other].add(one)
    return neighbours


class SelectiveSearch(nn.Module):
    """Images [N, C, H, W], whatever they are normalised with, → boxes [N, count, 4] in pixels.

    Each image is stretched to 0 to 255 from its least to its greatest value. `scales` are the graph's k and
    `smallest` its least region in pixels. Where there are fewer boxes than `count` they are repeated from the
    first on. What was found in an image is kept (`repro.proposals`), so that it is searched once for all
    trials, if it is to `remember` it. On the meta device there are as many, and nobody knows which.
    """

    def __init__(self, count: int, scales: tuple[float, ...], smallest: int, remember: bool = True):
        super().__init__()
        self.count, self.scales, self.smallest, self.remember = count, tuple(scales), smallest, remember

    @torch.no_grad()
    def forward(self, x: Tensor, height: int, width: int) -> Tensor:  # noqa: ARG002
        if x.is_meta:
            return x.new_empty(len(x), self.count, 4, dtype=torch.float32)
        least, most = x.amin((1, 2, 3), keepdim=True), x.amax((1, 2, 3), keepdim=True)
        levels = ((x - least) / (most - least).clamp(min=1e-12) * 255).round()
        images = levels.permute(0, 2, 3, 1).to("cpu", torch.uint8).contiguous().numpy()
        found = [self._found(image) for image in images]
        boxes = [one[np.arange(self.count) % len(one)].astype(np.float32) for one in found]
        return torch.from_numpy(np.stack(boxes)).to(x.device)

    def _found(self, image: np.ndarray) -> np.ndarray:
        if not self.remember:
            return search(image, self.scales, self.smallest, self.count)
        found = proposals(image, self._name(), lambda: search(image, self.scales, self.smallest))
        return found[: self.count]

    def _name(self) -> str:
        """Of all that the boxes of an image depend on: another wherever they could be others."""
        code = source.digest(frozenset({__name__}))
        made_with = (code, np.__version__, scipy.__version__, self.scales, self.smallest)
        return blake2b(repr(made_with).encode(), digest_size=16).hexdigest()

    def extra_repr(self) -> str:
        return f"{self.count}, {self.scales}, {self.smallest}"
