"""Results as text: the verdict table, and one claim with all its numbers."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice

from repro.evidence import first_look
from repro.result import ClaimResult, Evidence, Interval

MOST_SEEDS = 20  # rows of a claim's table


def table(rows: Iterable[Sequence[str]], right: Sequence[int] = ()) -> str:
    """Columns aligned with two blanks between; those numbered in `right` to the right."""
    rows = [list(row) for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = (
        "  ".join(
            cell.rjust(width) if i in right else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    )
    return "\n".join(line.rstrip() for line in lines)


def figure(value: float | None) -> str:
    """Four significant digits, without noise behind them."""
    if value is None:
        return "diverged"
    return f"{value:,.0f}" if abs(value) >= 1e4 and float(value).is_integer() else f"{value:.4g}"


def interval(ends: Interval | None) -> str:
    if ends is None:
        return ""
    low, high = ends
    return f"[{'-∞' if low is None else figure(low)}, {'∞' if high is None else figure(high)}]"


def duration(seconds: float) -> str:
    seconds = round(seconds)
    return (
        f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"
        if seconds >= 3600
        else f"{seconds // 60}:{seconds % 60:02}"
    )


def verdict(claim: ClaimResult) -> str:
    if claim.as_expected:
        return claim.verdict + (" (as known)" if claim.expected != "reproduced" else "")
    return f"{claim.verdict}, expected {claim.expected}"


def verdicts(claims: Mapping[str, ClaimResult]) -> str:
    """The verdict table. `claims` are by the name to show."""
    head = ("claim", "verdict", "seeds", "margin", "interval", "e-value", "time")
    rows = [head]
    for name, claim in claims.items():
        evidence = claim.evidence
        e = evidence.e_against if claim.verdict == "refuted" else evidence.e_for
        rows.append(
            (
                ("" if claim.as_expected else "! ") + name,
                verdict(claim),
                str(len(evidence.seeds)) if evidence.seeds else "-",
                figure(evidence.estimate),
                interval(evidence.interval),
                "-" if e is None else figure(e),
                duration(claim.seconds) if evidence.seeds else "-",
            )
        )
    return table(rows, right=(2, 3, 5, 6))


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
    text += ["", _indented(table(rows, right=range(1, len(rows[0])))), ""]
    return "\n".join([*text, *(f"  {line}" for line in _conclusion(claim, evidence))])


def _conclusion(claim: ClaimResult, evidence: Evidence) -> Iterable[str]:
    for part in evidence.parts:
        if part.holds is not None:
            yield f"{part.text}: {'holds' if part.holds else 'does not hold'}"
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
    tried = [part for part in evidence.parts if part.holds is None]
    waiting = [part for part in tried if max((e for e, _ in part.path), default=1.0) < 1 / evidence.alpha]
    yield f"{seeds} seeds were not enough to tell; --seeds-max allows more, which add to this evidence."
    for part in waiting:
        above, (e_for, e_against) = (
            sum(margin is not None and margin > 0 for margin in part.margins),
            part.path[-1],
        )
        what = f"{part.text}: the margin" if len(evidence.parts) > 1 else "The margin"
        diverged = f", and {part.margins.count(None)} diverged" if None in part.margins else ""
        yield (
            f"{what} is above 0 on {above} of {seeds} seeds{diverged}; the evidence is {figure(e_for)} for "
            f"and {figure(e_against)} against, of the {1 / evidence.alpha:g} it takes; margins in "
            f"{interval(part.interval)} are all still possible."
        )
    if len(tried) > len(waiting) > 0:
        held = len(tried) - len(waiting)
        yield f"What the claim says beside this is settled: {held} of its {len(tried)} parts held."


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines())
