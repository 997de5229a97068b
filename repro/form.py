"""The form of a file: keys and types, with pydantic's errors said for a reader of YAML, all of them."""

import json
import typing
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, TypeAdapter, ValidationError

from repro.document import Document, Finding, Location, Problem, closest, nearest

Content = TypeVar("Content")

EXPECTED = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "tuple_type": "a list",
    "list_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
}
BOUNDS = {  # what a number must be, and the key of its bound
    "greater_than": ("above", "gt"),
    "greater_than_equal": ("at least", "ge"),
    "less_than": ("below", "lt"),
    "less_than_equal": ("at most", "le"),
}
# What stands for a missing entry while the rest is checked; a wrong one is left out, and then perhaps
# missing.
STAND_INS: dict[str, Any] = {
    "suite": "x",
    "title": "x",
    "arms": {"x": {"model": "x"}},
    "profiles": {"x": {}},
    "claims": {"x": {"says": "x", "expect": "x"}},
    "name": "x",
    "by": "x",
    "steps": 1,
    "batch_size": 1,
    "optimizer": "x",
    "says": "x",
    "expect": "x",
    "verdict": "undecided",
    "because": "x",
    "picture": "x",
    "pictures.arms": ["x"],
}


class Form(Generic[Content]):
    """What a file holds, as far as it is sound, what is wrong with it, and where: what stands there is not to
    be judged further.

    `kind` is what it should hold: a class, or a mapping of names to one. What is `broken` from the start is
    not told again.

    A recipe `{step: 9, batch_size: x, optimizer: sgd}` has two mistakes. What is wrong is left out, and what
    is then missing has something stand in for it, `{optimizer: sgd, steps: 1, batch_size: 1}`: so the rest is
    checked, which here finds that sgd lacks its learning rate.
    """

    def __init__(self, file: Document, kind: type[Content], broken: Iterable[Location] = ()):
        self.file, self.kind = file, kind
        self.problems = list(file.duplicates)
        self.broken = set(broken)
        read, data = TypeAdapter(kind), file.data
        for _ in range(10):  # what is mended may show another mistake below it
            try:
                self.content = read.validate_json(json.dumps(data))
                return
            except ValidationError as error:
                errors = error.errors(include_url=False)
            data = json.loads(json.dumps(data))
            self._note(errors)
            for e in reversed(errors):
                _mend(data, _location(e), e["type"])
        raise AssertionError(f"{file.path}: {errors}")

    def is_sound(self, *location: str | int) -> bool:
        """Whether nothing is wrong at a location, above it and below it."""
        return not any(b[: len(location)] == location[: len(b)] for b in self.broken)

    def tell(self, place: Location, found: Iterable[Finding]) -> Iterator[Problem]:
        """What was found below a place, but for what follows from a mistake that is told already."""
        for location, message, at_key in found:
            if self.is_sound(*place, *location):
                yield self.file.problem(place + location, message, at_key=at_key)

    def _note(self, errors: Iterable[Any]) -> None:
        told: set[Location] = set()
        for error in errors:
            if error["type"] == "extra_forbidden":
                *above, key = _location(error)
                meant = closest(str(key), _keys(self.kind, tuple(above)))
                if meant is not None and (*above, meant) not in self.file.keys:
                    told.add((*above, meant))  # or it would be missing as well
                told.add((*above, key))
                message = describe(error, self.kind)
                self.problems.append(self.file.problem((*above, key), message, at_key=True))
        for error in errors:
            location = _location(error)
            if location not in told and self.is_sound(*location):  # else it follows from what was left out
                at_key = error["type"] == "missing" or error["loc"][-1] == "[key]"
                message = describe(error, self.kind)
                self.problems.append(self.file.problem(location, message, at_key=at_key))
        self.broken |= told | {_location(error) for error in errors}


def describe(error: Any, model: Any = None) -> str:
    """One of pydantic's errors; `model` is the class whose validation it is of, for the nearest key."""
    steps = [step for step in error["loc"] if step != "[key]"] or [""]
    key = f"{steps[-2]}[{steps[-1]}]" if isinstance(steps[-1], int) and len(steps) > 1 else str(steps[-1])
    given = error.get("input")
    match error["type"]:
        case "extra_forbidden":
            return f"unknown key '{key}'{nearest(key, _keys(model, tuple(steps[:-1])))}"
        case "missing":
            return f"'{key}' is missing"
        case "string_type" if isinstance(given, int | float):
            return f"{key}: expected text; put quotes around it"
        case "string_pattern_mismatch":
            return f"'{given}' does not fit here (pattern {error['ctx']['pattern']})"
        case "string_too_long":
            return f"a name of {len(str(given))} characters: {error['ctx']['max_length']} is the most"
        case "too_short" | "string_too_short":
            return f"{key}: nothing is in it"
        case "literal_error":
            return f"{key}: must be {error['ctx']['expected']}{_instead(given)}"
        case kind if kind in EXPECTED:
            return f"{key}: expected {EXPECTED[kind]}{_instead(given)}"
        case kind if kind in BOUNDS:
            bound, name = BOUNDS[kind]
            return f"{key}: must be {bound} {error['ctx'][name]:g}{_instead(given)}"
        case _:
            return f"{key}: {error['msg'][0].lower()}{error['msg'][1:]}{_instead(given)}"


def _instead(given: Any) -> str:
    if given is None:
        return ", not nothing"
    if isinstance(given, Mapping | list | tuple) or len(str(given)) > 60:
        return ""
    return f", not '{given}'" if isinstance(given, str) else f", not {json.dumps(given)}"


def _location(error: Any) -> Location:
    return tuple(step for step in error["loc"] if step != "[key]")


def _mend(data: Any, location: Location, kind: str) -> None:
    """Put something where an entry is missing; leave a wrong one out, and with a wrong item the whole
    list.
    """
    *above, key = location
    for step in above:
        below = data[int(step)] if isinstance(data, list) else data.get(step)
        if below is None:  # left out with its list
            return
        if isinstance(below, list) and kind != "missing":
            key = step
            break
        data = below
    if kind == "missing":
        within = f"{location[0]}.{key}"
        data[key] = STAND_INS[within if within in STAND_INS else str(key)]
    else:
        data.pop(key, None)


def _keys(model: Any, location: Location) -> list[str]:
    """The keys that the class at a location has."""
    for step in location:
        if isinstance(model, type) and issubclass(model, BaseModel):
            model = model.model_fields[str(step)].annotation if step in model.model_fields else None
        elif typing.get_origin(model) in (dict, tuple):
            arguments = typing.get_args(model)
            model = arguments[1] if typing.get_origin(model) is dict else arguments[0]
        while typing.get_args(model) and typing.get_origin(model) not in (dict, tuple):
            model = typing.get_args(model)[0]  # of `X | None` and `Annotated[X, …]`
    return list(model.model_fields) if isinstance(model, type) and issubclass(model, BaseModel) else []
