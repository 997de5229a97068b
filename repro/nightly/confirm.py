"""Confirming suspects: which of them there is time for, and the turns they are measured in.

A suspect is measured by the claim that is quickest of those that hang on it. The worst come first, and as
many as the minutes allow for the fewest turns that can confirm them; the others are left, and named.
"""

import math
import os
import shlex
import shutil
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
from pydantic import Field

from repro.archive import load
from repro.errors import ReproError
from repro.nightly.measurements import Base
from repro.nightly.turns import Decision, Turn, decide, direction, fewest_turns, looks, pair
from repro.nightly.watch import Suspect
from repro.suite import CONFIRMING

STARTING = 10.0  # seconds that a run takes beside its training: an interpreter, torch, data
ORDER = ("lost", "worse", "different", "better")


class Confirmation(Base):
    decisions: tuple[Decision, ...]
    left: tuple[Suspect, ...] = Field(description="suspects that there was no time for")

    @property
    def regression(self) -> bool:
        return any(decision.alarming for decision in self.decisions)


class Run(NamedTuple):
    """A claim of a suite; of an empty name, all claims."""

    profile: str
    suite: str
    claim: str


@dataclass
class Tested:
    """A suspect, what it is measured by, and what base and new measured in each turn."""

    suspect: Suspect
    run: Run
    pairs: list[tuple[float, float]] = field(default_factory=list)
    decision: Decision | None = None

    @property
    def is_open(self) -> bool:
        return self.decision is None or self.decision.state == "open"


def plan(
    suspects: Iterable[Suspect], turns: int, seeds: int, minutes: float = math.inf
) -> tuple[list[Tested], list[Suspect]]:
    """The worst that can be confirmed within so many turns and minutes, each by the quickest of its claims or
    one that is run anyway; and those that are left.
    """
    tested, costs, left = list[Tested](), dict[Run, float](), list[Suspect]()
    for suspect in sorted(suspects, key=_rank):
        run, seconds = _run_of(suspect, costs)
        more = costs | {run: 2 * (STARTING + seeds * seconds)}
        needed = fewest_turns(len(tested) + 1)
        if needed <= turns and needed * sum(more.values()) <= 60 * minutes:
            tested.append(Tested(suspect, run))
            costs = more
        else:
            left.append(suspect)
    return tested, left


def _rank(suspect: Suspect) -> tuple[int, float, float]:
    """The worst first: what has no value, then what is surest."""
    p = 1.0 if suspect.p is None else suspect.p
    return ORDER.index(suspect.way), min(p, 1 / (suspect.evidence or 1.0)), -abs(_change(suspect))


def _change(suspect: Suspect) -> float:
    """As a share of what it was; infinite where that is not known."""
    if suspect.before is None or suspect.now is None or suspect.before == 0:
        return math.inf
    return suspect.now / suspect.before - 1


def _run_of(suspect: Suspect, chosen: Iterable[Run]) -> tuple[Run, float]:
    """With the seconds of a seed."""
    claims = suspect.claims or {"": 0.0}
    runs = {Run(suspect.profile, suspect.suite, claim): seconds for claim, seconds in claims.items()}
    run = next((run for run in chosen if run in runs), min(runs, key=lambda run: runs[run]))
    return run, runs[run]


@dataclass
class Turns:
    """Runs the base and the new code in turns. `commands` are the `repro` of two installations; `files` are
    by suite.
    """

    commands: tuple[str, str]
    files: Mapping[str, Path]
    seeds: int
    folder: Path
    rng: np.random.Generator
    say: Callable[[str], None]
    taken: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        if self.folder.exists() and any(self.folder.iterdir()):
            raise ReproError(
                f"{self.folder}: not empty: results of other runs would be taken for those of these turns"
            )

    def take(self, runs: Iterable[Run]) -> Turn:
        """One more. Raises `ReproError` if a run fails: what cannot be run is no regression."""
        wanted = sorted(set(runs))
        unknown = {run.suite for run in wanted} - self.files.keys()
        if unknown:
            raise ReproError(f"no file of suite {', '.join(sorted(unknown))} among those given")
        sides = {}
        for side in self.rng.permutation(2).tolist():
            self.say(f"turn {self.taken + 1}: {self.commands[side]}")
            place = self.folder / f"{self.taken:03}" / ("base", "new")[side]
            first_seed = CONFIRMING + self.taken * self.seeds
            for run in wanted:
                command = [self.commands[side], "run", str(self.files[run.suite]), "--profile", run.profile]
                options = ["-k", run.claim] if run.claim else []
                _run([*command, *options], first_seed, self.seeds, place)
            shutil.rmtree(place / "store", ignore_errors=True)
            sides[side] = load(str(place / "results"), self.folder)
        self.taken += 1
        return sides[0], sides[1]


def confirm(
    suspects: Sequence[Suspect],
    turns: Turns,
    most: int,
    minutes: float = math.inf,
    clock: Callable[[], float] = time.monotonic,
) -> Confirmation:
    """Take turns until all is decided, `most` turns are taken, or the time is up.

    Raises `ReproError` if a run fails, or does not measure what it should.
    """
    tested, left = plan(suspects, most, turns.seeds, minutes)
    if not tested:
        return Confirmation(decisions=(), left=tuple(left))
    of, still = looks(len(tested), most), list(tested)
    start = before = clock()
    longest = 0.0
    while still and turns.taken < most and clock() - start + longest <= 60 * minutes:
        turn = turns.take(one.run for one in still)
        longest, before = max(longest, clock() - before), clock()
        for one in still:
            one.pairs.append(pair(one.suspect, turn))
            towards = direction(one.suspect, turn)
            one.decision = decide(one.suspect, one.pairs, towards, of, len(tested))
        if turns.taken in of:
            still = [one for one in still if one.is_open]
    unfinished = [one.suspect for one in still] if turns.taken < most else []
    decided = (one.decision for one in tested if one.suspect not in unfinished)
    return Confirmation(decisions=tuple(filter(None, decided)), left=(*unfinished, *left))


def _run(command: Sequence[str], first_seed: int, seeds: int, place: Path) -> None:
    """Exit code 1 is fine: some claim is not as expected, which so few seeds cannot show. Raises `ReproError`
    on others.
    """
    options = ["--first-seed", first_seed, "--seeds-max", seeds, "--jobs", 1, "--results", place / "results"]
    arguments = [*command, *map(str, options)]
    environment = {**os.environ, "REPRO_HOME": str(place / "store")}
    try:
        ended = subprocess.run(
            arguments, env=environment, capture_output=True, text=True, errors="replace", check=False
        )
    except OSError as error:
        raise ReproError(f"{command[0]}: cannot be run: {error.strerror}") from None
    if ended.returncode not in (0, 1) or not (place / "results").is_dir():
        raise ReproError(
            f"{shlex.join(arguments)}: ended with {ended.returncode}: {ended.stderr.strip()[-500:]}"
        )
