"""The entries of the catalogues: each is imported, its parameters are read, and, as far as that needs nothing
that is not here, it is tried on a few made-up images with targets of every form.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from importlib.metadata import entry_points
from typing import Any

from repro import catalogue, source
from repro.catalogue import Catalogue, declared
from repro.conformance import recipes, states
from repro.conformance.data_sets import data_set
from repro.conformance.tasks import task
from repro.data.images import MissingData
from repro.errors import ReproError
from repro.recipe import Named, Optimizer
from repro.suite import Arm, Picture

CATALOGUES = [known for known in vars(catalogue).values() if isinstance(known, Catalogue)]
TRIED: dict[str, Callable[[Any, Mapping[str, Any]], Iterator[str]]] = {
    "repro.models": recipes.model,
    "repro.datasets": data_set,
    "repro.tasks": task,
    "repro.probes": states.probe,
    "repro.treatments": states.treatment,
    "repro.optimizers": recipes.optimizer,
    "repro.schedules": recipes.schedule,
    "repro.augmentations": recipes.augmentation,
}
TAKEN: dict[str, Collection[str]] = {  # keys that stand where options are given, and are none
    "repro.models": Arm.model_fields,
    "repro.pictures": Picture.model_fields,
    "repro.optimizers": Optimizer.model_fields,
    "repro.probes": ("at",),
    "repro.counts": (),
}
ASKED_FOR = {"start", "curves", "others"}  # is given to what has such a parameter alone
MEASURED = {"repro.counts", "repro.probes", "repro.clocks"}
GIVEN = {"repro.optimizers": {"lr": 0.1}}  # options that every recipe gives


def plugins() -> tuple[int, list[str]]:
    """How many entry points other packages have, and what is wrong with them, each named with its place."""
    count, found = 0, list[str]()
    for known in CATALOGUES:
        points = sorted(entry_points(group=known.group))
        names = Counter([*known.builtin, *(point.name for point in points)])
        for point in points:
            place = f"entry point '{point.name}' of group '{known.group}' ({point.value})"
            one = Catalogue(known.kind, known.group, {point.name: point.value}, known.given)
            found += [f"{place}: {fault}" for fault in faults(one, point.name)]
            if names[point.name] > 1:
                found.append(f"{place}: another {known.kind} has this name")
        count += len(points)
    return count, found


def faults(known: Catalogue, name: str, options: Mapping[str, Any] | None = None) -> Iterator[str]:
    """What is wrong with an entry. It is tried with options, or, if it needs none, without."""
    try:
        entry = known.load(name)
    except ReproError as error:
        yield f"cannot be imported: {_line(error.__cause__ or error)}"
        return
    if not (entry.__doc__ or "").strip():
        yield "has no docstring"
    try:
        parameters = source.parameters(known.target(name))
    except ReproError as error:
        yield str(error)
        return
    given = [name for name in known.given if name in parameters or name not in ASKED_FOR]
    first = list(parameters)[: len(given)]
    if first != given:
        yield f"its first parameters must be {', '.join(given)}, not {', '.join(first) or 'none'}"
        return
    if known.group in MEASURED:
        try:
            declared(known, name)
        except ReproError as error:
            yield str(error)
    own = known.parameters(name)
    for key in own.keys() & TAKEN.get(known.group, Named.model_fields):
        yield f"its option '{key}' cannot be given: suites have a key of this name"
    values = {**GIVEN.get(known.group, {}), **(options or {})}
    needed = [key for key, parameter in own.items() if parameter.required]
    if known.group not in TRIED or not set(needed) <= set(values):
        return
    try:
        yield from TRIED[known.group](entry, values)
    except MissingData:
        return
    except (Exception, SystemExit) as error:
        yield f"raises an error when it is tried: {_line(error)}"


def _line(error: BaseException) -> str:
    line = f"{type(error).__name__}: {' '.join(str(error).split())}"
    return line if len(line) <= 200 else f"{line[:199]}…"
