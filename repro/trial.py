"""Jobs: what is done once and remembered, named by the digest of all that determines it. Imports no torch.

A trial is one training run. Of its net numbers are probed, metrics evaluated and pictures drawn; an
architecture is counted; nets are timed in rounds. Each job knows what it needs of a machine, and which
jobs come before it.
"""

import hashlib
import json
from collections.abc import Callable, Iterable
from functools import cache, cached_property
from importlib.metadata import version
from typing import Any, ClassVar, Literal

from repro import source
from repro.catalogue import AUGMENTATIONS, DATASETS, MODELS, OPTIMIZERS, SCHEDULES, TASKS, TREATMENTS, WEIGHTS
from repro.faults import told
from repro.recipe import Named, Recipe, Strict, Timing
from repro.suite import Device, ResolvedArm

LOOP = "repro.training.loop:train"
CLOCK = "repro.work.timing:time_net"


class Needs(Strict):
    """What a job needs of a machine while it is done."""

    device: Device = "cpu"
    places: int = 1  # cores, or GPUs; 0 for what is done at once
    alone: bool = False  # nothing else of this harness may run on the machine


class Job(Strict):
    """What is done once and remembered. Its record stands in the store under `kind` and `digest`."""

    kind: ClassVar[str]

    code: str  # of the modules that do it
    torch: str

    @cached_property
    def digest(self) -> str:
        return digest(self.model_dump(mode="json"))

    @property
    def label(self) -> str:
        """What it is, for a person."""
        raise NotImplementedError

    @property
    def needs(self) -> Needs:
        raise NotImplementedError

    @property
    def after(self) -> "tuple[Job, ...]":
        """The jobs whose records and files it takes up."""
        return ()


class TrialSpec(Job):
    """Everything that determines the outcome of a training run."""

    kind: ClassVar[str] = "trials"
    file: ClassVar[str] = "weights.safetensors"  # what it ends with

    task: str
    model: Named
    data: Named
    fingerprint: str  # of the data's content
    recipe: Recipe | None  # None: the net is only initialised, for probes at the start
    weights: Named | None = None  # None: it starts from random ones
    start: "TrialSpec | None" = None  # the trial that `weights` are taken from, if they are those of one
    freeze: tuple[str, ...] = ()  # modules that are not trained
    seed: int
    device: Device

    @property
    def label(self) -> str:
        return f"{_written(self.model)}, seed {self.seed}"

    @property
    def needs(self) -> Needs:
        return Needs(device=self.device)

    @property
    def after(self) -> tuple[Job, ...]:
        return (self.start,) if self.start else ()


class Counting(Job):
    """A count of an architecture."""

    kind: ClassVar[str] = "numbers"

    measure: str
    options: dict[str, Any]
    model: Named
    data: Named | None  # for the numbers of channels and classes

    @property
    def label(self) -> str:
        return f"{_written(self.model)}, {self.measure}"

    @property
    def needs(self) -> Needs:
        return Needs(places=0)


class Subject(Strict):
    """The net that a trial ends with, or starts with if it has no recipe, treated or not."""

    trial: TrialSpec
    treatment: Named | None = None

    @property
    def label(self) -> str:
        return f"{self.trial.label} after {_written(self.treatment)}" if self.treatment else self.trial.label

    @property
    def after(self) -> tuple[Job, ...]:
        return (self.trial,) if self.trial.recipe else self.trial.after

    @property
    def targets(self) -> tuple[str, ...]:
        """The code of the net as it is looked at."""
        treatment = (TREATMENTS.target(self.treatment.name),) if self.treatment else ()
        return (MODELS.target(self.trial.model.name), *treatment)


class Probing(Job):
    """A probe of one net."""

    kind: ClassVar[str] = "numbers"

    measure: str
    options: dict[str, Any]
    subject: Subject

    @property
    def label(self) -> str:
        return f"{self.subject.label}, {self.measure}"

    @property
    def needs(self) -> Needs:
        return Needs(device=self.subject.trial.device)

    @property
    def after(self) -> tuple[Job, ...]:
        return self.subject.after


class Evaluating(Job):
    """Metrics of one net that are not in its trial's record: of a treated net, or of fewer images."""

    kind: ClassVar[str] = "evaluations"

    subject: Subject
    split: Literal["train", "test"]
    images: int | None  # the first so many of the split; None: those that a trial is evaluated on

    @property
    def label(self) -> str:
        return f"{self.subject.label}, metrics of {self.images or 'all'} {self.split} images"

    @property
    def needs(self) -> Needs:
        return Needs(device=self.subject.trial.device)

    @property
    def after(self) -> tuple[Job, ...]:
        return self.subject.after


