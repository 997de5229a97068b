"""Average precision of detections, as PASCAL VOC and COCO measure it, and what kinds of error they make.

All images of a set count together. Detections are in the order of their scores, equal ones in that of the
images and of a net's output. Imports no torch: sets are small, and their boxes are compared one by one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from enum import Enum, auto
from itertools import islice
from math import nan
from typing import NamedTuple

import numpy as np

COCO_IOUS = np.linspace(0.5, 0.95, 10)
COCO_RECALLS = np.linspace(0, 1, 101)
COCO_MOST = 100  # detections of an image that count
LOCALISED, NEAR = 0.5, 0.1  # IoUs, of `Kind`


class Found(NamedTuple):
    """The detections of an image: corners [D, 4], scores [D] and labels [D]."""

    corners: np.ndarray
    scores: np.ndarray
    labels: np.ndarray


class Items(NamedTuple):
    """The items of an image: corners [M, 4], labels [M], and which do not count [M], VOC's difficult ones or
    COCO's crowds: what finds them is neither right nor wrong.
    """

    corners: np.ndarray
    labels: np.ndarray
    ignored: np.ndarray


class Ranked(NamedTuple):
    """The detections of a class in the order of their scores, without those of what does not count.

    `right` is boolean [D]; there are `items` of the class that count.
    """

    right: np.ndarray
    items: int


def voc(found: Sequence[Found], items: Sequence[Items], label: int, iou: float = 0.5) -> Ranked:
    """As VOC's development kit judges: a detection is of the item of its class that it overlaps most, and
    wrong if that is less than `iou` or if a better detection has found that item before.
    """
    scores, hits, numbers, ignored = ([np.zeros(0, kind)] for kind in (float, bool, int, bool))
    before = 0  # items of earlier images
    for one, there in zip(found, items, strict=True):
        own, mine = (np.flatnonzero(some.labels == label) for some in (one, there))
        overlaps = box_ious(one.corners[own], there.corners[mine])
        best = overlaps.argmax(1) if len(mine) else np.zeros(len(own), int)
        scores.append(one.scores[own])
        hits.append(overlaps.max(1, initial=-1.0) >= iou)
        numbers.append(before + best)
        ignored.append(there.ignored[mine])
        before += len(mine)
    order = np.argsort(-np.concatenate(scores), kind="stable")
    hit, number = np.concatenate(hits)[order], np.concatenate(numbers)[order]
    right, counted = np.zeros(len(order), bool), ~hit
    _, firsts = np.unique(number[hit], return_index=True)  # of each item that is found
    right[np.flatnonzero(hit)[firsts]] = True
    counted[hit] = ~np.concatenate(ignored)[number[hit]]
    return Ranked(right[counted], _count(items, label))


def coco(found: Sequence[Found], items: Sequence[Items], label: int, iou: float = 0.5) -> Ranked:
    """As COCO's evaluation judges: a detection is of the item that it overlaps most among those that no
    better one has found. Crowds may be found often, by the part of a detection that is in them. The 100 best
    of a class in an image count.
    """
    return _ranked(_pairs(found, items, label), iou, _count(items, label))


class _Pairs(NamedTuple):
    """Of a class in an image: scores [D] of its detections, the surest first, their overlaps with its items
    [D, M], and which of these are crowds [M].
    """

    scores: np.ndarray
    overlaps: np.ndarray
    crowd: np.ndarray


def _pairs(found: Sequence[Found], items: Sequence[Items], label: int) -> list[_Pairs]:
    pairs = []
    for one, there in zip(found, items, strict=True):
        mine = np.flatnonzero(there.labels == label)
        mine = mine[np.argsort(there.ignored[mine], kind="stable")]  # crowds last
        corners, crowd = there.corners[mine], there.ignored[mine]
        own = np.flatnonzero(one.labels == label)
        own = own[np.argsort(-one.scores[own], kind="stable")][:COCO_MOST]
        overlaps = box_ious(one.corners[own], corners)
        overlaps[:, crowd] = _inside(one.corners[own], corners[crowd])
        pairs.append(_Pairs(one.scores[own], overlaps, crowd))
    return pairs


def _ranked(pairs: Sequence[_Pairs], iou: float, items: int) -> Ranked:
    scores, right, ignored = ([np.zeros(0, kind)] for kind in (float, bool, bool))
    for one in pairs:
        taken = np.zeros(len(one.crowd), bool)
        hit, of_crowd = np.zeros((2, len(one.scores)), bool)
        for number in np.flatnonzero((one.overlaps >= _least(iou)).any(1)):
            item = _free(one.overlaps[number], taken, one.crowd, iou)
            if item is not None:
                taken[item] = hit[number] = True
                of_crowd[number] = one.crowd[item]
        scores.append(one.scores)
        right.append(hit)
        ignored.append(of_crowd)
    order = np.argsort(-np.concatenate(scores), kind="stable")
    counts = ~np.concatenate(ignored)[order]
    return Ranked(np.concatenate(right)[order][counts], items)


def _free(row: np.ndarray, taken: np.ndarray, crowd: np.ndarray, iou: float) -> int | None:
    """The item that is overlapped most, `iou` at least, the last of equals; else a crowd."""
    for among in (~taken & ~crowd, crowd):
        fit = np.flatnonzero(among & (row >= _least(iou)))
        if len(fit):
            return int(fit[np.flatnonzero(row[fit] == row[fit].max())[-1]])
    return None


def _least(iou: float) -> float:
    """That COCO's code asks for."""
    return min(iou, 1 - 1e-10)


