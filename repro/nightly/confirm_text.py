"""What turns side by side decided, as text, or as Markdown for an issue that a person can act on."""

from collections.abc import Iterator, Sequence
from urllib.parse import quote

from repro.format import MARKDOWN, TEXT, Style, counted, figure
from repro.nightly.compare_text import share
from repro.nightly.confirm import Confirmation
from repro.nightly.measured import COSTS
from repro.nightly.remedy import bisect
from repro.nightly.turns import LEVEL, Decision
from repro.nightly.watch import Suspect, Watch

DECISIONS = ("measurement", "turns", "base", "new", "difference", "p", "")
WORDS = {"lost": "no value", "different": "different"}


def confirmation_text(
    found: Confirmation, watch: Watch, *, markdown: bool = False, repository: str | None = None
) -> str:
    """`repository` is its address on the web, for links."""
    style = MARKDOWN if markdown else TEXT
    blocks = [f"BROKE TONIGHT: {style.name(alarm)}" for alarm in watch.alarms]
    suspects = {_name(suspect): suspect for suspect in watch.suspects}
    for decision in found.decisions:
        if decision.alarming:
            blocks.append("\n".join(_alarm(decision, suspects[_name(decision)], repository, style)))
    if found.decisions:
        blocks.append(style.table([DECISIONS, *(_row(decision, style) for decision in found.decisions)], ()))
        blocks.append(_summary(found.decisions))
    if found.left:
        left = (f"- {style.name(_name(suspect))}, {_way(suspect)}" for suspect in found.left)
        head = f"LEFT for want of time or turns, {counted(len(found.left), 'suspect')}:"
        blocks.append("\n".join([head, *left]))
    return "\n\n".join(blocks) or "no suspect is due to be confirmed"


def _alarm(decision: Decision, suspect: Suspect, repository: str | None, style: Style) -> Iterator[str]:
    """What is known of a regression: before and after, commits, claims, and how to find what did it."""
    change = f"{figure(decision.base)} → {figure(decision.new)}"
    turns = counted(decision.turns, "turn")
    yield f"CONFIRMED {style.name(_name(decision))}: {change} ({_difference(decision)}), in {turns}"
    old, new = suspect.commits
    if old and new:
        yield f"- commits: {style.name(f'{old[:12]}..{new[:12]}')}"
    if old and new and repository:
        yield f"- what changed: {repository}/compare/{quote(old)}...{quote(new)}"
    if suspect.claims:
        yield f"- claims that hang on it: {', '.join(map(style.name, sorted(suspect.claims)))}"
    if new and repository:
        yield f"- the suite: {repository}/blob/{quote(new)}/{quote(suspect.file)}"
    if old and new:
        command = bisect(old, new, suspect.file, suspect.claims, suspect.profile)
        yield f"- to find the commit: {style.name(command)}"


def _row(decision: Decision, style: Style) -> Sequence[str]:
    sure = "CONFIRMED" if decision.state == "confirmed" else "not confirmed"
    return (
        style.name(_name(decision)),
        str(decision.turns),
        figure(decision.base),
        figure(decision.new),
        _difference(decision),
        f"{decision.p:.1g}",
        f"{sure}: {_way(decision)}",
    )


def _difference(decision: Decision) -> str:
    return (share if decision.quantity in COSTS else figure)(decision.difference)


def _summary(decisions: Sequence[Decision]) -> str:
    confirmed = sum(decision.state == "confirmed" for decision in decisions)
    return (
        f"{confirmed} of {counted(len(decisions), 'suspect')} confirmed. Old and new code ran in turns, in "
        "random order; exact sign-flip tests, at three looks at most, of all suspects together at level "
        f"{LEVEL:.2g}: 5 % in 30 nights."
    )


def _way(of: Suspect | Decision) -> str:
    return WORDS.get(of.way, of.way)


def _name(of: Suspect | Decision) -> str:
    return f"{of.suite} ({of.profile}) {of.quantity}({of.arm})"
