"""The table of verdicts."""

from collections.abc import Mapping

from repro.format import duration, figure, interval
from repro.result.claim import ClaimResult, verdict

RIGHT = (2, 3, 5)  # columns that are numbers


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
