"""What has changed between two sets of results, as data: claims, measurements, what is on one side only,
environments.

Measurements are compared arm by arm over the seeds that both sides have, each with itself: differences of
metrics, ratios of costs. What was timed is compared over rounds, as long as it was timed in the same way.
Values that are all the same are unchanged, without a test: on the CPU a trial is bit-identical while its
digest is. The others go through one paired t test each, and all of them together through Holm's correction.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from repro.archive import Key, latest
from repro.nightly.changes import Floats, holm, sign_flips, t_interval, t_test
from repro.nightly.measured import COSTS, PACED, measured, sign
from repro.result import Result, TrialResult
from repro.suite import Verdict

MARGIN = math.log(
    1.01
)  # costs: a difference of less than 1 % is none, however certain (the same 4 KiB of memory on each seed)
# ratio of the speed of one matrix product, in both runs, beyond which it was the machine that changed
MACHINE = 1.1
WORSE = ("worse", "lost")
FEWEST_SEEDS = 3  # to be tested: from two differences no one should conclude anything

Kind = Literal["worse", "better", "same", "identical", "untested", "lost", "found"]  # lost: no value now


class Base(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Side(Base):
    """What stands of a suite at a profile on either side."""

    suite: str
    profile: str
    base: str = Field(description="id of the newest run")
    new: str


class ClaimChange(Base):
    suite: str
    profile: str
    claim: str
    base: Verdict
    new: Verdict
    regression: bool = Field(description="the verdict was as expected and no longer is")
    gain: bool = Field(description="the verdict was not as expected and now is")


class Change(Base):
    """One measurement of an arm, or of a net that was timed. Of a cost, difference and interval are shares of
    the base: -0.05 is 5 % less."""

    suite: str
    profile: str
    arm: str = Field(description="of what was timed, with what is special about it: `vgg16(batch_size=8)`")
    quantity: str
    kind: Kind
    seeds: tuple[int, ...] = Field(description="of what was timed, the rounds' numbers")
    base: float | None = Field(description="mean over the seeds; null if a run diverged, or has no value")
    new: float | None
    difference: float | None
    interval: tuple[float, float] | None = Field(description="95 % for this measurement alone")
    p: float | None = Field(description="after Holm's correction for all that were tested")


class Comparison(Base):
    alpha: float = Field(description="the chance of calling any unchanged measurement changed, at most")
    compared: tuple[Side, ...]
    claims: tuple[ClaimChange, ...]
    measurements: tuple[Change, ...]
    only_base: tuple[str, ...]
    only_new: tuple[str, ...]
    notes: tuple[str, ...] = Field(description="what limits the comparison, refused timings first of all")

    @property
    def regression(self) -> bool:
        return any(claim.regression for claim in self.claims) or any(
            change.kind in WORSE for change in self.measurements
        )


def compare(base: Iterable[Result], new: Iterable[Result], alpha: float = 0.05) -> Comparison:
    old_side, new_side = latest(base), latest(new)
    both = sorted(old_side.keys() & new_side.keys())
    drafts = [draft for key in both for draft in _measurements(old_side[key], new_side[key])]
    tested = [i for i, (_, p) in enumerate(drafts) if p is not None]
    adjusted = dict(zip(tested, holm([p for _, p in drafts if p is not None]), strict=True))
    return Comparison(
        alpha=alpha,
        compared=tuple(
            Side(suite=s, profile=p, base=old_side[s, p].id, new=new_side[s, p].id) for s, p in both
        ),
        claims=tuple(change for key in both for change in _claims(old_side[key], new_side[key])),
        measurements=tuple(_settled(change, adjusted.get(i), alpha) for i, (change, _) in enumerate(drafts)),
        only_base=tuple(_only(old_side, new_side)),
        only_new=tuple(_only(new_side, old_side)),
        notes=tuple(note for key in both for note in _notes(old_side[key], new_side[key])),
    )


def _only(side: Mapping[Key, Result], other: Mapping[Key, Result]) -> Iterable[str]:
    for (suite, profile), result in sorted(side.items()):
        there = other.get((suite, profile))
        if there is None:
            yield f"suite {suite} ({profile})"
            continue
        yield from (
            f"claim {suite}::{name} ({profile})"
            for name in sorted(result.claims.keys() - there.claims.keys())
        )
        yield from (
            f"arm {name} of {suite} ({profile})" for name in sorted(result.arms.keys() - there.arms.keys())
        )
        yield from (
            f"timing {name} of {suite} ({profile})"
            for name in sorted(_ways(result).keys() - _ways(there).keys())
        )


def _claims(base: Result, new: Result) -> Iterable[ClaimChange]:
    for name, claim in new.claims.items():
        old = base.claims.get(name)
        if old is not None and (old.verdict, old.as_expected) != (claim.verdict, claim.as_expected):
            yield ClaimChange(
                suite=new.suite,
                profile=new.profile,
                claim=name,
                base=old.verdict,
                new=claim.verdict,
                regression=old.as_expected and not claim.as_expected,
                gain=claim.as_expected and not old.as_expected,
            )


def _measurements(base: Result, new: Result) -> Iterable[tuple[Change, float | None]]:
    """Every measurement of what is on both sides, with its p where it was tested."""
    refused, before = refused_costs(base, new), _by_seed(base)
    for (name, way, quantity), values in _by_seed(new).items():
        earlier = before.get((name, way, quantity), {})
        seeds = tuple(sorted(earlier.keys() & values.keys()))
        if not seeds or quantity in refused:
            continue
        old, now = (np.array([side[seed] for seed in seeds]) for side in (earlier, values))
        with np.errstate(invalid="ignore"):
            same = (old == now) | (np.isnan(old) & np.isnan(now))  # of two runs that diverged too
            differences = np.where(same, 0.0, now - old)
        yield _change(new, name, quantity, seeds, old, now, differences)


def _by_seed(result: Result) -> dict[tuple[str, str, str], dict[int, float]]:
    """Values by the name of what was measured, how it was timed, and the quantity."""
    found = defaultdict[tuple[str, str, str], dict[int, float]](dict)
    for one in measured(result):
        for quantity, value in one.quantities.items():
            found[one.name, one.way, quantity][one.seed] = value
    return found


def _change(
    result: Result, arm: str, name: str, seeds: tuple[int, ...], old: Floats, now: Floats, differences: Floats
) -> tuple[Change, float | None]:
    cost, finite = name in COSTS, bool(np.isfinite(differences).all())
    kind, p, interval = _without_test(old, now, sign(result, name)), None, None
    mean = float(differences.mean()) if finite else None
    if kind is None and len(seeds) >= FEWEST_SEEDS:
        p = t_test(differences, MARGIN if cost else 0.0) if finite else _of_ranks(differences)
        interval = t_interval(differences) if finite else None
        rise = np.sign(differences).sum() if mean is None else mean
        kind = "worse" if sign(result, name) * rise > 0 else "better"  # if it is certain: see `_settled`
    change = Change(
        suite=result.suite,
        profile=result.profile,
        arm=arm,
        quantity=name,
        kind=kind or "untested",
        seeds=seeds,
        base=finite_mean(np.exp(old) if cost else old),
        new=finite_mean(np.exp(now) if cost else now),
        difference=math.expm1(mean) if cost and mean is not None else mean,
        interval=(math.expm1(interval[0]), math.expm1(interval[1])) if cost and interval else interval,
        p=p,
    )
    return change, p


def _without_test(old: Floats, now: Floats, worse: int) -> Kind | None:
    """What needs no test: a value that has gone or come, a run that diverges and did not, nothing changed.

    `worse` is 1 where a higher value is worse.
    """
    gone, come = np.isnan(now) & ~np.isnan(old), np.isnan(old) & ~np.isnan(now)
    if gone.any() or come.any():
        return "lost" if gone.any() else "found"
    if np.array_equal(old, now, equal_nan=True):
        return "identical"
    diverged = (now == worse * math.inf) & np.isfinite(old)
    mended = (old == worse * math.inf) & np.isfinite(now)
    if diverged.any() != mended.any():
        return "worse" if diverged.any() else "better"
    return None


def finite_mean(values: Floats) -> float | None:
    mean = float(values.mean())
    return mean if math.isfinite(mean) else None


def _of_ranks(differences: Floats) -> float:
    """Two-sided p of differences of which some are infinite."""
    rng = np.random.default_rng(0)
    return min(1.0, 2 * sign_flips(differences, rng), 2 * sign_flips(-differences, rng))


def _settled(change: Change, p: float | None, alpha: float) -> Change:
    """With its p corrected for all that were tested."""
    return (
        change
        if p is None
        else change.model_copy(update={"p": p, "kind": change.kind if p <= alpha else "same"})
    )


def refused_costs(base: Result, new: Result) -> tuple[str, ...]:
    """Costs that say nothing of the code: on another device all; at another speed of the machine itself,
    those that follow it.
    """
    if base.environment.key != new.environment.key:
        return COSTS
    ratio = _machine_ratio(base, new)
    return PACED if max(ratio, 1 / ratio) > MACHINE else ()


def _machine_ratio(base: Result, new: Result) -> float:
    """How many times as fast a large matrix product ran, as every training and timing measures it; 1 if none
    is on both sides.

    The median over what is on both sides, each with itself: at another precision, or with other threads, it
    is another product.
    """
    old, now = _matmul_peaks(base), _matmul_peaks(new)
    ratios = [np.median(now[key]) / np.median(old[key]) for key in old.keys() & now.keys()]
    return float(np.median(ratios)) if ratios else 1.0


def _matmul_peaks(result: Result) -> dict[tuple[str, str], list[float]]:
    found = defaultdict[tuple[str, str], list[float]](list)
    for one in measured(result):
        if one.matmul_peak:
            found[one.name, one.way].append(one.matmul_peak)
    return found


def _trials(result: Result) -> dict[tuple[str, int], TrialResult]:
    return {(trial.arm, trial.seed): trial for trial in result.trials}


def _ways(result: Result) -> dict[str, dict[str, object]]:
    """How each net was timed, by the name of what was timed."""
    return {timing.name: {**timing.timing, "region": timing.region} for timing in result.timings}


def _notes(base: Result, new: Result) -> Iterable[str]:
    place = f"{new.suite} ({new.profile})"
    if base.environment.key != new.environment.key:
        differences = _differences(base, new)
        yield f"{place}: TIMINGS AND MEMORY ARE NOT COMPARED, the environments differ: {differences}"
    elif refused_costs(base, new):
        yield (
            f"{place}: TIMINGS ARE NOT COMPARED, the machine itself was at another speed: a matrix product "
            f"ran at {_machine_ratio(base, new):.3g} times the speed of before"
        )
    if base.suite_digest != new.suite_digest:
        digests = f"{base.suite_digest[:8]} → {new.suite_digest[:8]}"
        yield f"{place}: the suite's file has changed (digest {digests})"
    for arm in sorted(base.arms.keys() & new.arms.keys()):
        old, now = base.arms[arm].model_dump(), new.arms[arm].model_dump()
        if old != now:
            others = ", ".join(key for key in now if now[key] != old[key])
            yield f"{place}: arm '{arm}' is another one now: other {others}"
    before, after = _ways(base), _ways(new)
    for name in sorted(before.keys() & after.keys()):
        way, now = before[name], after[name]
        if way != now:
            changed = (
                f"{key} {way.get(key)} → {now.get(key)}"
                for key in sorted(way.keys() | now.keys())
                if way.get(key) != now.get(key)
            )
            how = "; ".join(changed)
            yield f"{place}: TIMINGS OF {name} ARE NOT COMPARED, it was timed in another way: {how}"
    here, there = _trials(new), _trials(base)
    shared = [(there[key], here[key]) for key in here.keys() & there.keys()]
    strange = sum(old.digest == now.digest and old.measurements != now.measurements for old, now in shared)
    if strange:
        yield (
            f"{place}: {strange} trials of the same digest ended with other numbers: usual on a GPU; "
            "on a CPU it is another CPU model, or a fault"
        )
    for side, result in (("base", base), ("new", new)):
        if not result.complete:
            yield f"{place}: {side} ({result.id}) holds only some of the suite's claims"


def _differences(base: Result, new: Result) -> str:
    """What differs between two environment keys."""
    fields = ("device", "driver", "torch", "precision")
    sides = [
        {
            f: ", ".join(sorted({str(kind[f]) for kind in r.environment.key})) or "nothing trained"
            for f in fields
        }
        for r in (base, new)
    ]
    return "; ".join(
        f"{field} {sides[0][field]} → {sides[1][field]}"
        for field in fields
        if sides[0][field] != sides[1][field]
    )
