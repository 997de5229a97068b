"""What turns side by side decided, as text, or as Markdown for an issue that a person can act on."""

from collections.abc import Iterator, Sequence

from repro.format import counted, figure, table
from repro.nightly.compare_text import markdown_table, share
from repro.nightly.confirm import Confirmation
from repro.nightly.measured import COSTS
from repro.nightly.turns import LEVEL, Decision
from repro.nightly.watch import Suspect, Watch

WORDS = {"lost": "no value", "different": "different, which way is better is declared nowhere"}


def confirmation_text(
    found: Confirmation, watch: Watch, *, markdown: bool = False, repository: str | None = None
) -> str:
    """`repository` is its address on the web, for links."""
    blocks = [f"BROKE TONIGHT: {alarm}" for alarm in watch.alarms]
    suspects = {_name(suspect): suspect for suspect in watch.suspects}
    for decision in found.decisions:
        if decision.alarming:
            blocks.append("\n".join(_alarm(decision, suspects[_name(decision)], repository)))
    if found.decisions:
        rows = [("measurement", "turns", "base", "new", "difference", "p", ""), *map(_row, found.decisions)]
        blocks.append(markdown_table(rows) if markdown else table(rows))
        blocks.append(_summary(found.decisions))
    if found.left:
        left = "\n".join(f"- {_name(suspect)}, {WORDS.get(suspect.way, suspect.way)}" for suspect in found.left)
        blocks.append(f"LEFT, for want of time or turns, {counted(len(found.left), 'suspect')}:\n{left}")
    return "\n\n".join(blocks) or "no suspect is due to be confirmed"


def _alarm(decision: Decision, suspect: Suspect, repository: str | None) -> Iterator[str]:
    """What is known of a regression: before and after, commits, claims, and how to find what did it."""
    change = f"{figure(decision.base)} → {figure(decision.new)}"
    yield f"**{_name(decision)}**: {change} in {counted(decision.turns, 'turn')} ({_difference(decision)})"
    old, new = suspect.commits
    yield f"- commits: {_commits(old, new, repository)}"
    if suspect.claims:
        yield f"- claims that hang on it: {', '.join(sorted(suspect.claims))}"
    if new and repository:
        yield f"- suite: {repository}/blob/{new}/{suspect.file}"
    if old and new:
        quickest = min(suspect.claims, key=lambda claim: suspect.claims[claim], default=None)
        only = f" -k {quickest}" if quickest else ""
        profile = "" if suspect.profile == "cpu" else f" --profile {suspect.profile}"
        yield f"- to find the commit: `repro bisect {old} {new} {suspect.file}{only}{profile}`"


def _commits(old: str | None, new: str | None, repository: str | None) -> str:
    if not old or not new:
        return "not known"
    linked = f" ({repository}/compare/{old}...{new})" if repository else ""
    return f"{old[:12]}..{new[:12]}{linked}"


def _row(decision: Decision) -> Sequence[str]:
    way = WORDS.get(decision.way, decision.way)
    return (
        _name(decision),
        str(decision.turns),
        figure(decision.base),
        figure(decision.new),
        _difference(decision),
        f"{decision.p:.1g}",
        f"CONFIRMED: {way}" if decision.state == "confirmed" else f"not confirmed ({way})",
    )


def _difference(decision: Decision) -> str:
    return (share if decision.quantity in COSTS else figure)(decision.difference)


def _summary(decisions: Sequence[Decision]) -> str:
    confirmed = sum(decision.state == "confirmed" for decision in decisions)
    return (
        f"{confirmed} of {counted(len(decisions), 'suspect')} confirmed. Old and new code ran in turns, in "
        "random order; exact sign-flip tests, one-sided, over at most three looks and all suspects together "
        f"at level {LEVEL:.2g}: 5 % in 30 nights."
    )


def _name(of: Suspect | Decision) -> str:
    return f"{of.suite} ({of.profile}) {of.quantity}({of.arm})"
