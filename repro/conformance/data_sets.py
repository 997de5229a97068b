"""Data sets, loaded and looked at."""

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

from repro.contracts import DataSet, Split, Targets
from repro.data.images import ImageSet
from repro.data.targets import IGNORE, NONE, Boxes, are_masks


def data_set(make: Any, options: Mapping[str, Any]) -> Iterator[str]:
    """Raises `MissingData` if it is not here."""
    made: DataSet = make(**options)
    if made.fingerprint() != make(**options).fingerprint():
        yield "`fingerprint` is another each time"
    loaded = made.load()
    if not isinstance(loaded, ImageSet):
        yield f"`load` gives a {type(loaded).__name__}, not an ImageSet"
        return
    if len(loaded.class_names) != made.classes:
        yield f"`classes` is {made.classes}, but there are {len(loaded.class_names)} names"
    if not len(loaded.mean) == len(loaded.std) == made.channels:
        yield f"`channels` is {made.channels}, but there are {len(loaded.mean)} means"
    if not min(loaded.std) > 0:
        yield "`std` is not above 0 in every channel"
    yield from (*loaded.doubts, *loaded.doubts_of_labels)
    for name, split in (("train", loaded.train), ("test", loaded.test)):
        for fault in _split(split, made):
            yield f"{name}: {fault}"


def _split(split: Split, made: DataSet) -> Iterator[str]:
    if not len(split):
        yield "there are no rows"
        return
    last, first = len(split) - 1, 0
    images, targets = split.rows(torch.tensor([last, first], device=split.index_device))
    shape = list(images.shape)
    if images.dtype != torch.uint8 or len(shape) != 4 or shape[:2] != [2, made.channels]:
        yield f"two images are {images.dtype} {shape}, not torch.uint8 [2, {made.channels}, H, W]"
    alone = tree_leaves(split.rows(torch.tensor([first], device=split.index_device)))
    both = tree_leaves((images, targets))
    if any(len(two) != 2 or not two[1:].equal(one) for one, two in zip(alone, both, strict=True)):
        yield "a row is another beside a second one"
    for part in tree_leaves(targets, is_leaf=lambda part: isinstance(part, Boxes)):
        yield from _form(part, images, made.classes)


def _form(targets: Targets, images: Tensor, classes: int) -> Iterator[str]:
    if isinstance(targets, Boxes):
        yield from _boxes(targets, *images.shape[2:])
        labels = targets.labels[targets.labels != NONE]
    elif are_masks(targets):
        if targets.shape[1:] != images.shape[2:]:
            yield f"masks of {list(targets.shape[1:])} are of images of {list(images.shape[2:])}"
        labels = targets[targets != IGNORE]
    else:
        labels = targets
    if labels.is_floating_point() or not set(labels.unique().tolist()) <= set(range(classes)):
        yield f"labels are not all whole numbers from 0 to {classes - 1}"


def _boxes(boxes: Boxes, height: int, width: int) -> Iterator[str]:
    if boxes.corners.shape != (*boxes.labels.shape, 4):
        yield f"corners {list(boxes.corners.shape)} have labels {list(boxes.labels.shape)}"
        return
    left, top, right, bottom = boxes.corners[boxes.labels != NONE].T
    if any(end.lt(0).any() for end in (left, top)) or (right > width).any() or (bottom > height).any():
        yield "boxes reach beyond their images"
    if not (left < right).all() or not (top < bottom).all():
        yield "boxes end before they begin"
