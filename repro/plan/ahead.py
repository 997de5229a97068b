"""What can be told before the first trial: that a claim cannot be measured here."""

from collections.abc import Iterable, Iterator

from repro.errors import ReproError
from repro.plan.steps import Step
from repro.plan.supplies import Supply, supplies
from repro.store import Store
from repro.trial import TrialSpec


class Ahead:
    """Looks at what trials need: data, weights and, on a GPU, memory."""

    def __init__(self, store: Store):
        self.store = store
        self._supplies: dict[str, list[Supply]] = {}

    def check(self, steps: Iterable[Step]) -> None:
        """Raises `ReproError` where something is missing for a trial that is not done yet."""
        for step in steps:
            if isinstance(step.job, TrialSpec) and self.store.read(step.job) is None:
                self._look(step.job, step.arm)

    def _look(self, trial: TrialSpec, arm: str) -> None:
        for supply in self._supplied(trial):
            if not (supply.is_here or supply.downloads):
                raise ReproError(supply.problem)
        if trial.device == "cuda":
            for why in _memory(trial):
                raise ReproError(f"{why}\n  in arm '{arm}'")

    def _supplied(self, trial: TrialSpec) -> list[Supply]:
        key = f"{trial.data} {trial.weights} {trial.model if trial.weights else ''}"
        if key not in self._supplies:
            self._supplies[key] = supplies(trial)
        return self._supplies[key]


def _memory(trial: TrialSpec) -> Iterator[str]:
    """That the net and a batch of the size of the recipe's do not go on the GPU."""
    import torch

    from repro.plan.arms import form_of
    from repro.work.room import need, too_large

    wanted = need(trial, form_of(trial.data)) if torch.cuda.is_available() else None
    there = torch.cuda.mem_get_info(0)[1] if wanted is not None else 0
    if wanted is not None and wanted > there:
        yield too_large(trial, wanted, there)
