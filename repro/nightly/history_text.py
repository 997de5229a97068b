"""What a history says tonight, and what turns side by side decided, as text or as Markdown."""

from collections.abc import Sequence

from repro.format import MARKDOWN, TEXT, Style, figure
from repro.nightly.compare_text import share
from repro.nightly.measured import COSTS
from repro.nightly.turns import LEVEL, Decision
from repro.nightly.watch import Suspect, Watch

SUSPECTS = ("suspect", "", "evidence", "since", "step between")
DECISIONS = ("measurement", "turns", "difference", "p", "")


def watch_text(watch: Watch, *, markdown: bool = False) -> str:
    style = MARKDOWN if markdown else TEXT
    blocks = [f"NOT THE CODE BUT THE RUN: {style.name(problem)}" for problem in watch.problems]
    if watch.suspects:
        blocks.append(style.table([SUSPECTS, *(_suspect(suspect, style) for suspect in watch.suspects)], ()))
        blocks.append("Suspects are no alarms: `repro confirm` measures them again, beside the old code.")
    blocks.append(
        f"{watch.watched} measurements watched, {watch.young} with a history that is too short; "
        f"{len(watch.suspects)} suspects (an e-value of {watch.threshold:.4g} makes one)"
    )
    return "\n\n".join(blocks)


def _suspect(suspect: Suspect, style: Style) -> Sequence[str]:
    found = (
        f"e = {figure(suspect.evidence)}"
        if suspect.evidence is not None
        else f"p = {suspect.p or 0:.1g} against the run before"
    )
    when = f"{suspect.way}, {'due tonight' if suspect.due else f'nominated {suspect.nights} nights ago'}"
    between = " and ".join(map(style.name, suspect.between or ()))
    return style.name(_name(suspect)), when, found, style.name(suspect.since or ""), between


def decisions_text(decisions: Sequence[Decision], *, markdown: bool = False) -> str:
    style, rows = MARKDOWN if markdown else TEXT, [DECISIONS]
    for decision in decisions:
        difference = (share if decision.quantity in COSTS else figure)(decision.difference)
        what = f"CONFIRMED: {decision.way}" if decision.confirmed else f"not confirmed ({decision.way})"
        rows.append((style.name(_name(decision)), str(decision.turns), difference, f"{decision.p:.1g}", what))
    confirmed = sum(decision.confirmed for decision in decisions)
    said = (
        f"{confirmed} of {len(decisions)} suspects confirmed. Old and new code ran in turns, in random "
        "order; exact sign-flip tests, one-sided, with Holm's correction, "
        f"at level {LEVEL:.2g}: 5 % in 30 nights."
    )
    return f"{style.table(rows, ())}\n\n{said}"


def _name(of: Suspect | Decision) -> str:
    return f"{of.suite} ({of.profile}) {of.quantity}({of.arm})"
