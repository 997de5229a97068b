"""What a verdict rests on, as a result holds it."""

import math
from collections.abc import Sequence
from typing import Self

from pydantic import Field, model_validator

from repro.evidence import Verdict
from repro.result.fields import Base, Ends, Index
from repro.suite import SMALLEST_ALPHA, Rules
from repro.value import Value, known
from repro.verdict import Judgement, Part


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
