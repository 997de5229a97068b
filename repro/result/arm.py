"""An arm in a result: what it was, how its recipe was found, and what was measured of it, seed by seed."""

from math import isfinite
from typing import Any

from pydantic import Field, field_serializer

from repro.result.fields import Amount, Base, Index, TimedName
from repro.suite import ArmName
from repro.value import Value, to_json


class ArmResult(Base):
    """An arm as it was trained: nothing is left open but the seed. A treated arm is that of `of`."""

    model: str
    options: dict[str, Any]
    data: dict[str, Any] | None
    recipe: dict[str, Any] | None
    weights: dict[str, Any] | None
    freeze: tuple[str, ...] = ()
    of: str | None = None
    after: dict[str, Any] | None = Field(None, description="what is done to the nets of `of`")


class TuningPoint(Base):
    values: dict[str, Any] = Field(description="by their place in the recipe: `optimizer.lr`")
    measured: tuple[Value, ...] = Field(description="one per pilot seed")


class TuningResult(Base):
    """How the recipe of an arm was completed, on pilot seeds alone."""

    by: str
    seeds: tuple[int, ...]
    grid: tuple[TuningPoint, ...]
    chosen: dict[str, Any]


class TrialResult(Base):
    arm: ArmName
    seed: Index
    digest: str
    measurements: dict[str, Value]
    trivial: dict[str, Value] = Field(
        default_factory=dict, description="metrics of the most frequent class as the answer to everything"
    )
    curves: dict[str, list[tuple[Index, Value]]]
    cost: dict[str, Amount | None]

    @field_serializer("curves", when_used="json")
    def _as_json(self, curves: dict[str, list[tuple[int, float | None]]]) -> dict[str, Any]:
        """As each value by itself would be, of which there are hundreds."""

        return {
            name: [
                (step, value if value is not None and isfinite(value) else to_json(value))
                for step, value in points
            ]
            for name, points in curves.items()
        }


class TimingResult(Base):
    """One net in one round of timing, in a process of its own."""

    arm: ArmName
    name: TimedName = Field(
        description="the arm, with what is special about how it was timed: `vgg16(batch_size=8)`"
    )
    seed: Index = Field(description="the round's number")
    digest: str = Field(description="of the round")
    timing: dict[str, Any] = Field(description="batch size, image size and the like")
    region: str = Field(description="what the clock was read around")
    seconds: tuple[Amount, ...] = Field(description="of each pass, as they came")
    measurements: dict[str, Amount] = Field(
        description="milliseconds a pass, images a second, bytes and joules an image"
    )
    matmul_peak_flops_per_second: Amount
    gpu: dict[str, Any] | None = Field(
        None,
        description="what the GPU said of itself: its clocks, temperature, power limit and watts when idle, "
        "other processes on it, and after which passes it said that it was slowed down, and why",
    )
