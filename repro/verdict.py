"""From the numbers of a claim to its verdict: links, conjunctions and equivalences over paired
differences.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from statistics import fmean, pstdev

from repro import evidence
from repro.evidence import Decision, Verdict
from repro.expectation import Expectation, Link
from repro.expression import Expression, Measurement, evaluate, margin, no_value

Value = Callable[[Measurement, int], float]


@dataclass(frozen=True)
class Part:
    """One margin of a claim: a number that is positive where the claim holds. Static ones are decided without
    seeds.
    """

    text: str
    margins: tuple[float, ...]  # a value per seed; one value if static
    decision: Decision | None = None  # None if static, or if it has no value
    holds: bool | None = None  # of a static one
    why: str | None = None  # it has no value, for one seed at least

    @property
    def is_tried(self) -> bool:
        """Whether it is for seeds to decide it."""
        return self.holds is None and self.why is None


@dataclass(frozen=True)
class Judgement:
    """The verdict of a claim with its evidence. Of a conjunction, estimate and interval are those of the
    weakest part.
    """

    verdict: Verdict
    parts: tuple[Part, ...]
    decided_at: int | None  # seeds at the verdict; 0 if it took none
    why: str | None = None  # it cannot be decided, however many seeds there are

    @property
    def tried(self) -> tuple[Part, ...]:
        return tuple(part for part in self.parts if part.is_tried)

    @property
    def weakest(self) -> Part:
        """The part that decides: the least supported one, or of a refuted claim the one most spoken
        against. Where signs speak as much of several, it is the one whose margin is least in units of its
        spread over the seeds.
        """
        broken = [part for part in self.parts if part.holds is False or part.why]
        if broken or not self.tried:
            return (broken or list(self.parts))[0]
        return max(
            self.tried,
            key=lambda part: (evidence.share(part.margins[: evidence.MOST]), -_in_spreads(part.margins)),
        )

    def can_be_decided(self, most: int, alpha: float) -> bool:
        """Whether a verdict can still come with so many seeds, whatever the margins of the others are."""
        tried = self.tried
        if self.verdict != "undecided" or self.why or not tried:
            return False

        def can_be(verdict: Verdict, part: Part) -> bool:
            return evidence.can_be(verdict, part.margins, most, alpha, len(tried))

        return all(can_be("reproduced", part) for part in tried) or any(
            can_be("refuted", part) for part in tried
        )

    def is_contested(self, alpha: float) -> bool:
        """Whether the verdict is one that all seeds together do not give: the sign-flip test that looks once,
        at all of them.
        """
        tried = self.tried
        if not self.decided_at or all(len(part.margins) == self.decided_at for part in tried):
            return False
        if self.verdict == "reproduced":
            return any(evidence.share(part.margins) > alpha for part in tried)
        against = [evidence.share([-margin for margin in part.margins]) for part in tried]
        return min(against) > alpha / len(tried)


def _in_spreads(margins: Sequence[float]) -> float:
    """The mean of margins in units of their standard deviation; infinite where that cannot be told."""
    if not margins or not all(map(math.isfinite, margins)):
        return math.inf
    mean, spread = fmean(margins), pstdev(margins)
    return mean / spread if spread else math.copysign(math.inf, mean)


def decide(
    expectation: Expectation,
    seeds: Sequence[int],
    value: Value,
    is_static: Callable[[Measurement], bool],
    alpha: float = 0.05,
) -> Judgement:
    """The verdict over some seeds. `value` gives a measurement for a seed (any, if it is static)."""
    parts = [part for link in expectation.links for part in _parts(link, seeds, value, is_static)]
    return combine(parts, alpha)


def without_seeds(
    expectation: Expectation, value: Value, is_static: Callable[[Measurement], bool]
) -> Judgement:
    """What is known before any seed: it is refuted if a part that needs none is false, and reproduced if no
    part needs any. `value` is asked for static measurements alone.
    """
    links = [link for link in expectation.links if all(map(is_static, link.measurements))]
    known = [part for link in links for part in _parts(link, (), value, is_static)]
    judgement = combine(known)
    if judgement.verdict == "reproduced" and len(links) < len(expectation.links):
        return replace(judgement, verdict="undecided", decided_at=None)
    return judgement


def _parts(
    link: Link, seeds: Sequence[int], value: Value, is_static: Callable[[Measurement], bool]
) -> list[Part]:
    if all(is_static(measurement) for measurement in link.measurements):
        margins = [evaluate(expression, lambda m: value(m, 0)) for expression in link.margins]
        why = _why(link.margins, [0], value)
        holds = None if why else link.holds(lambda m: value(m, 0))
        return [Part(str(link), (min(margins),) if not why else (math.nan,), None, holds, why)]
    texts = [str(link)]
    if link.tolerance is not None:
        difference = f"{link.left} - {link.right}" if str(link.right) != "0" else str(link.left)
        texts = [f"{difference} < {link.tolerance}", f"{difference} > -({link.tolerance})"]
    parts = []
    for text, expression in zip(texts, link.margins, strict=True):
        found = tuple(margin(expression, partial(_of_seed, value, seed)) for seed in seeds)
        parts.append(Part(text, found, why=_why([expression], seeds, value)))
    return parts


def _of_seed(value: Value, seed: int, measurement: Measurement) -> float:
    return value(measurement, seed)


def _why(margins: Sequence[Expression], seeds: Sequence[int], value: Value) -> str | None:
    """Why a margin has no value for one of the seeds; None if all have one."""
    for seed, expression in product(seeds, margins):
        why = no_value(expression, partial(_of_seed, value, seed))
        if why:
            return f"{why} (seed {seed})" if len(seeds) > 1 else why
    return None


def combine(parts: Sequence[Part], alpha: float = 0.05) -> Judgement:
    """A conjunction is reproduced once each part was, each at level alpha: that all of them cross where one
    should not is no more probable than that this one does. It is refuted once one part is, at alpha divided
    by the number of parts that seeds decide (Bonferroni).

    Where a part has no value it is undecided, unless another is false without seeds.
    """
    many = sum(part.is_tried for part in parts)
    parts = tuple(
        replace(part, decision=evidence.decide(part.margins, alpha, many)) if part.is_tried else part
        for part in parts
    )
    if any(part.holds is False for part in parts):
        return Judgement("refuted", parts, 0)
    why = next((part.why for part in parts if part.why), None)
    if why:
        return Judgement("undecided", parts, None, why)
    decisions = [part.decision for part in parts if part.decision]
    refuted = [one.decided_at or 0 for one in decisions if one.verdict == "refuted"]
    if refuted:
        return Judgement("refuted", parts, min(refuted))
    if all(one.verdict == "reproduced" for one in decisions):
        return Judgement("reproduced", parts, max((one.decided_at or 0 for one in decisions), default=0))
    return Judgement("undecided", parts, None)
