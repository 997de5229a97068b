"""How fast a training was: read off the losses and errors of its batches, as its curves hold them."""

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence

import numpy as np

from repro.bounds import PositiveFloat, PositiveInt, Share
from repro.declaration import declare
from repro.state.net import State
from repro.value import from_json

Curves = Mapping[str, Sequence[tuple[int, float | str | None]]]  # by name: step and value


@declare(unit="steps", better="lower")
def steps_to_loss(
    state: State,  # noqa: ARG001
    curves: Curves,
    loss: PositiveFloat,
    over: PositiveInt = 20,
) -> float:
    """The first step whose last `over` batches, it among them, have a mean loss of at most `loss`.

    Infinite where a training never gets there: it would have taken more steps than it had, and nothing says
    how many. The loss is that which is minimised, on augmented images, before each step. A curve has at most
    200 points: of a longer training, a point is the mean of several steps, the mean is over whole points,
    `over` steps at least, and the answer is the step of a point.
    """
    return _first(curves["batch_loss"], loss, over)


@declare(unit="steps", better="lower")
def steps_to_error(
    state: State,  # noqa: ARG001
    curves: Curves,
    error: Share,
    over: PositiveInt = 20,
) -> float:
    """As `steps_to_loss`, of the task's error of batches: Krizhevsky et al. 2012, Figure 1, ask for 25 %."""
    return _first(curves["batch_error"], error, over)


def _first(curve: Sequence[tuple[int, float | str | None]], level: float, over: int) -> float:
    """The first step at which the mean from `over` steps before is at or below the level."""
    ends = [0, *(step for step, _ in curve)]
    values = [from_json(value) for _, value in curve]
    for last, end in enumerate(ends[1:], 1):
        first = bisect_right(ends, end - over) - 1
        if first < 0:  # so many have not been yet
            continue
        mean = np.average(values[first:last], weights=np.diff(ends[first : last + 1]))
        if mean <= level:  # not if it is NaN
            return float(end)
    return math.inf
