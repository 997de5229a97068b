"""A suite at a profile, on a device: its arms with nothing left open, and what its measurements are there."""

from collections.abc import Callable, Hashable, Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any, TypeVar

from repro import environment
from repro.catalogue import MODELS, PICTURES, members
from repro.contents import Contents
from repro.expression import Measurement
from repro.job import code_of
from repro.quantity import Quantity, kind_of
from repro.recipe import Named, Timing
from repro.round import CLOCK, Round, TimedNet
from repro.suite import Claim, Device, ResolvedArm, Suite, changed
from repro.trial import Drawing, Subject, TrialSpec, fingerprint_of, specify

APART = 1_000_000  # the seeds of the nets that a treatment joins: no run has as many, so that none is in two


Made = TypeVar("Made")


class Experiment:
    """`device` is where the arms are trained, instead of what the profile says. `contents` remembers what the
    files of data sets hold.
    """

    def __init__(
        self, suite: Suite, profile: str, device: Device | None = None, contents: Contents | None = None
    ):
        self.suite, self.profile, self.contents = suite, profile, contents or Contents()
        self.device: Device = device or suite.profiles[profile].device
        self.chosen: dict[str, Mapping[str, Any]] = {}  # by arm: what tuning has chosen for its recipe
        self._quantities: dict[Measurement, Quantity] = {}
        self._fingerprints: dict[str, str] = {}
        self._resolved: dict[str, ResolvedArm] = {}
        self._made: dict[Hashable, Any] = {}

    def resolve(self, arm: str, values: Mapping[str, Any] | None = None) -> ResolvedArm:
        """An arm with these values in its recipe, or with those that were chosen for it."""
        if arm not in self._resolved:
            self._resolved[arm] = self.suite.resolve(arm, self.profile)
        resolved = self._resolved[arm]
        if values is None:
            values = self.chosen.get(resolved.of or arm, {})
        if not values or resolved.recipe is None:
            return resolved
        return replace(resolved, recipe=changed(resolved.recipe, values))

    def once(self, key: Hashable, make: Callable[[], Made]) -> Made:
        """What is made for a key: the same one each time, with its digest. Where arms are tuned it is made
        anew, since what it is made of may be another by then.
        """
        if self.suite.profiles[self.profile].tune is not None:
            return make()
        if key not in self._made:
            self._made[key] = make()
        made: Made = self._made[key]
        return made

    def trained(self, arm: str) -> list[str]:
        """The arms that are trained for an arm: those it starts from, and itself or the treated one."""
        return self.suite.trained_for(arm, self.profile)

    def quantity(self, measurement: Measurement) -> Quantity:
        if measurement not in self._quantities:
            kind = kind_of(measurement.name, self.suite.task)
            declared = kind.declaration(measurement.name, self.suite.task)
            self._quantities[measurement] = kind(measurement, declared, self)
        return self._quantities[measurement]

    def quantities(self, claim: Claim) -> list[Quantity]:
        return [self.quantity(measurement) for measurement in claim.expectation.measurements]

    def subject(self, arm: str, seed: int, *, trained: bool = True) -> Subject:
        """The net of an arm: before training, or after it and what it is treated with."""
        resolved = self.resolve(arm)
        treatment, name = resolved.treatment, resolved.of or arm
        count = members(treatment.name, treatment.options) if treatment else 1
        seeds = [seed + member * APART for member in range(count)]
        trial, *others = [self.trial(name, one, trained=trained) for one in seeds]
        return Subject(trial=trial, treatment=treatment, others=tuple(others))

    def trial(
        self, arm: str, seed: int, *, trained: bool = True, values: Mapping[str, Any] | None = None
    ) -> TrialSpec:
        """Raises `ReproError` if its data is missing."""
        if values is not None:
            return self._trial(arm, seed, trained, values)
        return self.once(("trial", arm, seed, trained), lambda: self._trial(arm, seed, trained))

    def _trial(
        self, arm: str, seed: int, trained: bool, values: Mapping[str, Any] | None = None
    ) -> TrialSpec:
        assert self.suite.task is not None  # or nothing would ask for trials
        resolved = self.resolve(arm, values)
        before = self.suite.start_of(arm, self.profile)
        start = self.trial(before, seed) if before else None
        return specify(
            self.suite.task,
            resolved,
            seed,
            self.device,
            trained=trained,
            start=start,
            fingerprint=self.fingerprint,
        )

    def fingerprint(self, data: Named) -> str:
        """What names the content of a data set, as it was when it was first asked for."""
        key = data.model_dump_json()
        if key not in self._fingerprints:
            with self.contents.in_use():
                self._fingerprints[key] = fingerprint_of(data)
        return self._fingerprints[key]

    @cached_property
    def timed(self) -> dict[str, tuple[str, Timing]]:
        """What the profile's claims want timed: arm and way, by the name of both, in the order of claims."""
        found: dict[str, tuple[str, Timing]] = {}
        for _, claim in self.suite.claims_at(self.profile):
            for quantity in self.quantities(claim):
                if quantity.timed:
                    measurement = quantity.measurement
                    found[measurement.subject] = measurement.arm, self._timing(measurement)
        return found

    def _timing(self, measurement: Measurement) -> Timing:
        of_all = self.suite.profiles[self.profile].timing.model_dump(exclude_unset=True)
        return Timing.model_validate({**of_all, **dict(measurement.options)})

    def round(self, number: int) -> Round:
        """A round of all that is timed."""
        return self.once(("round", number), lambda: self._round(number))

    def _round(self, number: int) -> Round:
        arms = {name: (self.resolve(arm), timing) for name, (arm, timing) in self.timed.items()}
        return Round(
            nets={
                name: TimedNet(model=arm.model, data=arm.data, timing=timing)
                for name, (arm, timing) in arms.items()
            },
            number=number,
            device=self.device,
            machine=environment.machine(self.device),
            **code_of(CLOCK, *(MODELS.target(arm.model.name) for arm, _ in arms.values())),
        )

    def drawing(self, name: str, seed: int) -> Drawing:
        """One of the suite's pictures, of a seed's nets."""
        picture = self.suite.pictures[name]
        subjects = {arm: self.subject(arm, seed) for arm in picture.arms}
        models = [target for subject in subjects.values() for target in subject.targets]
        code = code_of(PICTURES.target(picture.picture), *models)
        return Drawing(picture=picture.picture, options=picture.options, subjects=subjects, **code)
