"""What a suite can get wrong beyond its form: names that do not exist, options that do not fit, arms that nobody uses."""

import json
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from repro.catalogue import (
    AUGMENTATIONS,
    DATASETS,
    MEASURES,
    MODELS,
    OPTIMIZERS,
    SCHEDULES,
    TASKS,
    Catalogue,
    UnknownName,
    metrics,
)
from repro.document import Document, Location, Problem, nearest
from repro.errors import ReproError
from repro.evidence import first_look
from repro.expectation import ExpectationError, Link
from repro.expression import Measurement
from repro.recipe import Named, Recipe
from repro.suite import STATES, Claim, Suite, describe


def check(suite: Suite, file: Document) -> list[Problem]:
    """Everything that is wrong with a suite whose form is right."""
    problems = list(_Check(suite, file).problems())
    return list({(p.line, p.column, p.message.partition(" (at ")[0]): p for p in reversed(problems)}.values())


class _Check:
    def __init__(self, suite: Suite, file: Document):
        self.suite, self.file = suite, file

    def problems(self) -> Iterator[Problem]:
        rules = self.suite.evidence
        least = first_look(rules.alpha, rules.assume)
        if self.suite.seeds.max < least:
            message = f"with {self.suite.seeds.max} seeds no claim can be decided; alpha {rules.alpha:g} needs {least} at least"
            yield self.file.problem(("seeds", "max"), message)
        if self.suite.task:
            yield from self._named(TASKS, Named(name=self.suite.task), ("task",))
        for name, profile in self.suite.profiles.items():
            place: Location = ("profiles", name)
            if profile.data:
                yield from self._named(DATASETS, profile.data, (*place, "data"))
            if profile.recipe:
                yield from self._recipe(profile.recipe, (*place, "recipe"))
            for arm in profile.arms:
                if arm not in self._arm_names():
                    yield self.file.problem((*place, "arms", arm), f"unknown arm '{arm}'{self._nearest_arm(arm)}", at_key=True)
        for name in self.suite.arms:
            yield from self._arm(name)
        for name, claim in self.suite.claims.items():
            yield from self._claim(claim, ("claims", name))

    def _arm_names(self) -> set[str]:
        return {location[1] for location in self.file.keys if len(location) == 2 and location[0] == "arms"}  # type: ignore[misc]

    def _nearest_arm(self, name: str) -> str:
        return nearest(name, self._arm_names())

    def _arm(self, name: str) -> Iterator[Problem]:
        place: Location = ("arms", name)
        arm = self.suite.arms[name]
        try:
            MODELS.target(arm.model)
        except UnknownName as error:
            yield self.file.problem((*place, "model"), str(error))
            return
        for profile in self.suite.profiles:
            at = f" (at profile '{profile}')"
            try:
                resolved = self.suite.resolve(name, profile)
            except ValidationError as error:
                for e in error.errors(include_url=False):
                    location = (*place, "recipe" if arm.recipe else "data", *e["loc"])
                    yield self.file.problem(location, describe(e, Recipe) + at, at_key=True)
                continue
            scale = ("profiles", profile)
            for key, problem in self._options(MODELS, resolved.model):
                own = next(
                    (
                        where
                        for where in ((*place, *key), (*scale, "arms", name, *key), (*scale, "model", *key))
                        if where in self.file.values
                    ),
                    place,
                )
                yield self.file.problem(own, problem + at, at_key=True)
            if arm.data and resolved.data:
                yield from self._named(DATASETS, resolved.data, (*place, "data"), at)
            if arm.recipe and resolved.recipe:
                yield from self._recipe(resolved.recipe, (*place, "recipe"), at)
        used = {m.arm for claim in self.suite.claims.values() for m in _measurements(claim)}
        if name not in used and len(self.suite.claims) == len(self._claim_names()):
            yield self.file.problem(place, f"no claim uses the arm '{name}'", at_key=True)

    def _claim_names(self) -> set[Any]:
        return {location[1] for location in self.file.keys if len(location) == 2 and location[0] == "claims"}

    def _recipe(self, recipe: Recipe, place: Location, at: str = "") -> Iterator[Problem]:
        yield from self._named(OPTIMIZERS, recipe.optimizer, (*place, "optimizer"), at)
        yield from self._named(SCHEDULES, recipe.schedule, (*place, "schedule"), at)
        for index, choice in enumerate(recipe.augment):
            yield from self._named(AUGMENTATIONS, choice, (*place, "augment", index), at)

    def _named(self, catalogue: Catalogue, choice: Named, place: Location, at: str = "") -> Iterator[Problem]:
        try:
            catalogue.target(choice.name)
        except UnknownName as error:
            yield self.file.problem((*place, "name"), str(error) + at)
            return
        for key, message in self._options(catalogue, choice):
            yield self.file.problem((*place, *key), message + at, at_key=True)

    def _options(self, catalogue: Catalogue, choice: Named) -> Iterator[tuple[Location, str]]:
        try:
            for location, type_, message in catalogue.errors(choice.name, choice.options):
                error = {"loc": location, "type": type_, "msg": message}
                if type_ == "extra_forbidden":
                    known = nearest(str(location[-1]), catalogue.parameters(choice.name))
                    yield location, f"{catalogue.kind} '{choice.name}' has no option '{location[-1]}'{known}"
                elif type_ == "missing":
                    yield (), f"{catalogue.kind} '{choice.name}' needs the option '{location[-1]}'"
                else:
                    yield location, describe(error)
        except ReproError as error:
            yield (), str(error)

    def _claim(self, claim: Claim, place: Location) -> Iterator[Problem]:
        known = {location[1] for location in self.file.keys if len(location) == 2 and location[0] == "profiles"}
        asked = set(claim.profiles or known)
        for index, profile in enumerate(claim.profiles or ()):
            if profile not in known:
                yield self.file.problem(
                    (*place, "profiles", index), f"unknown profile '{profile}'{nearest(profile, map(str, known))}"
                )
        for profile in claim.at:
            if profile not in asked:
                message = f"the claim is not asked at a profile '{profile}'{nearest(profile, map(str, asked))}"
                yield self.file.problem((*place, "at", profile), message, at_key=True)
        ids = _ledger(self.file.path.resolve())
        for index, entry in enumerate(claim.ledger):
            if ids is not None and entry not in ids:
                yield self.file.problem(
                    (*place, "ledger", index), f"unknown ledger id '{entry}'{nearest(entry, ids) if ids else ''}"
                )
        try:
            expected = claim.expectation
        except ExpectationError as error:
            yield self.file.problem((*place, "expect"), error.message, offset=error.offset)
            return
        for measurement, offset in expected.places:
            for message in self._measurement(measurement, asked):
                yield self.file.problem((*place, "expect"), message, offset=offset)
        for link in expected.links:
            if link.relation == "==" and link.tolerance is None and not self._exact(link):
                message = f"'{link}': a trained or measured number is never exactly equal; use approx(…, abs=…)"
                yield self.file.problem((*place, "expect"), message)

    def _exact(self, link: Link) -> bool:
        try:
            return all(self.suite.kind(m) == "static" for m in link.measurements)
        except ReproError:
            return True  # the unknown name is its own problem

    def _measurement(self, measurement: Measurement, profiles: set[Any]) -> Iterator[str]:
        if measurement.arm not in self._arm_names():
            yield f"unknown arm '{measurement.arm}'{self._nearest_arm(measurement.arm)}"
        if not self.suite.task or self.suite.task not in TASKS.targets:
            return
        known = [*metrics(self.suite.task), *MEASURES.targets]
        if measurement.name not in known:
            yield f"unknown measurement '{measurement.name}'{nearest(measurement.name, known)}"
            return
        options = dict(measurement.options)
        of = self.suite.kind(measurement)
        if of == "metric" and options:
            yield f"'{measurement.name}' has no options"
        if of == "probe" and options.pop("at", "end") not in STATES:
            yield f"'at' is one of {', '.join(STATES)}"
        if of != "metric":
            for _, message in self._options(MEASURES, Named(name=measurement.name, **options)):
                yield message
        if of == "static" or measurement.arm not in self.suite.arms:
            return
        for profile in sorted(profiles & set(self.suite.profiles)):
            try:
                resolved = self.suite.resolve(measurement.arm, profile)
            except ValidationError:
                continue
            if resolved.data is None or (resolved.recipe is None and self.suite.needs_training(measurement)):
                yield f"'{measurement.name}' needs data and a recipe, which profile '{profile}' does not give"


def _measurements(claim: Claim) -> tuple[Measurement, ...]:
    try:
        return claim.expectation.measurements
    except ExpectationError:
        return ()


def _ledger(path: Path) -> Mapping[str, Any] | None:
    """The ledger that stands above a suite, by id; None where there is none."""
    for folder in path.parents:
        if (folder / "ledger.json").is_file():
            return _read_ledger(folder / "ledger.json")
    return None


@cache
def _read_ledger(path: Path) -> Mapping[str, Any]:
    try:
        return {entry["id"]: entry for entry in json.loads(path.read_text(encoding="utf-8"))}
    except (ValueError, KeyError, TypeError) as error:
        raise ReproError(f"{path}: not a ledger: {error}") from None
