"""Equal tuning for all arms: each tries the same values on pilot seeds, and takes those that are best."""

import math

from repro.catalogue import metrics
from repro.declaration import Better
from repro.experiment import Experiment
from repro.result import TuningPoint, TuningResult
from repro.runner import Runner

PILOT = 1000  # the first seed of pilot runs, on which recipes are chosen; what judges are seeds from 0 up
SEEDS = (PILOT, PILOT + 1)  # that tuning looks at


def tune(experiment: Experiment, arm: str, runner: Runner) -> TuningResult | None:
    """Train an arm's pilot trials, and choose for it. None if the profile leaves nothing to choose.

    Of values that are equally good the first are taken.
    """
    suite = experiment.suite
    grid = suite.profiles[experiment.profile].tune
    if grid is None:
        return None
    trials = [[experiment.trial(arm, seed, values=values) for seed in SEEDS] for values in grid.points]
    runner.ensure(trial for of_point in trials for trial in of_point)
    measured = [[runner.record(trial)["measurements"][grid.by] for trial in of_point] for of_point in trials]
    better = metrics(suite.task)[grid.by].better
    loss = [sum(_loss(value, better) for value in values) for values in measured]
    points = zip(grid.points, measured, strict=True)
    return TuningResult(
        by=grid.by,
        seeds=SEEDS,
        grid=tuple(TuningPoint(values=values, measured=tuple(found)) for values, found in points),
        chosen=grid.points[loss.index(min(loss))],
    )


def _loss(value: float | None, better: Better | None) -> float:
    """Lower is better. What has no value, because training diverged, is worst."""
    if value is None:
        return math.inf
    return -value if better == "higher" else value
