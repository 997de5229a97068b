"""Results as text: the verdict table, and one claim with all its numbers."""

from collections.abc import Iterable, Mapping
from itertools import islice

from repro.errors import ReproError
from repro.evidence import first_look
from repro.format import figure, interval, printable, table
from repro.result import RIGHT, ClaimResult, Evidence, level, verdict, verdict_rows

MOST_SEEDS = 20  # rows of a claim's table


def verdicts(claims: Mapping[str, ClaimResult]) -> str:
    """The verdict table. `claims` are by the name to show."""
    return table(verdict_rows(claims), right=RIGHT)


def summary(claims: Mapping[str, ClaimResult], written: Iterable[str]) -> Iterable[str]:
    """The end of a run: its verdicts, what they are worth together, and where the results are."""
    yield verdicts(claims)
    yield ""
    together = discoveries(claims.values(), level(claims.values()))
    if together:
        yield together
    yield from (f"result: {path}" for path in written)


def failures(failed: Mapping[str, ReproError]) -> Iterable[str]:
    """What could not be measured or kept, and why: each reason once, below all that it is the reason of."""
    by_reason: dict[str, list[str]] = {}
    for name, error in failed.items():
        by_reason.setdefault(str(error), []).append(name)
    yield f"{len(failed)} failed:"
    for reason, names in by_reason.items():
        yield from (f"  {name}" for name in names)
        yield from (f"    {line}" for line in reason.splitlines())


def discoveries(claims: Iterable[ClaimResult], level: float) -> str:
    """What the e-values of a whole run are worth together."""
    count = sum(claim.verdict == "reproduced" and claim.evidence.e_for is not None for claim in claims)
    if not count:
        return ""
    return (
        f"of the {count} reproduced by evidence, at most {level * count:.2g} are expected to be false "
        f"(e-BH level {level:.2g})"
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
        e_for, e_against = part.path[-1] if part.path else (1.0, 1.0)
        yield f"{part.text}"
        yield (
            f"  margin {figure(part.estimate)} on average (positive where it holds), "
            f"interval {interval(part.interval)}"
        )
        yield f"  evidence for it {figure(e_for)}, against it {figure(e_against)}"
    yield from meaning(claim)


def meaning(claim: ClaimResult) -> Iterable[str]:
    """What a verdict takes, why there is none, and what speaks against it since: a sentence or two each."""
    evidence = claim.evidence
    if claim.why:
        yield f"It cannot be decided: {claim.why}. What is not a number is no evidence, for it or against it."
    if evidence.e_for is None:
        return
    centred = "symmetric about their centre" if evidence.assume == "symmetric" else "normal"
    yield (
        f"A verdict takes evidence (an e-value) of {1 / evidence.alpha:g}: chance alone brings that in at "
        f"most {evidence.alpha:.3g} of all cases, margins being {centred}."
    )
    if claim.verdict == "undecided":
        yield from undecided(claim)
    if evidence.reversed_at:
        yield (
            "!! LATER EVIDENCE SPEAKS THE OTHER WAY: "
            f"the opposite verdict was reached after {evidence.reversed_at} seeds."
        )


def undecided(claim: ClaimResult) -> Iterable[str]:
    """Why there is no verdict: for each part that holds it up, how far its evidence is."""
    evidence = claim.evidence
    seeds, least = len(evidence.seeds), first_look(evidence.alpha, evidence.assume)
    if seeds < least:
        yield (
            f"{seeds} seeds are too few: no verdict is possible before seed number {least}; "
            "--seeds-max allows more."
        )
        return
    tried = [part for part in evidence.parts if part.is_tried]
    waiting = [part for part in tried if max((e for e, _ in part.path), default=1.0) < 1 / evidence.alpha]
    yield f"{seeds} seeds were not enough to tell; --seeds-max allows more, which add to this evidence."
    for part in waiting:
        above, (e_for, e_against) = (
            sum(margin is not None and margin > 0 for margin in part.margins),
            part.path[-1],
        )
        what = f"{part.text}: the margin" if len(evidence.parts) > 1 else "The margin"
        yield (
            f"{what} is above 0 on {above} of {seeds} seeds; the evidence is {figure(e_for)} for "
            f"and {figure(e_against)} against, of the {1 / evidence.alpha:g} it takes; margins in "
            f"{interval(part.interval)} are all still possible."
        )
    if len(tried) > len(waiting) > 0:
        held = len(tried) - len(waiting)
        yield f"What the claim says beside this is settled: {held} of its {len(tried)} parts held."
