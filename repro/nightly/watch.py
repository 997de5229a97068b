"""What to measure again: the first of the two steps to an alarm.

False alarms wear people out, so an alarm takes two steps. Every night `watch` looks for steps in the history
of each measurement and nominates suspects; with `suspects` = 1 it nominates one unchanged measurement in 30
nights on average, or fewer, if nights are exchangeable. It also compares tonight's metrics with those of the
run before, all in one family at level 0.01, and seed by seed where nights train the same ones: a net that
broke shows at once, on the night that trained it anew. `repro confirm` then decides (`turns.py`), from the
old and the new code side by side, at a level of 0.05/30. That is one confirmation a night at most, so 30
nights bring a false alarm with probability 5 % at most, whatever the machine does and however often `watch`
is wrong. What needs no measuring again is said by `night.py`.

Nights until nominated, of one among 300 measurements, after 30 (and 10) quiet nights: in 10, 50 and 90 % of
2,000 simulations of 40 nights more. A dash is never within those.

    slower by 5 % at a noise of 2 %               5  6  10   (9 12  39)
    the same, noise t with 3 degrees of freedom   5  6   9   (9  9   -)
    an error worse by 1 sd, 5 fresh values        3  6  12   (4 12   -)
    the same, 1 fresh value a night              15  -   -   (-  -   -)   so: run more seeds

After 10 quiet nights nothing can be nominated before the seventh: of k values above the 10 before them no
test of ranks makes more than C(10 + k, k), and the bets are spread over 30 starts and two ways. Metrics have
fresh values only where code has changed: the same seeds of the same code end the same.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from pydantic import Field

from repro.archive import Key, latest, order
from repro.nightly.changes import FEWEST, locate
from repro.nightly.compare import compare
from repro.nightly.history import EPOCH, Name, Nights, evidence, observations
from repro.nightly.measured import COSTS, sign
from repro.nightly.measurements import REGRESSIONS, Base, Change
from repro.nightly.night import alarms, key, notes, problems
from repro.nightly.remedy import hanging
from repro.result import Result

AGAIN = 7  # nights after which a suspect that was not confirmed is measured again
JUMP = 0.01  # level at which tonight's metrics are compared with those of the run before

Way = Literal["worse", "better", "different", "lost"]


class Suspect(Base):
    suite: str
    profile: str
    arm: str
    quantity: str
    way: Way = Field(
        description="`different` where no better way is declared, `lost` where there is no value now"
    )
    evidence: float | None = Field(
        description="an e-value: if nothing has changed it ever reaches c with probability at most 1/c"
    )
    p: float | None = Field(
        description="of the comparison with the run before, if that is what made it a suspect"
    )
    nights: int = Field(description="since it was nominated; 0 is tonight")
    since: str | None = Field(description="the first run after the step; null if the step cannot be located")
    between: tuple[str, str] | None = Field(
        description="the runs between which the step lies with 95 % confidence"
    )
    before: float | None = Field(description="mean before the step; null where that is no number")
    now: float | None
    commits: tuple[str | None, str | None] = Field(description="of the last run before, and tonight's")
    file: str = Field(description="of the suite")
    claims: dict[str, float] = Field(
        description="that hang on it, with the seconds that a seed of each took; none if it is in no claim"
    )

    @property
    def due(self) -> bool:
        """Whether it is to be measured again tonight."""
        return self.nights % AGAIN == 0


class Watch(Base):
    """What a history says tonight."""

    watched: int = Field(description="measurements with a history of 10 nights or more")
    young: int = Field(description="measurements with a shorter one")
    threshold: float = Field(description="the e-value that nominates")
    suspects: tuple[Suspect, ...]
    base: str | None = Field(
        description="the commit to confirm against: of the last run before the steps of all that is due"
    )
    commit: str | None = Field(None, description="tonight's; null where there is none, or more than one")
    alarms: tuple[str, ...] = Field(description="what broke tonight and needs no measuring again")
    problems: tuple[str, ...] = Field(
        description="what is wrong with tonight's results rather than with the code"
    )
    notes: tuple[str, ...]

    @property
    def due(self) -> list[Suspect]:
        return [suspect for suspect in self.suspects if suspect.due]


@dataclass(frozen=True)
class _Past:
    """The results of earlier nights, in the order of time, and what stood before tonight."""

    results: Sequence[Result]
    stood: Mapping[Key, Result]

    def of(self, result: Result) -> list[Result]:
        """Of the same suite at the same profile."""
        return [old for old in self.results if key(old) == key(result)]

    def commit(self, run: str) -> str | None:
        return next(result.commit for result in self.results if result.id == run)


def watch(
    before: Iterable[Result],
    tonight: Sequence[Result],
    suspects: float = 1.0,
    left: Mapping[str, str] | None = None,
    damaged: tuple[Sequence[str], Sequence[str]] = ((), ()),
) -> Watch:
    """`suspects`: how many unchanged measurements may be nominated in 30 nights by their histories, on
    average. `left`: suites that there was no time for tonight, and why. `damaged`: a line for each file that
    is no result, of those before and of tonight's.
    """
    ids, profiles = {result.id for result in tonight}, {result.profile for result in tonight}
    earlier = (result for result in before if result.id not in ids and result.profile in profiles)
    in_order = sorted(earlier, key=order)
    past, tonight = _Past(in_order, latest(in_order)), list(latest(tonight).values())
    histories = {name: found for result in tonight for name, found in _observed(past, result).items()}
    old_enough = {name: found for name, found in histories.items() if len(found[0]) > FEWEST}
    threshold = max(1.0, len(old_enough) / suspects)
    named, of_tonight = _jumps(past, tonight), {key(result): result for result in tonight}
    for name, (nights, runs) in old_enough.items():
        suspect = _nominated(name, nights, runs, threshold, past, of_tonight[name[:2]])
        if suspect is not None:
            named[name] = suspect
    found = tuple(named[name] for name in sorted(named))
    alarmed = tuple(alarms(past.stood, tonight))
    return Watch(
        watched=len(old_enough),
        young=len(histories) - len(old_enough),
        threshold=threshold,
        suspects=found,
        base=_base(past, [suspect for suspect in found if suspect.due], alarmed),
        commit=commits.pop() if len(commits := {result.commit for result in tonight}) == 1 else None,
        alarms=alarmed,
        problems=(*damaged[1], *problems(past.results, past.stood, tonight, (left or {}).keys())),
        notes=(
            *(f"left out: {line}" for line in damaged[0]),
            *notes(past.results, tonight),
            *(f"{suite}: left for another night: {why}" for suite, why in (left or {}).items()),
        ),
    )


def _observed(past: _Past, result: Result) -> dict[Name, tuple[Nights, list[str]]]:
    return observations([*past.of(result), result])


def _base(past: _Past, due: Sequence[Suspect], alarmed: Sequence[str]) -> str | None:
    """Where a step is not located, the run before: of a jump it is."""
    runs = {result.id: result for result in past.results}
    located = [runs[suspect.between[0]] for suspect in due if suspect.between]
    if located:
        return min(located, key=lambda result: result.finished).commit
    return past.results[-1].commit if past.results and (due or alarmed) else None


def _jumps(past: _Past, tonight: Sequence[Result]) -> dict[Name, Suspect]:
    """Metrics that are not what they were in the run before."""
    results = {key(result): result for result in tonight}
    ways: tuple[str, ...] = (*REGRESSIONS, "better")
    found = [
        change
        for change in compare(past.stood.values(), tonight, JUMP).measurements
        if change.quantity not in COSTS and change.kind in ways
    ]
    return {
        (change.suite, change.profile, change.arm, change.quantity): _jumped(
            change, past, results[change.suite, change.profile]
        )
        for change in found
    }


def _jumped(change: Change, past: _Past, result: Result) -> Suspect:
    return Suspect(
        suite=change.suite,
        profile=change.profile,
        arm=change.arm,
        quantity=change.quantity,
        way=change.kind,
        evidence=None,
        p=change.p,
        nights=0,
        since=result.id,
        between=None,
        before=change.base,
        now=change.new,
        commits=(past.stood[key(result)].commit, result.commit),
        file=result.file,
        claims=hanging(result, change.arm, change.quantity),
    )


def _nominated(
    name: Name, nights: Nights, runs: Sequence[str], threshold: float, past: _Past, result: Result
) -> Suspect | None:
    """None if the evidence has not reached the threshold in this epoch."""
    path = evidence(nights)
    crossed = next((night for night, both in enumerate(path) if sum(both) / 2 >= threshold), None)
    if crossed is None:
        return None
    up, down = path[-1]
    recent = min(len(nights), 3 * EPOCH)
    means, of_recent = [sum(night) / len(night) for night in nights[-recent:]], runs[-recent:]
    step = locate(means, np.random.default_rng(0))
    at, first = (step.at, step.plausible[0]) if step else (recent - 1, recent - 1)
    worse = sign(result, name[3])
    return Suspect(
        suite=name[0],
        profile=name[1],
        arm=name[2],
        quantity=name[3],
        way="different" if worse == 0 else "worse" if up > down else "better",
        evidence=(up + down) / 2,
        p=None,
        nights=len(path) - 1 - crossed,
        since=of_recent[at] if step else None,
        between=(of_recent[first - 1], of_recent[step.plausible[-1]]) if step else None,
        before=_shown(means[:at], name[3], worse),
        now=_shown(means[at:], name[3], worse),
        commits=(past.commit(of_recent[first - 1]), result.commit),
        file=result.file,
        claims=hanging(result, name[2], name[3]),
    )


def _shown(values: Sequence[float], quantity: str, worse: int) -> float | None:
    """The mean of a history's values, as it is read: those are signed, and of costs logarithms."""
    mean = float(np.mean(values)) * (worse or 1)
    shown = float(np.exp(mean)) if quantity in COSTS else mean
    return shown if np.isfinite(shown) else None
