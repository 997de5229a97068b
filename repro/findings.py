"""What can be wrong with a name of a catalogue and with the options that come with it."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from pydantic import BaseModel, ValidationError

from repro.catalogue import Catalogue, UnknownName
from repro.document import Location, nearest
from repro.errors import ReproError
from repro.form import describe
from repro.recipe import Named, Timing


class Finding(NamedTuple):
    """What is wrong, and where below what was looked at."""

    location: Location
    message: str
    at_key: bool = False


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


def of_choice(catalogue: Catalogue, choice: Named) -> Iterator[Finding]:
    """What is wrong with a name of a catalogue, or with its options."""
    try:
        catalogue.target(choice.name)
    except UnknownName as error:
        yield Finding(("name",), str(error))
    else:
        yield from of_options(catalogue, choice.name, choice.options)


def of_options(
    catalogue: Catalogue, name: str, options: Mapping[str, Any], beside: type[BaseModel] | None = None
) -> Iterator[Finding]:
    """What is wrong with the options of a name, which stand among the keys of the class `beside`."""
    try:
        for error in catalogue.errors(name, options):
            location = error["loc"]
            if error["type"] == "extra_forbidden":
                known = [*catalogue.parameters(name), *(beside.model_fields if beside else ())]
                message = (
                    f"{catalogue.kind} '{name}' has no option '{location[-1]}'{nearest(location[-1], known)}"
                )
                yield Finding(location, message, at_key=True)
            elif error["type"] == "missing":
                yield Finding((), f"{catalogue.kind} '{name}' needs the option '{location[-1]}'", at_key=True)
            else:
                yield Finding(location, describe(error))
    except ReproError as error:
        yield Finding((), str(error))
