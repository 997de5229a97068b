"""What a trial of an arm takes: FLOPs, seconds, memory."""

import statistics
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import cache

from torch.utils._pytree import tree_leaves

from repro.catalogue import DATASETS
from repro.contracts import DataSet, Split
from repro.data.blank import blank
from repro.data.images import ImageSet
from repro.data.outlines import outline
from repro.data.split import head
from repro.plan.steps import taken
from repro.recipe import Named
from repro.store import Store
from repro.training.footprint import Footprint, footprint, part_of
from repro.training.pace import Pace
from repro.trial import TrialSpec

Pacer = Callable[[TrialSpec, ImageSet, Footprint | None], Pace | None]

PROCESS = 600 * 2**20  # bytes of a worker that has imported torch and the harness


@dataclass(frozen=True)
class Asked:
    """Of one trial. None is what could not be found out."""

    flops: int | None
    seconds: float | None
    net_bytes: int | None  # at its peak, beside the data
    data_bytes: int
    kept_bytes: int | None  # of the weights that it leaves


def asked(spec: TrialSpec, pacer: Pacer) -> Asked:
    """Raises `ReproError` where the data is not here and says nothing of itself."""
    recipe, data = spec.recipe, form_of(spec.data)
    assert recipe is not None
    found = footprint(part_of(spec), data)
    pace = pacer(spec, data, found)
    return Asked(
        flops=None if found is None else found.flops * recipe.places * recipe.steps,
        seconds=None if pace is None else pace.step * recipe.steps + pace.image * evaluated(spec, data),
        net_bytes=None if found is None else found.memory,
        data_bytes=_bytes(spec.data, data),
        kept_bytes=None if found is None else 4 * found.params,
    )


def arm_of(spec: TrialSpec) -> str:
    """The same for all trials that take as much, whatever their seed and the weights they start from."""
    changes = {"seed": 0, "start": None, "weights": None, "fingerprint": ""}
    return spec.model_copy(update=changes).model_dump_json()


def recorded(store: Store, trials: Collection[TrialSpec], device: str) -> float | None:
    """The median of what trials of an arm took that are done already, on such a device; None without any."""
    records = [record for trial in trials if (record := store.read(trial)) is not None]
    here = [record for record in records if record["environment"]["device"] == device]
    return statistics.median(map(taken, here)) if here else None


def evaluated(spec: TrialSpec, data: ImageSet) -> int:
    """Images that go through the net in evaluations, of both splits."""
    recipe = spec.recipe
    assert recipe is not None
    every, train = recipe.evaluate.every, len(data.train)
    tests = 1 + (max(0, recipe.steps - 1) // every if every else 0)
    return tests * len(data.test) + min(train, recipe.evaluate.train_images or train)


def form_of(data: Named) -> ImageSet:
    """The set if it is made or in a package; one of the same form if it is in files."""
    return _form(data.model_dump_json())


@cache
def _form(data: str) -> ImageSet:
    named = Named.model_validate_json(data)
    made: DataSet = DATASETS.load(named.name)(**named.options)
    known = outline(named)
    return made.load() if known is None else blank(known, made.classes)


def _bytes(named: Named, data: ImageSet) -> int:
    known = outline(named)
    if known is not None:
        return known.bytes_in_memory
    return sum(bytes_of(split) for split in (data.train, data.test))


def bytes_of(split: Split) -> int:
    """If all rows are in memory, as many times what the first one takes."""
    row: int = sum(leaf.numel() * leaf.element_size() for leaf in tree_leaves(head(split, 1)))
    return len(split) * row
