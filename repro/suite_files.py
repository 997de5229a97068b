"""Which files are suites, and what stands beside them: the ledger, and recipes that several of them share.

Both faces ask here. A file that is named is a suite, whatever is in it: what is wrong with it is told. Of the
files in a folder those are suites that say so. What is no path here may be the name of a suite, or a path
among those that come with the package: `fcn-skips`, `segmentation`, `suites/segmentation/fcn_skips.yaml`.
"""

import os
from collections.abc import Iterable, Iterator
from fnmatch import fnmatch
from pathlib import Path

from repro import document
from repro.document import closest, top_keys
from repro.errors import ReproError
from repro.places import SUFFIXES, SUITES, as_typed, bundled, is_pipe, project, shown

RECIPES = "recipes.yaml"
# What pytest does not enter (`norecursedirs`), by name; and what is in the folder of an environment.
NOT_ENTERED = ("*.egg", ".*", "_darcs", "build", "CVS", "dist", "node_modules", "venv", "{arch}")
ENVIRONMENT = ("pyvenv.cfg", "conda-meta/history")


def suite_files(paths: Iterable[Path]) -> list[Path]:
    """Suite files, each once, from files and folders. Raises `ReproError` where there are none."""
    given, found = list(paths), dict[Path, Path]()
    for path in map(_there, given):
        for file in suites_below(path) if path.is_dir() else [_file(path)]:
            found.setdefault(file.resolve(), file)
    if not found:
        raise ReproError(f"no suites under {', '.join(map(str, given))}")
    return list(found.values())


def project_of(paths: Iterable[Path]) -> Path:
    """The project's folder that a run's store and results belong to: that of its first suite, even where
    others are of another project. Raises `ReproError` where there are none.
    """
    return project(suite_files(paths)[0].parent)


def by_name(*folders: Path) -> dict[str, Path]:
    """The suites in some folders, by name, the first of each; by default those of the project that one stands
    in, then those that come with the package. Those that cannot be read are left out.
    """
    found = dict[str, Path]()
    for folder in folders or (project(Path.cwd()) / SUITES, bundled()):
        for path in suites_below(folder):
            found.setdefault(_name(path), path)
    return {name: path for name, path in found.items() if name}


def beside(files: Iterable[Path]) -> dict[tuple[Path, str], Path]:
    """The other suites of the projects that files are of, by project and name, but for copies without a
    change: results lie by the names of suites, so one would take the place of the other's.
    """
    given = list(files)
    asked, contents = {file.resolve() for file in given}, {_content(file) for file in given}
    return {
        (root, _name(path)): Path(shown(path))
        for root in {project(file.parent) for file in given}
        for path in suites_below(root / SUITES)
        if path.resolve() not in asked and _content(path) not in contents and project(path.parent) == root
    }


def suites_below(folder: Path) -> list[Path]:
    """The suites in a folder and below it, in order."""
    return [path for path in _yaml_below(folder) if is_suite(path)]


def is_suite(path: Path, *, named: bool = False) -> bool:
    """Whether a file says that it is a suite: YAML with the key `suite` at its top, or with `arms` and
    `claims`: then the name was forgotten. Hidden files are none. One that is `named` need not say so.
    """
    if path.suffix not in SUFFIXES or path.name == RECIPES or is_pipe(path):
        return False
    if named or path.name.startswith("."):
        return named
    keys = top_keys(path, among=("suite", "claims"))
    return "suite" in keys or {"arms", "claims"} <= keys


def recipes_below(path: Path) -> list[Path]:
    """The files of recipes in a folder and below it, in order; or the path itself, if it is one."""
    if path.name == RECIPES:
        return [path]
    return [found for found in _yaml_below(path) if found.name == RECIPES]


def nearest_above(path: Path, name: str) -> Path | None:
    """The file of a name in the nearest folder above a path that has one, written as the path is where it
    can be.
    """
    found = next((f / name for f in path.resolve().parents if (f / name).is_file()), None)
    as_given = (f / name for f in path.parents)
    return next((file for file in as_given if file.resolve() == found), found)


def _there(path: Path) -> Path:
    """A path that leads somewhere, or what else it may mean. Raises `ReproError` if it means nothing."""
    if path.exists() or path.is_absolute():
        return path
    if path == SUITES:
        remedy = (
            "`repro list` has those that come with repro: run one by its name, or copy some by `repro init`"
        )
        raise ReproError(f"{path}: no such file or folder. {remedy}")
    among = bundled().parent / path if path.is_relative_to(SUITES) else bundled() / path
    if among.exists() and ".." not in path.parts:
        return among
    if len(path.parts) > 1 or path.suffix:
        return path
    names = by_name()
    if path.name not in names:
        near = closest(path.name, names)
        hint = f"; did you mean '{near}'?" if near else ""
        raise ReproError(f"{path}: no such file or folder, and no suite of that name{hint}")
    return as_typed(names[path.name])


def _name(path: Path) -> str:
    """What a suite calls itself; empty where that cannot be read."""
    try:
        content = document.read(path).data
    except ReproError:
        return ""
    return str(content.get("suite", "")) if isinstance(content, dict) else ""


def _content(path: Path) -> bytes:
    """Empty where it cannot be read."""
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _file(path: Path) -> Path:
    """A file that was asked for. Raises `ReproError` if it is not there, or is not called as suites are."""
    file, is_claim, claim = str(path).partition("::")
    if is_claim and Path(file).is_file():
        raise ReproError(f"{path}: a claim is asked for by -k: {file} -k {claim}")
    if is_pipe(path):
        raise ReproError(f"{path}: neither a file nor a folder")
    if path.is_symlink() and not path.is_file():
        raise ReproError(f"{path}: a link that leads to no file")
    if not path.is_file():
        near = closest(path.name, (one.name for one in path.parent.glob("*") if one.suffix in SUFFIXES))
        hint = f"; did you mean '{path.with_name(near)}'?" if near else ""
        raise ReproError(f"{path}: no such file or folder{hint}")
    if path.suffix not in SUFFIXES:
        raise ReproError(f"{path}: not a suite: the name of one ends in {' or '.join(SUFFIXES)}")
    return path


def _yaml_below(folder: Path) -> list[Path]:
    return sorted(path for path in _files_below(folder) if path.suffix in SUFFIXES)


def _files_below(folder: Path) -> Iterator[Path]:
    """All files, but for those in folders that pytest does not enter."""
    for root, folders, files in os.walk(folder, followlinks=True):
        here = Path(root)
        folders[:] = [name for name in folders if _is_entered(here, here / name)]
        yield from (here / name for name in files if not is_pipe(here / name))


def _is_entered(above: Path, folder: Path) -> bool:
    if any(fnmatch(folder.name, pattern) for pattern in NOT_ENTERED):
        return False
    if any((folder / mark).is_file() for mark in ENVIRONMENT):
        return False
    return not folder.is_symlink() or not above.resolve().is_relative_to(folder.resolve())  # a loop
