"""Results as plain tables: every number, every verdict, or what each measurement is over its seeds.

What has no value is None, what diverged, and the open end of an interval, infinite.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from statistics import fmean, stdev

from repro.catalogue import COUNTS
from repro.expectation import parse_measurement
from repro.format import figure, interval
from repro.result import ClaimResult, Result, verdict
from repro.value import known

Cell = str | int | float | bool | None
Row = tuple[Cell, ...]

OF_RUN = ("suite", "profile", "run", "finished")
NUMBERS = (*OF_RUN, "arm", "seed", "digest", "kind", "name", "value", "unit")
VERDICTS = (
    *(*OF_RUN, "claim", "ledger", "source", "says", "expect", "reported"),
    *("verdict", "expected", "as_expected", "contested", "trivial", "formulation", "why", "because"),
    *("seeds", "decided_at", "alpha", "margin", "low", "high", "seconds"),
)
TYPES: dict[str, type] = {  # of columns that are not text
    **dict.fromkeys(("seed", "seeds", "decided_at"), int),
    **dict.fromkeys(("value", "alpha", "margin", "low", "high", "seconds"), float),
    **dict.fromkeys(("as_expected", "contested"), bool),
}
FOR_PEOPLE = ("claim", "source", "verdict", "seeds", "margin", "interval")


def numbers(results: Iterable[Result]) -> Iterator[Row]:
    """A row for each number. Kinds: metric, cost, timing, count, probe.

    The arm of a timing has what is special about it, as in `vgg16(batch_size=8)`, and its seed is the round's
    number; what is the same for every seed has none. The name of a probe, or of a metric of some images, has
    its options: `miou(images=40)`.
    """
    for result in results:
        of_run = (result.suite, result.profile, result.id, result.finished)
        for arm, seed, digest, kind, name, value in measured(result):
            unit = result.declared(name.partition("(")[0]).unit
            yield (*of_run, arm, seed, digest, kind, name, value, unit)


def measured(result: Result) -> Iterator[tuple[str, int | None, str, str, str, float | None]]:
    """(arm, seed, digest, kind, name, value) of each number."""
    for trial in result.trials:
        of_trial = (trial.arm, trial.seed, trial.digest)
        yield from ((*of_trial, "metric", name, value) for name, value in sorted(trial.measurements.items()))
        yield from ((*of_trial, "cost", name, value) for name, value in sorted(trial.cost.items()))
    for timing in result.timings:
        clocked = {**timing.measurements, "matmul_peak_flops_per_second": timing.matmul_peak_flops_per_second}
        of_timing = (timing.name, timing.seed, timing.digest)
        yield from ((*of_timing, "timing", name, value) for name, value in sorted(clocked.items()))
    yield from _asked(result)


def _asked(result: Result) -> Iterator[tuple[str, int | None, str, str, str, float | None]]:
    """What claims ask beside trials and timings: counts, probes, metrics of treated nets, or of some
    images.
    """
    metrics = {name for trial in result.trials for name in trial.measurements}
    trained = {trial.arm for trial in result.trials}
    clocks = {name for timing in result.timings for name in timing.measurements}
    found: dict[tuple[str, int | None, str], float | None] = {}
    for claim in result.claims.values():
        for text, values in claim.values.items():
            asked = parse_measurement(text)
            of_trial = asked.name in metrics and asked.arm in trained and not asked.options
            if of_trial or asked.name in clocks:
                continue
            options = (
                str(asked).partition("(")[2].removeprefix(asked.arm).removeprefix(", ").removesuffix(")")
            )
            name = f"{asked.name}({options})" if options else asked.name
            seeds = claim.evidence.seeds if len(values) == len(claim.evidence.seeds) else (None,)
            found |= {(asked.arm, seed, name): value for seed, value in zip(seeds, values, strict=True)}
    for (arm, seed, name), value in found.items():
        plain = name.partition("(")[0]
        kind = "metric" if plain in metrics else "count" if plain in COUNTS.targets else "probe"
        yield arm, seed, "", kind, name, value


def verdicts(results: Iterable[Result]) -> Iterator[Row]:
    """A row for each claim."""
    for result in results:
        for name, claim in result.claims.items():
            evidence = claim.evidence
            yield (
                *(result.suite, result.profile, result.id, result.finished, name),
                *(", ".join(claim.ledger), claim.source, " ".join(claim.says.split()), claim.expect),
                "; ".join(f"{measurement} = {number:g}" for measurement, number in claim.reported.items()),
                *(claim.verdict, claim.expected, claim.as_expected, claim.contested),
                *(", ".join(claim.trivial), str(claim.formulation or ""), claim.why, claim.because),
                *(len(evidence.seeds), evidence.decided_at, evidence.alpha, evidence.estimate),
                *_ends(claim),
                claim.seconds,
            )


def _ends(claim: ClaimResult) -> tuple[float | None, float | None]:
    if claim.evidence.interval is None:
        return None, None
    low, high = claim.evidence.interval
    return (-math.inf if low is None else low), (math.inf if high is None else high)


def for_people(results: Sequence[Result]) -> list[tuple[str, ...]]:
    """The verdicts in few columns, with their head."""
    rows: list[tuple[str, ...]] = [FOR_PEOPLE]
    for result in results:
        for name, claim in result.claims.items():
            evidence = claim.evidence
            seeds = str(len(evidence.seeds)) if evidence.seeds else "–"
            margin = (figure(evidence.estimate), interval(evidence.interval))
            rows.append((f"{result.suite}: {name}", claim.source or "", verdict(claim), seeds, *margin))
    return rows


def summary(results: Sequence[Result]) -> list[tuple[str, ...]]:
    """Mean, standard deviation and range of each measurement over its seeds, with a head. Where a seed has no
    value there is none.
    """
    found: dict[tuple[str, ...], list[float | None]] = defaultdict(list)
    for suite, profile, run, _, arm, _, _, _, name, value, unit in numbers(results):
        key = (str(suite), str(profile), str(run), str(arm), str(name), str(unit))
        found[key].append(None if value is None else float(value))
    head = ("suite", "profile", "arm", "measurement", "unit", "seeds", "mean", "sd", "lowest", "highest")
    rows: list[tuple[str, ...]] = [head]
    for (suite, profile, _, arm, name, unit), values in found.items():
        rows.append((suite, profile, arm, name, unit, str(len(values)), *map(figure, _moments(values))))
    return rows


def _moments(values: Sequence[float | None]) -> tuple[float | None, ...]:
    there = [value for value in values if value is not None]
    if len(there) < len(values):
        return (None,) * 4
    spread = stdev(there) if len(there) > 1 and all(map(math.isfinite, there)) else None
    return known(fmean(there)), spread, min(there), max(there)
