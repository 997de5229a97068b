"""What claims ask for, as far as it is known before: trials and rounds, each of an arm and a seed."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any

from repro.experiment import Experiment
from repro.quantity import Quantity
from repro.round import Round
from repro.suite import Claim
from repro.trial import TrialSpec
from repro.tuning import pilots

ROUND = "round"  # stands for the arm of a round, which is of all that is timed


@dataclass(frozen=True)
class Step:
    """A trial or a round."""

    job: TrialSpec | Round
    suite: str
    arm: str
    seed: int
    sure: bool  # whether the first look wants it; others are done where that does not decide

    @property
    def label(self) -> str:
        return f"{self.arm} {self.seed}" if self.arm == ROUND else f"{self.arm}, seed {self.seed}"


def steps(
    experiment: Experiment, claim: Claim, seeds: Collection[int], first: Collection[int]
) -> Iterator[Step]:
    """Those of a claim, of which the first look wants the seeds in `first`; some may come twice. Of an arm
    whose recipe is yet to be tuned there are the trials that tune it. Raises `ReproError` if data is missing.
    """
    suite, grid = experiment.suite.suite, experiment.suite.profiles[experiment.profile].tune
    quantities = experiment.quantities(claim)
    arms = dict.fromkeys(arm for quantity in quantities for arm in quantity.trained)
    if grid is not None:
        for arm in arms:
            for trial in chain.from_iterable(pilots(experiment, arm, grid)):
                yield Step(trial, suite, arm, trial.seed, sure=True)
        if not arms.keys() <= experiment.chosen.keys():
            return
    for seed in seeds if any(quantity.seeded for quantity in quantities) else [*seeds][:1]:
        for job, arm in _of_seed(experiment, quantities, arms, seed):
            yield Step(job, suite, arm, seed, sure=seed in first)


def taken(record: Mapping[str, Any]) -> float:
    """The seconds that a step took, from its record."""
    cost = record.get("cost", record)
    return float(cost["seconds"] + cost.get("evaluation_seconds", 0.0))


def _of_seed(
    experiment: Experiment, quantities: Iterable[Quantity], arms: Iterable[str], seed: int
) -> Iterator[tuple[TrialSpec | Round, str]]:
    """Jobs, each with its arm."""
    for arm in arms:
        yield experiment.trial(arm, seed), arm
    for quantity in quantities:
        arm = quantity.measurement.arm
        if quantity.treated and experiment.resolve(arm).treatment:  # of an ensemble all members
            yield from ((job, arm) for job in quantity.job(seed).after if isinstance(job, TrialSpec))
    if any(quantity.timed for quantity in quantities):
        yield experiment.round(seed), ROUND
