"""What has changed between two sets of results, as data: claims, measurements, what is on one side only, environments.

Measurements are compared arm by arm over the seeds that both sides have, each with itself: differences of metrics, ratios of
costs. Values that are all the same are unchanged, without a test: on the CPU a trial is bit-identical while its digest is.
The others go through one paired t test each, and all of them together through Holm's correction.
"""

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from repro.report.changes import Floats, holm, sign_flips, t_interval, t_test
from repro.result import Result, TrialResult, find, read
from repro.suite import Verdict

LOWER_IS_BETTER = ("error", "loss", "mse", "seconds", "bytes")  # the last word of a measurement's name; of others, higher is
COSTS = ("images_per_second", "evaluation_seconds", "peak_memory_bytes")  # `seconds` is the inverse of the first
MARGIN = math.log(1.01)  # costs: a difference of less than 1 % is none, however certain (the same 4 KiB of memory on each seed)
TIMINGS = ("images_per_second", "evaluation_seconds")
MACHINE = 1.1  # ratio of the speed of one matrix product, in both runs, beyond which it was the machine that changed
FEWEST_SEEDS = 3  # to be tested: from two differences no one should conclude anything

Key = tuple[str, str]  # suite and profile
Kind = Literal["worse", "better", "same", "identical", "untested"]


