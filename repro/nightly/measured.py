"""What a result measured, as numbers that can be compared: the metrics and costs of its trials, and what its
timings took.

Of a timing the throughput is left out: it is the batch size, which is given, over the latency, and no
evidence of its own.
"""

import json
import math
from collections.abc import Mapping
from typing import NamedTuple

from repro.result import Result

LOWER_IS_BETTER = (
    "error",
    "loss",
    "mse",
    "seconds",
    "bytes",
    "latency",
    "memory",
    "energy",
)  # last words; of others, higher is
PACED = (
    "images_per_second",
    "evaluation_seconds",
    "latency",
    "energy",
)  # costs that follow the machine's own speed
COSTS = (
    *PACED,
    "peak_memory_bytes",
    "peak_memory",
)  # a trial's `seconds` is the inverse of its images a second


class Measured(NamedTuple):
    """A trial, or a net in a round of timing."""

    name: str  # the arm; of a timing with what is special about it: `vgg16(batch_size=8)`
    arm: str
    way: str  # settings and region of a timing, as JSON; empty for a trial
    seed: int  # of a timing the round's number
    digest: str
    quantities: dict[str, float]
    matmul_peak: float | None  # FLOP a second of a large matrix product, taken beside it


def measured(result: Result) -> list[Measured]:
    found = [
        Measured(
            name=trial.arm,
            arm=trial.arm,
            way="",
            seed=trial.seed,
            digest=trial.digest,
            quantities=quantities(trial.measurements, trial.cost),
            matmul_peak=trial.cost.get("matmul_peak_flops_per_second"),
        )
        for trial in result.trials
    ]
    return found + [
        Measured(
            name=timing.name,
            arm=timing.arm,
            way=json.dumps([timing.timing, timing.region], sort_keys=True),
            seed=timing.seed,
            digest=timing.digest,
            quantities=quantities({}, timing.measurements),
            matmul_peak=timing.matmul_peak_flops_per_second,
        )
        for timing in result.timings
    ]


def quantities(metrics: Mapping[str, float | None], costs: Mapping[str, float | None]) -> dict[str, float]:
    """Metrics (infinitely bad if the run diverged) and the logarithms of costs, as far as they are known."""
    known = {name: costs.get(name) for name in COSTS}
    return {
        **{name: sign(name) * math.inf if value is None else value for name, value in metrics.items()},
        **{name: math.log(value) for name, value in known.items() if value},
    }


def sign(quantity: str) -> int:
    """1 if a higher value is worse, -1 if it is better."""
    return 1 if quantity.rpartition("_")[2] in LOWER_IS_BETTER else -1
