"""The form of a suite: keys and types, with pydantic's errors said for a reader of YAML, all of them."""

import json
import typing
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from repro.document import Document, Location, closest, nearest
from repro.suite import Suite

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
    "model": "x",
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


class Form:
    """A suite as far as it is sound, what is wrong with it, and where: what stands there is not to be judged
    further.
    """

    def __init__(self, file: Document):
        self.problems = list(file.duplicates)
        self.broken: set[Location] = set()
        data = file.data
        for _ in range(10):  # what is mended may show another mistake below it
            try:
                self.suite = Suite.model_validate_json(json.dumps(data))
                return
            except ValidationError as error:
                errors = error.errors(include_url=False)
            data = json.loads(json.dumps(data))
            self._note(file, errors)
            for e in reversed(errors):
                _mend(data, _location(e), e["type"])
        raise AssertionError(f"{file.path}: {errors}")

    def is_sound(self, *location: str | int) -> bool:
        """Whether nothing is wrong at a location, above it and below it."""
        return not any(b[: len(location)] == location[: len(b)] for b in self.broken)

    def _note(self, file: Document, errors: Iterable[Any]) -> None:
        told: set[Location] = set()
        for error in errors:
            if error["type"] == "extra_forbidden":
                *above, key = _location(error)
                meant = closest(str(key), _keys(Suite, tuple(above)))
                if meant is not None and (*above, meant) not in file.keys:
                    told.add((*above, meant))  # or it would be missing as well
                told.add((*above, key))
                self.problems.append(file.problem((*above, key), describe(error, Suite), at_key=True))
        for error in errors:
            location = _location(error)
            if location not in told and self.is_sound(*location):  # else it follows from what was left out
                at_key = error["type"] == "missing" or error["loc"][-1] == "[key]"
                self.problems.append(file.problem(location, describe(error, Suite), at_key=at_key))
        self.broken |= told | {_location(error) for error in errors}


def describe(error: Any, model: type[BaseModel] | None = None) -> str:
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
        case "too_short" | "string_too_short":
            return f"{key}: nothing is in it"
        case "literal_error":
            return f"{key}: must be {error['ctx']['expected']}{_instead(given)}"
        case kind if kind in EXPECTED:
            return f"{key}: expected {EXPECTED[kind]}{_instead(given)}"
        case kind if kind in BOUNDS:
            bound, name = BOUNDS[kind]
            return f"{key}: must be {bound} {error['ctx'][name]}{_instead(given)}"
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
