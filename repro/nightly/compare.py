"""What has changed between two sets of results, as data: verdicts, measurements, what has gone, and what
limits the comparison.

Of a suite and profile that are on both sides, what has gone is a regression: a claim, an arm that was
measured, a net that was timed. So are seeds that are none: all of an arm end with the same numbers, and did
not. A suite that is on one side only is a note.
"""

import shlex
from collections.abc import Iterable, Iterator, Mapping
from typing import TypeVar

from pydantic import Field

from repro.archive import Key, latest
from repro.catalogue import CLOCKS
from repro.evidence import Verdict
from repro.expectation import parse_measurement
from repro.expression import Measurement
from repro.nightly import limits
from repro.nightly.measured import COSTS, conditions
from repro.nightly.measurements import FEWEST_SEEDS, REGRESSIONS, Base, Change, drafts, settled
from repro.nightly.remedy import bisect, hanging, is_bisected, narrowed
from repro.result import ClaimResult, Result


class Side(Base):
    """What stands of a suite at a profile on either side."""

    suite: str
    profile: str
    base: str = Field(description="id of the newest run")
    new: str
    commits: tuple[str | None, str | None] = Field(description="of these runs; null where there was none")
    dirty: tuple[bool, bool] = Field(description="whether there were changes that were not committed")


class ClaimChange(Base):
    suite: str
    profile: str
    claim: str
    base: Verdict
    new: Verdict
    regression: bool = Field(
        description="the verdict was as expected and no longer is, and that is no matter of chance"
    )
    chance: str = Field(description="why what is no longer as expected is no regression; else empty")
    gain: bool = Field(description="the verdict was not as expected and now is")


class Comparison(Base):
    alpha: float = Field(description="the chance of calling any unchanged measurement changed, at most")
    compared: tuple[Side, ...]
    claims: tuple[ClaimChange, ...]
    measurements: tuple[Change, ...]
    gone: tuple[str, ...] = Field(description="what base has and new has not, of suites on both sides")
    alike: tuple[str, ...] = Field(description="arms whose seeds all ended with the same numbers")
    only_base: tuple[str, ...] = Field(description="whole suites")
    only_new: tuple[str, ...]
    notes: tuple[str, ...] = Field(description="what limits the comparison, refused timings first of all")
    next: tuple[str, ...] = Field(description="commands that say more of the first regression")

    @property
    def regression(self) -> bool:
        return (
            bool(self.gone or self.alike)
            or any(claim.regression for claim in self.claims)
            or any(change.kind in REGRESSIONS for change in self.measurements)
        )


def compare(
    base: Iterable[Result],
    new: Iterable[Result],
    alpha: float = 0.05,
    *,
    metrics: bool = False,
    only: str = "",
    folder: str | None = None,
) -> Comparison:
    """What has changed from `base` to `new`. `folder` has the new results, if it is not where `show` looks.

    `metrics` alone: no verdicts, no claims, and nothing that a clock or the memory says. `only` claims whose
    name contains the text, with what they measure.
    """
    old_side, new_side = (_narrowed(latest(side), only) for side in (base, new))
    both = [(old_side[key], new_side[key]) for key in sorted(old_side.keys() & new_side.keys())]
    found = [
        draft
        for old, now in both
        for draft in drafts(old, now, COSTS if metrics else limits.refused_costs(old, now))
    ]
    changes = settled(found, alpha)
    claims = () if metrics else _flat(_claims(*pair) for pair in both)
    of_costs = () if metrics else _flat(limits.of_costs(*pair) for pair in both)
    return Comparison(
        alpha=alpha,
        compared=tuple(
            Side(
                suite=now.suite,
                profile=now.profile,
                base=old.id,
                new=now.id,
                commits=(old.commit, now.commit),
                dirty=(bool(old.environment.facts["dirty"]), bool(now.environment.facts["dirty"])),
            )
            for old, now in both
        ),
        claims=claims,
        measurements=changes,
        gone=_flat(missing(old, now, metrics=metrics) for old, now in both),
        alike=_flat(alike(*pair) for pair in both),
        only_base=tuple(_suites(old_side, new_side)),
        only_new=(
            *_suites(new_side, old_side),
            *_flat(missing(now, old, metrics=metrics) for old, now in both),
        ),
        next=tuple(_next(both, claims, changes, folder)),
        notes=(*of_costs, *limits.of_seeds(changes), *_flat(limits.of_results(*pair) for pair in both)),
    )


T = TypeVar("T")


def _flat(parts: Iterable[Iterable[T]]) -> tuple[T, ...]:
    return tuple(one for part in parts for one in part)


def _narrowed(side: Mapping[Key, Result], only: str) -> dict[Key, Result]:
    """What is left with the claims whose name contains the text, and with the arms they measure."""
    if not only:
        return dict(side)
    narrowed = {key: _with_claims(result, only) for key, result in side.items()}
    return {key: result for key, result in narrowed.items() if result.claims}


