"""A trial: one training run, fully determined by its `TrialSpec` and named by the digest of it. Imports no
torch.
"""

import hashlib
import json
from functools import cache, cached_property
from importlib.metadata import version
from typing import Any, TypeAlias

from repro import environment, source
from repro.catalogue import (
    AUGMENTATIONS,
    DATASETS,
    MEASURES,
    MODELS,
    OPTIMIZERS,
    PICTURES,
    SCHEDULES,
    TASKS,
    WEIGHTS,
)
from repro.recipe import Named, Recipe, Strict, Timing
from repro.suite import Device, ResolvedArm, Suite

LOOP = "repro.training.loop:train"
CLOCK = "repro.work.timing:time_net"


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


class TimedNet(Strict):
    """A net, and how it is timed."""

    model: Named
    data: Named | None  # for the numbers of channels and classes
    timing: Timing


class Round(Strict):
    """One round of timing: nets one after another, each in a fresh process, with the machine to themselves.

    Rounds are to timings what seeds are to trainings: what is compared is compared within each.
    """

    nets: dict[str, TimedNet]  # by the name of what is timed
    number: int  # also the seed of the nets' weights; in odd rounds the order is turned round
    device: Device
    machine: tuple[str, ...]  # CPU and GPUs: what one machine takes says nothing of another
    code: str
    torch: str

    @cached_property
    def digest(self) -> str:
        return digest([self.model_dump(mode="json"), list(self.nets)])

    @property
    def in_turn(self) -> list[tuple[str, TimedNet]]:
        nets = list(self.nets.items())
        return nets[::-1] if self.number % 2 else nets


Job: TypeAlias = TrialSpec | Number | Drawing | Round


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


def round_of(suite: Suite, profile: str, number: int, device: Device) -> Round:
    """A round of all that a suite's claims want timed at a profile."""
    arms = {
        name: (suite.resolve(arm, profile), timing) for name, (arm, timing) in suite.timed(profile).items()
    }
    return Round(
        nets={
            name: TimedNet(model=arm.model, data=arm.data, timing=timing)
            for name, (arm, timing) in arms.items()
        },
        number=number,
        device=device,
        machine=(environment.cpu_name(), *(environment.gpu_names() if device == "cuda" else ())),
        code=source.digest(frozenset([CLOCK, *(MODELS.target(arm.model.name) for arm, _ in arms.values())])),
        torch=torch_version(),
    )


def _number(
    measure: str, options: dict[str, Any], model: Named, data: Named | None, trial: TrialSpec | None
) -> Number:
    code = source.digest(frozenset([MEASURES.target(measure), MODELS.target(model.name)]))
    return Number(
        measure=measure,
        options=options,
        model=model,
        data=data,
        trial=trial,
        code=code,
        torch=torch_version(),
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


_fingerprints: dict[str, str] = {}


def _fingerprint(key: str, data: Named) -> str:
    if key not in _fingerprints:
        _fingerprints[key] = DATASETS.load(data.name)(**data.options).fingerprint()
    return _fingerprints[key]
