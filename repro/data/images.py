"""A loaded set of images, and what data sets need to make one."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from repro.contracts import Split
from repro.data import doubts
from repro.errors import ReproError

if TYPE_CHECKING:
    from torch import device


class MissingData(ReproError):
    """A data set that is not on this machine. The message says where it was looked for and how to get it."""


@dataclass(frozen=True, eq=False)
class ImageSet:
    """What is trained on, and what is tested on.

    `mean` and `std` have a number a channel: those of all pixels of the training images, scaled to 0 to 1.
    Where there are `doubts`, no number would mean anything; nor, where there are `doubts_of_labels`, one of a
    task that looks at labels.
    """

    train: Split
    test: Split
    class_names: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    doubts: tuple[str, ...] = ()
    doubts_of_labels: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        train: tuple[np.ndarray, np.ndarray],
        test: tuple[np.ndarray, np.ndarray],
        class_names: tuple[str, ...],
    ) -> ImageSet:
        """From images, uint8 [N, C, H, W], and targets of both splits: labels [N] of any integer type, or
        masks, uint8 [N, H, W].
        """
        mean, std = mean_and_std(train[0])
        return cls(
            train=_in_memory(*train),
            test=_in_memory(*test),
            class_names=class_names,
            mean=mean,
            std=std,
            doubts=(*doubts.of_levels(mean, std), *doubts.of_images(train[0], test[0])),
            doubts_of_labels=tuple(doubts.of_labels(train[1], test[1], class_names)),
        )

    def to(self, device: device | str) -> ImageSet:
        """The same set, whose rows are given on a device."""
        return replace(self, train=self.train.to(device), test=self.test.to(device))


def _in_memory(images: np.ndarray, targets: np.ndarray) -> Split:
    import torch

    from repro.data.split import InMemory

    kind = np.int64 if targets.ndim == 1 else np.uint8
    both = (np.require(images, np.uint8, ["C", "W"]), np.require(targets, kind, ["C", "W"]))
    return InMemory(*map(torch.from_numpy, both))


def mean_and_std(images: np.ndarray) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Of each channel of uint8 [N, C, H, W], as shares of 255. Summed in integers: alike on every machine."""
    levels = np.arange(256)
    means, stds = [], []
    some = max(1, 2**22 // images[0, 0].size)  # of 4 million pixels
    for channel in range(images.shape[1]):
        counts = np.zeros(256, np.int64)
        for start in range(0, len(images), some):  # bincount makes int64 of its input: 8 bytes a pixel
            counts += np.bincount(images[start : start + some, channel].ravel(), minlength=256)
        pixels, total, squares = int(counts.sum()), int(counts @ levels), int(counts @ levels**2)
        means.append(total / (255 * pixels))
        stds.append(math.sqrt((pixels * squares - total**2) / (255 * pixels) ** 2))
    return tuple(means), tuple(stds)


def check_size(name: str, size: int, side: int) -> None:
    """Raises `ReproError` unless `size` is `side`, the full side of a set, or its half or quarter."""
    sizes = (side, side // 2, side // 4)
    if size not in sizes:
        raise ReproError(f"data set '{name}' has no size {size}; its sizes are {', '.join(map(str, sizes))}")


def shrink(images: np.ndarray, size: int) -> np.ndarray:
    """uint8 [N, C, H, H] → [N, C, size, size]: the mean of each block, rounded half up. `size` divides H."""
    count, channels, side, _ = images.shape
    block = side // size
    if block == 1:
        return images
    blocks = images.reshape(count, channels, size, block, size, block)
    area = block * block
    means: np.ndarray = (blocks.sum(axis=(3, 5), dtype=np.uint32) + area // 2) // area
    return means.astype(np.uint8)