def area(ranked: Ranked) -> float:
    """The area under precision over recall, VOC's measure from 2010 on; NaN without items.

    Precision at a recall is the highest at that recall or a greater one.
    """
    precision, hits = _curve(ranked)
    return float(np.diff(hits, prepend=0) @ precision) / ranked.items if ranked.items else nan


def eleven_point(ranked: Ranked) -> float:
    """The mean of the precisions at recalls of 0, .1 … 1, VOC's measure until 2009; NaN without items."""
    precision, hits = _curve(ranked)
    # Compared as whole numbers: 3 of 10 items are a recall of .3, which 3 × .1 is not
    return _mean_at(precision, np.searchsorted(10 * hits, np.arange(11) * ranked.items), ranked)


def interpolated(ranked: Ranked) -> float:
    """The mean of the precisions at 101 recalls from 0 to 1, COCO's measure; NaN without items.

    They are compared as in COCO's code, where 7 of 20 items are less than a recall of 35 × .01.
    """
    precision, hits = _curve(ranked)
    return _mean_at(precision, np.searchsorted(hits / max(ranked.items, 1), COCO_RECALLS), ranked)


def _mean_at(precision: np.ndarray, places: np.ndarray, ranked: Ranked) -> float:
    """Where a recall is not reached precision is 0."""
    return float(np.append(precision, 0.0)[places].mean()) if ranked.items else nan


def _curve(ranked: Ranked) -> tuple[np.ndarray, np.ndarray]:
    """Precision, never rising, and how many items are found, after each detection."""
    hits = ranked.right.cumsum()
    precision = hits / np.arange(1, len(hits) + 1)
    return np.maximum.accumulate(precision[::-1])[::-1], hits


def coco_ap(found: Sequence[Found], items: Sequence[Items], label: int) -> float:
    """Mean over IoUs of .5, .55 … .95; NaN without items."""
    pairs, count = _pairs(found, items, label), _count(items, label)
    return float(np.mean([interpolated(_ranked(pairs, iou, count)) for iou in COCO_IOUS]))


class Kind(Enum):
    """What a detection is, by Hoiem et al. 2012, "Diagnosing Error in Object Detectors", as YOLO's section
    4.2 has it. Errors with similar classes are among the `OTHER` ones.
    """

    CORRECT = auto()
    LOCALISATION = auto()  # of the class, IoU .1 to .5
    DUPLICATE = auto()  # of an item that a surer one has found
    OTHER = auto()  # of another class, IoU of .1 or more
    BACKGROUND = auto()


