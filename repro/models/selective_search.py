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

import heapq
from collections import OrderedDict
from hashlib import blake2b
from typing import TypeAlias

import numpy as np
import torch
from scipy.ndimage import gaussian_filter
from torch import Tensor, nn

SMOOTHING = 0.8  # pixels, section 3.1 and Felzenszwalb and Huttenlocher's section 6
COLOURS, DIRECTIONS, STRENGTHS = 25, 8, 10  # bins, section 3.2
REMEMBERED = 2**15  # images whose boxes are kept in a process: 10 MB each thousand of 300 boxes

Box: TypeAlias = tuple[int, int, int, int]


def segments(image: np.ndarray, scale: float, smallest: int) -> np.ndarray:
    """float [H, W, C], 0 to 255 → the number of each pixel's region, from 0: int [H, W].

    Two regions are joined along an edge that is no greater than the greatest edge within each of them plus
    `scale` over its pixels; then those below `smallest` pixels are joined to a neighbour.
    """
    height, width = image.shape[:2]
    smooth = gaussian_filter(image, (SMOOTHING, SMOOTHING, 0))
    number = np.arange(height * width).reshape(height, width)
    starts, ends, lengths = [], [], []
    for down, across in ((0, 1), (1, 0), (1, 1), (1, -1)):
        here = (slice(0, height - down), slice(max(0, -across), width - max(0, across)))
        there = (slice(down, height), slice(max(0, across), width + min(0, across)))
        starts.append(number[here].ravel())
        ends.append(number[there].ravel())
        lengths.append(np.sqrt(((smooth[here] - smooth[there]) ** 2).sum(2)).ravel())
    length = np.concatenate(lengths)
    order = np.argsort(length, kind="stable")
    edges = list(
        zip(
            *(part[order].tolist() for part in (np.concatenate(starts), np.concatenate(ends), length)),
            strict=True,
        )
    )
    above, sizes, limits = list(range(height * width)), [1] * (height * width), [scale] * (height * width)

    def top(pixel: int) -> int:
        while above[pixel] != pixel:
            above[pixel] = above[above[pixel]]
            pixel = above[pixel]
        return pixel

    def join(one: int, other: int) -> int:
        above[other] = one
        sizes[one] += sizes[other]
        return one

    for start, end, edge in edges:
        one, other = top(start), top(end)
        if one != other and edge <= limits[one] and edge <= limits[other]:
            limits[join(one, other)] = edge + scale / sizes[one]
    for start, end, _ in edges:
        one, other = top(start), top(end)
        if one != other and min(sizes[one], sizes[other]) < smallest:
            join(one, other)
    tops = [top(pixel) for pixel in range(height * width)]
    return np.unique(tops, return_inverse=True)[1].reshape(height, width)


def search(image: np.ndarray, scales: tuple[float, ...], smallest: int, count: int) -> np.ndarray:
    """Boxes in an image, uint8 [H, W, C]: x1, y1, x2, y2, the latter two exclusive. int [count or less, 4]"""
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
    first on. A process keeps what it found in an image, so that training searches each once.
    """

    def __init__(self, count: int, scales: tuple[float, ...], smallest: int):
        super().__init__()
        self.count, self.scales, self.smallest = count, tuple(scales), smallest

    @torch.no_grad()
    def forward(self, x: Tensor, height: int, width: int) -> Tensor:  # noqa: ARG002
        least, most = x.amin((1, 2, 3), keepdim=True), x.amax((1, 2, 3), keepdim=True)
        levels = ((x - least) / (most - least).clamp(min=1e-12) * 255).round()
        images = levels.permute(0, 2, 3, 1).to("cpu", torch.uint8).contiguous().numpy()
        found = [self._found(image) for image in images]
        boxes = [one[np.arange(self.count) % len(one)] for one in found]
        return torch.from_numpy(np.stack(boxes)).to(x.device, torch.float32)

    def _found(self, image: np.ndarray) -> np.ndarray:
        key = blake2b(image.tobytes() + str((image.shape, self)).encode(), digest_size=16).digest()
        if key not in _kept:
            _kept[key] = search(image, self.scales, self.smallest, self.count)
            while len(_kept) > REMEMBERED:
                _kept.popitem(last=False)
        return _kept[key]

    def extra_repr(self) -> str:
        return f"{self.count}, {self.scales}, {self.smallest}"


_kept: OrderedDict[bytes, np.ndarray] = OrderedDict()
