"""A trial: one training run; and what is looked at of the net that it ends with. Imports no torch.

Of a trial's net numbers are probed, metrics evaluated and pictures drawn.
"""

from collections.abc import Callable
from functools import cached_property
from operator import not_
from typing import Any, ClassVar, Literal

from pydantic import Field

from repro.catalogue import AUGMENTATIONS, DATASETS, MODELS, OPTIMIZERS, SCHEDULES, TASKS, TREATMENTS, WEIGHTS
from repro.faults import told
from repro.job import Job, Needs, code_of, digest, written
from repro.recipe import Named, Recipe, Strict
from repro.suite import Device, ResolvedArm

LOOP = "repro.training.loop:train"
RANKS = "repro.work.ranks:together"  # of trials on several places


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
        return f"{written(self.model)}, seed {self.seed}"

    @property
    def needs(self) -> Needs:
        return Needs(device=self.device, places=self.recipe.places if self.recipe else 1)

    @property
    def after(self) -> tuple[Job, ...]:
        return (self.start,) if self.start else ()


class Subject(Strict):
    """The net that a trial ends with, or starts with if it has no recipe, treated or not."""

    trial: TrialSpec
    treatment: Named | None = None
    others: tuple[TrialSpec, ...] = Field((), exclude_if=not_)  # of further seeds, for the treatment

    @property
    def label(self) -> str:
        return f"{self.trial.label} after {written(self.treatment)}" if self.treatment else self.trial.label

    @property
    def after(self) -> tuple[Job, ...]:
        trials = (self.trial, *self.others)
        return trials if self.trial.recipe else tuple(job for trial in trials for job in trial.after)

    @property
    def targets(self) -> tuple[str, ...]:
        """The code of the net as it is looked at."""
        treatment = (TREATMENTS.target(self.treatment.name),) if self.treatment else ()
        return (MODELS.target(self.trial.model.name), *treatment)


class Look(Job):
    """A look at one net."""

    subject: Subject

    @property
    def needs(self) -> Needs:
        return Needs(device=self.subject.trial.device)

    @property
    def after(self) -> tuple[Job, ...]:
        return self.subject.after


class Probing(Look):
    """A probe of one net."""

    kind: ClassVar[str] = "numbers"

    measure: str
    options: dict[str, Any]

    @property
    def label(self) -> str:
        return f"{self.subject.label}, {self.measure}"


class Evaluating(Look):
    """Metrics of one net that are not in its trial's record: of a treated net, or of fewer images."""

    kind: ClassVar[str] = "evaluations"

    split: Literal["train", "test"]
    images: int | None  # the first so many of the split; None: those that a trial is evaluated on

    @property
    def label(self) -> str:
        return f"{self.subject.label}, metrics of {self.images or 'all'} {self.split} images"


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
        targets += [RANKS] if recipe.places > 1 else []
        targets += [OPTIMIZERS.target(recipe.optimizer.name), SCHEDULES.target(recipe.schedule.name)]
        targets += [AUGMENTATIONS.target(choice.name) for choice in recipe.augment]
    return targets


def fingerprint_of(data: Named) -> str:
    """What names the content of a data set. Raises `ReproError` if it is missing."""
    with told(f"data set '{data.name}'"):
        return str(DATASETS.load(data.name)(**data.options).fingerprint())
