"""Where things lie in a project's folder: what runs write, what is kept under version control, the store.

A project is the folder that holds suites, or the nearest one above it that has a mark. So what belongs to
suites does not depend on where one stands.
"""

import os
from pathlib import Path

MARKS = ("pyproject.toml", "pytest.ini", "tox.ini", ".git")
SUFFIXES = (".yaml", ".yml")  # of suites
RESULTS = Path("results")
RUNS = RESULTS / "runs"
KEPT = RESULTS / "kept"


def project(folder: Path) -> Path:
    """The nearest folder that has a mark, of this one and those above it; this one, if none has."""
    whole = folder.resolve()
    marked = (above for above in (whole, *whole.parents) if any((above / mark).exists() for mark in MARKS))
    return next(marked, whole)


def within(path: Path) -> str:
    """A suite's file as it is typed in its project's folder."""
    folder = path.parent.resolve()
    return (folder / path.name).relative_to(project(folder)).as_posix()


def home(root: Path) -> Path:
    """The store's folder: what REPRO_HOME says, or else `.repro` in a project's folder."""
    given = os.environ.get("REPRO_HOME")
    return Path(os.path.expanduser(given)).resolve() if given else root / ".repro"


def shown(path: Path, here: Path | None = None) -> str:
    """A path as it is typed here, or in another folder: as short as can be."""
    return min(os.path.relpath(path, here), str(path), key=len)
