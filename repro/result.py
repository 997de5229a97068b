"""A result: one run of one suite as JSON. `repro schema --result` prints the JSON Schema that these classes
make.

JSON has no NaN and no infinity: see `repro.value`. The open end of an interval is null.
"""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from functools import cache, cached_property
from html import escape
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    field_validator,
    model_validator,
)

from repro.catalogue import CLOCKS, PROBES, TASKS, declaration, metrics
from repro.declaration import Declaration
from repro.environment import Conditions, Facts
from repro.errors import ReproError
from repro.evidence import Verdict
from repro.expectation import ExpectationError, parse_measurement
from repro.format import duration, figure, html_table, interval, ordinal
from repro.lock import remove_if_left
from repro.store import write_atomically
from repro.suite import SMALLEST_ALPHA, ArmName, Name, Rules
from repro.value import Value, known
from repro.verdict import Judgement, Part

SCHEMA = 2
ELSEWHERE = "Name another folder for results with --results"
RIGHT = (2, 3, 5)  # columns of the verdict table that are numbers


@cache
def _measurement(text: str) -> str:
    try:
        parse_measurement(text)
    except ExpectationError as error:
        raise ValueError(str(error)) from None
    return text


Amount = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Ends = tuple[Value, Value]
Index = Annotated[int, Field(ge=0, lt=2**63)]  # what tables and TensorBoard can hold
Measured = Annotated[str, AfterValidator(_measurement)]
TimedName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*(\([^/\\\x00-\x1f]*\))?$")]
Moment = Annotated[str, StringConstraints(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")]


class Base(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class PartResult(Base):
    """One margin of a claim, positive where the claim holds."""

    text: str
    margins: tuple[Value, ...] = Field(description="one per seed; a single one if the part needs no seeds")
    holds: bool | None = Field(description="of a part that needs no seeds")
    why: str | None = Field(None, description="why it has no value, for one seed at least")
    estimate: Value
    interval: Ends | None
    verdict: Verdict | None = Field(None, description="of a part that seeds decide: by itself")
    decided_at: Index | None = Field(None, description="number of seeds at that")

    @property
    def is_tried(self) -> bool:
        """Whether seeds speak for it or against it."""
        return self.holds is None and self.why is None

    def fits(self, seeds: int) -> bool:
        """Whether it has as many numbers as there are seeds."""
        return len(self.margins) == seeds or (not self.is_tried and len(self.margins) == 1)


class Evidence(Base):
    """Estimate and interval are of the margin by which the claim holds; of a conjunction, of its weakest
    part.
    """

    seeds: tuple[Index, ...]
    estimate: Value
    interval: Ends | None = Field(description="all margins that would be undecided; null where it has no end")
    alpha: float = Field(ge=SMALLEST_ALPHA, lt=0.5)
    decided_at: Index | None = Field(description="number of seeds at the verdict")
    parts: tuple[PartResult, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _as_many_numbers_as_seeds(self) -> Self:
        many = len(self.seeds)
        if len({*self.seeds}) < many:
            raise ValueError("a seed is there twice")
        if not all(part.fits(many) for part in self.parts):
            raise ValueError("not as many numbers as seeds")
        at = (self.decided_at, *(part.decided_at for part in self.parts))
        if max(number or 0 for number in at) > many:
            raise ValueError("decided at a seed that is not there")
        return self

    @property
    def is_tried(self) -> bool:
        """Whether seeds have a say in it."""
        return bool(self.seeds) and any(part.is_tried for part in self.parts)


class Formulation(Base):
    """What the register knows of a claim as it is worded now."""

    digest: str
    number: int = Field(ge=1, description="which formulation it is, of those that these seeds have judged")
    thresholds: int = Field(ge=1, description="as many thresholds this formulation has had")

    def __str__(self) -> str:
        """What a reader should know of it; empty for the first."""
        said = [f"{ordinal(self.number)} formulation"] if self.number > 1 else []
        moved = [f"{ordinal(self.thresholds)} threshold"] if self.thresholds > 1 else []
        return ", ".join(said + moved)


class ClaimResult(Base):
    says: str
    expect: str
    source: str | None
    ledger: tuple[str, ...]
    verdict: Verdict
    expected: Verdict
    as_expected: bool
    reported: dict[Measured, float] = Field(description="the paper's own numbers, by measurement")
    why: str | None = Field(None, description="why it cannot be decided: a number that has no value")
    contested: bool = Field(
        False, description="whether all seeds there are would not give the verdict of the first of them"
    )
    trivial: tuple[ArmName, ...] = Field(
        (), description="arms that do no better than to answer everything with the most frequent class"
    )
    formulation: Formulation | None = Field(
        None, description="which one of this claim these seeds judge; null if none do"
    )
    because: str | None = Field(
        description="why another verdict than `reproduced` is expected at this profile"
    )
    evidence: Evidence
    values: dict[Measured, tuple[Value, ...]] = Field(
        min_length=1, description="every measurement of the claim, per seed"
    )
    seconds: Amount = Field(
        description="time of the trials and rounds of timing it rests on, whoever ran them and when"
    )

    @property
    def measures(self) -> set[str]:
        """The names of what it measures: `miou` of `miou(fcn8, images=40)`."""
        return {measurement.partition("(")[0] for measurement in self.values}

    def _repr_html_(self) -> str:
        """Its values by seed, for notebooks."""
        rows = [["seed", *self.values]]
        for i, seed in enumerate(self.evidence.seeds or ("",)):
            rows.append(
                [str(seed), *(figure(values[min(i, len(values) - 1)]) for values in self.values.values())]
            )
        right = range(len(rows[0]))
        return f"<p>{escape(verdict(self))}: {escape(self.says)}</p>{html_table(rows, right)}"

    @model_validator(mode="after")
    def _as_many_values_as_seeds(self) -> Self:
        many = len(self.evidence.seeds)
        if any(len(values) not in (1, many or 1) for values in self.values.values()):
            raise ValueError("not as many values as seeds")
        return self

    def is_tolerated(self, strict: bool) -> bool:
        """Whether a run may pass with this verdict; a `strict` one tolerates no undecided claim.

        What has no value is not tolerated by any.
        """
        is_open = self.verdict == "undecided" and not self.why and not self.contested
        return self.as_expected or (is_open and not strict)


class TrialResult(Base):
    arm: ArmName
    seed: Index
    digest: str
    measurements: dict[str, Value]
    trivial: dict[str, Value] = Field(
        default_factory=dict, description="metrics of the most frequent class as the answer to everything"
    )
    curves: dict[str, list[tuple[Index, Value]]]
    cost: dict[str, Amount | None]


class TimingResult(Base):
    """One net in one round of timing, in a process of its own."""

    arm: ArmName
    name: TimedName = Field(
        description="the arm, with what is special about how it was timed: `vgg16(batch_size=8)`"
    )
    seed: Index = Field(description="the round's number")
    digest: str = Field(description="of the round")
    timing: dict[str, Any] = Field(description="batch size, image size and the like")
    region: str = Field(description="what the clock was read around")
    seconds: tuple[Amount, ...] = Field(description="of each pass, as they came")
    measurements: dict[str, Amount] = Field(
        description="milliseconds a pass, images a second, bytes and joules an image"
    )
    matmul_peak_flops_per_second: Amount
    gpu: dict[str, Any] | None = Field(
        None,
        description="what the GPU said of itself: its clocks, temperature, power limit and watts when idle, "
        "other processes on it, and after which passes it said that it was slowed down, and why",
    )


class ArmResult(Base):
    """An arm as it was trained: nothing is left open but the seed. A treated arm is that of `of`."""

    model: str
    options: dict[str, Any]
    data: dict[str, Any] | None
    recipe: dict[str, Any] | None
    weights: dict[str, Any] | None
    freeze: tuple[str, ...] = ()
    of: str | None = None
    after: dict[str, Any] | None = Field(None, description="what is done to the nets of `of`")


class TuningPoint(Base):
    values: dict[str, Any] = Field(description="by their place in the recipe: `optimizer.lr`")
    measured: tuple[Value, ...] = Field(description="one per pilot seed")


class TuningResult(Base):
    """How the recipe of an arm was completed, on pilot seeds alone."""

    by: str
    seeds: tuple[int, ...]
    grid: tuple[TuningPoint, ...]
    chosen: dict[str, Any]


class PictureResult(Base):
    file: str = Field(description="a PNG file, from the folder that this result is in")
    says: str
    arms: tuple[str, ...]

    @field_validator("file")
    @classmethod
    def _inside(cls, file: str) -> str:
        path = PurePosixPath(file)
        if path.is_absolute() or ".." in path.parts:
            raise ValueError("not in the folder that the result is in")
        return file


class Environment(Base):
    key: tuple[Conditions, ...] = Field(
        description="what must be equal for timings to be compared: one per kind"
    )
    facts: Facts


class Result(Base):
    schema_: Literal[2] = Field(2, alias="schema")
    id: Name
    suite: Name
    suite_digest: str
    file: str
    profile: Name
    paper: dict[str, Any] | None
    about: str | None
    task: str | None
    arms: dict[ArmName, ArmResult] = Field(description="those that the claims of the profile use")
    tuning: dict[ArmName, TuningResult] = Field(default_factory=dict, description="by arm")
    quantities: dict[str, Declaration] = Field(
        default_factory=dict, description="unit and direction of what trials, timings and probes measured"
    )
    environment: Environment
    trials: tuple[TrialResult, ...]
    timings: tuple[TimingResult, ...] = ()
    claims: dict[Name, ClaimResult]
    pictures: dict[Name, PictureResult]
    complete: bool = Field(description="whether every claim of the suite at this profile is in it")
    falsely_reproduced: Amount = Field(
        description="as many claims at most are expected to be reproduced by chance: alpha for each one tried"
    )
    command: str
    finished: Moment

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        trained = {(one.arm, one.seed) for one in self.trials}
        timed = {(one.name, one.seed) for one in self.timings}
        if len(trained) < len(self.trials) or len(timed) < len(self.timings):
            raise ValueError("a seed of an arm is there twice")
        return self

    def _repr_html_(self) -> str:
        """Its claims, for notebooks."""
        head = f"{self.suite} at profile {self.profile}, {self.finished}"
        return f"<p>{escape(head)}</p>{html_table(verdict_rows(self.claims), RIGHT)}"

    def declared(self, quantity: str) -> Declaration:
        """Unit and direction of what a trial, a timing or a probe measured."""
        return self._declarations.get(quantity, Declaration())

    @property
    def units(self) -> dict[str, str]:
        """The unit of each metric, clock and probe; "" for a plain number."""
        return {name: declared.unit for name, declared in self._declarations.items()}

    @cached_property
    def _declarations(self) -> dict[str, Declaration]:
        """Those of a result that was written before results held them are those of what is installed."""
        known = metrics(self.task) if self.task in TASKS.targets else {}
        asked = {name for claim in self.claims.values() for name in claim.measures}
        measures = CLOCKS.targets.keys() | (asked & PROBES.targets.keys())
        return {**known, **{measure: declaration(measure) for measure in measures}, **self.quantities}

    @property
    def path(self) -> Path:
        """Where it stands below a folder of results."""
        return Path(self.suite, self.profile, f"{self.id}.json")


def verdict(claim: ClaimResult) -> str:
    """The verdict, whether it is the one that was expected, and what a reader should know beside it."""
    as_known = ["as known"] if claim.as_expected and claim.expected != "reproduced" else []
    contested = ["contested"] if claim.as_expected and claim.contested else []
    beside = [*contested, str(claim.formulation or ""), *(f"{arm} is trivial" for arm in claim.trivial)]
    notes = "; ".join(as_known + [note for note in beside if note])
    told = f" ({notes})" if notes else ""
    if claim.as_expected:
        return f"{claim.verdict}{told}"
    doubt = " (no value)" if claim.why else " (contested)" if claim.contested else ""
    return f"{claim.verdict}{doubt}, expected {claim.expected}{told}"


def verdict_rows(claims: Mapping[str, ClaimResult]) -> list[tuple[str, ...]]:
    """The verdict table, with its head. `claims` are by the name to show."""
    rows: list[tuple[str, ...]] = [("claim", "verdict", "seeds", "margin", "interval", "time")]
    for name, claim in claims.items():
        evidence = claim.evidence
        rows.append(
            (
                ("" if claim.as_expected else "! ") + name,
                verdict(claim),
                str(len(evidence.seeds)) if evidence.seeds else "-",
                figure(evidence.estimate),
                interval(evidence.interval),
                duration(claim.seconds) if evidence.seeds else "-",
            )
        )
    return rows


def evidence_of(judgement: Judgement, seeds: Sequence[int], rules: Rules) -> Evidence:
    """What a verdict rests on, as it is written down."""
    parts = tuple(_part(part) for part in judgement.parts)
    weakest = parts[judgement.parts.index(judgement.weakest)]
    return Evidence(
        seeds=tuple(seeds),
        estimate=weakest.estimate,
        interval=weakest.interval,
        alpha=rules.alpha,
        decided_at=judgement.decided_at,
        parts=parts,
    )


def _part(part: Part) -> PartResult:
    decision = part.decision
    estimate = decision.estimate if decision else known(part.margins[0]) if part.margins else None
    return PartResult(
        text=part.text,
        margins=tuple(map(known, part.margins)),
        holds=part.holds,
        why=part.why,
        estimate=None if part.why else estimate,
        interval=_ends(*decision.interval) if decision else None,
        verdict=decision.verdict if decision else None,
        decided_at=decision.decided_at if decision else None,
    )


def _ends(low: float, high: float) -> Ends:
    """The ends of an interval; None where it has none. One that it has is infinite where all margins are."""
    return None if low == -math.inf else low, None if high == math.inf else high


def falsely_reproduced(claims: Iterable[ClaimResult]) -> float:
    """As many at most are expected to be reproduced although there is nothing to them: each that is tried by
    seeds is so with probability alpha at most.
    """
    return math.fsum(claim.evidence.alpha for claim in claims if claim.evidence.is_tried)


def write(result: Result, folder: Path) -> Path:
    """`FOLDER/<suite>/<profile>/<id>.json`, atomically."""
    path = folder / result.path
    content = json.dumps(
        result.model_dump(mode="json", by_alias=True), sort_keys=True, indent=1, allow_nan=False
    )
    for part in path.parent.rglob(".*.part"):  # of killed processes
        remove_if_left(part)
    write_atomically(path, content.encode() + b"\n", ELSEWHERE)
    return path


def read(path: Path) -> Result:
    """Raises `ReproError`, naming the file, if it is not a result."""
    try:
        return Result.model_validate_json(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ReproError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ReproError(f"{path}: not a result: not UTF-8 text") from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"])) or "the file"
        raise ReproError(f"{path}: not a result of schema {SCHEMA}: {place}: {first['msg']}") from None
