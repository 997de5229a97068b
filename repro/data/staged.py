"""Sets that do not fit on a GPU beside the net: they stay in the machine's memory."""

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves, tree_map

from repro.contracts import Split, Targets


@dataclass(frozen=True, eq=False)
class Staged(Split):
    """Rows of a split in the machine's memory, given on a GPU.

    They go there by pinned memory and a stream of their own, so that a batch is copied while the GPU is at
    work on the one before: the host, which waits for nothing in a step, is ahead of it.
    """

    held: Split
    device: torch.device

    @property
    def index_device(self) -> torch.device:
        return self.held.index_device

    def __len__(self) -> int:
        return len(self.held)

    def rows(self, indices: Tensor) -> tuple[Tensor, Targets]:
        pinned = tree_map(lambda part: part.pin_memory(), self.held.rows(indices))
        with torch.cuda.stream(self._copying):
            moved: tuple[Tensor, Targets] = tree_map(
                lambda part: part.to(self.device, non_blocking=True), pinned
            )
        using = torch.cuda.current_stream(self.device)
        using.wait_stream(self._copying)
        for part in tree_leaves(moved):
            part.record_stream(using)  # or its memory would be taken again while it is in use
        return moved

    def to(self, device: torch.device | str) -> Split:
        wanted = torch.device(device)
        return Staged(self.held, wanted) if wanted.type == "cuda" else self.held.to(wanted)

    @cached_property
    def _copying(self) -> torch.cuda.Stream:
        return torch.cuda.Stream(self.device)
