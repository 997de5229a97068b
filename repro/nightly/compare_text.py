"""A comparison as text, or as Markdown for the summary of a job."""

from collections.abc import Iterable, Iterator, Sequence
from statistics import median

from repro.format import MARKDOWN, TEXT, Style, counted, figure
from repro.nightly.compare import ClaimChange, Comparison
from repro.nightly.measured import COSTS, RECORDED
from repro.nightly.measurements import FEWEST_SEEDS, REGRESSIONS, Change

SAYS = {
    "worse": "WORSE",
    "different": "DIFFERENT",
    "lost": "NO VALUE",
    "better": "better",
    "found": "has a value",
    "untested": "too few seeds",
}
SHOWN = (*REGRESSIONS, "better", "found", "untested")  # in this order
FEW = 3  # commits that are named
CLAIMS = ("claim", "base", "new", "")
MEASUREMENTS = ("measurement", "seeds", "base", "new", "difference", "95 % interval", "p", "")


def as_text(comparison: Comparison) -> str:
    return "\n\n".join(_blocks(comparison, TEXT))


def as_markdown(comparison: Comparison) -> str:
    return "\n\n".join(["### What has changed", *_blocks(comparison, MARKDOWN)])


def share(value: float | None) -> str:
    """A ratio less 1, as a percentage with its sign."""
    return "no value" if value is None else f"{100 * value:+.3g} %"


def _blocks(comparison: Comparison, style: Style) -> Iterator[str]:
    claims, changes = comparison.claims, [c for c in comparison.measurements if c.kind in SHOWN]
    yield _sides(comparison, style)
    if comparison.gone:
        yield f"GONE, which is a regression: base has them, new has not\n{_list(comparison.gone, style)}"
    if comparison.alike:
        yield f"ALL SEEDS ALIKE, which is a regression: they were not\n{_list(comparison.alike, style)}"
    if claims:
        yield f"Another verdict of {counted(len(claims), 'claim')}:"
        yield style.table([CLAIMS, *(_claim_row(claim, style) for claim in claims)], (1, 2))
    if changes:
        yield "Measurements that are no longer the same:"
        rows = [_row(change, style) for change in sorted(changes, key=_rank)]
        yield style.table([MEASUREMENTS, *rows], range(1, len(MEASUREMENTS) - 1))
        if any(change.kind in ("better", "found") for change in changes):
            yield "A sudden gain may be a fault too: of what is measured, or of how."
    for side, names in (("base", comparison.only_base), ("new", comparison.only_new)):
        if names:
            yield f"Only in {side}:\n{_list(names, style)}"
    if comparison.notes:
        yield _list(comparison.notes, style)
    costs = "\n".join(_costs(comparison.measurements, style))
    if costs:
        yield f"Costs of trials, as they were recorded beside whatever else ran; no regression:\n{costs}"
    yield "\n".join(_summary(comparison))
    if comparison.next:
        yield f"To run next, for the first regression:\n{_list(comparison.next, style)}"


def _sides(comparison: Comparison, style: Style) -> str:
    """Which commits are compared."""
    base, new = (
        _commits([(side.commits[i], side.dirty[i]) for side in comparison.compared], style) for i in (0, 1)
    )
    return f"base: {base}\nnew: {new}"


def _commits(of_suites: Iterable[tuple[str | None, bool]], style: Style) -> str:
    found = [*dict.fromkeys(of_suites)]
    shown = ", ".join(
        f"{style.name(commit[:12])}{' with changes' if dirty else ''}" if commit else "no commit"
        for commit, dirty in found[:FEW]
    )
    return f"{shown} and {len(found) - FEW} more" if len(found) > FEW else shown


def _list(lines: Iterable[str], style: Style) -> str:
    return "\n".join(f"- {style.name(line)}" for line in lines)


def _claim_row(claim: ClaimChange, style: Style) -> Sequence[str]:
    what = "REGRESSION: was as expected" if claim.regression else "as expected now" if claim.gain else ""
    name = style.name(f"{claim.suite}::{claim.claim} ({claim.profile})")
    return name, claim.base, claim.new, what or claim.chance


def _row(change: Change, style: Style) -> Sequence[str]:
    cost = change.quantity in COSTS
    ends = ""
    if change.interval is not None:
        ends = f"[{', '.join(map(share if cost else figure, change.interval))}]"
    return (
        style.name(f"{change.suite} ({change.profile}) {change.quantity}({change.arm})"),
        _seeds(change),
        figure(change.base),
        figure(change.new),
        (share if cost else figure)(change.difference),
        ends,
        "" if change.p is None else f"{change.p:.1g}",
        SAYS[change.kind],
    )


def _seeds(change: Change) -> str:
    """How many: `5`, or `5 and 7` that are not the same."""
    base, new = len(change.base_seeds), len(change.new_seeds)
    return str(base) if change.is_paired else f"{base} and {new}"


def _rank(change: Change) -> tuple[int, float]:
    """What is worse comes first, the surest before."""
    return SHOWN.index(change.kind), 0.0 if change.p is None else change.p


def _costs(changes: Iterable[Change], style: Style) -> Iterator[str]:
    """A line for each cost of trials: the median over arms, and the arm that differs most."""
    recorded = [change for change in changes if change.kind == "recorded" and change.difference is not None]
    for quantity in RECORDED:
        ratios = {c: c.difference for c in recorded if c.quantity == quantity and c.difference}
        if not ratios:
            continue
        most = max(ratios, key=lambda change: abs(ratios[change]))
        where = style.name(f"{most.suite} ({most.profile}) {most.arm}")
        over = f"median of {counted(len(ratios), 'arm')}"
        yield f"- {quantity} {share(median(ratios.values()))} ({over}); {share(ratios[most])} of {where}"


def _summary(comparison: Comparison) -> Iterator[str]:
    tested = sum(change.p is not None for change in comparison.measurements)
    yield "; ".join(_counts(comparison))
    if tested:
        sure = f"{1 - comparison.alpha:.0%}"
        yield f"t tests, of pairs where seeds are common, with Holm's correction for all {tested}: with"
        yield f"probability {sure} nothing unchanged is called worse, better or different, if differences are"
        yield "normal. Timings must differ by more than 1 %. What a run shares, such as a busy machine, no"
        yield "test of two runs can tell from the code: `repro confirm` runs both in turns."


def _counts(comparison: Comparison) -> Iterator[str]:
    kinds: list[str] = [c.kind for c in comparison.measurements if c.kind != "recorded"]
    compared = f"{counted(len(comparison.compared), 'suite')} compared, {counted(len(kinds), 'measurement')}"
    said = {
        "identical": "identical",
        "changed": "changed in value, within chance",
        "worse": "worse",
        "different": "different",
        "better": "better",
    }
    yield f"{compared}: " + ", ".join(f"{kinds.count(kind)} {words}" for kind, words in said.items())
    for kind, words in (
        ("lost", "have no value now"),
        ("found", "have one now and had none"),
        ("untested", f"changed in value on too few seeds to be tested (below {FEWEST_SEEDS})"),
    ):
        if kinds.count(kind):
            yield f"{kinds.count(kind)} {words}"
