"""A result: one run of one suite."""

from functools import cached_property
from html import escape
from pathlib import Path, PurePosixPath
from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from repro.catalogue import CLOCKS, PROBES, TASKS, declaration, metrics
from repro.declaration import Declaration
from repro.environment import Conditions, Facts
from repro.format import html_table
from repro.result.arm import ArmResult, TimingResult, TrialResult, TuningResult
from repro.result.claim import ClaimResult
from repro.result.fields import Amount, Base, Moment
from repro.result.table import RIGHT, verdict_rows
from repro.suite import ArmName, Name


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
    def commit(self) -> str | None:
        """Of the project that it was made in."""
        return self.environment.facts.get("commit")

    @property
    def path(self) -> Path:
        """Where it stands below a folder of results."""
        return Path(self.suite, self.profile, f"{self.id}.json")
