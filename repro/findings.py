"""What can be wrong with a name of a catalogue and with the options that come with it."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any

from pydantic import ValidationError

from repro.catalogue import AUGMENTATIONS, OPTIMIZERS, SCHEDULES, Catalogue, UnknownName
from repro.document import Finding, Location, closest, nearest
from repro.errors import ReproError
from repro.form import describe
from repro.recipe import Named, Optimizer, Recipe, Timing


def of_timing(name: str, options: Mapping[str, Any]) -> Iterator[Finding]:
    """What is wrong with the options of a timed measure."""
    try:
        Timing.model_validate(options)
    except ValidationError as error:
        for e in error.errors(include_url=False):
            key = str(e["loc"][-1])
            if e["type"] == "extra_forbidden":
                yield Finding(
                    (), f"measure '{name}' has no option '{key}'{nearest(key, Timing.model_fields)}"
                )
            else:
                yield Finding((), describe(e))


def of_recipe(recipe: Recipe) -> Iterator[Finding]:
    """What is wrong with the names in a recipe, and with their options."""
    yield from below(("optimizer",), of_choice(OPTIMIZERS, recipe.optimizer))
    yield from below(("optimizer", "groups"), of_groups(recipe.optimizer))
    yield from below(("schedule",), of_choice(SCHEDULES, recipe.schedule))
    for index, choice in enumerate(recipe.augment):
        yield from below(("augment", index), of_choice(AUGMENTATIONS, choice))
    if recipe.batch_size % recipe.places:
        batch = f"a batch of {recipe.batch_size}"
        yield Finding(("places",), f"{batch} cannot be cut into {recipe.places} equal parts")
    if recipe.places > 1 and recipe.compile:
        yield Finding(("compile",), "nets on several places cannot be compiled: leave out one of the two")
    if recipe.cuda_graph:
        yield from _of_graph(recipe)


def _of_graph(recipe: Recipe) -> Iterator[Finding]:
    """What a CUDA graph does not go together with."""
    if recipe.compile:
        yield Finding(("cuda_graph",), "a compiled net is no CUDA graph as well: leave out one of the two")
    if recipe.places > 1:
        yield Finding(("cuda_graph",), "nets on several places are no CUDA graphs: leave out one of the two")
    if not recipe.deterministic:
        yield Finding(
            ("cuda_graph",), "without `deterministic`, replays cannot be held against the net's own"
        )


def of_groups(optimizer: Optimizer) -> Iterator[Finding]:
    """What is multiplied for a group of parameters are the optimizer's options that are numbers."""
    if optimizer.name not in OPTIMIZERS.targets:
        return
    numbers = OPTIMIZERS.numbers(optimizer.name)
    for word, factors in optimizer.groups.items():
        for option in factors:
            if option not in numbers:
                message = (
                    f"optimizer '{optimizer.name}' has no numeric option '{option}'{nearest(option, numbers)}"
                )
                yield Finding((word, option), message, at_key=True)


def below(place: Location, found: Iterator[Finding]) -> Iterator[Finding]:
    for finding in found:
        yield finding._replace(location=place + finding.location)


def of_choice(catalogue: Catalogue, choice: Named) -> Iterator[Finding]:
    """What is wrong with a name of a catalogue, or with its options."""
    try:
        catalogue.target(choice.name)
    except UnknownName as error:
        yield Finding(("name",), str(error))
    else:
        beside = type(choice).model_fields.keys() - Named.model_fields.keys()
        yield from of_options(catalogue, choice.name, choice.options, beside)


def of_options(
    catalogue: Catalogue, name: str, options: Mapping[str, Any], beside: Iterable[str] = ()
) -> Iterator[Finding]:
    """What is wrong with the options of a name, which stand among the keys `beside`."""
    try:
        for error in catalogue.errors(name, options):
            location = error["loc"]
            if error["type"] == "extra_forbidden":
                option, known = str(location[-1]), [*catalogue.parameters(name), *beside]
                hint = _of_others(catalogue, option) if closest(option, known) is None else ""
                hint = hint or nearest(option, known)
                yield Finding(location, f"{catalogue.kind} '{name}' has no option '{option}'{hint}", True)
            elif error["type"] == "missing":
                yield Finding((), f"{catalogue.kind} '{name}' needs the option '{location[-1]}'", at_key=True)
            else:
                yield Finding(location, describe(error))
    except ReproError as error:
        yield Finding((), str(error))


def _of_others(catalogue: Catalogue, option: str) -> str:
    """The tail of an error about an option that other entries have: three of them; empty if none has it."""
    having = list[str]()
    for name in sorted(catalogue.targets):
        with suppress(ReproError):  # of another package, which cannot be read
            having += [f"'{name}'"] if option in catalogue.parameters(name) else []
    if not having:
        return ""
    return f", which {' and '.join(having[:3])} {'has' if len(having) == 1 else 'have'}"
