"""A measurement, resolved once: the job that gives it for a seed, how it is read, its unit and direction.

There are four kinds, and the catalogue that has a measurement's name says which one it is:

- a `Metric` is what a task measures of a trained net;
- a `Probe` looks at a trial's net, before training or after;
- a `Count` is of an architecture, the same for every seed;
- a `Clocked` number is read off while a net runs alone on the machine.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, TypeVar

from repro import catalogue, findings
from repro.catalogue import CLOCKS, COUNTS, MODELS, PROBES, TASKS
from repro.clock import readings
from repro.counting import Counting
from repro.declaration import Declaration
from repro.document import nearest
from repro.errors import ReproError
from repro.expression import Measurement
from repro.faults import told
from repro.job import Job, code_of
from repro.round import Round
from repro.suite import ResolvedArm
from repro.trial import Evaluating, Probing, Subject, TrialSpec
from repro.value import from_json

Made = TypeVar("Made")

STATES = ("start", "end")  # when a probe looks at a net: before training, or after it (if not said)


class Arms(Protocol):
    """What a quantity asks of the suite at the profile: see `repro.experiment.Experiment`."""

    def resolve(self, arm: str) -> ResolvedArm: ...
    def trained(self, arm: str) -> list[str]: ...
    def subject(self, arm: str, seed: int, *, trained: bool = True) -> Subject: ...
    def round(self, number: int) -> Round: ...
    def once(self, key: Hashable, make: Callable[[], Made]) -> Made: ...


@dataclass(frozen=True)
class Quantity(ABC):
    """A measurement of an arm."""

    measurement: Measurement
    declared: Declaration
    arms: Arms

    timed: ClassVar[bool] = False  # whether a seed is a round of timing
    treated: ClassVar[bool] = True  # whether it is of what an arm's nets are after its treatment

    @property
    def seeded(self) -> bool:
        """Whether it differs from seed to seed."""
        return self.differs_by_seed(self.measurement.name)

    @staticmethod
    def differs_by_seed(name: str) -> bool:  # noqa: ARG004
        return True

    @staticmethod
    def declaration(name: str, task: str | None) -> Declaration:  # noqa: ARG004
        """What is declared where it is defined."""
        return catalogue.declaration(name)

    @staticmethod
    @abstractmethod
    def mistakes(measurement: Measurement) -> Iterator[str]:
        """What is wrong with its options."""

    @staticmethod
    def wants(measurement: Measurement) -> tuple[str, ...]:  # noqa: ARG004
        """What its arm must have at a profile: `data`, and a `recipe` if it is trained."""
        return ()

    @abstractmethod
    def job(self, seed: int) -> Job:
        """The job whose record holds the value."""

    @abstractmethod
    def read(self, record: Mapping[str, Any]) -> float:
        """The value, from the record of its job. Raises `ReproError` where there is none."""

    @property
    def trained(self) -> list[str]:
        """The arms that are trained for it, each after those that it starts from."""
        return []


class Metric(Quantity):
    """What a task measures of a trained net. `images=100` is of the first 100 images of its set."""

    @staticmethod
    def declaration(name: str, task: str | None) -> Declaration:
        return catalogue.metrics(task)[name]

    @staticmethod
    def mistakes(measurement: Measurement) -> Iterator[str]:
        for option, value in measurement.options:
            if option != "images":
                yield f"metric '{measurement.name}' has no option '{option}'{nearest(option, ['images'])}"
            elif not isinstance(value, int) or isinstance(value, bool) or value < 1:
                yield f"images: expected a whole number above 0, not {value}"

    @staticmethod
    def wants(measurement: Measurement) -> tuple[str, ...]:  # noqa: ARG004
        return "data", "recipe"

    def job(self, seed: int) -> TrialSpec | Evaluating:
        return self.arms.once((self.measurement, seed), lambda: self._job(seed))

    def _job(self, seed: int) -> TrialSpec | Evaluating:
        subject, images = self.arms.subject(self.measurement.arm, seed), self.images
        if subject.treatment is None and images is None:
            return subject.trial
        return Evaluating(
            subject=subject,
            split="train" if self.measurement.name.startswith("train_") else "test",
            images=images,
            **code_of(TASKS.target(subject.trial.task), *subject.targets),
        )

    @property
    def trained(self) -> list[str]:
        return self.arms.trained(self.measurement.arm)

    @property
    def images(self) -> int | None:
        given = dict(self.measurement.options).get("images")
        return None if given is None else int(given)

    def read(self, record: Mapping[str, Any]) -> float:
        return measured(record, self.measurement.name, self.measurement.arm)


class Probe(Quantity):
    """A look at a trial's net: `at=start` before the first step, else after the last.

    For one that looks at the data alone nothing is trained.
    """

    @staticmethod
    def differs_by_seed(name: str) -> bool:
        return catalogue.differs_by_seed(name)

    @staticmethod
    def mistakes(measurement: Measurement) -> Iterator[str]:
        options = dict(measurement.options)
        at = options.pop("at", STATES[-1])
        if at not in STATES:
            yield f"'at' is one of {', '.join(STATES)}"
        elif at == STATES[0] and catalogue.looks_at_curves(measurement.name):
            yield f"probe '{measurement.name}' looks at a training, and there is none at={at}"
        for finding in findings.of_options(PROBES, measurement.name, options):
            yield finding.message

    @staticmethod
    def wants(measurement: Measurement) -> tuple[str, ...]:
        return ("data", "recipe") if _after_training(measurement) else ("data",)

    def job(self, seed: int) -> Probing:
        return self.arms.once((self.measurement, seed), lambda: self._job(seed))

    def _job(self, seed: int) -> Probing:
        options = {key: value for key, value in self.measurement.options if key != "at"}
        trained = _after_training(self.measurement)
        one = seed if self.seeded else 0  # what looks at the data alone is the same for every seed
        subject = self.arms.subject(self.measurement.arm, one, trained=trained)
        code = code_of(PROBES.target(self.measurement.name), *subject.targets)
        return Probing(measure=self.measurement.name, options=options, subject=subject, **code)

    @property
    def trained(self) -> list[str]:
        *before, last = self.arms.trained(self.measurement.arm)
        return [*before, last] if _after_training(self.measurement) else before

    def read(self, record: Mapping[str, Any]) -> float:
        return from_json(record["value"])


class Count(Quantity):
    """A number of an architecture."""

    treated = False

    @staticmethod
    def differs_by_seed(name: str) -> bool:  # noqa: ARG004
        return False

    @staticmethod
    def mistakes(measurement: Measurement) -> Iterator[str]:
        for finding in findings.of_options(COUNTS, measurement.name, dict(measurement.options)):
            yield finding.message

    def job(self, seed: int) -> Counting:  # noqa: ARG002
        return self.arms.once(self.measurement, self._job)

    def _job(self) -> Counting:
        arm = self.arms.resolve(self.measurement.arm)
        code = code_of(COUNTS.target(self.measurement.name), MODELS.target(arm.model.name))
        options = dict(self.measurement.options)
        return Counting(
            measure=self.measurement.name, options=options, model=arm.model, data=arm.data, **code
        )

    def read(self, record: Mapping[str, Any]) -> float:
        return from_json(record["value"])


class Clocked(Quantity):
    """A number read off while a net runs alone on the machine."""

    timed = True
    treated = False

    @staticmethod
    def mistakes(measurement: Measurement) -> Iterator[str]:
        for finding in findings.of_timing(measurement.name, dict(measurement.options)):
            yield finding.message

    def job(self, seed: int) -> Round:
        return self.arms.round(seed)

    def read(self, record: Mapping[str, Any]) -> float:
        return clocked(self.measurement.name, record["nets"][self.measurement.subject])


def measured(record: Mapping[str, Any], metric: str, arm: str) -> float:
    """A metric, from an arm's record: NaN if it has no value. Raises `ReproError` if it was not measured."""
    if metric not in record["measurements"]:
        raise ReproError(f"the task did not measure '{metric}' of {arm}")
    return from_json(record["measurements"][metric])


