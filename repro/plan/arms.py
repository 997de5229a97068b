"""What a trial of an arm takes: FLOPs, seconds, memory."""

import statistics
from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

from torch.utils._pytree import tree_leaves

from repro.catalogue import DATASETS
from repro.contracts import DataSet, Split
from repro.data.blank import blank
from repro.data.images import ImageSet
from repro.data.outlines import outline
from repro.data.split import head
from repro.plan.known import Known
from repro.plan.steps import taken
from repro.recipe import Named, Recipe
from repro.store import Store
from repro.training.footprint import Footprint, footprint, part_of
from repro.training.pace import Pace
from repro.trial import TrialSpec

Pacer = Callable[[TrialSpec, Footprint | None], Pace | None]

PROCESS = 600 * 2**20  # bytes of a worker that has imported torch and the harness
FEW = 4  # sets that are looked at one after another: all that suites use take as much as a trial does
# What says of a recipe for how long and at which rate it trains: a step is the same whatever it is
OF_THE_COURSE = {"steps", "schedule", "warmup", "evaluate"}


@dataclass(frozen=True)
class Asked:
    """Of one trial. None is what could not be found out."""

    flops: int | None
    seconds: float | None
    net_bytes: int | None  # at its peak, beside the data
    data_bytes: int
    kept_bytes: int | None  # of the weights that it leaves
    places: int = 1  # cores or GPUs, each with a process, the net and the data


@dataclass(frozen=True)
class Sizes:
    """Of a data set: images of its splits, and bytes in memory."""

    train: int
    test: int
    bytes: int


def asked(spec: TrialSpec, pacer: Pacer, known: Known) -> Asked:
    """Raises `ReproError` where the data is not here and says nothing of itself."""
    recipe = spec.recipe
    assert recipe is not None
    sizes = sizes_of(spec.data, spec.fingerprint, known)
    found = footprint_of(spec, known)
    pace = pacer(spec, found)
    return Asked(
        flops=None if found is None else found.flops * recipe.places * recipe.steps,
        seconds=None if pace is None else pace.step * recipe.steps + pace.image * evaluated(recipe, sizes),
        net_bytes=None if found is None else found.memory,
        data_bytes=sizes.bytes,
        kept_bytes=None if found is None else 4 * found.params,
        places=recipe.places,
    )


def footprint_of(spec: TrialSpec, known: Known) -> Footprint | None:
    """What a step asks of each of its places."""
    part = part_of(spec)

    def find() -> dict[str, Any] | None:
        found = footprint(part, form_of(part.data))
        return None if found is None else asdict(found)

    of_step = known.get(_question("footprint", step_of(part)), find)
    return None if of_step is None else Footprint(**of_step)


def pace_of(spec: TrialSpec, device: str, known: Known, measure: Callable[[], Pace]) -> Pace:
    """How quick a device is, by its name, at the arm's step, in trials of this machine."""
    return Pace(**known.get(_question("pace", step_of(spec), device), lambda: asdict(measure())))


def arm_of(spec: TrialSpec) -> str:
    """The same for all trials that take as much, whatever their seed and the weights they start from."""
    changes = {"seed": 0, "start": None, "weights": None, "fingerprint": ""}
    return spec.model_copy(update=changes).model_dump_json()


def step_of(spec: TrialSpec) -> dict[str, Any]:
    """The same for all trials of which a step takes as much, however many they take, and at which rate."""
    told = spec.model_dump(mode="json", exclude={"seed", "start", "weights"})
    recipe = {key: value for key, value in told["recipe"].items() if key not in OF_THE_COURSE}
    optimizer = {key: value for key, value in recipe["optimizer"].items() if key != "lr"}
    return {**told, "recipe": {**recipe, "optimizer": optimizer}}


def sizes_of(data: Named, fingerprint: str, known: Known) -> Sizes:
    """Raises `ReproError` where the data is not here and says nothing of itself."""
    of = {"data": data.model_dump(mode="json"), "fingerprint": fingerprint}
    return Sizes(**known.get(_question("sizes", of), lambda: asdict(_sizes(data))))


def _question(kind: str, of: Any, at: str = "") -> dict[str, Any]:
    return {"kind": kind, "of": of, "at": at}


def recorded(store: Store, trials: Collection[TrialSpec], device: str, per_gpu: int = 1) -> float | None:
    """The median of what trials of an arm took that are done already, on such a device, which as many shared;
    None without any.
    """
    records = [record for trial in trials if (record := store.read(trial)) is not None]
    kinds = [record["environment"] for record in records]
    here = [
        record
        for record, kind in zip(records, kinds, strict=True)
        if kind["device"] == device and kind.get("per_gpu", 1) == per_gpu
    ]
    return statistics.median(map(taken, here)) if here else None


def evaluated(recipe: Recipe, sizes: Sizes) -> int:
    """Images that go through the net in evaluations, of both splits."""
    every = recipe.evaluate.every
    tests = 1 + (max(0, recipe.steps - 1) // every if every else 0)
    return tests * sizes.test + min(sizes.train, recipe.evaluate.train_images or sizes.train)


def form_of(data: Named) -> ImageSet:
    """The set if it is made or in a package; one of the same form if it is in files."""
    return _form(data.model_dump_json())


@lru_cache(FEW)
def _form(data: str) -> ImageSet:
    named = Named.model_validate_json(data)
    made: DataSet = DATASETS.load(named.name)(**named.options)
    known = outline(named)
    return made.load() if known is None else blank(known, made.classes)


def _sizes(named: Named) -> Sizes:
    data, known = form_of(named), outline(named)
    if known is not None:
        in_memory = known.bytes_in_memory
    else:
        in_memory = sum(bytes_of(split) for split in (data.train, data.test))
    return Sizes(len(data.train), len(data.test), in_memory)


def bytes_of(split: Split) -> int:
    """If all rows are in memory, as many times what the first one takes."""
    row: int = sum(leaf.numel() * leaf.element_size() for leaf in tree_leaves(head(split, 1)))
    return len(split) * row
