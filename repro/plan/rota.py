"""Which suites there is time for. Those whose oldest verdict is oldest come first, so that what is left on
one night comes first on the next. Imports no torch.

A suite takes as long as the seeds of its first look do: its trials and rounds as they were in earlier
results, and what is in none as an arm takes on average. Probes, treatments and loading are not reckoned, and
what the store has already counts as if it were to be done. Where nothing is known, suites are taken until the
time is over.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean

from repro.archive import Damaged, files, read_all, standings
from repro.catalogue import CLOCKS
from repro.plan.course import Arm
from repro.plan.steps import ROUND, Step
from repro.result import Result
from repro.store import write_atomically

LEFT = "left.txt"  # in the folder of results: `repro watch` does not miss what stands there
NEVER = ""  # when a suite was decided of which a claim was not; before any date


@dataclass(frozen=True)
class Due:
    """A suite that is asked for."""

    suite: str
    since: str  # when the oldest of its verdicts was given, or NEVER
    steps: Mapping[str, float | None]  # seconds by digest; None where nothing is known


@dataclass(frozen=True)
class Rota:
    """Suites in their turn, and why others are left for another night."""

    turns: tuple[str, ...]
    left: Mapping[str, str] = field(default_factory=dict)


def rota(asked: Iterable[Due], hours: float) -> Rota:
    """What suites share is done by the first of them. Suites of one age keep their order."""
    turns, left, seen, allowed = list[str](), dict[str, str](), set[str](), hours * 3600
    for one in sorted(asked, key=lambda one: one.since):
        seconds = sum(taken or 0.0 for digest, taken in one.steps.items() if digest not in seen)
        if seconds <= allowed:
            turns.append(one.suite)
            seen |= one.steps.keys()
            allowed -= seconds
        else:
            left[one.suite] = _why(one, seconds, allowed, hours)
    return Rota(tuple(turns), left)


def over(suite: str, hours: float) -> dict[str, str]:
    """What is said of a suite that is not begun since the time is over."""
    return {suite: f"{hours:g} h are over"}


@dataclass(frozen=True)
class Asked:
    """A suite, the names of the claims that are asked of it, and their steps."""

    suite: str
    names: Sequence[str]
    steps: Sequence[Step]


def due(asked: Iterable[Asked], profile: str, earlier: Iterable[Result], at_once: int) -> list[Due]:
    """With what earlier results say of their age and of how long they take, so many trials at once."""
    standing = {suite: found for (suite, at), found in standings(earlier).items() if at == profile}
    seconds_of = _seconds(found.together for found in standing.values())
    known = {arm: fmean(some) for arm, some in seconds_of.items()}
    otherwise = fmean(known.values()) if known else None
    found = list[Due]()
    for one in asked:
        suite = one.suite
        claims = standing[suite].claims if suite in standing else {}
        ages = [claims[name].result.finished if name in claims else NEVER for name in one.names]
        seconds = dict[str, float | None]()
        for step in one.steps:
            if step.sure:
                taken = known.get((suite, step.arm), otherwise)
                # rounds have the machine to themselves
                together = 1 if step.arm == ROUND else max(1, at_once // max(1, step.job.needs.places))
                seconds[step.job.digest] = None if taken is None else taken / together
        found.append(Due(suite, min(ages, default=NEVER), seconds))
    return found


def earlier(folder: Path, damaged: Damaged) -> list[Result]:
    """All results in a folder, or none if it is not there. What is none in it is `damaged`, and left out."""
    return list(read_all(files(folder), damaged).values()) if folder.is_dir() else []


def note(left: Mapping[str, str], folder: Path) -> None:
    """What was left, into a folder of results; nothing was, if the file is not there."""
    text = "".join(f"{suite}: {why}\n" for suite, why in left.items())
    if text:
        write_atomically(folder / LEFT, text.encode())
    else:
        (folder / LEFT).unlink(missing_ok=True)


def noted(folder: Path) -> dict[str, str]:
    """What a run left, by suite."""
    path = folder / LEFT
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    return {suite: why for suite, _, why in (line.partition(": ") for line in lines)}


def _why(one: Due, seconds: float, allowed: float, hours: float) -> str:
    last = f"last decided {one.since[:10]}" if one.since != NEVER else "a claim of it was never decided"
    if seconds > hours * 3600:
        return f"takes about {seconds / 3600:.2g} h by itself, and {hours:g} are allowed ({last})"
    return f"takes about {seconds / 3600:.2g} h, of which {allowed / 3600:.2g} are left ({last})"


def _seconds(results: Iterable[Result]) -> dict[Arm, list[float]]:
    """What trials took, by suite and arm, and rounds: as long as claims that were timed say."""
    found = defaultdict[Arm, list[float]](list)
    for result in results:
        for trial in result.trials:
            seconds = trial.cost.get("seconds")
            if seconds is not None:
                found[result.suite, trial.arm].append(seconds + (trial.cost.get("evaluation_seconds") or 0.0))
        rounds = [
            claim.seconds / len(claim.evidence.seeds)
            for claim in result.claims.values()
            if claim.evidence.seeds and claim.measures & CLOCKS.targets.keys()
        ]
        if rounds:
            found[result.suite, ROUND].append(max(rounds))
    return found
