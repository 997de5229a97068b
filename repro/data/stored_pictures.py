"""A split whose pictures stay in the tables that `datasets` keeps on disk, for sets larger than memory."""

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from repro.contracts import Split

AT_ONCE = 8  # images that are decoded together where none is trained on


@dataclass(frozen=True, eq=False)
class StoredPictures(Split):
    """Pictures as they were encoded, a column of a table that the system maps into memory, page by page; and
    labels, int64 [N].

    Any row is had at once. So a batch is drawn from the whole set, by the permutation that a seed gives, and
    a run that is resumed needs no state of a stream: shuffling by shards and a buffer would come to less.
    Pictures are decoded by as many threads as there are cores.
    """

    files: Any  # a `datasets.Dataset`
    column: str
    decode: Callable[[dict[str, Any] | None, int], np.ndarray]  # a file, and its row: uint8 [size, size, C]
    labels: Tensor
    device: torch.device | str = "cpu"

    @property
    def index_device(self) -> torch.device:
        return self.labels.device

    def __len__(self) -> int:
        return len(self.labels)

    def rows(self, indices: Tensor) -> tuple[Tensor, Tensor]:
        """Raises `ReproError`, which names the row, where there is no picture in one."""
        here = indices.to(self.index_device)
        numbers = here.tolist()
        with ThreadPoolExecutor() as threads:
            images = list(threads.map(self.decode, self.files[numbers][self.column], numbers))
        stacked = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).contiguous()
        return stacked.to(self.device), self.labels[here].to(self.device)

    def to(self, device: torch.device | str) -> "StoredPictures":
        return replace(self, device=device)


def levels(split: Split, images: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each channel, as shares of 255, of so many images, spread evenly, or of
    all where there are fewer. Summed in integers: alike on every machine.
    """
    some = torch.linspace(0, len(split) - 1, min(images, len(split)), dtype=torch.float64).long()
    total, squares, pixels = torch.tensor(0), torch.tensor(0), 0
    for indices in some.split(AT_ONCE):
        batch = split.rows(indices)[0].long()
        total, squares = total + batch.sum((0, 2, 3)), squares + batch.square().sum((0, 2, 3))
        pixels += batch[:, 0].numel()
    sums = list(zip(total.tolist(), squares.tolist(), strict=True))
    means = tuple(one / (255 * pixels) for one, _ in sums)
    return means, tuple(math.sqrt(pixels * two - one**2) / (255 * pixels) for one, two in sums)
