"""What a result measured, as numbers that can be compared: the metrics and costs of its trials, and what its
timings took.

Of a timing the throughput is left out: it is the batch size, which is given, over the latency, and no
evidence of its own.
"""

import json
import math
from collections.abc import Mapping
from typing import NamedTuple

from repro.declaration import Better
from repro.errors import ReproError
from repro.result import Result

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
    trials = (
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
    )
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
    return [*trials, *timings]


def sign(result: Result, quantity: str) -> int:
    """1 if a higher value is worse, -1 if it is better, as is declared where it is defined.

    Raises `ReproError` if that is declared nowhere.
    """
    better = RECORDED.get(quantity) or result.declared(quantity).better
    if better is None:
        raise ReproError(
            f"{result.suite} ({result.id}): which way '{quantity}' is better is declared neither in the "
            f"result nor by its task '{result.task}'"
        )
    return 1 if better == "lower" else -1


def _metrics(values: Mapping[str, float | None]) -> dict[str, float]:
    """NaN where there is no value."""
    return {name: math.nan if value is None else value for name, value in values.items()}


def _costs(values: Mapping[str, float | None]) -> dict[str, float]:
    """Their logarithms, as far as they are known."""
    known = {name: values.get(name) for name in COSTS}
    return {name: math.log(value) for name, value in known.items() if value}
