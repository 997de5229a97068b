"""Recipes that several suites share, by name, in one flat file beside them: `recipe: scenes-300`, or
`recipe: {name: scenes-300, steps: 500}` for one with changes.

They are written out before a suite is read: what is resolved, hashed and stored names no recipe. A recipe of
the file names no other.
"""

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from repro import document, findings
from repro.document import Document, DocumentError, Location, Problem, nearest
from repro.form import Form
from repro.recipe import Recipe
from repro.suite import Name, merge
from repro.suite_files import RECIPES, nearest_above


@dataclass(frozen=True)
class NamedRecipes:
    """What a file of recipes holds: nothing while anything is wrong with it, nor without a file."""

    file: Path | None
    recipes: dict[str, Recipe] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


def read(path: Path) -> NamedRecipes:
    """A file of recipes, and all that is wrong with it. Raises `ReproError` if it cannot be opened."""
    try:
        content = path.read_bytes()
    except OSError:
        content = b""  # whoever reads it says so
    return _read(path, content)


@lru_cache(maxsize=8)  # every suite of a folder asks for the same file
def _read(path: Path, _content: bytes) -> NamedRecipes:
    try:
        file = document.read(path)
    except DocumentError as error:
        return NamedRecipes(path, problems=error.problems)
    if not isinstance(file.data, dict):
        message = "a file of recipes is a mapping: a name for each, and its keys"
        return NamedRecipes(path, problems=[file.problem((), message)])
    form = Form(file, dict[Name, Recipe])
    problems = list(form.problems)
    for name, recipe in form.content.items():
        problems += form.tell((name,), findings.of_recipe(recipe))
    return NamedRecipes(path, {} if problems else form.content, problems)


def above(path: Path) -> NamedRecipes:
    """Those of the nearest file in a folder above a path."""
    file = nearest_above(path, RECIPES)
    return read(file) if file else NamedRecipes(None)


@dataclass(frozen=True)
class WrittenOut:
    """A suite that names no recipe any more. Where one could not be written out there is none, and the place
    is `broken`.
    """

    file: Document
    problems: list[Problem]
    broken: list[Location]


def write_out(suite: Document) -> WrittenOut:
    """Put recipes where a suite's profiles name them, with their changes."""
    named = list(_named(suite.data))
    if not named:
        return WrittenOut(suite, [], [])
    known, data = above(suite.path), copy.deepcopy(suite.data)
    problems, broken = list(known.problems), list[Location]()
    for profile, name, changes in named:
        if isinstance(name, str) and name in known.recipes:
            whole = known.recipes[name].model_dump(mode="json", exclude_unset=True)
            data["profiles"][profile]["recipe"] = merge(whole, changes)
            continue
        place = ("profiles", profile, "recipe")
        del data["profiles"][profile]["recipe"]
        broken.append(place)
        if not known.problems:
            problems.append(suite.problem((*place, "name"), _unknown(name, known, suite.path)))
    return WrittenOut(replace(suite, data=data), problems, broken)


def _named(suite: Any) -> Iterator[tuple[str, Any, Mapping[Any, Any]]]:
    """The profiles that name a recipe: profile, name and changes."""
    profiles = suite.get("profiles")
    for profile, content in profiles.items() if isinstance(profiles, dict) else ():
        match content:
            case {"recipe": str(name)}:
                yield profile, name, {}
            case {"recipe": {"name": name, **changes}}:
                yield profile, name, changes


def _unknown(name: Any, known: NamedRecipes, suite: Path) -> str:
    if not isinstance(name, str):
        return "name: expected text; put quotes around it"
    if known.file is None:
        return f"unknown recipe '{name}': there is no {RECIPES} in {suite.parent} or above it"
    return f"unknown recipe '{name}'{nearest(name, known.recipes)}"
