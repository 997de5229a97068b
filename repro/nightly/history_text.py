"""What a history says tonight, as text or as Markdown."""

from collections.abc import Sequence

from repro.format import MARKDOWN, TEXT, Style, counted, figure
from repro.nightly.watch import Suspect, Watch

SUSPECTS = ("suspect", "", "before", "now", "evidence", "since", "step between")


def watch_text(watch: Watch, *, markdown: bool = False) -> str:
    style = MARKDOWN if markdown else TEXT
    blocks = [f"BROKE TONIGHT: {style.name(alarm)}" for alarm in watch.alarms]
    blocks += [f"NOT THE CODE BUT THE RUN: {style.name(problem)}" for problem in watch.problems]
    if watch.base and watch.commit and watch.base != watch.commit:
        since = style.name(f"git log {watch.base[:12]}..{watch.commit[:12]}")
        blocks.append(f"What changed since it was well: {since}")
    if watch.notes:
        blocks.append("\n".join(f"- {style.name(note)}" for note in watch.notes))
    if watch.suspects:
        blocks.append(style.table([SUSPECTS, *(_suspect(suspect, style) for suspect in watch.suspects)], ()))
        blocks.append(
            "Suspects are no alarms: `repro confirm` measures them again, beside the old code. "
            "It takes what `repro watch -o` writes."
        )
    blocks.append(
        f"{counted(watch.watched, 'measurement')} watched, {watch.young} with a history that is too short; "
        f"{counted(len(watch.suspects), 'suspect')} (an e-value of {watch.threshold:.4g} makes one)"
    )
    return "\n\n".join(blocks)


def _suspect(suspect: Suspect, style: Style) -> Sequence[str]:
    since = "new tonight" if suspect.nights == 0 else f"nominated {counted(suspect.nights, 'night')} ago"
    when = f"{suspect.way}, {since}{', to be measured again' if suspect.due else ''}"
    return (
        style.name(f"{suspect.suite} ({suspect.profile}) {suspect.quantity}({suspect.arm})"),
        when,
        figure(suspect.before),
        figure(suspect.now),
        _evidence(suspect),
        style.name(suspect.since or ""),
        " and ".join(map(style.name, suspect.between or ())),
    )


def _evidence(suspect: Suspect) -> str:
    if suspect.evidence is not None:
        return f"e = {figure(suspect.evidence)}"
    sure = "" if suspect.p is None else f"p = {suspect.p:.1g} "
    return f"{sure}against the run before"
