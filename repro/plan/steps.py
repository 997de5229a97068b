"""What claims ask for, as far as it is known before: trials and rounds, each of an arm and a seed."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from repro.experiment import Experiment
from repro.job import closure
from repro.quantity import Quantity
from repro.round import Round
from repro.suite import Claim
from repro.trial import TrialSpec
from repro.tuning import SEEDS

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
            for values in grid.points:
                for seed in SEEDS:
                    yield Step(experiment.trial(arm, seed, values=values), suite, arm, seed, sure=True)
        if not arms.keys() <= experiment.chosen.keys():
            return
    for quantity in quantities:
        for seed in seeds if quantity.seeded else [*seeds][:1]:
            for job, arm in _rests_on(experiment, quantity, seed):
                yield Step(job, suite, arm, seed, sure=seed in first)


def taken(record: Mapping[str, Any]) -> float:
    """The seconds that a step took, from its record."""
    cost = record.get("cost", record)
    return float(cost["seconds"] + cost.get("evaluation_seconds", 0.0))


def _rests_on(
    experiment: Experiment, quantity: Quantity, seed: int
) -> Iterator[tuple[TrialSpec | Round, str]]:
    """The jobs that take long, of those that give a quantity for a seed, with their arms."""
    arms = {experiment.trial(arm, seed).digest: arm for arm in quantity.trained}
    for job in closure([quantity.job(seed)]):
        if isinstance(job, Round):
            yield job, ROUND
        elif isinstance(job, TrialSpec):  # one of no arm is a further member of an ensemble
            yield job, arms.get(job.digest, quantity.measurement.arm)
