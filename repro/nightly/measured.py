"""What a result measured, as numbers that can be compared: the metrics and costs of its trials, what its
claims measured beside those (probes, metrics of treated arms or of fewer images), and what its timings took.

Of a timing the throughput is left out: it is the batch size, which is given, over the latency, and no
evidence of its own. So are counts of architectures: what a claim says of them is exact.
"""

import json
import math
from collections.abc import Iterator, Mapping
from functools import cache
from typing import NamedTuple

from repro.catalogue import CLOCKS, COUNTS
from repro.declaration import Better
from repro.expectation import parse_measurement
from repro.expression import Measurement
from repro.result import ClaimResult, Result

RECORDED: dict[str, Better] = {  # of a trial's cost; its `seconds` are the inverse of its images a second
    "images_per_second": "higher",
    "evaluation_seconds": "lower",
    "peak_memory_bytes": "lower",
}
PACED = (
    "images_per_second",
    "evaluation_seconds",
    "latency",
    "energy",
)  # what follows the machine's own speed
COSTS = (*PACED, "peak_memory_bytes", "peak_memory")


def conditions(result: Result, quantity: str) -> list[str]:
    """Under which a cost was measured: it is compared where they are equal. Trials may have shared a GPU;
    what is timed in rounds has it alone.
    """
    beside = set[str]() if quantity in RECORDED else {"per_gpu"}
    keys = [
        {name: value for name, value in key.items() if name not in beside} for key in result.environment.key
    ]
    return sorted({json.dumps(key, sort_keys=True) for key in keys})


class Measured(NamedTuple):
    """A trial, a net that a claim looked at, or a net in a round of timing."""

    name: str  # the arm, with what is special about it: `vgg16(batch_size=8)`, `plain20(at=start)`
    arm: str
    way: str  # settings and region of a timing, as JSON; else empty
    seed: int  # of a timing the round's number
    digest: str  # of the trial, or round; of an untrained net, which has none, it is its seed and value
    quantities: dict[str, float]
    matmul_peak: float | None  # FLOP a second of a large matrix product, taken beside it or in its round


def measured(result: Result) -> list[Measured]:
    trials = [
        Measured(
            name=trial.arm,
            arm=trial.arm,
            way="",
            seed=trial.seed,
            digest=trial.digest,
            quantities=_metrics(trial.measurements) | _costs(trial.cost),
            matmul_peak=trial.cost.get("matmul_peak_flops_per_second"),
        )
        for trial in result.trials
    ]
    timings = (
        Measured(
            name=timing.name,
            arm=timing.arm,
            way=json.dumps([timing.timing, timing.region], sort_keys=True),
            seed=timing.seed,
            digest=timing.digest,
            quantities=_costs(timing.measurements),
            matmul_peak=timing.matmul_peak_flops_per_second,
        )
        for timing in result.timings
    )
    return [*trials, *_looked_at(result, trials), *timings]


def _looked_at(result: Result, trials: list[Measured]) -> Iterator[Measured]:
    """What claims measured that stands in no trial, once for each seed."""
    known = {(trial.name, quantity) for trial in trials for quantity in trial.quantities}
    digests = {(trial.arm, trial.seed): trial.digest for trial in trials}
    found = dict[tuple[str, str, int], Measured]()
    for claim in result.claims.values():
        for text, by_seed in _by_seed(claim).items():
            of = _parsed(text)
            if of.name in COUNTS.targets or of.name in CLOCKS.targets or (of.subject, of.name) in known:
                continue
            arm = result.arms.get(of.arm)
            trained = arm.of if arm and arm.of else of.arm
            for seed, value in by_seed.items():
                found[of.subject, of.name, seed] = Measured(
                    name=of.subject,
                    arm=of.arm,
                    way="",
                    seed=seed,
                    digest=digests.get((trained, seed), f"seed {seed}: {value}"),
                    quantities=_metrics({of.name: value}),
                    matmul_peak=None,
                )
    yield from found.values()


@cache
def _parsed(text: str) -> Measurement:
    return parse_measurement(text)


def _by_seed(claim: ClaimResult) -> dict[str, dict[int, float | None]]:
    """What has a value for each seed, by measurement."""
    seeds = claim.evidence.seeds
    return {
        text: dict(zip(seeds, values, strict=True))
        for text, values in claim.values.items()
        if seeds and len(values) == len(seeds)
    }


def sign(result: Result, quantity: str) -> int:
    """1 if a higher value is worse, -1 if it is better, 0 if neither is declared: any change may be for the
    worse then.
    """
    better = RECORDED.get(quantity) or result.declared(quantity).better
    return {"lower": 1, "higher": -1, None: 0}[better]


def _metrics(values: Mapping[str, float | None]) -> dict[str, float]:
    """NaN where there is no value."""
    return {name: math.nan if value is None else value for name, value in values.items()}


def _costs(values: Mapping[str, float | None]) -> dict[str, float]:
    """Their logarithms, as far as they are known."""
    known = {name: values.get(name) for name in COSTS}
    return {name: math.log(value) for name, value in known.items() if value}
