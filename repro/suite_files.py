"""Which files are suites, and what stands beside them: the ledger, and recipes that several of them share."""

from collections.abc import Iterable
from pathlib import Path

from repro.errors import ReproError

RECIPES = "recipes.yaml"


def suite_files(paths: Iterable[Path]) -> list[Path]:
    """Suite files, from files and folders. Raises `ReproError` where there are none."""
    given = list(paths)
    found: list[Path] = []
    for path in given:
        if path.is_dir():
            found += suites_below(path)
        elif path.is_file():
            found.append(path)
        else:
            raise ReproError(f"{path}: no such file or folder")
    if not found:
        raise ReproError(f"no suites under {', '.join(map(str, given))}")
    return found


def suites_below(folder: Path) -> list[Path]:
    """The YAML files in a folder and below it, in order, without the recipes that stand beside suites."""
    found = (path for suffix in (".yaml", ".yml") for path in folder.rglob(f"*{suffix}"))
    return sorted(path for path in found if path.name != RECIPES)


def recipes_below(path: Path) -> list[Path]:
    """The files of recipes in a folder and below it, in order; or the path itself, if it is one."""
    return [path] if path.name == RECIPES else sorted(path.rglob(RECIPES))


def nearest_above(path: Path, name: str) -> Path | None:
    """The file of a name in the nearest folder above a path that has one, written as the path is where it
    can be.
    """
    found = next((f / name for f in path.resolve().parents if (f / name).is_file()), None)
    as_given = (f / name for f in path.parents)
    return next((file for file in as_given if file.resolve() == found), found)
