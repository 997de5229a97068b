"""Results as text: the verdict table, and one claim with all its numbers."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice

from repro.errors import ReproError
from repro.evidence import LOOKS, Verdict, can_be, first_look
from repro.format import counted, figure, interval, printable, table
from repro.result import (
    RIGHT,
    ClaimResult,
    Evidence,
    PartResult,
    falsely_reproduced,
    verdict,
    verdict_rows,
)

MOST_SEEDS = 20  # rows of a claim's table


def verdicts(claims: Mapping[str, ClaimResult]) -> str:
    """The verdict table. `claims` are by the name to show."""
    return table(verdict_rows(claims), right=RIGHT)


def summary(claims: Mapping[str, ClaimResult], written: Iterable[str]) -> Iterable[str]:
    """The end of a run, below its verdicts: what they are worth together, and where the results are."""
    yield ""
    together = promise(claims.values(), falsely_reproduced(claims.values()))
    if together:
        yield together
    yield from (f"result: {path}" for path in written)


def left_for(why: Mapping[str, str]) -> Iterable[str]:
    """Suites that there was no time for, and why."""
    return (f"  {suite}: {reason}" for suite, reason in why.items())


def failures(failed: Mapping[str, ReproError]) -> Iterable[str]:
    """What could not be measured or kept, and why: each reason once, below all that it is the reason of."""
    by_reason: dict[str, list[str]] = {}
    for name, error in failed.items():
        by_reason.setdefault(str(error), []).append(name)
    yield f"{len(failed)} failed:"
    for reason, names in by_reason.items():
        yield from (f"  {name}" for name in names)
        yield from (f"    {line}" for line in reason.splitlines())


def promise(claims: Iterable[ClaimResult], falsely: float) -> str:
    """What may be said of the verdicts of a whole run, and no more."""
    tried = [claim for claim in claims if claim.evidence.is_tried]
    count = sum(claim.verdict == "reproduced" for claim in tried)
    if not tried:
        return ""
    levels = {claim.evidence.alpha for claim in tried}
    each = f"{levels.pop():g} each" if len(levels) == 1 else "the sum of their levels"
    return (
        f"{count} of {len(tried)} claims that seeds decide are reproduced; "
        f"were there nothing to any of them, at most {falsely:.2g} would be expected to be ({each})"
    )


def claim_details(claim: ClaimResult, command: str | None = None) -> str:
    """One claim for a reader who has not seen its suite: what was asked, every seed, and what it adds up
    to.
    """
    evidence = claim.evidence
    facts = [("expects", claim.expect), ("known", claim.because), ("again", command)]
    text = [f"{verdict(claim)}: {' '.join(claim.says.split())}", ""]
    text += [f"  {key:8} {' '.join(value.split())}" for key, value in facts if value]
    single = evidence.parts[0] if len(evidence.parts) == 1 else None
    if evidence.seeds:
        rows = [["seed", *claim.values, *(["margin"] if single else [])]]
        for i, seed in enumerate(islice(evidence.seeds, MOST_SEEDS)):
            values = [figure(v[i] if len(v) == len(evidence.seeds) else v[0]) for v in claim.values.values()]
            rows.append([str(seed), *values, *([figure(single.margins[i])] if single else [])])
    else:
        rows = [[name, figure(values[0])] for name, values in claim.values.items()]
    numbers = table(rows, right=range(1, len(rows[0]))).splitlines()
    text += ["", *(f"  {line}" for line in numbers), ""]
    text += [f"  {line}" for line in _conclusion(claim, evidence)]
    return "\n".join(map(printable, text))


def _conclusion(claim: ClaimResult, evidence: Evidence) -> Iterable[str]:
    for part in evidence.parts:
        if part.why or part.holds is not None:
            yield f"{part.text}: {part.why or ('holds' if part.holds else 'does not hold')}"
            continue
        yield f"{part.text}"
        yield (
            f"  margin {figure(part.estimate)} on average (positive where it holds), "
            f"interval {interval(part.interval)}"
        )
    yield from meaning(claim)


def meaning(claim: ClaimResult) -> Iterable[str]:
    """What a verdict takes, why there is none, and what speaks against it: a sentence or two each."""
    evidence = claim.evidence
    if claim.why:
        yield f"It cannot be decided: {claim.why}. What is not a number is no evidence, for it or against it."
    if not evidence.is_tried:
        return
    yield (
        "A verdict takes margins whose signs, of all patterns that they could have had, are "
        f"among the {100 * evidence.alpha:.3g} % that speak most for the claim, or among as many that speak "
        "most against it (a sign-flip test, all looks together). "
        "It is assumed that margins are independent, and symmetric about their centre."
    )
    if claim.contested:
        yield (
            f"!! CONTESTED: the first {evidence.decided_at} seeds gave the verdict, and all "
            f"{len(evidence.seeds)} together would not."
        )
    if claim.verdict == "undecided" and not claim.why:
        yield from undecided(claim)
    for arm in claim.trivial:
        yield f"!! TRIVIAL: '{arm}' does no better than to answer everything with the most frequent class."
    if claim.formulation and str(claim.formulation):
        yield f"On these seeds it is the {claim.formulation}: results/register.jsonl has those before."


def undecided(claim: ClaimResult) -> Iterable[str]:
    """Why there is no verdict: for each part that holds it up, how its margins lie."""
    evidence = claim.evidence
    seeds, least = len(evidence.seeds), first_look(evidence.alpha) or LOOKS[-1]
    if seeds < least:
        few = f"{counted(seeds, 'seed')} {'is' if seeds == 1 else 'are'} too few"
        yield f"{few}: no verdict is possible before there are {least}; --seeds-max allows more."
        return
    tried = [part for part in evidence.parts if part.is_tried]
    waiting = [part for part in tried if part.verdict != "reproduced"]
    same = [part for part in waiting if all(margin == 0 for margin in part.margins)]
    if same:
        yield (
            f"{' and '.join(part.text for part in same)}: every margin is exactly 0, and more seeds will "
            "hardly change that. Do the sides differ in anything that is measured here?"
        )
    else:
        yield f"{seeds} seeds were not enough to tell; {_what_more_would_do(tried, seeds, evidence.alpha)}."
    for part in (part for part in waiting if part not in same):
        above = sum(margin is not None and margin > 0 for margin in part.margins)
        what = f"{part.text}: the margin" if len(evidence.parts) > 1 else "The margin"
        yield (
            f"{what} is above 0 on {above} of {seeds} seeds; margins in {interval(part.interval)} "
            "are all still possible."
        )
    if len(tried) > len(waiting) > 0:
        held = len(tried) - len(waiting)
        yield f"What the claim says beside this is settled: {held} of its {len(tried)} parts held."


def _what_more_would_do(tried: Sequence[PartResult], seeds: int, alpha: float) -> str:
    """The next look at which a verdict can come, whatever is found until then."""
    margins = [[margin for margin in part.margins if margin is not None] for part in tried]

    def can_all_be(verdict: Verdict, look: int) -> list[bool]:
        return [can_be(verdict, of_part, look, alpha, len(tried)) for of_part in margins]

    for look in LOOKS:
        if look > seeds and (all(can_all_be("reproduced", look)) or any(can_all_be("refuted", look))):
            return f"the next look that can is after {look} (--seeds-max {look}), which adds to these"
    return f"{LOOKS[-1]}, the most there can be, would not be enough either"