class Kinds(NamedTuple):
    """Of the detections that are looked at: how many are right, and how many are wrong in each way."""

    correct: int
    localisation: int  # duplicates among them, as Hoiem counts them
    other: int
    background: int


def error_kinds(found: Sequence[Found], items: Sequence[Items], classes: int) -> Kinds:
    """Of each class the kinds of the best N detections, N its items. Who finds what does not count is not
    looked at.
    """
    counts = Counter[Kind]()
    for label in range(classes):
        looked_at = (kind for _, _, kind in _judged(found, items, label) if kind is not None)
        counts.update(islice(looked_at, _count(items, label)))
    localisation = counts[Kind.LOCALISATION] + counts[Kind.DUPLICATE]
    return Kinds(counts[Kind.CORRECT], localisation, counts[Kind.OTHER], counts[Kind.BACKGROUND])


def kinds_of(found: Found, items: Items) -> list[Kind | None]:
    """What each detection of an image is, of all its classes; None for one of what does not count."""
    kinds: list[Kind | None] = [None] * len(found.labels)
    for label in np.unique(found.labels).tolist():
        for _, number, kind in _judged([found], [items], label):
            kinds[number] = kind
    return kinds


def _judged(
    found: Sequence[Found], items: Sequence[Items], label: int
) -> Iterator[tuple[int, int, Kind | None]]:
    """The detections of a class, the surest first: image, number in it, and kind."""
    taken = set[tuple[int, int]]()
    for image, number in _in_order(found, label):
        overlaps = box_ious(found[image].corners[number][None], items[image].corners)[0]
        own = np.where(items[image].labels == label, overlaps, -1.0)
        best = int(own.argmax()) if len(own) else -1
        nearest, anything = (float(row.max(initial=0.0)) for row in (own, overlaps))
        kind: Kind | None
        if nearest >= LOCALISED:
            first = (image, best) not in taken
            kind = None if items[image].ignored[best] else Kind.CORRECT if first else Kind.DUPLICATE
            taken.add((image, best))
        elif nearest >= NEAR:
            kind = Kind.LOCALISATION
        else:
            kind = Kind.OTHER if anything >= NEAR else Kind.BACKGROUND
        yield image, number, kind


def box_ious(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Intersection over union, [D, 4], [M, 4] → [D, M]; 0 where both are empty."""
    shared = _shared(boxes, others)
    union = _areas(boxes)[:, None] + _areas(others) - shared
    return _ratio(shared, union)


def _inside(boxes: np.ndarray, crowds: np.ndarray) -> np.ndarray:
    """What part of each box is in each crowd, [D, M]."""
    return _ratio(_shared(boxes, crowds), _areas(boxes)[:, None])


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """0 of nothing."""
    ratio: np.ndarray = np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)
    return ratio


def _shared(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    starts = np.maximum(boxes[:, None, :2], others[None, :, :2])
    ends = np.minimum(boxes[:, None, 2:], others[None, :, 2:])
    shared: np.ndarray = (ends - starts).clip(0).prod(2, dtype=np.float64)
    return shared


def _areas(boxes: np.ndarray) -> np.ndarray:
    areas: np.ndarray = (boxes[:, 2:] - boxes[:, :2]).prod(1, dtype=np.float64)
    return areas


def _in_order(found: Sequence[Found], label: int) -> list[tuple[int, int]]:
    """Image and number of the detections of a class, the surest first."""
    numbers = [np.flatnonzero(one.labels == label) for one in found]
    images = np.repeat(np.arange(len(found)), [len(own) for own in numbers])
    scores = [one.scores[own] for one, own in zip(found, numbers, strict=True)]
    order = np.argsort(-np.concatenate(scores or [np.zeros(0)]), kind="stable")
    places = np.concatenate(numbers or [np.zeros(0, int)])
    return [*zip(images[order].tolist(), places[order].tolist(), strict=True)]


def _count(items: Sequence[Items], label: int) -> int:
    return sum(int(((one.labels == label) & ~one.ignored).sum()) for one in items)
