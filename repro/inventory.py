"""What a store holds, how large it is, and what of it no suite names. Imports no torch."""

import json
import os
import shutil
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from repro import proposals
from repro.errors import ReproError
from repro.experiment import Experiment
from repro.recipe import Named
from repro.store import Key, Store
from repro.suite import Suite

KINDS = ("trials", "numbers", "evaluations", "rounds", "pictures", "proposals")
# What a trial is named by: all that determines it but these. Suites use any seed, and may be run on another
# device; a trial that it starts from is named by its arm; a fingerprint wants the data.
APART = ("seed", "device", "start", "fingerprint")


class Shelf(NamedTuple):
    """What a store has of a kind."""

    kind: str
    records: int
    record_bytes: int
    file_bytes: int  # weights, checkpoints, pictures, proposals

    @property
    def bytes(self) -> int:
        return self.record_bytes + self.file_bytes


class Trial(NamedTuple):
    """A trial in a store."""

    digest: str
    bytes: int  # of its record and its files


def shelves(store: Store) -> list[Shelf]:
    """Of each kind, checkpoints of trials that have not ended too."""
    found = []
    for kind in KINDS:
        inside = _inside(store.root / kind)
        records = [entry for entry in inside if entry.name.endswith(".json")]
        others = [entry for entry in inside if not entry.name.endswith(".json")]
        found.append(Shelf(kind, len(records), sum(map(_size, records)), sum(map(_size, others))))
    return found


def unnamed(store: Store, suites: Iterable[Suite]) -> list[Trial]:
    """The trials that no suite names at any of its profiles, with today's code and torch. Raises `ReproError`
    if a record cannot be read: it may be of one that is named.
    """
    named, found = {name for suite in suites for name in _names(suite)}, list[Trial]()
    for path in sorted((store.root / "trials").glob("*.json")):
        try:
            name = _name(json.loads(path.read_text(encoding="utf-8"))["spec"])
        except (OSError, ValueError, LookupError, TypeError, AttributeError):
            raise ReproError(f"{path}: not a record of a trial. Move it away, and it is made again") from None
        if name not in named:
            beside = sum(map(_size, _inside(path.with_suffix(""))))
            found.append(Trial(path.stem, path.stat().st_size + beside))
    return found


def prune(store: Store, trials: Collection[Trial]) -> int:
    """Remove trials, with their files, and give the bytes that are free then. Those that are at work stay."""
    freed = 0
    for trial in trials:
        key = Key("trials", trial.digest)
        with store.take(key, "store --prune") as mine:
            if mine:
                shutil.rmtree(store.folder(key), ignore_errors=True)
                store.path(key).unlink(missing_ok=True)
                freed += trial.bytes
    return freed


def unasked(store: Store, searches: Collection[str]) -> dict[Path, int]:
    """The files of boxes in images that none of these searches has found, with their bytes."""
    left = [path for path in proposals.files(store) if proposals.search_of(path) not in searches]
    return {path: _bytes(path) for path in left}


def remove(files: Mapping[Path, int]) -> int:
    """Remove files of boxes, and give the bytes that are free then. Who needs them searches anew."""
    for path in files:
        path.unlink(missing_ok=True)
    return sum(files.values())


class _Unread(Experiment):
    """Of a suite whose data need not be here."""

    def fingerprint(self, data: Named) -> str:  # noqa: ARG002
        return ""


def _names(suite: Suite) -> Iterator[str]:
    if suite.task is None:
        return
    for name, profile in suite.profiles.items():
        experiment = _Unread(suite, name)
        for arm in suite.arms_at(name):
            resolved = experiment.resolve(arm)
            if resolved.of is None and resolved.data is not None and resolved.recipe is not None:
                for values in profile.tune.points if profile.tune else (None,):
                    yield _name(experiment.trial(arm, 0, values=values).model_dump(mode="json"))


def _name(spec: Mapping[str, Any]) -> str:
    return json.dumps({key: value for key, value in spec.items() if key not in APART}, sort_keys=True)


def _inside(folder: Path | str) -> list[os.DirEntry[str]]:
    """What is in a folder; nothing, if there is none."""
    with suppress(FileNotFoundError), os.scandir(folder) as entries:
        return list(entries)
    return []


def _bytes(path: Path) -> int:
    """Of a file; 0 if it has gone."""
    with suppress(FileNotFoundError):
        return path.stat().st_size
    return 0


def _size(entry: os.DirEntry[str]) -> int:
    """Bytes of a file, or of all in a folder; 0 of what has gone."""
    with suppress(FileNotFoundError):
        if entry.is_dir(follow_symlinks=False):
            return sum(map(_size, _inside(entry.path)))
        return entry.stat().st_size
    return 0
