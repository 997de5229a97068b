"""A claim in a result: how it was decided, and on what."""

import math
from collections.abc import Iterable
from html import escape
from typing import Self

from pydantic import Field, model_validator

from repro.evidence import Verdict
from repro.format import figure, html_table, ordinal
from repro.result.evidence import Evidence
from repro.result.fields import Amount, Base, Measured
from repro.suite import ArmName
from repro.value import Value


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

    @property
    def is_open(self) -> bool:
        """Whether it is undecided because its seeds cannot tell."""
        return self.verdict == "undecided" and not self.why and not self.contested

    @property
    def is_news(self) -> bool:
        """Whether seeds decided it though the suite expects that they do not. That is no fault: of claims to
        which there is nothing, up to one in ten is decided by other numbers, as of another CPU or PyTorch.
        """
        return self.expected == "undecided" and self.verdict != "undecided" and not self.contested

    def is_tolerated(self, strict: bool) -> bool:
        """Whether a run may pass with this verdict. One that is `strict` tolerates what is as expected alone,
        others what is undecided, too, and what was to be. What has no value is tolerated by none.
        """
        return self.as_expected or (not strict and (self.is_open or self.is_news))


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


def falsely_reproduced(claims: Iterable[ClaimResult]) -> float:
    """As many at most are expected to be reproduced although there is nothing to them: each that is tried by
    seeds is so with probability alpha at most.
    """
    return math.fsum(claim.evidence.alpha for claim in claims if claim.evidence.is_tried)
