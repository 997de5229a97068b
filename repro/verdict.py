"""From the numbers of a claim to its verdict: links, conjunctions and equivalences over paired
differences.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import accumulate, product

from repro import evidence
from repro.evidence import Assume, Decision
from repro.expectation import Expectation, Link
from repro.expression import Expression, Measurement, evaluate, no_value
from repro.suite import Verdict

Value = Callable[[Measurement, int], float]


@dataclass(frozen=True)
class Part:
    """One margin of a claim: a number that is positive where the claim holds. Static ones are decided without
    seeds.
    """

    text: str
    margins: tuple[float, ...]  # a value per seed; one value if static
    decision: Decision | None  # None if static
    holds: bool | None = None  # of a static one
    why: str | None = None  # it has no value, for one seed at least

    @property
    def path(self) -> tuple[tuple[float, float], ...]:
        return self.decision.path if self.decision else ()


@dataclass(frozen=True)
class Judgement:
    """The verdict of a claim with its evidence. Of a conjunction, estimate and interval are those of the
    weakest part.
    """

    verdict: Verdict
    parts: tuple[Part, ...]
    e_for: float | None  # None for a claim that is decided without seeds
    e_against: float | None
    decided_at: int | None  # seeds at the verdict
    reversed_at: int | None  # seeds at which later evidence crossed the other way
    path: tuple[tuple[float, float], ...]
    why: str | None = None  # it cannot be decided, however many seeds there are

    @property
    def weakest(self) -> Part:
        """The part that decides: the least supported one, or of a refuted claim the one most spoken
        against.
        """
        trained = [part for part in self.parts if part.decision]
        broken = [part for part in self.parts if part.holds is False or part.why]
        if broken or not trained:
            return (broken or list(self.parts))[0]
        if self.verdict == "refuted":
            return max(trained, key=lambda part: part.path[-1][1] if part.path else 1.0)
        return min(trained, key=lambda part: part.path[-1][0] if part.path else 1.0)


def decide(
    expectation: Expectation,
    seeds: Sequence[int],
    value: Value,
    is_static: Callable[[Measurement], bool],
    alpha: float = 0.05,
    assume: Assume = "symmetric",
) -> Judgement:
    """The verdict over some seeds. `value` gives a measurement for a seed (any, if it is static)."""
    parts = [
        part for link in expectation.links for part in _parts(link, seeds, value, is_static, alpha, assume)
    ]
    return combine(parts, alpha)


def _parts(
    link: Link,
    seeds: Sequence[int],
    value: Value,
    is_static: Callable[[Measurement], bool],
    alpha: float,
    assume: Assume,
) -> list[Part]:
    if all(is_static(measurement) for measurement in link.measurements):
        margins = [evaluate(margin, lambda m: value(m, 0)) for margin in link.margins]
        why = _why(link.margins, [0], value)
        holds = None if why else link.holds(lambda m: value(m, 0))
        return [Part(str(link), (min(margins),) if not why else (math.nan,), None, holds, why)]
    texts = [str(link)]
    if link.tolerance is not None:
        difference = f"{link.left} - {link.right}" if str(link.right) != "0" else str(link.left)
        texts = [f"{difference} < {link.tolerance}", f"{difference} > -({link.tolerance})"]
    parts = []
    for text, margin in zip(texts, link.margins, strict=True):
        found = tuple(evaluate(margin, partial(_of_seed, value, seed)) for seed in seeds)
        why = _why([margin], seeds, value)
        parts.append(Part(text, found, None if why else evidence.decide(found, alpha, assume), None, why))
    return parts


def _of_seed(value: Value, seed: int, measurement: Measurement) -> float:
    return value(measurement, seed)


def _why(margins: Sequence[Expression], seeds: Sequence[int], value: Value) -> str | None:
    """Why a margin has no value for one of the seeds; None if all have one."""
    for seed, margin in product(seeds, margins):
        why = no_value(margin, partial(_of_seed, value, seed))
        if why:
            return f"{why} (seed {seed})" if len(seeds) > 1 else why
    return None


def combine(parts: Sequence[Part], alpha: float = 0.05) -> Judgement:
    """Intersection-union: a conjunction is reproduced once each part was, at the parts' own level.

    It is refuted once the mean of the parts' e-values against it reaches 1/alpha: that mean is an e-value
    against "all parts hold", while the largest one would be wrong once for each part. Of one part this is the
    part's own verdict. Where a part has no value it is undecided, unless another is false without seeds.
    """
    if any(part.holds is False for part in parts):
        return Judgement("refuted", tuple(parts), None, None, 0, None, ())
    why = next((part.why for part in parts if part.why), None)
    if why:
        return Judgement("undecided", tuple(parts), None, None, None, None, (), why)
    moving = [part for part in parts if part.decision is not None]
    if not moving:
        return Judgement("reproduced", tuple(parts), None, None, 0, None, ())
    path = tuple(
        (min(e_for for e_for, _ in step), sum(against / len(step) for _, against in step))
        for step in zip(*(part.path for part in moving), strict=True)
    )
    reached = zip(*(list(accumulate((e_for for e_for, _ in part.path), max)) for part in moving), strict=True)
    decided: dict[Verdict, int] = {}
    for seeds, (best, (_, against)) in enumerate(zip(reached, path, strict=True), start=1):
        if min(best) >= 1 / alpha:
            decided.setdefault("reproduced", seeds)
        if against >= 1 / alpha:
            decided.setdefault("refuted", seeds)
    verdict: Verdict = min(decided, key=lambda v: decided[v], default="undecided")
    e_for, e_against = path[-1] if path else (1.0, 1.0)
    later = [seeds for other, seeds in decided.items() if other != verdict]
    return Judgement(
        verdict, tuple(parts), e_for, e_against, decided.get(verdict), later[0] if later else None, path
    )
