"""What can be told before the first trial: that a claim cannot be measured here."""

from collections.abc import Iterable

from repro.catalogue import DATASETS
from repro.data.outlines import outline
from repro.errors import ReproError
from repro.evidence import LOOKS
from repro.executors import quota
from repro.executors.lease import count
from repro.faults import Fault, is_of_others, told
from repro.format import size
from repro.plan.known import Known
from repro.plan.steps import Step
from repro.plan.supplies import Supply, supplies
from repro.recipe import Named
from repro.store import Store
from repro.trial import TrialSpec

# Bytes of a worker that no other process shares, measured with torch and the harness imported (Linux, torch
# 2.14): what is asked for beside it is what the net is known to take, without a margin. So what is refused
# does not go, and what just goes is not refused: five nets for segmentation took 1.2 to 2.3 times as much at
# their peak as is known, for what metrics make is not all seen, and freed memory is not all given back.
PROCESS = 300 * 2**20
SMALLER = "Take a smaller batch_size, net or images"


class Ahead:
    """Looks at what trials need: data, weights, places and memory. `jobs` of them run at once here; None
    where they run elsewhere, and of whose places and memory nothing is known.
    """

    def __init__(self, store: Store, jobs: int | None, per_gpu: int = 1):
        self.store, self.jobs, self.per_gpu = store, jobs, per_gpu
        self._supplies: dict[str, list[Supply]] = {}
        self._known: Known | None = None

    def check(self, steps: Iterable[Step]) -> None:
        """Raises `ReproError` where something is missing for a trial that is not done yet. `steps` are those
        of the first seed of a claim.
        """
        jobs = [(step.job, step.arm) for step in steps if isinstance(step.job, TrialSpec)]
        trials = {job.digest: (job, arm) for job, arm in jobs if self.store.read(job) is None}
        try:
            for trial, arm in trials.values():
                self._look(trial, arm, len(trials) * LOOKS[0])
        finally:
            if self._known is not None:
                self._known.keep()

    def _look(self, trial: TrialSpec, arm: str, most: int) -> None:
        """`most` such trials at once are wanted."""
        for supply in self._supplied(trial):
            if not (supply.is_here or supply.downloads):
                raise ReproError(supply.problem)
        if self.jobs is None:
            return
        here, places = count(trial.device), trial.needs.places
        if places > here:
            raise ReproError(f"arm '{arm}' {too_few(places, here, trial.device)}")
        # What is spread over several GPUs shares none of them
        if trial.device == "cuda" and (why := _too_large(trial, self.per_gpu if places == 1 else 1)):
            raise ReproError(f"{why}\n  in arm '{arm}'")
        at_once = max(1, min(self.jobs, most, count(trial.device, self.per_gpu) // places))
        if why := self._too_much(trial, arm, at_once):
            raise ReproError(f"arm '{arm}' {why}")

    def _too_much(self, trial: TrialSpec, arm: str, at_once: int) -> str | None:
        """That the memory of this machine does not suffice for so many, as far as that is known. Raises
        `Fault` for what is wrong with the harness.
        """
        if trial.device == "mps" or not _is_made_quickly(trial.data):
            return None
        from repro.plan.arms import footprint_of, sizes_of

        if self._known is None:
            self._known = Known(self.store)
        try:
            with told(f"the memory of arm '{arm}'"):
                data = sizes_of(trial.data, trial.fingerprint, self._known).bytes
                footprint = footprint_of(trial, self._known) if trial.device == "cpu" else None
        except Fault as fault:
            if not _is_of_the_user(fault.__cause__):
                raise
            return None  # the trial shows it, with its calls
        except ReproError:
            return None
        net = footprint.memory if footprint else 0
        each, there = (PROCESS + data + net) * trial.needs.places, quota.memory()
        if each * at_once <= there:
            return None
        many = there // each
        remedy = f"Take fewer trials at once: --jobs {many}" if many else SMALLER
        of_all = f", and {at_once} at once {size(each * at_once)}" if at_once > 1 else ""
        return f"needs about {size(each)} of memory{of_all}; this machine has {size(there)}. {remedy}"

    def _supplied(self, trial: TrialSpec) -> list[Supply]:
        key = f"{trial.data} {trial.weights} {trial.model if trial.weights else ''}"
        if key not in self._supplies:
            self._supplies[key] = supplies(trial)
        return self._supplies[key]


def too_few(places: int, here: int, device: str) -> str:
    """That a trial takes more cores or GPUs than there are."""
    kind = "cores" if device == "cpu" else "GPUs"
    return f"needs {places} {kind}, here {'is' if here == 1 else 'are'} {here}"


def _is_made_quickly(data: Named) -> bool:
    """Whether it is known without reading files of the user's how large a set is."""
    is_ours = DATASETS.target(data.name).startswith("repro.")
    return outline(data) is not None or (is_ours and "download" not in DATASETS.parameters(data.name))


def _is_of_the_user(error: BaseException | None) -> bool:
    """Whether something was raised by code or files of the user's, or for want of memory."""
    from repro.state.memory import is_short

    return error is not None and (isinstance(error, OSError) or is_short(error) or is_of_others(error))


def _too_large(trial: TrialSpec, per_gpu: int) -> str | None:
    """That the net and a batch of the size of the recipe's do not go on the GPU, or into a trial's part of
    one that so many share.
    """
    import torch

    from repro.plan.arms import form_of
    from repro.work.room import need, share, too_large

    wanted = need(trial, form_of(trial.data)) if torch.cuda.is_available() else None
    there = share(torch.cuda.mem_get_info(0)[1], per_gpu) if wanted is not None else 0
    return too_large(trial, wanted, there) if wanted is not None and wanted > there else None
