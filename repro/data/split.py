"""The splits of a set: images and their targets, by row. What holds them need not be memory (`Split`)."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.utils._pytree import tree_map

from repro.contracts import Split, Targets


@dataclass(frozen=True, eq=False)
class InMemory(Split):
    """Images, uint8 [N, C, H, W], and their targets, all in the memory of one device."""

    images: Tensor
    targets: Targets

    @property
    def index_device(self) -> torch.device:
        return self.images.device

    def __len__(self) -> int:
        return len(self.images)

    def rows(self, indices: Tensor) -> tuple[Tensor, Targets]:
        here = indices.to(self.index_device)

        def chosen(tensor: Tensor) -> Tensor:
            return tensor.index_select(0, here)  # 2 µs of a batch of 32; 6 with `tensor[here]`

        return chosen(self.images), tree_map(chosen, self.targets)

    def to(self, device: torch.device | str) -> "InMemory":
        return InMemory(self.images.to(device), tree_map(lambda part: part.to(device), self.targets))


def head(split: Split, count: int) -> tuple[Tensor, Targets]:
    """The first `count` images and their targets; all, where there are fewer."""
    return split.rows(torch.arange(min(count, len(split)), device=split.index_device))


def in_batches(split: Split, size: int, first: int | None = None) -> Iterator[tuple[Tensor, Targets]]:
    """The first so many rows, or all, in their order: `size` at a time, the last ones fewer."""
    end = min(len(split), len(split) if first is None else first)
    for start in range(0, end, size):
        yield split.rows(torch.arange(start, min(start + size, end), device=split.index_device))


def image_shape(split: Split) -> torch.Size:
    """Channels, height and width of the images."""
    return head(split, 1)[0].shape[1:]
