"""Equal tuning for all arms: each tries the same values on pilot seeds, and takes those that are best."""

import math
from collections.abc import Sequence

from repro.catalogue import metrics
from repro.declaration import Better
from repro.errors import ReproError
from repro.experiment import Experiment
from repro.quantity import measured
from repro.result import TuningPoint, TuningResult
from repro.runner import Runner
from repro.suite import PILOT, Tune
from repro.trial import TrialSpec
from repro.value import known

SEEDS = (PILOT, PILOT + 1)  # that tuning looks at


def tune(experiment: Experiment, arm: str, runner: Runner) -> TuningResult | None:
    """Train an arm's pilot trials, and choose for it. None if the profile leaves nothing to choose.

    Of values that are equally good the first are taken.
    """
    suite = experiment.suite
    grid = suite.profiles[experiment.profile].tune
    if grid is None:
        return None
    trials = pilots(experiment, arm, grid)
    runner.ensure(trial for of_point in trials for trial in of_point)
    found = [[measured(runner.record(trial), grid.by, arm) for trial in of_point] for of_point in trials]
    better = metrics(suite.task)[grid.by].better
    loss = [_loss(values, better) for values in found]
    if all(any(map(math.isnan, values)) for values in found):
        raise ReproError(f"{arm}: '{grid.by}' has no value for any of what is tuned: nothing to choose by")
    points = [
        TuningPoint(values=values, measured=tuple(map(known, of_point)))
        for values, of_point in zip(grid.points, found, strict=True)
    ]
    return TuningResult(
        by=grid.by,
        seeds=SEEDS,
        grid=tuple(points),
        chosen=grid.points[loss.index(min(loss))],
    )


def pilots(experiment: Experiment, arm: str, grid: Tune) -> list[list[TrialSpec]]:
    """The trials of each point of the grid."""
    return [[experiment.trial(arm, seed, values=values) for seed in SEEDS] for values in grid.points]


def _loss(values: Sequence[float], better: Better | None) -> float:
    """Over the seeds; lower is better, and a value that is not there is worst."""
    if any(map(math.isnan, values)):
        return math.inf
    return -sum(values) if better == "higher" else sum(values)
