"""A trial: one training run, fully determined by its `TrialSpec` and named by the digest of it. Imports no torch."""

import hashlib
import json
from functools import cache, cached_property
from importlib.metadata import version
from typing import Any, TypeAlias

from repro import source
from repro.catalogue import AUGMENTATIONS, DATASETS, MEASURES, MODELS, OPTIMIZERS, PICTURES, SCHEDULES, TASKS, WEIGHTS
from repro.recipe import Named, Recipe, Strict
from repro.suite import Device, ResolvedArm

LOOP = "repro.training.loop:train"


class TrialSpec(Strict):
    """Everything that determines the outcome of a training run."""

    task: str
    model: Named
    data: Named
    fingerprint: str  # of the data's content
    recipe: Recipe | None  # None: the net is only initialised, for probes at the start
    weights: Named | None = None  # None: it starts from random ones
    seed: int
    device: Device
    code: str  # of the modules that train and evaluate
    torch: str

    @cached_property
    def digest(self) -> str:
        return digest(self.model_dump(mode="json"))


def digest(content: Any) -> str:
    """The name of some plain data: a hash of its canonical JSON."""
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()[:32]


def specify(task: str, arm: ResolvedArm, seed: int, device: Device, *, trained: bool = True) -> TrialSpec:
    """The spec of an arm's trial for a seed. Raises `ReproError` if its data is missing."""
    assert arm.data is not None
    recipe = arm.recipe if trained else None
    return TrialSpec(
        task=task,
        model=arm.model,
        data=arm.data,
        fingerprint=_fingerprint(digest(arm.data.model_dump()), arm.data),
        recipe=recipe,
        weights=arm.weights,
        seed=seed + arm.seed_offset,
        device=device,
        code=source.digest(frozenset(_targets(task, arm, recipe))),
        torch=torch_version(),
    )


@cache
def torch_version() -> str:
    return version("torch")


class Number(Strict):
    """One number that is not a task's metric: a count of an architecture, or a probe of a trial's net."""

    measure: str
    options: dict[str, Any]
    model: Named
    data: Named | None  # for the numbers of channels and classes
    trial: TrialSpec | None  # of a probe; untrained (no recipe) for a probe at the start
    code: str
    torch: str

    @property
    def device(self) -> Device:
        return self.trial.device if self.trial else "cpu"

    @cached_property
    def digest(self) -> str:
        return digest(self.model_dump(mode="json"))


class Drawing(Strict):
    """One picture of the nets that trials end with."""

    picture: str
    options: dict[str, Any]
    trials: dict[str, TrialSpec]  # by arm, in the order shown
    code: str
    torch: str

    @property
    def device(self) -> Device:
        return next(iter(self.trials.values())).device

    @cached_property
    def digest(self) -> str:
        return digest([self.model_dump(mode="json"), list(self.trials)])


Job: TypeAlias = TrialSpec | Number | Drawing


def count(measure: str, options: dict[str, Any], arm: ResolvedArm) -> Number:
    """A static measure of an arm's architecture."""
    return _number(measure, options, arm.model, arm.data, None)


def probe(measure: str, options: dict[str, Any], trial: TrialSpec) -> Number:
    """A probe of the net that a trial ends with, or starts with if it has no recipe."""
    return _number(measure, options, trial.model, trial.data, trial)


def drawing(picture: str, options: dict[str, Any], trials: dict[str, TrialSpec]) -> Drawing:
    models = [MODELS.target(trial.model.name) for trial in trials.values()]
    code = source.digest(frozenset([PICTURES.target(picture), *models]))
    return Drawing(picture=picture, options=options, trials=trials, code=code, torch=torch_version())


def _number(measure: str, options: dict[str, Any], model: Named, data: Named | None, trial: TrialSpec | None) -> Number:
    code = source.digest(frozenset([MEASURES.target(measure), MODELS.target(model.name)]))
    return Number(measure=measure, options=options, model=model, data=data, trial=trial, code=code, torch=torch_version())


def _targets(task: str, arm: ResolvedArm, recipe: Recipe | None) -> list[str]:
    assert arm.data is not None
    targets = [LOOP, TASKS.target(task), MODELS.target(arm.model.name), DATASETS.target(arm.data.name)]
    if arm.weights is not None:
        targets.append(WEIGHTS.target(arm.weights.name))
    if recipe is not None:
        targets += [OPTIMIZERS.target(recipe.optimizer.name), SCHEDULES.target(recipe.schedule.name)]
        targets += [AUGMENTATIONS.target(choice.name) for choice in recipe.augment]
    return targets


_fingerprints: dict[str, str] = {}


def _fingerprint(key: str, data: Named) -> str:
    if key not in _fingerprints:
        _fingerprints[key] = DATASETS.load(data.name)(**data.options).fingerprint()
    return _fingerprints[key]
