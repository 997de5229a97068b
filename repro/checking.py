"""What a suite can get wrong beyond its form: names that do not exist, options that do not fit, arms that
nobody uses.
"""

from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any

from repro import findings, named_recipes
from repro.arm_findings import of_arm, of_weights
from repro.catalogue import DATASETS, PICTURES, TASKS
from repro.document import Document, Finding, Location, Problem, nearest
from repro.errors import ReproError
from repro.evidence import LOOKS, first_look
from repro.expectation import Expectation, ExpectationError, Link, parse_measurement
from repro.expression import Measurement
from repro.form import Form
from repro.ledger import LEDGER, read_ledger
from repro.quantity import kind_of
from repro.recipe import Named
from repro.suite import PILOT, Claim, Picture, Profile, Suite
from repro.suite_files import nearest_above
from repro.tune_findings import of_tune


def check(file: Document) -> tuple[Suite, list[Problem]]:
    """The suite that a file holds, as far as it is sound, and everything that is wrong with it."""
    written_out = named_recipes.write_out(file)
    form = Form(written_out.file, Suite, written_out.broken)
    problems = [*written_out.problems, *form.problems, *_Check(form).problems()]
    return form.content, list(dict.fromkeys(problems))


class _Check:
    """Nothing is said of what the form has found wrong, nor of what would follow from it."""

    def __init__(self, form: Form[Suite]):
        self.form, self.suite, self.file = form, form.content, form.file

    def problems(self) -> Iterator[Problem]:
        yield from self._rules()
        if self.suite.task is not None:
            yield from self.form.tell(("task",), findings.of_choice(TASKS, Named(name=self.suite.task)))
        for name, profile in self._sound("profiles"):
            yield from self._profile(profile, ("profiles", name))
        for name, _ in self._sound("arms"):
            yield from of_arm(self.form, name, [p for p, arms in self.arms_at.items() if name in arms])
        for name, claim in self._sound("claims"):
            yield from self._claim(claim, ("claims", name))
        for name, picture in self._sound("pictures"):
            yield from self._picture(picture, ("pictures", name))
        for entry, _ in self._sound("not_measurable"):
            yield from self._ledger_id(entry, ("not_measurable", entry), at_key=True)
        yield from self._unused()

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
        path = nearest_above(self.file.path, LEDGER)
        return read_ledger(path.resolve()) if path else None

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

    @cached_property
    def arms_at(self) -> dict[str, tuple[str, ...]]:
        """The arms that claims are known to use, by profile."""
        known = {
            name: claim
            for name, claim in self._sound("claims")
            if isinstance(self.expectations.get(name), Expectation)
            and self.form.is_sound("claims", name, "profiles")
        }
        suite = self.suite.model_copy(update={"claims": known})
        return {profile: suite.arms_at(profile) for profile in suite.profiles}

    def _rules(self) -> Iterator[Problem]:
        if not (self.form.is_sound("seeds") and self.form.is_sound("evidence")):
            return
        alpha, seeds = self.suite.evidence.alpha, self.suite.seeds
        least = first_look(alpha)
        if least is None or seeds.max < least:
            place = ("seeds", "max") if ("seeds", "max") in self.file.values else ("evidence", "alpha")
            needs = f"needs at least {least}" if least else f"is more than {LOOKS[-1]} can show"
            message = f"with {seeds.max} seeds no claim can be decided; alpha {alpha:g} {needs}"
            yield self.file.problem(place, message)
        elif seeds.max not in LOOKS:
            looks = f"{', '.join(map(str, LOOKS[:-1]))} and {LOOKS[-1]}"
            yield self.file.problem(
                ("seeds", "max"), f"verdicts come after {looks} seeds: max is one of these"
            )
        if seeds.first + seeds.max > PILOT:
            last = PILOT - seeds.max
            message = f"seeds from {PILOT} up are for pilots and never judge; begin at {last} at most"
            yield self.file.problem(("seeds", "first"), message)

    def _profile(self, profile: Profile, place: Location) -> Iterator[Problem]:
        if profile.data is not None:
            yield from self.form.tell((*place, "data"), findings.of_choice(DATASETS, profile.data))
        if profile.recipe is not None:
            yield from self.form.tell((*place, "recipe"), findings.of_recipe(profile.recipe))
        if profile.weights is not None:
            yield from self.form.tell((*place, "weights"), of_weights(profile.weights, self.suite))
        if profile.tune is not None:
            yield from self.form.tell(
                (*place, "tune"), of_tune(profile.tune, profile.recipe, self.suite.task)
            )
        yield from self.form.tell((*place, "arms"), self._unknown_arms((arm, arm) for arm in profile.arms))

    def _unknown_arms(self, named: Iterable[tuple[str | int, str]]) -> Iterator[Finding]:
        """Of arms with the key or the index that each stands at."""
        for where, arm in named:
            if self.arms is not None and arm not in self.arms:
                yield Finding((where,), f"unknown arm '{arm}'{nearest(arm, self.arms)}", at_key=True)

    def _picture(self, picture: Picture, place: Location) -> Iterator[Problem]:
        if picture.picture not in PICTURES.targets:
            message = f"unknown picture '{picture.picture}'{nearest(picture.picture, PICTURES.targets)}"
            yield from self.form.tell((*place, "picture"), [Finding((), message)])
        else:
            options = findings.of_options(PICTURES, picture.picture, picture.options, Picture.model_fields)
            yield from self.form.tell(place, options)
        yield from self.form.tell((*place, "arms"), self._unknown_arms(enumerate(picture.arms)))

    def _ledger_id(self, entry: str, place: Location, *, at_key: bool = False) -> Iterator[Problem]:
        if self.ledger is not None and entry not in self.ledger:
            message = f"unknown ledger id '{entry}'{nearest(entry, self.ledger)}"
            yield self.file.problem(place, message, at_key=at_key)

    def _unused(self) -> Iterator[Problem]:
        """Arms that no claim uses, at all or at a profile that has options for them. A claim that cannot be
        read, or that names no arm or profile of the suite, may have meant them.
        """
        if self.arms is None or not self._all_read():
            return
        used = {arm for arms in self.arms_at.values() for arm in arms}
        for arm in self.arms - used:
            yield self.file.problem(("arms", arm), f"no claim uses the arm '{arm}'", at_key=True)
        for name, profile in self._sound("profiles"):
            for arm in profile.arms.keys() & used - set(self.arms_at[name]):
                message = f"no claim that is asked at profile '{name}' uses the arm '{arm}'"
                yield self.file.problem(("profiles", name, "arms", arm), message, at_key=True)

    def _all_read(self) -> bool:
        """Whether it is known of every claim which arms it uses, and where."""
        if self.file.duplicates or not self.form.is_sound("claims"):
            return False
        read = self.expectations.values()
        arms = {m.arm for e in read if isinstance(e, Expectation) for m in e.measurements}
        profiles = {p for _, claim in self._sound("claims") for p in claim.profiles or ()}
        return (
            all(isinstance(e, Expectation) for e in read)
            and arms <= (self.arms or set())
            and profiles <= (self.profiles or set())
        )

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
            for key in claim.reported:
                try:
                    message = None if str(parse_measurement(key)) in known else _not_measured(key, known)
                except ExpectationError:
                    message = _not_measured(key, known)
                if message:
                    yield self.file.problem((*place, "reported", key), message, at_key=True)

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
        if self.suite.task in (None, *TASKS.targets):
            for link in expected.links:
                yield from ((link.offset, f"'{link}': {mistake}") for mistake in self._by_chance(link))

    def _by_chance(self, link: Link) -> Iterator[str]:
        """What a link asks of noisy numbers that chance alone would give, or never would."""
        if link.relation == "==" and link.tolerance is None and any(map(self._is_noisy, link.measurements)):
            yield "a trained or measured number is never exactly equal; use approx(…, abs=…)"
        for choice in link.choices(self._is_noisy):
            remedy = (
                "say which way: 'a - b > x'"
                if choice.name == "abs"
                else "compare with each, 'c > a and c > b', or name the arm"
            )
            yield f"the data would choose what suits the claim in {choice}; {remedy}"

    def _is_noisy(self, measurement: Measurement) -> bool:
        try:
            return kind_of(measurement.name, self.suite.task).differs_by_seed(measurement.name)
        except ReproError:
            return False  # the unknown name is its own problem

    def _measurement(self, measurement: Measurement, asked: set[str]) -> Iterator[str]:
        try:
            kind = kind_of(measurement.name, self.suite.task)
        except ReproError as error:
            yield str(error)
            return
        yield from kind.mistakes(measurement)
        arm = self.suite.arms.get(measurement.arm)
        if arm is not None and arm.of is not None and not kind.treated:
            yield f"'{measurement.name}' does not depend on a treatment: ask it of arm '{arm.of}'"
        wanted = kind.wants(measurement)
        if not wanted or measurement.arm not in self.suite.arms:
            return
        if self.suite.task is None:
            yield f"'{measurement.name}' needs a task, which the suite does not give"
        for profile in sorted(asked & set(self.suite.profiles)):
            if any(self._lacks(arm, profile, wanted) for arm in self._trained(measurement.arm, profile)):
                needs = " and a ".join(wanted)
                yield f"'{measurement.name}' needs {needs}, which profile '{profile}' does not give"

    def _trained(self, arm: str, profile: str) -> list[str]:
        return [name for name in self.suite.trained_for(arm, profile) if name in self.suite.arms]

    def _lacks(self, arm: str, profile: str, wanted: Iterable[str]) -> bool:
        """Whether an arm has no data or no recipe at a profile, though nothing is wrong with those."""
        for part in PARTS:
            if not all(self.form.is_sound(*place, part) for place in (("profiles", profile), ("arms", arm))):
                return False
        scale = self.suite.profiles[profile]
        has = {
            "data": scale.data is not None or "name" in self.suite.arms[arm].data,
            "recipe": scale.recipe is not None,
        }
        return not all(has[part] for part in wanted)


def _not_measured(key: str, known: list[str]) -> str:
    return f"the claim does not measure '{key}'{nearest(key, known)}"


PARTS = ("data", "recipe")
