"""Suites as files say them, read with everything that is wrong with them at once. Imports no torch."""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from repro import document, named_recipes
from repro.checking import check
from repro.document import DocumentError, Problem
from repro.places import project
from repro.suite import Suite
from repro.suite_files import RECIPES, beside, recipes_below, suite_files


def load(path: Path) -> Suite:
    """Raises `DocumentError` with all that is wrong, a `FILE:LINE:COL: message` each."""
    file = document.read(path)
    if path.name == RECIPES:
        raise DocumentError([file.problem((), "a file of recipes, which suites name; it is no suite")])
    if not isinstance(file.data, dict):
        raise DocumentError([file.problem((), "a suite is a mapping: suite, task, arms, profiles, claims")])
    suite, problems = check(file)
    if problems:
        raise DocumentError(problems)
    return suite


class Checked(NamedTuple):
    """What was read, and everything that is wrong with it."""

    suites: int
    claims: int
    recipes: int
    problems: list[Problem]
    sound: dict[Path, Suite]


def check_all(paths: Iterable[Path]) -> Checked:
    """Suites in files and folders, and the recipes beside them. Raises `ReproError` where there are none."""
    given = list(paths)
    files = [path for path in suite_files(given) if path.name != RECIPES]
    recipes, problems = 0, list[Problem]()
    for folder in given:
        for path in recipes_below(folder):
            known = named_recipes.read(path)
            recipes += len(known.recipes)
            problems += known.problems
    suites, of_suites = _read(files)
    claims = sum(len(suite.claims) for suite in suites.values())
    return Checked(len(files), claims, recipes, problems + of_suites, suites)


def load_all(files: Iterable[Path]) -> dict[Path, Suite]:
    """Raises `DocumentError` with all that is wrong with any of them, two of one name too."""
    suites, problems = _read(files)
    if problems:
        raise DocumentError(problems)
    return suites


def _read(files: Iterable[Path]) -> tuple[dict[Path, Suite], list[Problem]]:
    """The suites that are sound, and all that is wrong with the others and with their names, beside those of
    the project that are not asked.
    """
    asked = list(files)
    suites, problems, named = dict[Path, Suite](), list[Problem](), dict[str, Path]()
    others = beside(asked)
    for path in asked:
        try:
            suites[path] = load(path)
        except DocumentError as error:
            problems += error.problems
            continue
        name = suites[path].suite
        first = others.get((project(path.parent), name)) or named.setdefault(name, path)
        if first != path:
            problems.append(one_name(first, path))
    return suites, problems


def one_name(first: Path, second: Path) -> Problem:
    """What is wrong with two suites of one name: the results of one would stand for those of the other."""
    file, other = document.read(second), document.read(first).problem(("suite",), "")
    where = f"{other.path}:{other.line}:{other.column}"
    return file.problem(("suite",), f"another suite is called '{file.data['suite']}' too: {where}")
