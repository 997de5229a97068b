"""What the kept results say, as Markdown: some verdicts in README.md, all in results/README.md, and those of
the ledger's entries in suites/README.md. `repro keep` writes them anew from `results/kept`, `suites/` and
`suites/ledger.json`; a test holds the pages against it.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import fmean

from repro.archive import Latest, Standing, files, read_all, standings
from repro.document import nearest
from repro.errors import ReproError
from repro.format import counted, duration, figure, interval
from repro.ledger import LEDGER, read_ledger
from repro.outcome import arm_result
from repro.places import KEPT
from repro.reading import load
from repro.report.marks import Way, fill, is_mark
from repro.result import ClaimResult, Result, verdict
from repro.store import write_atomically
from repro.suite import ResolvedArm, Suite, changed
from repro.suite_files import suites_below

SIGNS = {"reproduced": "✓", "refuted": "✗", "undecided": "?"}


def kept(folder: Path, profile: str = "cpu") -> dict[str, Standing]:
    """What stands of each suite in a folder of results, by the suite's name."""
    found = standings(read_all(files(folder)).values())
    return {suite: standing for (suite, at), standing in found.items() if at == profile}


def headlines(
    names: Iterable[str], standing: Mapping[str, Standing], suites: Iterable[Suite] = (), up: str = ""
) -> str:
    """A row for each of some claims, `suite: claim`: what it says, its verdict, and its measurements beside
    the paper's numbers, or the place in the paper where it gives none. Raises `ReproError` for a claim that
    its suite has not.
    """
    asked = {suite.suite: suite for suite in suites}
    rows = [
        "| claim | verdict | seeds | measured | in the paper | here |",
        "| --- | --- | --: | --- | --- | --: |",
    ]
    for name in names:
        suite, claim = name.split(": ")
        if suite in asked and claim not in asked[suite].claims:
            raise ReproError(f"suite '{suite}' has no claim '{claim}'{nearest(claim, asked[suite].claims)}")
        if suite not in standing or claim not in standing[suite].claims:
            rows.append(f"| {suite}: {claim} | not run yet | | | | |")
            continue
        latest = standing[suite].claims[claim]
        says = f"[{_plain(latest.claim.says)}]({up}{latest.result.file})"
        told, seeds, *_ = _cells(latest.claim, _since(asked.get(suite), claim, latest)).split(" | ")
        rows.append(f"| {says} | {told} | {seeds} | {' | '.join(_beside_the_paper(latest.claim))} |")
    return "\n".join(rows)


def _beside_the_paper(claim: ClaimResult) -> tuple[str, str, str]:
    """What is measured, the paper's numbers, and ours, the means over the seeds."""
    measured = claim.reported or claim.values
    ours = [[value for value in claim.values.get(name, ()) if value is not None] for name in measured]
    papers = "<br>".join(map(figure, claim.reported.values())) or _plain(claim.source or "")
    here = "<br>".join(figure(fmean(values)) if values else figure(None) for values in ours)
    return "<br>".join(f"`{name}`" for name in measured), papers, here


def table(standing: Mapping[str, Standing], suites: Iterable[Suite] = (), up: str = "") -> str:
    """A row for each claim that needed seeds, how many there are beside them, and the pictures.

    `suites` are what is asked now: where they ask otherwise than was judged it is said. `up` leads from the
    page to the project's folder.
    """
    asked = {suite.suite: suite for suite in suites}
    rows = ["| claim | verdict | seeds | margin | interval | time |", "| --- | --- | --: | --: | --- | --: |"]
    alone: list[ClaimResult] = []
    for suite, its in standing.items():
        for name, latest in its.claims.items():
            if latest.claim.evidence.seeds:
                since = _since(asked.get(suite), name, latest)
                rows.append(
                    f"| [{suite}: {name}]({up}{latest.result.file}) | {_cells(latest.claim, since)} |"
                )
            else:
                alone.append(latest.claim)
    reproduced = sum(claim.verdict == "reproduced" for claim in alone)
    refuted = len(alone) - reproduced
    beside = (
        f"Beside these, {counted(len(alone), 'claim')} about architectures alone: "
        f"{reproduced} reproduced, {refuted} refuted"
    )
    pictures = [
        f"[{suite}: {name}]({up}{KEPT.as_posix()}/{suite}/{its.profile}/{picture.file})"
        for suite, its in standing.items()
        for name, (picture, _) in its.pictures.items()
    ]
    shown = ["", f"Pictures: {', '.join(pictures)}."] if pictures else []
    return "\n".join([*rows, "", f"{beside} (statements of lecture notes, kept beside what holds).", *shown])


def _cells(claim: ClaimResult, since: str) -> str:
    evidence = claim.evidence
    numbers = (
        str(len(evidence.seeds)),
        figure(evidence.estimate),
        interval(evidence.interval),
        duration(claim.seconds),
    )
    return " | ".join([f"{SIGNS[claim.verdict]} {verdict(claim)}{since}", *numbers])