def is_trivial(record: Mapping[str, Any], declared: Mapping[str, Declaration]) -> bool:
    """Whether a trial's net is better by no metric than the most frequent class as the answer to all. Metrics
    that do not declare which way is better say nothing.
    """
    directions = {metric: one.better for metric, one in declared.items() if one.better}
    comparable = record["trivial"].keys() & record["measurements"].keys() & directions.keys()

    def is_better(metric: str) -> bool:
        value, than = (from_json(record[kind][metric]) for kind in ("measurements", "trivial"))
        return value > than if directions[metric] == "higher" else value < than

    return bool(comparable) and not any(map(is_better, comparable))


def clocked(clock: str, net: Mapping[str, Any]) -> float:
    """What a clock says of what a round's record holds of one net. Raises `ReproError` if it was not read."""
    with told(f"clock '{clock}'"):
        return float(CLOCKS.load(clock)(readings(net)))


def kind_of(name: str, task: str | None) -> type[Quantity]:
    """The kind of a measurement. Raises `ReproError` for a name that is nowhere."""
    if name in catalogue.metrics(task):
        return Metric
    for names, kind in ((PROBES, Probe), (COUNTS, Count), (CLOCKS, Clocked)):
        if name in names.targets:
            return kind
    if tasks := [f"'{other}'" for other in TASKS.targets if name in catalogue.metrics(other)]:
        raise ReproError(f"unknown measurement '{name}'; it is one of task {' and '.join(tasks)}")
    raise ReproError(f"unknown measurement '{name}'{nearest(name, known(task))}")


def known(task: str | None) -> list[str]:
    """The names of all measurements of a suite with this task."""
    return [*catalogue.metrics(task), *PROBES.targets, *COUNTS.targets, *CLOCKS.targets]


def _after_training(probe: Measurement) -> bool:
    at = dict(probe.options).get("at", STATES[-1])
    return at == STATES[-1] and catalogue.differs_by_seed(probe.name)
