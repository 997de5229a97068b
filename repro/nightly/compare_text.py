"""A comparison as text, or as Markdown for the summary of a job."""

from collections.abc import Iterable, Sequence

from repro.format import MARKDOWN, TEXT, Style, counted, figure
from repro.nightly.compare import WORSE, Change, ClaimChange, Comparison
from repro.nightly.measured import COSTS

SAYS = {"worse": "WORSE", "lost": "NO VALUE", "better": "better", "found": "has a value"}
CLAIMS = ("claim", "base", "new", "")
MEASUREMENTS = ("measurement", "seeds", "base", "new", "difference", "95 % interval", "p", "")


def as_text(comparison: Comparison) -> str:
    return "\n\n".join(_blocks(comparison, TEXT))


def as_markdown(comparison: Comparison) -> str:
    return "\n\n".join(["### What has changed", *_blocks(comparison, MARKDOWN)])


def share(value: float | None) -> str:
    """A ratio less 1, as a percentage with its sign."""
    return "no value" if value is None else f"{100 * value:+.3g} %"


def _blocks(comparison: Comparison, style: Style) -> Iterable[str]:
    claims, changes = comparison.claims, [c for c in comparison.measurements if c.kind in SAYS]
    if claims:
        yield f"Another verdict of {counted(len(claims), 'claim')}:"
        yield style.table([CLAIMS, *(_claim_row(claim, style) for claim in claims)], (1, 2))
    if changes:
        yield "Measurements that are no longer the same:"
        rows = [_row(change, style) for change in sorted(changes, key=_rank)]
        yield style.table([MEASUREMENTS, *rows], range(1, len(MEASUREMENTS) - 1))
        if any(change.kind not in WORSE for change in changes):
            yield "A sudden gain may be a fault too: of what is measured, or of how."
    for side, names in (("base", comparison.only_base), ("new", comparison.only_new)):
        if names:
            yield f"Only in {side}:\n" + "\n".join(f"- {style.name(name)}" for name in names)
    if comparison.notes:
        yield "\n".join(f"- {style.name(note)}" for note in comparison.notes)
    yield _summary(comparison)


def _claim_row(claim: ClaimChange, style: Style) -> Sequence[str]:
    what = "REGRESSION: was as expected" if claim.regression else "as expected now" if claim.gain else ""
    name = style.name(f"{claim.suite}::{claim.claim} ({claim.profile})")
    return name, claim.base, claim.new, what


def _row(change: Change, style: Style) -> Sequence[str]:
    cost = change.quantity in COSTS
    ends = ""
    if change.interval is not None:
        ends = f"[{', '.join(map(share if cost else figure, change.interval))}]"
    return (
        style.name(f"{change.suite} ({change.profile}) {change.quantity}({change.arm})"),
        str(len(change.seeds)),
        figure(change.base),
        figure(change.new),
        (share if cost else figure)(change.difference),
        ends,
        "" if change.p is None else f"{change.p:.1g}",
        SAYS[change.kind],
    )


def _rank(change: Change) -> tuple[bool, float]:
    """What is worse comes first, the surest before."""
    return change.kind not in WORSE, 0.0 if change.p is None else change.p


def _summary(comparison: Comparison) -> str:
    kinds: list[str] = [change.kind for change in comparison.measurements]
    tested = sum(change.p is not None for change in comparison.measurements)
    text = [
        f"{counted(len(comparison.compared), 'suite')} compared, {counted(len(kinds), 'measurement')}: "
        f"{kinds.count('identical')} identical"
    ]
    text[0] += f", {tested} tested: {kinds.count('worse')} worse, {kinds.count('better')} better"
    for kind, said in (("lost", "have no value now"), ("found", "have one now and had none")):
        if kinds.count(kind):
            text[0] += f"; {kinds.count(kind)} {said}"
    if kinds.count("untested"):
        text[0] += f"; {kinds.count('untested')} differ on too few common seeds (below 3) to be tested"
    if tested:
        sure = f"{1 - comparison.alpha:.0%}"
        text += [
            f"Paired t tests over common seeds, Holm's correction for all {tested}: with probability {sure}",
            "nothing unchanged is called worse or better, if differences are normal. Costs must differ by",
            "more than 1 %. What a run shares, such as a busy machine, no test of two runs can tell from the",
            "code: `repro confirm` runs both in turns.",
        ]
    return "\n".join(text)
