"""What is asked: a suite, its arms, profiles and claims, as a YAML file says them. Imports no torch.

`repro.reading.load` reads a file and finds everything that is wrong with it at once.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, StringConstraints

from repro import expectation
from repro.evidence import Verdict
from repro.expression import Measurement
from repro.recipe import Choice, Named, Recipe, Strict, Timing

LONGEST = 100  # characters of a name: with what is put to it, it has to fit a file's name (255)
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=LONGEST)]
ArmName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", max_length=LONGEST)]
Text = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]
Device = Literal["cpu", "cuda", "mps"]
SMALLEST_ALPHA = 1e-6  # below, 20 seeds could never be enough
PILOT = 1000  # seeds from here up are there to try things out, and judge nothing
CONFIRMING = 2000  # from here up a night is told apart from chance


class Paper(Strict):
    title: Text
    arxiv: str | None = Field(
        None, pattern=r"^\d{4}\.\d{4,5}$", description="in quotes, or YAML takes it for a number"
    )
    url: str | None = None
    venue: str | None = None


class Arm(BaseModel):
    """One side of a comparison: a net and how it is trained, or an arm (`of`) that is treated (`after`).

    Keys that are not listed here are options of its model.
    """

    model_config = ConfigDict(extra="allow", frozen=True, strict=True)
    model: str | None = None
    of: ArmName | None = Field(None, description="the arm that is treated, instead of a model")
    after: Choice | None = Field(
        None, description="what is done to its trained nets before they are measured"
    )
    weights: Choice | None = Field(None, description="what it starts from instead of what the profile says")
    freeze: tuple[Text, ...] = Field((), description="modules that are not trained: `[trunk]`")
    data: dict[str, Any] = Field(default_factory=dict, description="what differs from the profile's data")
    recipe: dict[str, Any] = Field(default_factory=dict, description="what differs from the profile's recipe")
    seed_offset: int = Field(
        0, ge=0, description="trains seed n + offset where other arms train seed n (for A/A suites)"
    )

    @property
    def options(self) -> dict[str, Any]:
        return dict(self.model_extra or {})


class Tune(BaseModel):
    """What each arm finds out for itself on pilot seeds. Other keys are places in the recipe."""

    model_config = ConfigDict(extra="allow", frozen=True, strict=True)
    by: Text = Field(description="the metric that is best for the values that are taken")

    @property
    def grid(self) -> dict[str, list[Any]]:
        """Values to try, by their place in the recipe: `optimizer.lr`."""
        return dict(self.model_extra or {})

    @property
    def points(self) -> list[dict[str, Any]]:
        """Every combination of values."""
        return [dict(zip(self.grid, values, strict=True)) for values in product(*self.grid.values())]


class ArmHere(BaseModel):
    """What is special about an arm at one scale. Keys that are not listed here are options of its model."""

    model_config = ConfigDict(extra="allow", frozen=True, strict=True)
    recipe: dict[str, Any] = Field(
        default_factory=dict, description="what differs from the profile's recipe, and from the arm's own"
    )

    @property
    def options(self) -> dict[str, Any]:
        return dict(self.model_extra or {})


class Profile(Strict):
    """A scale: where the arms are trained, on what, and how."""

    device: Device = "cpu"
    data: Choice | None = None
    recipe: Recipe | None = Field(
        None, description="what it says, or a name in recipes.yaml, or such a name and what differs"
    )
    tune: Tune | None = Field(None, description="recipe values that each arm chooses on pilot seeds")
    timing: Timing = Field(
        default_factory=Timing, description="how nets are timed, for `latency`, `throughput` and their like"
    )
    weights: Choice | None = Field(
        None, description="what every net starts from; random weights, if not given"
    )
    model: dict[str, Any] = Field(
        default_factory=dict, description="model options of every arm at this scale"
    )
    arms: dict[ArmName, ArmHere] = Field(
        default_factory=dict, description="model options and recipes of single arms"
    )

    def of_arm(self, arm: str) -> ArmHere:
        return self.arms.get(arm, ArmHere())


class Known(Strict):
    """A verdict that is known to differ at a scale: the claim passes only while it is this one."""

    verdict: Verdict
    because: Text


class Claim(Strict):
    says: Text = Field(description="what the paper says, in a sentence")
    expect: Text = Field(description="the same over measurements: train_error(a) < train_error(b)")
    source: str | None = Field(None, description="figure, table or section of the paper")
    reported: dict[Text, float] = Field(
        default_factory=dict,
        description="the paper's own numbers, by measurement: `miou(fcn8s): 0.627`; shown, not tested",
    )
    ledger: tuple[str, ...] = ()
    profiles: tuple[Name, ...] | None = Field(
        None, description="the profiles it is asked at; all, if not given"
    )
    at: dict[Name, Known] = Field(default_factory=dict)

    @cached_property
    def expectation(self) -> expectation.Expectation:
        return expectation.parse(self.expect)

    @cached_property
    def papers_numbers(self) -> dict[Measurement, float]:
        """What is `reported`, by measurement. Raises `ExpectationError` for a key that is none."""
        return {expectation.parse_measurement(key): number for key, number in self.reported.items()}

    def expected(self, profile: str) -> Verdict:
        return self.at[profile].verdict if profile in self.at else "reproduced"


class Seeds(Strict):
    first: int = Field(0, ge=0, lt=PILOT, description="fresh ones, where a claim is formulated anew")
    max: PositiveInt = Field(10, description="they are looked at after 5, 7, 10, 14 and 20")


class Rules(Strict):
    """How the claims are decided."""

    alpha: float = Field(0.05, ge=SMALLEST_ALPHA, lt=0.5)


class Picture(BaseModel):
    """A picture of the nets that some arms end with. Keys that are not listed here are options of what draws
    it.
    """

    model_config = ConfigDict(extra="allow", frozen=True, strict=True)
    picture: str
    arms: tuple[ArmName, ...] = Field(min_length=1)
    says: Text = Field(description="what is to be seen, in a sentence")

    @property
    def options(self) -> dict[str, Any]:
        return dict(self.model_extra or {})


@dataclass(frozen=True)
class ResolvedArm:
    """An arm at a profile, with nothing left open but the seed."""

    model: Named
    data: Named | None
    recipe: Recipe | None
    seed_offset: int
    weights: Named | None = None
    freeze: tuple[str, ...] = ()
    of: str | None = None  # of a treated arm: whose nets are treated
    treatment: Named | None = None


class Suite(Strict):
    suite: Name
    paper: Paper | None = None
    about: str | None = Field(
        None, description="what a reader should know before the claims: departures from the paper, cost"
    )
    task: str | None = Field(None, description="what nets are trained for; not needed where none is trained")
    arms: dict[ArmName, Arm] = Field(min_length=1)
    profiles: dict[Name, Profile] = Field(min_length=1)
    claims: dict[Name, Claim] = Field(min_length=1)
    pictures: dict[Name, Picture] = Field(default_factory=dict)
    not_measurable: dict[str, Text] = Field(
        default_factory=dict,
        description="what the ledger holds on this topic that no run can decide, by id, and why",
    )
    seeds: Seeds = Seeds()
    evidence: Rules = Rules()

    def resolve(self, arm: str, profile: str) -> ResolvedArm:
        own = self.arms[arm]
        if own.of is not None:
            return replace(self.resolve(own.of, profile), of=own.of, treatment=own.after)
        return ResolvedArm(
            model=Named.model_validate({**self.model_options(arm, profile), "name": own.model}),
            data=self.data_of(arm, profile),
            recipe=self.recipe_of(arm, profile),
            seed_offset=own.seed_offset,
            weights=own.weights or self.profiles[profile].weights,
            freeze=own.freeze,
        )

    def model_options(self, arm: str, profile: str) -> dict[str, Any]:
        scale = self.profiles[profile]
        return {**self.arms[arm].options, **scale.model, **scale.of_arm(arm).options}

    def data_of(self, arm: str, profile: str) -> Named | None:
        """None if neither the profile nor the arm names a data set."""
        of_all = self.profiles[profile].data
        data = merge(of_all.model_dump() if of_all else {}, self.arms[arm].data)
        return Named.model_validate(data) if "name" in data else None

    def recipe_of(self, arm: str, profile: str) -> Recipe | None:
        """None if the profile has none. Raises `pydantic.ValidationError` if the arm's changes do not make a
        recipe.
        """
        of_all = self.profiles[profile].recipe
        if of_all is None:
            return None
        return amended(amended(of_all, self.arms[arm].recipe), self.profiles[profile].of_arm(arm).recipe)

    def start_of(self, arm: str, profile: str) -> str | None:
        """The arm whose trials an arm starts from: that which its weights name as `arm`."""
        weights = self.arms[arm].weights or self.profiles[profile].weights
        start = weights.options.get("arm") if weights else None
        return start if isinstance(start, str) else None

    def trained_for(self, arm: str, profile: str) -> list[str]:
        """The arms that are trained for one: those it starts from, then itself or the treated one."""
        start, found = self.arms[arm].of or arm, list[str]()
        while start in self.arms and start not in found:
            found.append(start)
            start = self.start_of(start, profile) or ""
        return found[::-1]

    def arms_at(self, profile: str) -> tuple[str, ...]:
        """The arms that the claims asked at a profile use, in the suite's order: it concerns no others."""
        used = set()
        for _, claim in self.claims_at(profile):
            for measurement in claim.expectation.measurements:
                if measurement.arm in self.arms:
                    used |= {measurement.arm, *self.trained_for(measurement.arm, profile)}
        return tuple(arm for arm in self.arms if arm in used)

    def claims_at(self, profile: str) -> Iterator[tuple[str, Claim]]:
        for name, claim in self.claims.items():
            if profile in self.profiles and (claim.profiles is None or profile in claim.profiles):
                yield name, claim


def amended(recipe: Recipe, changes: Mapping[str, Any]) -> Recipe:
    """A recipe with changes. Raises `pydantic.ValidationError` if they do not make one."""
    plain = recipe.model_dump(exclude_unset=True)
    return Recipe.model_validate_json(json.dumps(merge(plain, changes)))


def changed(recipe: Recipe, values: Mapping[str, Any]) -> Recipe:
    """A recipe with other values at some places: `{"optimizer.lr": 0.1}`."""
    changes = dict[str, Any]()
    for place, value in values.items():
        *above, key = place.split(".")
        change: dict[str, Any] = {key: value}
        for step in reversed(above):
            change = {step: change}
        changes = merge(changes, change)
    return amended(recipe, changes)


def merge(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """`base` with `changes`, mapping by mapping; a choice with another name replaces the whole choice."""
    merged = dict(base)
    for key, value in changes.items():
        old = merged.get(key)
        if (
            isinstance(old, Mapping)
            and isinstance(value, Mapping)
            and value.get("name", old.get("name")) == old.get("name")
        ):
            value = merge(old, value)
        merged[key] = value
    return merged
