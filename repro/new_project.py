"""A folder of the user's own: suites that come with the package, pytest's settings, a nightly workflow.

What is there already is left as it is.
"""

import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from repro.document import closest
from repro.errors import ReproError
from repro.places import SUITES, bundled
from repro.suite_files import by_name, suites_below

STARTER = Path(__file__).parent / "starter"
# The files of `starter`, by where they go: what begins with a dot is left out of many copies.
FILES = {
    "pytest.ini": "pytest.ini",
    "gitignore": ".gitignore",
    "nightly.yml": ".github/workflows/nightly.yml",
}

WANTED = (".json", ".yaml")  # the ledger, recipes, and schemas


class Copied(NamedTuple):
    """A file of the new folder, and whether it was there before."""

    path: Path
    was_there: bool


def topics() -> list[str]:
    """The folders that the package's suites are in: `classification`, `segmentation` …"""
    return sorted({path.relative_to(bundled()).parts[0] for path in suites_below(bundled())})


def begin(folder: Path, asked: Iterable[str] = ()) -> list[Copied]:
    """Copy the suites of some topics, or of some names, and what they need into a folder; by default all.

    Raises `ReproError` for what is neither, before anything is copied, and where nothing can be written.
    """
    pairs = [*_suites(list(asked) or topics()), *_beside()]
    return [_copy(source, folder / target) for source, target in pairs]


def _suites(asked: Iterable[str]) -> Iterator[tuple[Path, Path]]:
    """Each with where it goes."""
    names = by_name(bundled())
    files = dict[Path, None]()
    for word in asked:
        if word in topics():
            files.update(dict.fromkeys(suites_below(bundled() / word)))
        elif word in names:
            files[names[word]] = None
        else:
            near = closest(word, [*topics(), *names])
            hint = f"did you mean '{near}'?" if near else f"topics: {', '.join(topics())}"
            raise ReproError(f"no topic and no suite '{word}'; {hint}")
    yield from ((path, SUITES / path.relative_to(bundled())) for path in files)


def _beside() -> Iterator[tuple[Path, Path]]:
    """What suites name and editors read, and what makes the folder a project."""
    yield from ((path, SUITES / path.name) for path in sorted(bundled().iterdir()) if path.suffix in WANTED)
    yield from ((STARTER / source, Path(target)) for source, target in FILES.items())


def _copy(source: Path, target: Path) -> Copied:
    if target.exists():
        return Copied(target, True)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
    except OSError as error:
        raise ReproError(f"{target}: cannot be written: {error.strerror or error}") from None
    return Copied(target, False)
