"""What to measure again: the first of the two steps to an alarm.

False alarms wear people out, so an alarm takes two steps. Every night `watch` looks for steps in the history
of each measurement and nominates suspects; with `suspects` = 1 it nominates one unchanged measurement in 30
nights on average, or fewer, if nights are exchangeable. It also compares tonight's metrics with those of the
run before, all in one family at level 0.01: a net that broke shows at once, on the night that trained it
anew. `repro confirm` then decides (`turns.py`), from the old and the new code side by side, at a level of
0.05/30. That is one confirmation a night at most, so 30 nights bring a false alarm with probability 5 % at
most, whatever the machine does and however often `watch` is wrong.

Nights until nominated, of one among 300 measurements, after 30 (and 10) quiet nights: in 10, 50 and 90 % of
2,000 simulations.

    slower by 5 % at a noise of 2 %               4  6  10   (6  8  15)
    the same, noise t with 3 degrees of freedom   4  5   9   (6  7  16)
    an error worse by 1 sd, 5 fresh seeds a night 3  5  11   (4  7   -)
    the same, 1 fresh seed a night               14  -   -   (24 -   -)   so: run more seeds
"""

from collections.abc import Iterable, Sequence
from typing import Literal

import numpy as np
from pydantic import Field

from repro.archive import Key, latest, order
from repro.nightly.changes import FEWEST, locate
from repro.nightly.compare import WORSE, Base, compare
from repro.nightly.history import EPOCH, Name, Nights, evidence, observations
from repro.nightly.measured import COSTS
from repro.result import Result

AGAIN = 7  # nights after which a suspect that was not confirmed is measured again
JUMP = 0.01  # level at which tonight's metrics are compared with those of the run before


class Suspect(Base):
    suite: str
    profile: str
    arm: str
    quantity: str
    way: Literal["worse", "better"]
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
    problems: tuple[str, ...] = Field(
        description="what is wrong with tonight's results rather than with the code"
    )


def watch(before: Iterable[Result], tonight: Sequence[Result], suspects: float = 1.0) -> Watch:
    """`suspects`: how many unchanged measurements may be nominated in 30 nights by their histories, on
    average.
    """
    ids = {result.id for result in tonight}
    past = sorted((result for result in before if result.id not in ids), key=order)
    tonight = list(latest(tonight).values())
    named, found, young = _jumps(past, tonight), dict[Name, tuple[Nights, list[str]]](), 0
    for result in tonight:
        for name, (nights, runs) in observations(
            [*(old for old in past if _key(old) == _key(result)), result]
        ).items():
            if len(nights) > FEWEST:
                found[name] = nights, runs
            else:
                young += 1
    threshold = max(1.0, len(found) / suspects)
    for name, (nights, runs) in found.items():
        suspect = _suspect(name, nights, runs, threshold)
        if suspect is not None:
            named[name] = suspect
    return Watch(
        watched=len(found),
        young=young,
        threshold=threshold,
        suspects=tuple(named[name] for name in sorted(named)),
        base=_base(past, [suspect for suspect in named.values() if suspect.due]),
        problems=tuple(_problems(past, tonight)),
    )


def _base(past: Sequence[Result], due: Sequence[Suspect]) -> str | None:
    """Where a step is not located, the run before: of a jump it is."""
    runs = {result.id: result for result in past}
    before = [runs[suspect.between[0]] for suspect in due if suspect.between] or list(
        past[-1:] if due else ()
    )
    commit = (
        min(before, key=lambda result: result.finished).environment.facts.get("commit") if before else None
    )
    return str(commit) if commit else None


def _key(result: Result) -> Key:
    return result.suite, result.profile


def _jumps(past: Sequence[Result], tonight: Sequence[Result]) -> dict[Name, Suspect]:
    """Metrics that are not what they were in the run before."""
    ids = {_key(result): result.id for result in tonight}
    return {
        (change.suite, change.profile, change.arm, change.quantity): Suspect(
            suite=change.suite,
            profile=change.profile,
            arm=change.arm,
            quantity=change.quantity,
            way="worse" if change.kind in WORSE else "better",
            evidence=None,
            p=change.p,
            nights=0,
            since=ids[change.suite, change.profile],
            between=None,
        )
        for change in compare(past, tonight, JUMP).measurements
        if change.quantity not in COSTS and change.kind in (*WORSE, "better")
    }


def _suspect(name: Name, nights: Nights, runs: Sequence[str], threshold: float) -> Suspect | None:
    """None if the evidence has not reached the threshold in this epoch."""
    path = evidence(nights)
    crossed = next((night for night, both in enumerate(path) if sum(both) / 2 >= threshold), None)
    if crossed is None:
        return None
    up, down = path[-1]
    recent = min(len(nights), 3 * EPOCH)
    step = locate([sum(night) / len(night) for night in nights[-recent:]], np.random.default_rng(0))
    of_recent = runs[-recent:]
    return Suspect(
        suite=name[0],
        profile=name[1],
        arm=name[2],
        quantity=name[3],
        way="worse" if up > down else "better",
        evidence=(up + down) / 2,
        p=None,
        nights=len(path) - 1 - crossed,
        since=of_recent[step.at] if step else None,
        between=(of_recent[step.plausible[0] - 1], of_recent[step.plausible[-1]]) if step else None,
    )


def _problems(past: Sequence[Result], tonight: Sequence[Result]) -> Iterable[str]:
    """What makes tonight's results no fair sample of the code."""
    measured = {_key(result) for result in tonight}
    profiles = {profile for _, profile in measured}
    past = [result for result in past if result.profile in profiles]
    stood = latest(past)
    last_day = past[-1].finished[:10] if past else ""
    for suite, profile in sorted(
        {_key(result) for result in past if result.finished[:10] == last_day} - measured
    ):
        yield f"{suite} ({profile}): measured on {last_day}, but not tonight"
    for result in tonight:
        place = f"{result.suite} ({result.profile})"
        earlier = [other for other in past if _key(other) == _key(result)]
        if not result.complete:
            yield f"{place}: {result.id} holds only some of the suite's claims"
        if not earlier:
            continue
        last = stood[_key(result)]
        for what in ("trials", "timings"):
            before, now = ({one.arm for one in getattr(run, what)} for run in (last, result))
            lost = before & result.arms.keys() - now
            if lost:
                yield f"{place}: no {what} of {', '.join(sorted(lost))}, which {last.id} has"
        known = {_devices(other) for other in earlier}
        if _devices(result) not in known:
            seen = "; ".join(sorted({", ".join(sorted(device)) for device in known}))
            here = ", ".join(sorted(_devices(result)))
            yield f"{place}: a device that the history does not know: {here}, not {seen}"


def _devices(result: Result) -> frozenset[str]:
    return frozenset(
        f"{kind['device']}" + (f" (driver {kind['driver']})" if kind["driver"] else "")
        for kind in result.environment.key
    )
