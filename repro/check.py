"""What a suite can get wrong beyond its form: names that do not exist, options that do not fit, arms that
nobody uses.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from repro import document, findings
from repro.catalogue import (
    AUGMENTATIONS,
    DATASETS,
    MODELS,
    OPTIMIZERS,
    PICTURES,
    SCHEDULES,
    TASKS,
    WEIGHTS,
    Catalogue,
)
from repro.document import Document, DocumentError, Location, Problem, nearest
from repro.errors import ReproError
from repro.evidence import first_look
from repro.expectation import Expectation, ExpectationError, Link
from repro.expression import Measurement
from repro.findings import Finding
from repro.form import Form, describe
from repro.ledger import LEDGER, read_ledger
from repro.quantity import kind_of
from repro.recipe import Named, Recipe
from repro.suite import Arm, Claim, Picture, Profile, Suite


def suite_files(paths: Iterable[Path]) -> list[Path]:
    """Suite files, from files and folders. Raises `ReproError` where there are none."""
    given = list(paths)
    found: list[Path] = []
    for path in given:
        if path.is_dir():
            found += sorted(p for p in path.rglob("*.y*ml") if p.suffix in (".yaml", ".yml"))
        elif path.is_file():
            found.append(path)
        else:
            raise ReproError(f"{path}: no such file or folder")
    if not found:
        raise ReproError(f"no suites under {', '.join(map(str, given))}")
    return found


def load(path: Path) -> Suite:
    """Raises `DocumentError` with all that is wrong, a `FILE:LINE:COL: message` each."""
    file = document.read(path)
    if not isinstance(file.data, dict):
        raise DocumentError(
            path, [file.problem((), "a suite is a mapping: suite, task, arms, profiles, claims")]
        )
    suite, problems = check(file)
    if problems:
        raise DocumentError(path, problems)
    return suite


def check(file: Document) -> tuple[Suite, list[Problem]]:
    """The suite that a file holds, as far as it is sound, and everything that is wrong with it."""
    form = Form(file)
    return form.suite, form.problems + list(dict.fromkeys(_Check(form, file).problems()))


class _Check:
    """Nothing is said of what the form has found wrong, nor of what would follow from it."""

    def __init__(self, form: Form, file: Document):
        self.form, self.suite, self.file = form, form.suite, file

    def problems(self) -> Iterator[Problem]:
        yield from self._rules()
        if self.form.is_sound("task") and self.suite.task is not None:
            for finding in findings.of_choice(TASKS, Named(name=self.suite.task)):
                yield self._problem(("task",), finding)
        for name, profile in self._sound("profiles"):
            yield from self._profile(name, profile)
        for name, arm in self._sound("arms"):
            yield from self._arm(name, arm)
        for name, claim in self._sound("claims"):
            yield from self._claim(claim, ("claims", name))
        for name, picture in self._sound("pictures"):
            yield from self._picture(picture, ("pictures", name))
        for entry, _ in self._sound("not_measurable"):
            yield from self._ledger_id(entry, ("not_measurable", entry), at_key=True)
        yield from self._unused()

    def _problem(self, place: Location, finding: Finding) -> Problem:
        return self.file.problem(place + finding.location, finding.message, at_key=finding.at_key)

    def _sound(self, section: str) -> list[tuple[str, Any]]:
        """The entries of a section, without those that stand in for wrong ones."""
        return [
            (k, entry) for k, entry in getattr(self.suite, section).items() if (section, k) in self.file.keys
        ]

    def _names(self, section: str) -> set[str] | None:
        """The names that the file gives in a section, be they sound or not; None if it is not a section."""
        names = {str(place[1]) for place in self.file.keys if len(place) == 2 and place[0] == section}
        return None if (section,) in self.form.broken else names

    @cached_property
    def arms(self) -> set[str] | None:
        return self._names("arms")

    @cached_property
    def profiles(self) -> set[str] | None:
        return self._names("profiles")

    @cached_property
    def ledger(self) -> Mapping[str, Any] | None:
        """The ledger that stands above the suite, by id; None where there is none."""
        path = next((f / LEDGER for f in self.file.path.resolve().parents if (f / LEDGER).is_file()), None)
        return read_ledger(path) if path else None

    @cached_property
    def expectations(self) -> dict[str, Expectation | ExpectationError]:
        """What the sound claims expect, or why it cannot be read."""
        found: dict[str, Expectation | ExpectationError] = {}
        for name, claim in self._sound("claims"):
            if self.form.is_sound("claims", name, "expect"):
                try:
                    found[name] = claim.expectation
                except ExpectationError as error:
                    found[name] = error
        return found

    def _rules(self) -> Iterator[Problem]:
        rules, most = self.suite.evidence, self.suite.seeds.max
        least = first_look(rules.alpha, rules.assume)
        if most < least and self.form.is_sound("seeds") and self.form.is_sound("evidence"):
            place = ("seeds", "max") if ("seeds", "max") in self.file.values else ("evidence", "alpha")
            message = (
                f"with {most} seeds no claim can be decided; alpha {rules.alpha:g} needs {least} at least"
            )
            yield self.file.problem(place, message)

    def _profile(self, name: str, profile: Profile) -> Iterator[Problem]:
        place: Location = ("profiles", name)
        for finding in self._data(profile.data, place):
            yield self._problem((*place, "data"), finding)
        for finding in self._recipe(profile.recipe, place):
            yield self._problem((*place, "recipe"), finding)
        yield from self._weights(profile.weights, (*place, "weights"))
        for arm in profile.arms:
            if self.arms is not None and arm not in self.arms:
                yield self.file.problem(
                    (*place, "arms", arm), f"unknown arm '{arm}'{nearest(arm, self.arms)}", at_key=True
                )

    def _data(self, data: Named | None, above: Location) -> Iterator[Finding]:
        if data is not None and self.form.is_sound(*above, "data"):
            yield from findings.of_choice(DATASETS, data)

    def _weights(self, weights: Named | None, place: Location) -> Iterator[Problem]:
        if weights is not None and self.form.is_sound(*place):
            yield from (self._problem(place, finding) for finding in findings.of_choice(WEIGHTS, weights))

    def _picture(self, picture: Picture, place: Location) -> Iterator[Problem]:
        if picture.picture not in PICTURES.targets:
            message = f"unknown picture '{picture.picture}'{nearest(picture.picture, PICTURES.targets)}"
            yield self.file.problem((*place, "picture"), message)
        else:
            for finding in findings.of_options(PICTURES, picture.picture, picture.options, Picture):
                yield self._problem(place, finding)
        for index, arm in enumerate(
            picture.arms if self.arms is not None and self.form.is_sound(*place, "arms") else ()
        ):
            if self.arms is not None and arm not in self.arms:
                yield self.file.problem(
                    (*place, "arms", index), f"unknown arm '{arm}'{nearest(arm, self.arms)}"
                )

    def _ledger_id(self, entry: str, place: Location, *, at_key: bool = False) -> Iterator[Problem]:
        if self.ledger is not None and entry not in self.ledger:
            message = f"unknown ledger id '{entry}'{nearest(entry, self.ledger)}"
            yield self.file.problem(place, message, at_key=at_key)

    def _recipe(self, recipe: Recipe | None, above: Location) -> Iterator[Finding]:
        if recipe is None:
            return
        choices: list[tuple[Location, Catalogue, Named]] = [
            (("optimizer",), OPTIMIZERS, recipe.optimizer),
            (("schedule",), SCHEDULES, recipe.schedule),
            *((("augment", index), AUGMENTATIONS, choice) for index, choice in enumerate(recipe.augment)),
        ]
        for place, catalogue, choice in choices:
            if self.form.is_sound(*above, "recipe", *place):
                found = findings.of_choice(catalogue, choice)
                yield from (finding._replace(location=place + finding.location) for finding in found)

    def _arm(self, name: str, arm: Arm) -> Iterator[Problem]:
        if not self.form.is_sound("arms", name, "model"):
            return
        if arm.model not in MODELS.targets:
            message = f"unknown model '{arm.model}'{nearest(arm.model, MODELS.targets)}"
            yield self.file.problem(("arms", name, "model"), message)
        yield from self._weights(arm.weights, ("arms", name, "weights"))
        found: dict[Problem, list[str]] = {}
        for profile in self.suite.profiles:
            for problem in dict.fromkeys(self._arm_at(name, arm, profile)):
                found.setdefault(problem, []).append(profile)
        for (line, column, message), profiles in found.items():
            where = f" (at {', '.join(profiles)})" if len(profiles) < len(self.suite.profiles) else ""
            yield Problem(line, column, message + where)

    def _arm_at(self, name: str, arm: Arm, profile: str) -> Iterator[Problem]:
        place, scale = ("arms", name), ("profiles", profile)
        if arm.model in MODELS.targets:
            for finding in findings.of_options(
                MODELS, arm.model, self.suite.model_options(name, profile), Arm
            ):
                if finding.location or all(self.form.is_sound(*scale, part) for part in ("model", "arms")):
                    givers = ((*scale, "arms", name), (*scale, "model"), place)  # the first one counts
                    given = (giver for giver in givers if (*giver, *finding.location[:1]) in self.file.values)
                    yield self._problem(next(given, place) if finding.location else place, finding)
        for part, look in (("data", self._data), ("recipe", self._recipe)):
            if getattr(arm, part) and self.form.is_sound(*scale, part) and self.form.is_sound(*place, part):
                known = set(
                    look(getattr(self.suite.profiles[profile], part), scale)
                )  # is said of the profile
                for finding in self._changed(part, look, name, profile):
                    if finding not in known:
                        yield self._problem((*place, part), finding)

    def _changed(
        self, part: str, look: Callable[[Any, Location], Iterator[Finding]], arm: str, profile: str
    ) -> Iterator[Finding]:
        try:
            resolved = (
                self.suite.data_of(arm, profile) if part == "data" else self.suite.recipe_of(arm, profile)
            )
        except ValidationError as error:
            for e in error.errors(include_url=False):
                at_key = e["type"] in ("missing", "extra_forbidden")
                yield Finding(e["loc"], describe(e, Recipe if part == "recipe" else None), at_key)
        else:
            yield from look(resolved, ("arms", arm))

    def _unused(self) -> Iterator[Problem]:
        """Arms that no claim uses; a claim that cannot be read, or that names no arm of the suite, may have
        meant them.
        """
        read = list(self.expectations.values())
        used = {m.arm for e in read if isinstance(e, Expectation) for m in e.measurements}
        whole = (
            self.form.is_sound("claims")
            and all(isinstance(e, Expectation) for e in read)
            and not self.file.duplicates
        )
        if self.arms is not None and whole and used <= self.arms:
            for arm in self.arms - used:
                yield self.file.problem(("arms", arm), f"no claim uses the arm '{arm}'", at_key=True)

    def _claim(self, claim: Claim, place: Location) -> Iterator[Problem]:
        known = self.profiles or set()
        asked = known if claim.profiles is None else set(claim.profiles)
        if self.profiles is not None and self.form.is_sound(*place, "profiles"):
            for index, profile in enumerate(claim.profiles or ()):
                if profile not in known:
                    message = f"unknown profile '{profile}'{nearest(profile, known)}"
                    yield self.file.problem((*place, "profiles", index), message)
            for profile in claim.at:
                if profile not in asked:
                    message = f"the claim is not asked at a profile '{profile}'{nearest(profile, asked)}"
                    yield self.file.problem((*place, "at", profile), message, at_key=True)
        else:
            asked = set()
        for index, entry in enumerate(claim.ledger):
            yield from self._ledger_id(entry, (*place, "ledger", index))
        yield from self._reported(claim, place)
        for offset, message in self._expected(self.expectations.get(str(place[-1])), asked & known):
            yield self.file.problem((*place, "expect"), message, offset=offset)

    def _reported(self, claim: Claim, place: Location) -> Iterator[Problem]:
        """The paper's numbers are of measurements of the claim."""
        expected = self.expectations.get(str(place[-1]))
        if isinstance(expected, Expectation):
            known = [str(measurement) for measurement in expected.measurements]
            for name in claim.reported:
                if name not in known:
                    message = f"the claim does not measure '{name}'{nearest(name, known)}"
                    yield self.file.problem((*place, "reported", name), message, at_key=True)

    def _expected(
        self, expected: Expectation | ExpectationError | None, asked: set[str]
    ) -> Iterator[tuple[int, str]]:
        if isinstance(expected, ExpectationError):
            yield expected.offset, expected.message
        if not isinstance(expected, Expectation):
            return
        for measurement, offset in expected.places:
            if self.arms is not None and measurement.arm not in self.arms:
                yield offset, f"unknown arm '{measurement.arm}'{nearest(measurement.arm, self.arms)}"
            if self.suite.task in (None, *TASKS.targets):
                yield from ((offset, message) for message in self._measurement(measurement, asked))
        for link in expected.links:
            knows_all = self.suite.task in (None, *TASKS.targets)
            if knows_all and link.relation == "==" and link.tolerance is None and not self._exact(link):
                yield (
                    link.offset,
                    f"'{link}': a trained or measured number is never exactly equal; use approx(…, abs=…)",
                )

    def _exact(self, link: Link) -> bool:
        try:
            return not any(kind_of(m.name, self.suite.task).seeded for m in link.measurements)
        except ReproError:
            return True  # the unknown name is its own problem

    def _measurement(self, measurement: Measurement, asked: set[str]) -> Iterator[str]:
        try:
            kind = kind_of(measurement.name, self.suite.task)
        except ReproError as error:
            yield str(error)
            return
        yield from kind.mistakes(measurement)
        wanted = kind.wants(measurement)
        if not wanted or measurement.arm not in self.suite.arms:
            return
        if self.suite.task is None:
            yield f"'{measurement.name}' needs a task, which the suite does not give"
        for profile in sorted(asked & set(self.suite.profiles)):
            needs_recipe = "recipe" in wanted
            places = [
                (top, name, part)
                for top, name in (("profiles", profile), ("arms", measurement.arm))
                for part in PARTS
            ]
            if all(self.form.is_sound(*place) for place in places) and (
                (
                    self.suite.profiles[profile].data is None
                    and "name" not in self.suite.arms[measurement.arm].data
                )
                or (needs_recipe and self.suite.profiles[profile].recipe is None)
            ):
                needs = "data and a recipe" if needs_recipe else "data"
                yield f"'{measurement.name}' needs {needs}, which profile '{profile}' does not give"


PARTS = ("data", "recipe")