class Drawing(Job):
    """One picture of several nets, side by side."""

    kind: ClassVar[str] = "pictures"
    file: ClassVar[str] = "picture.png"

    picture: str
    options: dict[str, Any]
    subjects: dict[str, Subject]  # by arm, in the order shown

    @cached_property
    def digest(self) -> str:
        return digest([self.model_dump(mode="json"), list(self.subjects)])

    @property
    def label(self) -> str:
        return f"the picture '{self.picture}' of {', '.join(self.subjects)}"

    @property
    def needs(self) -> Needs:
        return Needs(device=next(iter(self.subjects.values())).trial.device)

    @property
    def after(self) -> tuple[Job, ...]:
        return tuple(job for subject in self.subjects.values() for job in subject.after)


class TimedNet(Strict):
    """A net, and how it is timed."""

    model: Named
    data: Named | None  # for the numbers of channels and classes
    timing: Timing


class Round(Job):
    """One round of timing: nets one after another, each in a fresh process, with the machine to themselves.

    Rounds are to timings what seeds are to trainings: what is compared is compared within each.
    """

    kind: ClassVar[str] = "rounds"

    nets: dict[str, TimedNet]  # by the name of what is timed
    number: int  # also the seed of the nets' weights; in odd rounds the order is turned round
    device: Device
    machine: tuple[str, ...]  # CPU and GPUs: what one machine takes says nothing of another

    @cached_property
    def digest(self) -> str:
        return digest([self.model_dump(mode="json"), list(self.nets)])

    @property
    def label(self) -> str:
        return f"round {self.number} of timing {', '.join(self.nets)}"

    @property
    def needs(self) -> Needs:
        return Needs(device=self.device, alone=True)

    @property
    def in_turn(self) -> list[tuple[str, TimedNet]]:
        nets = list(self.nets.items())
        return nets[::-1] if self.number % 2 else nets


def closure(jobs: Iterable[Job], unless: Callable[[Job], bool] = lambda _: False) -> list[Job]:
    """Jobs, each once, behind what comes before them; without those that `unless` is true of, and theirs."""
    found: dict[str, Job] = {}
    skipped: set[str] = set()

    def add(job: Job) -> None:
        if job.digest in found or job.digest in skipped:
            return
        if unless(job):
            skipped.add(job.digest)
            return
        for before in job.after:
            add(before)
        found[job.digest] = job

    for job in jobs:
        add(job)
    return list(found.values())


def digest(content: Any) -> str:
    """The name of some plain data: a hash of its canonical JSON."""
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()[:32]


def code_of(*targets: str) -> dict[str, str]:
    """The fields `code` and `torch` of a job that these classes and functions do."""
    return {"code": source.digest(frozenset(targets)), "torch": torch_version()}


@cache
def torch_version() -> str:
    return version("torch")


def specify(
    task: str,
    arm: ResolvedArm,
    seed: int,
    device: Device,
    *,
    trained: bool = True,
    start: TrialSpec | None = None,
    fingerprint: Callable[[Named], str] | None = None,
) -> TrialSpec:
    """The spec of an arm's trial for a seed; `start` is the trial whose weights it starts from.

    Raises `ReproError` if its data is missing.
    """
    assert arm.data is not None
    recipe = arm.recipe if trained else None
    return TrialSpec(
        task=task,
        model=arm.model,
        data=arm.data,
        fingerprint=(fingerprint or fingerprint_of)(arm.data),
        recipe=recipe,
        weights=arm.weights,
        start=start,
        freeze=arm.freeze if trained else (),
        seed=seed + arm.seed_offset,
        device=device,
        **code_of(*_targets(task, arm, recipe)),
    )


def _targets(task: str, arm: ResolvedArm, recipe: Recipe | None) -> list[str]:
    assert arm.data is not None
    targets = [LOOP, TASKS.target(task), MODELS.target(arm.model.name), DATASETS.target(arm.data.name)]
    if arm.weights is not None:
        targets.append(WEIGHTS.target(arm.weights.name))
    if recipe is not None:
        targets += [OPTIMIZERS.target(recipe.optimizer.name), SCHEDULES.target(recipe.schedule.name)]
        targets += [AUGMENTATIONS.target(choice.name) for choice in recipe.augment]
    return targets


def fingerprint_of(data: Named) -> str:
    """What names the content of a data set. Raises `ReproError` if it is missing."""
    with told(f"data set '{data.name}'"):
        return str(DATASETS.load(data.name)(**data.options).fingerprint())


def _written(model: Named) -> str:
    options = ", ".join(f"{key}={value}" for key, value in model.options.items())
    return f"{model.name}({options})"