def ledger(
    entries: Iterable[Mapping[str, str]], suites: Mapping[str, Suite], standing: Mapping[str, Standing]
) -> str:
    """A row for each entry of the ledger: the claims that measure it with their verdicts, or why it cannot be
    measured.
    """
    claims: dict[str, list[str]] = {}
    judged = set[str]()
    reasons: dict[str, str] = {}
    for path, suite in suites.items():
        reasons |= suite.not_measurable
        for name, claim in suite.claims.items():
            for id_ in claim.ledger:
                claims.setdefault(id_, []).append(_measured(path, suite, name, standing))
                if suite.suite in standing and name in standing[suite.suite].claims:
                    judged.add(id_)
    rows, covered, doubtful = list[str](), 0, 0
    for entry in entries:
        found = "<br>".join(claims.get(entry["id"], [])) or reasons.get(entry["id"], "not yet")
        covered += entry["id"] in claims
        doubtful += entry["id"] in reasons and entry["id"] not in claims
        rows.append(f"| {entry['id']} | {_plain(entry['claim'])} | {entry['kind']} | {_plain(found)} |")
    open_ = len(rows) - covered - doubtful
    head = (
        f"Of {len(rows)} entries {covered} are measured by a claim, {len(judged)} with a verdict at cpu, "
        f"{doubtful} cannot be measured, {open_} are not done yet. Entries are said as lecture notes say "
        "them; some are wrong, and then a claim that says so is refuted.\n"
    )
    return "\n".join([head, "| id | says | kind | measured by, at cpu |", "| --- | --- | --- | --- |", *rows])


def _measured(path: str, suite: Suite, name: str, standing: Mapping[str, Standing]) -> str:
    of_suite = standing.get(suite.suite)
    latest = of_suite.claims.get(name) if of_suite else None
    asked = suite.claims[name].profiles or suite.profiles
    verdict = "not run yet" if "cpu" in asked else f"at {' and '.join(asked)} only"
    if latest is not None:
        verdict = f"{SIGNS[latest.claim.verdict]} {latest.claim.verdict}{_since(suite, name, latest)}"
    return f"[{name}]({path}) {verdict}"


def _since(suite: Suite | None, name: str, latest: Latest) -> str:
    """What became of a claim since it was judged, if its suite has it, or the arms in it, otherwise now."""
    if suite is None or name not in suite.claims:
        return ""
    claim, result = suite.claims[name], latest.result
    is_as_judged = claim.expect == latest.claim.expect and all(
        result.arms.get(arm) == arm_result(_tuned(suite.resolve(arm, result.profile), result, arm))
        for arm in {measurement.arm for measurement in claim.expectation.measurements}
    )
    return "" if is_as_judged else ", before it was changed"


def _tuned(arm: ResolvedArm, result: Result, name: str) -> ResolvedArm:
    """An arm with what it chose for itself, where it did."""
    chosen = result.tuning.get(name)
    return replace(arm, recipe=changed(arm.recipe, chosen.chosen)) if chosen and arm.recipe else arm


def _plain(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def pages(root: Path) -> Iterator[tuple[Path, str]]:
    """The files in a project's folder that have the marks, and what they should hold. Raises `ReproError`
    where a mark is wrong.
    """
    suites = root / "suites"
    loaded = {path.relative_to(suites).as_posix(): load(path) for path in suites_below(suites)}
    known = {"cpu"}.union(*(suite.profiles for suite in loaded.values()))

    def made(mark: re.Match[str], up: str) -> str:
        at = mark["at"] or "cpu"
        if at not in known:
            raise ReproError(f"no suite has a profile '{at}'{nearest(at, known)}")
        standing = kept(root / KEPT, at)
        if mark["of"]:
            return headlines(mark["of"].split(", "), standing, loaded.values(), up)
        return table(standing, loaded.values(), up)

    def of_the_ledger(mark: re.Match[str]) -> str:
        _without_choice(mark)
        return ledger(read_ledger(suites / LEDGER).values(), loaded, kept(root / KEPT))

    ways: tuple[Way, ...] = (partial(made, up=""), partial(made, up="../"), of_the_ledger)
    for page, make in zip(_pages(root), ways, strict=True):
        text = _text(page)
        if any(map(is_mark, text.split("\n"))):
            yield page, _filled(page, text, make)


def check(root: Path) -> None:
    """Raises `ReproError` where a page has a wrong mark, before anything is made."""
    *shown, of_the_ledger = _pages(root)
    for page in shown:
        _filled(page, _text(page), lambda _: "")
    _filled(of_the_ledger, _text(of_the_ledger), _without_choice)


def _without_choice(mark: re.Match[str]) -> str:
    if mark["at"] or mark["of"]:
        raise ReproError("the ledger is shown whole, and at cpu: its mark has no `at` and no `of`")
    return ""


def _pages(root: Path) -> tuple[Path, ...]:
    return root / "README.md", root / KEPT.parent / "README.md", root / "suites" / "README.md"


def _text(page: Path) -> str:
    """Empty, if there is no such page."""
    try:
        return page.read_bytes().decode() if page.is_file() else ""
    except UnicodeDecodeError as error:
        raise ReproError(f"{page}: no UTF-8: {error}") from None


def _filled(page: Path, text: str, made: Way) -> str:
    try:
        return fill(text, made)
    except ReproError as error:
        raise ReproError(f"{page}:{error}") from None


def write(root: Path) -> list[Path]:
    """Make the pages anew. Gives those that changed."""
    changed = [(path, content) for path, content in pages(root) if content.encode() != path.read_bytes()]
    for path, content in changed:
        write_atomically(path.resolve(), content.encode(), remedy="")  # a link stays one
    return [path for path, _ in changed]
