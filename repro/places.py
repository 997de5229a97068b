"""Where things lie in a project's folder: what runs write, what is kept under version control, the store.

They belong to the suites, wherever one stands; those of suites that come with an installed package, to the
folder that one stands in.
"""

import os
from pathlib import Path

MARKS = ("pyproject.toml", "pytest.ini", "tox.ini", ".git")
SUFFIXES = (".yaml", ".yml")  # of suites
SUITES = Path("suites")
RESULTS = Path("results")
RUNS = RESULTS / "runs"
KEPT = RESULTS / "kept"
REGISTER = RESULTS / "register.jsonl"
PACKAGED = Path(__file__).parent.resolve() / SUITES  # those of an installed package


def project(folder: Path) -> Path:
    """The folder of the project that suites in a folder belong to: the nearest one, of it and those above it,
    that has a mark. Without any mark it is the one that `suites` is in, or else the folder itself.
    """
    whole = folder.resolve()
    if whole.is_relative_to(PACKAGED):
        return project(Path.cwd())
    chain = (whole, *whole.parents)
    marked = (above for above in chain if any((above / mark).exists() for mark in MARKS))
    around = (above.parent for above in chain if above.name == SUITES.name)
    return next(marked, None) or next(around, whole)


def bundled() -> Path:
    """The folder of the suites that come with the package: in it, or in a clone beside it."""
    return PACKAGED if PACKAGED.is_dir() else PACKAGED.parents[1] / SUITES


def within(path: Path) -> str:
    """A suite's file as it is typed in its project's folder; one that comes with the package, anywhere."""
    folder = path.parent.resolve()
    around = bundled().parent if folder.is_relative_to(bundled()) else project(folder)
    return (folder / path.name).relative_to(around).as_posix()


def typed(path: Path) -> str:
    """A suite's file as a user would type it; of one that was found by its name the short form."""
    return within(path) if path.is_absolute() and path.is_relative_to(bundled()) else str(path)


def as_typed(path: Path) -> Path:
    """The same file, as it is typed where one stands, if it is a suite of the project that one stands in."""
    is_own = path.is_relative_to(project(Path.cwd()) / SUITES)
    return Path(os.path.relpath(path)) if is_own else path


def home(root: Path) -> Path:
    """The store's folder: what REPRO_HOME says, or else `.repro` in a project's folder."""
    given = os.environ.get("REPRO_HOME")
    return Path(os.path.expanduser(given)).resolve() if given else root / ".repro"


def shown(path: Path, here: Path | None = None) -> str:
    """A path as it is typed here, or in another folder: as short as can be."""
    return min(os.path.relpath(path, here), str(path), key=len)


def is_pipe(path: Path) -> bool:
    """Or whatever else is there and is neither a file nor a folder: who read it might wait for ever."""
    there = os.path.exists(path)
    return there and not os.path.isfile(path) and not os.path.isdir(path)
