"""Whether a net, its data and a batch have room on a GPU: found out before the first step."""

from dataclasses import replace

import torch
from torch.utils._pytree import tree_leaves

from repro.contracts import Split
from repro.data.images import ImageSet
from repro.data.split import InMemory
from repro.data.staged import Staged
from repro.errors import ReproError
from repro.format import size
from repro.training.footprint import CONTEXT, footprint, part_of, with_margin
from repro.trial import TrialSpec

SMALLER = (
    "Take a smaller batch_size, net or images, fewer trials at once (--jobs, --per-gpu), or another --device"
)


def placed(spec: TrialSpec, data: ImageSet, device: torch.device, per_gpu: int = 1) -> ImageSet:
    """The set, on the device if there is room for it beside the net as it is trained. If there is not, it
    stays in the machine's memory, and its rows are the same. Of a GPU that trials share each has a part.

    Raises `ReproError` if a GPU has no room for the net and its batch alone.
    """
    if device.type != "cuda":
        return data if device.type == "cpu" else data.to(device)
    free, wanted = _free(device, per_gpu), need(spec, data)
    if wanted is not None and wanted > free:
        raise ReproError(too_large(spec, wanted, free))
    beside = wanted or free // 2  # of a net that cannot be watched without numbers nothing is known
    if sum(map(_bytes, (data.train, data.test))) + beside <= free:
        return data.to(device)
    return replace(data, train=Staged(data.train, device), test=Staged(data.test, device))


def need(spec: TrialSpec, data: ImageSet) -> int | None:
    """Bytes that the training of a net takes on a GPU, without its data and the context of CUDA, as it is
    known from the meta device, with a margin. None where that cannot be told.
    """
    if spec.recipe is None:
        return None
    arm = spec.model_copy(update={"seed": 0, "start": None, "weights": None, "fingerprint": ""}).digest
    if arm not in _found:
        found = footprint(part_of(spec), data)
        _found[arm] = None if found is None else with_margin(found.memory)
    return _found[arm]


_found: dict[str, int | None] = {}  # once a process for all seeds of an arm


def too_large(spec: TrialSpec, wanted: int, free: int) -> str:
    assert spec.recipe is not None
    return (
        f"{spec.label}: a batch of {spec.recipe.batch_size // spec.recipe.places} takes about {size(wanted)} "
        "of the GPU's memory, "
        f"of which {size(free)} are free. {SMALLER}"
    )


def share(total: int, per_gpu: int) -> int:
    """Bytes of a GPU's that each of so many trials on it may take: each has a context of CUDA, too."""
    return total if per_gpu == 1 else max(0, total // per_gpu - CONTEXT)


def _free(device: torch.device, per_gpu: int) -> int:
    """Bytes that this process can still take, those that its allocator holds in reserve too; no more than its
    part, where others may begin at the same time.
    """
    free, total = torch.cuda.mem_get_info(device)
    taken = torch.cuda.memory_allocated(device)
    left = free + torch.cuda.memory_reserved(device) - taken
    return left if per_gpu == 1 else min(left, share(total, per_gpu) - taken)


def _bytes(split: Split) -> int:
    """Those of a split in memory. One that lies elsewhere takes none, and gives its rows where it is told."""
    if not isinstance(split, InMemory):
        return 0
    return sum(part.numel() * part.element_size() for part in tree_leaves((split.images, split.targets)))