class Base(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Side(Base):
    """The latest complete result of a suite at a profile, or the latest if none is complete."""

    suite: str
    profile: str
    base: str = Field(description="run id")
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
    """One measurement of one arm. Of a cost, difference and interval are shares of the base: -0.05 is 5 % less."""

    suite: str
    profile: str
    arm: str
    quantity: str
    kind: Kind
    seeds: tuple[int, ...]
    base: float | None = Field(description="mean over the seeds; null if a run diverged")
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
        return any(claim.regression for claim in self.claims) or any(change.kind == "worse" for change in self.measurements)


def load(name: str, folder: Path) -> list[Result]:
    """All results of a file, a folder, a run id or a suite (of these the latest), in the order of their end.

    Raises `ReproError` naming the file if one of them is broken, or if there is none of that name.
    """
    path = Path(name)
    files = sorted(path.rglob("*.json")) if path.is_dir() else [find(name, folder)]
    return sorted(map(read, files), key=lambda result: (result.finished, result.id))


def latest(results: Iterable[Result]) -> dict[Key, Result]:
    """By suite and profile. A complete result is preferred to later parts of one."""
    found: dict[Key, Result] = {}
    for result in sorted(results, key=lambda result: (result.complete, result.finished, result.id)):
        found[result.suite, result.profile] = result
    return found


def compare(base: Iterable[Result], new: Iterable[Result], alpha: float = 0.05) -> Comparison:
    old_side, new_side = latest(base), latest(new)
    both = sorted(old_side.keys() & new_side.keys())
    drafts = [draft for key in both for draft in _measurements(old_side[key], new_side[key])]
    tested = [i for i, (_, p) in enumerate(drafts) if p is not None]
    adjusted = dict(zip(tested, holm([p for _, p in drafts if p is not None]), strict=True))
    return Comparison(
        alpha=alpha,
        compared=tuple(Side(suite=s, profile=p, base=old_side[s, p].id, new=new_side[s, p].id) for s, p in both),
        claims=tuple(change for key in both for change in _claims(old_side[key], new_side[key])),
        measurements=tuple(_settled(change, adjusted.get(i), alpha) for i, (change, _) in enumerate(drafts)),
        only_base=tuple(_only(old_side, new_side)),
        only_new=tuple(_only(new_side, old_side)),
        notes=tuple(note for key in both for note in _notes(old_side[key], new_side[key])),
    )


def sign(quantity: str) -> int:
    """1 if a higher value is worse, -1 if it is better."""
    return 1 if quantity.rpartition("_")[2] in LOWER_IS_BETTER else -1


def quantities(trial: TrialResult) -> dict[str, float]:
    """A trial's metrics (infinitely bad if it diverged) and the logarithms of its costs, as far as it has them."""
    costs = {name: trial.cost.get(name) for name in COSTS}
    return {
        **{name: sign(name) * math.inf if value is None else value for name, value in trial.measurements.items()},
        **{name: math.log(value) for name, value in costs.items() if value},
    }


def _only(side: Mapping[Key, Result], other: Mapping[Key, Result]) -> Iterable[str]:
    for (suite, profile), result in sorted(side.items()):
        there = other.get((suite, profile))
        if there is None:
            yield f"suite {suite} ({profile})"
            continue
        yield from (f"claim {suite}::{name} ({profile})" for name in sorted(result.claims.keys() - there.claims.keys()))
        yield from (f"arm {name} of {suite} ({profile})" for name in sorted(result.arms.keys() - there.arms.keys()))


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
    """Every measurement of an arm on both sides, with its p where it was tested."""
    refused = refused_costs(base, new)
    here, there = (_by_arm(result) for result in (new, base))
    for arm, trials in here.items():
        seeds = sorted(trials.keys() & there.get(arm, {}).keys())
        pairs = [(quantities(there[arm][seed]), quantities(trials[seed])) for seed in seeds]
        names = {name: None for old, now in pairs for name in now if name in old and name not in refused}
        for name in names:
            common = [i for i, (old, now) in enumerate(pairs) if name in old and name in now]
            old, now = (np.array([pairs[i][side][name] for i in common]) for side in (0, 1))
            with np.errstate(invalid="ignore"):
                differences = np.where(old == now, 0.0, now - old)  # of two runs that diverged too
            yield _change(new, arm, name, tuple(seeds[i] for i in common), old, now, differences)


def _change(
    result: Result, arm: str, name: str, seeds: tuple[int, ...], old: Floats, now: Floats, differences: Floats
) -> tuple[Change, float | None]:
    cost, finite = name in COSTS, bool(np.isfinite(differences).all())
    p = interval = None
    if differences.any() and len(seeds) >= FEWEST_SEEDS:
        p = t_test(differences, MARGIN if cost else 0.0) if finite else _of_ranks(differences)
        interval = t_interval(differences) if finite else None
    mean = float(differences.mean()) if finite else None
    kind: Kind = "identical" if not differences.any() else "untested"
    if p is not None:  # which of the two it is if that is certain; `_settled` decides
        kind = "worse" if sign(name) * (np.sign(differences).sum() if mean is None else mean) > 0 else "better"
    change = Change(
        suite=result.suite,
        profile=result.profile,
        arm=arm,
        quantity=name,
        kind=kind,
        seeds=seeds,
        base=finite_mean(np.exp(old) if cost else old),
        new=finite_mean(np.exp(now) if cost else now),
        difference=mean if mean is None or not cost else math.expm1(mean),
        interval=interval if interval is None or not cost else (math.expm1(interval[0]), math.expm1(interval[1])),
        p=p,
    )
    return change, p


def finite_mean(values: Floats) -> float | None:
    mean = float(values.mean())
    return mean if math.isfinite(mean) else None


def _of_ranks(differences: Floats) -> float:
    """Two-sided p of differences of which some are infinite."""
    rng = np.random.default_rng(0)
    return min(1.0, 2 * sign_flips(differences, rng), 2 * sign_flips(-differences, rng))


def _settled(change: Change, p: float | None, alpha: float) -> Change:
    """With its p corrected for all that were tested."""
    return change if p is None else change.model_copy(update={"p": p, "kind": change.kind if p <= alpha else "same"})


def refused_costs(base: Result, new: Result) -> tuple[str, ...]:
    """Costs that say nothing of the code: on another device all; at another speed of the machine itself, timings."""
    if base.environment.key != new.environment.key:
        return COSTS
    old, now = _machine_speed(base), _machine_speed(new)
    return TIMINGS if old and now and max(old / now, now / old) > MACHINE else ()


def _machine_speed(result: Result) -> float | None:
    """FLOP a second of a large matrix product, as every training measures it: the median over a run's trials."""
    peaks = [trial.cost.get("matmul_peak_flops_per_second") for trial in result.trials]
    known = [peak for peak in peaks if peak]
    return float(np.median(known)) if known else None


def _by_arm(result: Result) -> dict[str, dict[int, TrialResult]]:
    found: dict[str, dict[int, TrialResult]] = {}
    for trial in result.trials:
        found.setdefault(trial.arm, {})[trial.seed] = trial
    return found


def _notes(base: Result, new: Result) -> Iterable[str]:
    place = f"{new.suite} ({new.profile})"
    if base.environment.key != new.environment.key:
        yield f"{place}: TIMINGS AND MEMORY ARE NOT COMPARED, the environments differ: {_differences(base, new)}"
    elif refused_costs(base, new):
        yield (
            f"{place}: TIMINGS ARE NOT COMPARED, the machine itself was at another speed: a matrix product ran at "
            f"{(_machine_speed(new) or 0) / (_machine_speed(base) or 1):.3g} times the speed of before"
        )
    if base.suite_digest != new.suite_digest:
        yield f"{place}: the suite's file has changed (digest {base.suite_digest[:8]} → {new.suite_digest[:8]})"
    for arm in sorted(base.arms.keys() & new.arms.keys()):
        old, now = base.arms[arm].model_dump(), new.arms[arm].model_dump()
        if old != now:
            yield f"{place}: arm '{arm}' is another one now: other {', '.join(key for key in now if now[key] != old[key])}"
    here, there = (_by_arm(result) for result in (new, base))
    shared = [
        (there[arm][seed], trial) for arm in here.keys() & there.keys() for seed, trial in here[arm].items() if seed in there[arm]
    ]
    strange = sum(old.digest == now.digest and old.measurements != now.measurements for old, now in shared)
    if strange:
        yield (
            f"{place}: {strange} trials of the same digest ended with other numbers: usual on a GPU; on a CPU it is another CPU "
            "model, or a fault"
        )
    for side, result in (("base", base), ("new", new)):
        if not result.complete:
            yield f"{place}: the {side} result {result.id} holds only some of the suite's claims"


def _differences(base: Result, new: Result) -> str:
    """What differs between two environment keys."""
    fields = ("device", "driver", "torch", "precision")
    sides = [
        {f: ", ".join(sorted({str(kind[f]) for kind in r.environment.key})) or "nothing trained" for f in fields}
        for r in (base, new)
    ]
    return "; ".join(f"{field} {sides[0][field]} → {sides[1][field]}" for field in fields if sides[0][field] != sides[1][field])
