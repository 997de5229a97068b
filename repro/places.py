"""Where things lie in a project's folder: what runs write, what is kept under version control, the store.

They belong to the suites, wherever one stands.
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


def project(folder: Path) -> Path:
    """The folder of the project that suites in a folder belong to: the nearest one, of it and those above it,
    that has a mark. Without any mark it is the one that `suites` is in, or else the folder itself.
    """
    whole = folder.resolve()
    chain = (whole, *whole.parents)
    marked = (above for above in chain if any((above / mark).exists() for mark in MARKS))
    around = (above.parent for above in chain if above.name == SUITES.name)
    return next(marked, None) or next(around, whole)


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
