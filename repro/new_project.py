"""A folder of the user's own: suites that come with the package, pytest's settings, a nightly workflow.

What is there already is left as it is.
"""

import shutil
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from repro.catalogue import DATASETS
from repro.document import closest
from repro.errors import ReproError
from repro.places import SUITES, bundled
from repro.quantity import kind_of
from repro.reading import load
from repro.suite import Suite
from repro.suite_files import by_name, is_suite, suites_below

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


class Begin(NamedTuple):
    """The claim to begin with, and how many there are."""

    file: Path
    claim: str
    of: int


def quickest(files: Iterable[Path], profile: str = "cpu") -> Begin | None:
    """The claim of some suites that is probably decided first. None where no claim is asked at the profile;
    what cannot be read counts for nothing.
    """
    found = list[tuple[float, Path, str]]()
    for path in filter(is_suite, files):
        with suppress(ReproError):
            suite = load(path)
            found += [(_work(suite, name, profile), path, name) for name, _ in suite.claims_at(profile)]
    if not found:
        return None
    _, path, name = min(found, key=lambda one: one[0])
    return Begin(path, name, len(found))


def _work(suite: Suite, claim: str, profile: str) -> float:
    """Pixels that one seed of a claim trains on, whatever the nets: none where nothing is trained. What is
    timed wants the machine to itself, and comes last.
    """
    asked = [(kind_of(one.name, suite.task), one) for one in suite.claims[claim].expectation.measurements]
    if any(kind.timed for kind, _ in asked):
        return float("inf")
    wanting = (one.arm for kind, one in asked if "recipe" in kind.wants(one))
    return sum(
        _pixels(suite, arm, profile)
        for arm in dict.fromkeys(start for arm in wanting for start in suite.trained_for(arm, profile))
    )


def _pixels(suite: Suite, arm: str, profile: str) -> float:
    """That go through an arm's net in its training."""
    data, recipe = suite.data_of(arm, profile), suite.recipe_of(arm, profile)
    if data is None or recipe is None:
        return 0.0
    size = DATASETS.parameters(data.name).get("size")
    side = data.options.get("size", size.default if size else None)
    return float(recipe.steps * recipe.batch_size * (side if isinstance(side, int) else 32) ** 2)


def _suites(asked: Iterable[str]) -> Iterator[tuple[Path, Path]]:
    """Each with where it goes."""
    names = by_name(bundled())
    files = dict[Path, None]()
    for word in asked:
        if word in topics():
            files.update(dict.fromkeys(suites_below(bundled() / word)))
        elif word in names:
            files[names[word]] = None
        elif (file := _file(word)) is not None:
            files[file] = None
        else:
            near = closest(word, [*topics(), *names])
            hint = f"did you mean '{near}'?" if near else f"topics: {', '.join(topics())}"
            raise ReproError(f"no topic and no suite '{word}'; {hint}")
    yield from ((path, SUITES / path.relative_to(bundled())) for path in files)


def _file(word: str) -> Path | None:
    """The package's suite that a path names: `segmentation/fcn_skips.yaml`, with or without `suites/`."""
    path = Path(word)
    file = bundled() / (path.relative_to(SUITES) if path.is_relative_to(SUITES) else path)
    return next((suite for suite in suites_below(bundled()) if suite == file), None)


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