def _with_claims(result: Result, only: str) -> Result:
    claims = {name: claim for name, claim in result.claims.items() if only in name}
    asked = {of for claim in claims.values() for of in _measurements(claim)}
    arms = {of.arm for of in asked}
    arms |= {str(result.arms[arm].of) for arm in arms & result.arms.keys()}
    timed = {of.subject for of in asked if of.name in CLOCKS.targets}
    kept = {
        "claims": claims,
        "arms": {name: arm for name, arm in result.arms.items() if name in arms},
        "trials": tuple(trial for trial in result.trials if trial.arm in arms),
        "timings": tuple(timing for timing in result.timings if timing.name in timed),
    }
    return result.model_copy(update=kept)


def _measurements(claim: ClaimResult) -> list[Measurement]:
    return [parse_measurement(text) for text in claim.values]


def _suites(side: Mapping[Key, Result], other: Mapping[Key, Result]) -> Iterator[str]:
    for suite, profile in sorted(side.keys() - other.keys()):
        yield f"suite {suite} ({profile})"


def missing(result: Result, there: Result, *, metrics: bool = False) -> Iterator[str]:
    """What one side has of a suite and the other has not. Of `metrics` alone, arms."""
    place = f"of {result.suite} ({result.profile})"
    if not metrics:
        for name in sorted(result.claims.keys() - there.claims.keys()):
            yield f"claim {result.suite}::{name} ({result.profile})"
    for arm in sorted(_measured_arms(result) - _measured_arms(there)):
        yield f"arm {arm} {place}"
    if not metrics:
        for name in sorted({one.name for one in result.timings} - {one.name for one in there.timings}):
            yield f"timing {name} {place}"


def _measured_arms(result: Result) -> set[str]:
    """Those that claims measure, and those that were trained for them. Not all that a result lists were."""
    asked = {of.arm for claim in result.claims.values() for of in _measurements(claim)}
    return asked | {trial.arm for trial in result.trials}


def _claims(base: Result, new: Result) -> Iterator[ClaimChange]:
    elsewhere = conditions(base, "latency") != conditions(new, "latency")
    for name, claim in new.claims.items():
        old = base.claims.get(name)
        if old is not None and (old.verdict, old.as_expected) != (claim.verdict, claim.as_expected):
            chance = ""
            if claim.is_news:
                chance = "decided, expected undecided"
            elif elsewhere and claim.is_open:
                chance = "undecided in another environment"
            yield ClaimChange(
                suite=new.suite,
                profile=new.profile,
                claim=name,
                base=old.verdict,
                new=claim.verdict,
                regression=old.as_expected and not claim.as_expected and not chance,
                chance=chance,
                gain=claim.as_expected and not old.as_expected,
            )


def _next(
    both: Iterable[tuple[Result, Result]],
    claims: Iterable[ClaimChange],
    changes: Iterable[Change],
    folder: str | None,
) -> Iterator[str]:
    """What shows the numbers of the first regression, and what finds its commit, if it is of what is trained:
    costs and counts tell no commits apart.
    """
    sides = {(new.suite, new.profile): (base, new) for base, new in both}
    worse = sorted((c for c in changes if c.kind in REGRESSIONS), key=lambda change: change.p or 0.0)
    of_claim = next((claim for claim in claims if claim.regression), None)
    of_metric = next((change for change in worse if change.quantity not in COSTS), None)
    if of_claim is not None:
        base, new = sides[of_claim.suite, of_claim.profile]
        hang, trained = {of_claim.claim: 0.0}, is_bisected(new.claims[of_claim.claim])
    elif of_metric is not None:
        base, new = sides[of_metric.suite, of_metric.profile]
        hang, trained = hanging(new, of_metric.arm, of_metric.quantity), True
    else:
        return
    where = ["--results", folder] if folder else []
    yield shlex.join(["repro", "show", new.id, *where, *narrowed(hang)])
    if trained and base.commit and new.commit and base.commit != new.commit:
        yield bisect(base.commit[:12], new.commit[:12], new.file, hang, new.profile)


def alike(base: Result, new: Result) -> Iterator[str]:
    """Arms of `new` whose trials all ended with the same numbers, and did not: no seed decided anything."""
    before = _endings(base)
    for arm, endings in _endings(new).items():
        old = before.get(arm, [])
        if len(endings) >= FEWEST_SEEDS and _all_equal(endings) and not _all_equal(old):
            yield f"arm {arm} of {new.suite} ({new.profile}): {len(endings)} seeds"


def _endings(result: Result) -> dict[str, list[dict[str, float | None]]]:
    """What the trials of each arm measured."""
    found: dict[str, list[dict[str, float | None]]] = {}
    for trial in result.trials:
        found.setdefault(trial.arm, []).append(trial.measurements)
    return found


def _all_equal(endings: list[dict[str, float | None]]) -> bool:
    return all(ending == endings[0] for ending in endings)
