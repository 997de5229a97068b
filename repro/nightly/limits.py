"""What limits a comparison of two results of one suite: timings that say nothing of the code, other arms,
seeds that are not the same.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator

import numpy as np

from repro.environment import device_of
from repro.format import ranges
from repro.nightly.measured import COSTS, PACED, conditions, measured
from repro.nightly.measurements import Change
from repro.result import Result, TrialResult

# ratio of the speed of one matrix product, in both runs, beyond which it was the machine that changed
MACHINE = 1.1


def refused_costs(base: Result, new: Result) -> tuple[str, ...]:
    """Costs that say nothing of the code: on another device all; of trials that shared a GPU with more or
    fewer those of trials; at another speed of the machine itself those that follow it.
    """
    ratio = _machine_ratio(base, new)
    paced = PACED if max(ratio, 1 / ratio) > MACHINE else ()
    return tuple(dict.fromkeys([*_otherwise(base, new), *paced]))


def _otherwise(base: Result, new: Result) -> list[str]:
    """Costs that were measured under other conditions."""
    return [cost for cost in COSTS if conditions(base, cost) != conditions(new, cost)]


def of_costs(base: Result, new: Result) -> Iterator[str]:
    """Which timings are not compared, and why."""
    place = _place(new)
    otherwise = _otherwise(base, new)
    if len(otherwise) == len(COSTS):
        differences = _differences(base, new)
        yield f"{place}: TIMINGS AND MEMORY ARE NOT COMPARED, the environments differ: {differences}"
    elif otherwise:
        differences = _differences(base, new)
        yield f"{place}: WHAT TRIALS COST IS NOT COMPARED, they shared GPUs otherwise: {differences}"
    elif refused_costs(base, new):
        yield (
            f"{place}: TIMINGS ARE NOT COMPARED, the machine itself was at another speed: a matrix product "
            f"ran at {_machine_ratio(base, new):.3g} times the speed of before"
        )
    before, after = _ways(base), _ways(new)
    for name in sorted(before.keys() & after.keys()):
        way, now = before[name], after[name]
        changed = (
            f"{key} {way.get(key)} → {now.get(key)}"
            for key in sorted(way.keys() | now.keys())
            if way.get(key) != now.get(key)
        )
        how = "; ".join(changed)
        if how:
            yield f"{place}: TIMINGS OF {name} ARE NOT COMPARED, it was timed in another way: {how}"


def of_results(base: Result, new: Result) -> Iterator[str]:
    """What else is not the same on both sides."""
    place = _place(new)
    if base.suite_digest != new.suite_digest:
        digests = f"{base.suite_digest[:8]} → {new.suite_digest[:8]}"
        yield f"{place}: the suite reads otherwise (its file, or what files mean; digest {digests})"
    for arm in sorted(base.arms.keys() & new.arms.keys()):
        old, now = base.arms[arm].model_dump(), new.arms[arm].model_dump()
        if old != now:
            others = ", ".join(key for key in now if now[key] != old[key])
            yield f"{place}: arm '{arm}' is another one now: other {others}"
    here, there = _trials(new), _trials(base)
    shared = [(there[key], here[key]) for key in here.keys() & there.keys()]
    strange = sum(old.digest == now.digest and old.measurements != now.measurements for old, now in shared)
    if strange:
        yield (
            f"{place}: {strange} trials of the same digest ended with other numbers: usual on a GPU; "
            "on a CPU it is another CPU model, or a fault"
        )
    for name in sorted(base.claims.keys() & new.claims.keys()):
        trivial = base.claims[name].trivial
        for arm in new.claims[name].trivial:
            if arm not in trivial:
                yield (
                    f"{place}: TRIVIAL now in claim '{name}': arm '{arm}' does no better than to answer "
                    "everything with the most frequent class"
                )
    for side, result in (("base", base), ("new", new)):
        if not result.complete:
            yield f"{place}: {side} ({result.id}) holds only some of the suite's claims"


def of_seeds(changes: Iterable[Change]) -> Iterator[str]:
    """Which measurements were not compared seed by seed. Costs of trials, which are not tested, do not
    count.
    """
    found = defaultdict[tuple[str, str], list[str]](list)
    for change in changes:
        if not change.is_paired and change.kind != "recorded":
            place = f"{change.suite} ({change.profile})"
            seeds = f"{ranges(change.base_seeds)} and {ranges(change.new_seeds)}"
            found[place, seeds].append(f"{change.quantity}({change.arm})")
    for (place, seeds), names in found.items():
        yield f"{place}: UNPAIRED, for want of common seeds (seeds {seeds}): {', '.join(names)}"


def _place(result: Result) -> str:
    return f"{result.suite} ({result.profile})"


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


def _differences(base: Result, new: Result) -> str:
    """What differs between two environment keys."""
    fields = ("device", "driver", "torch", "precision")
    sides = [{field: _all(result, field) for field in fields} for result in (base, new)]
    found = [
        f"{field} {sides[0][field]} → {sides[1][field]}"
        for field in fields
        if sides[0][field] != sides[1][field]
    ]
    return "; ".join(found) or "the same, but not of the same arms"


def _all(result: Result, field: str) -> str:
    """What a field is in the environments that a result was made in."""
    keys = [{**key, "device": device_of(key)} for key in result.environment.key]
    return ", ".join(sorted({str(key.get(field)) for key in keys})) or "nothing trained"
