"""What the kept results say, as Markdown: the table in README.md and the list of all claims in
suites/README.md.

    python -m repro.report.kept

writes both anew from `results/`, `suites/` and `suites/ledger.json`; a test holds them against it.
"""

import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from repro.check import load
from repro.format import duration, figure, interval
from repro.ledger import LEDGER, read_ledger
from repro.result import ClaimResult, Result, read, verdict
from repro.suite import Suite

START, END = "<!-- made by python -m repro.report.kept -->", "<!-- to here -->"
SIGNS = {"reproduced": "✓", "refuted": "✗", "undecided": "?"}


def latest(folder: Path, profile: str = "cpu") -> dict[str, Result]:
    """The last result of each suite below a folder, by the suite's name."""
    found: dict[str, Result] = {}
    for path in sorted(folder.glob(f"*/{profile}/*.json"), key=lambda path: path.name):
        result = read(path)
        found[result.suite] = result
    return dict(sorted(found.items()))


def table(results: Mapping[str, Result]) -> str:
    """A row for each claim that needed seeds, how many there are beside them, and the pictures."""
    rows = ["| claim | verdict | seeds | margin | interval | time |", "| --- | --- | --: | --: | --- | --: |"]
    counted: list[ClaimResult] = []
    for suite, result in results.items():
        for name, claim in result.claims.items():
            if claim.evidence.seeds:
                rows.append(f"| {_link(result, f'{suite}: {name}')} {_cells(claim)} |")
            else:
                counted.append(claim)
    reproduced = sum(claim.verdict == "reproduced" for claim in counted)
    refuted = len(counted) - reproduced
    beside = f"Beside these, {len(counted)} claims about architectures alone: {reproduced} reproduced, {refuted} refuted"
    pictures = [
        f"[{suite}: {name}](results/{suite}/{result.profile}/{picture.file})"
        for suite, result in results.items()
        for name, picture in result.pictures.items()
    ]
    shown = ["", f"Pictures: {', '.join(pictures)}."] if pictures else []
    return "\n".join([*rows, "", f"{beside} (statements of lecture notes, kept beside what holds).", *shown])


def _cells(claim: ClaimResult) -> str:
    evidence = claim.evidence
    numbers = (
        str(len(evidence.seeds)),
        figure(evidence.estimate),
        interval(evidence.interval),
        duration(claim.seconds),
    )
    return " | ".join(["", f"{SIGNS[claim.verdict]} {verdict(claim)}", *numbers]).strip()


def ledger(
    entries: Iterable[Mapping[str, str]], suites: Mapping[str, Suite], results: Mapping[str, Result]
) -> str:
    """A row for each entry of the ledger: the claims that measure it with their verdicts, or why it cannot be
    measured.
    """
    claims: dict[str, list[str]] = {}
    reasons: dict[str, str] = {}
    for path, suite in suites.items():
        reasons |= suite.not_measurable
        for name, claim in suite.claims.items():
            for entry in claim.ledger:
                claims.setdefault(entry, []).append(_measured(path, suite, name, results))
    rows, covered, doubtful = list[str](), 0, 0
    for entry in entries:
        found = "<br>".join(claims.get(entry["id"], [])) or reasons.get(entry["id"], "not yet")
        covered += entry["id"] in claims
        doubtful += entry["id"] in reasons and entry["id"] not in claims
        rows.append(f"| {entry['id']} | {_plain(entry['claim'])} | {entry['kind']} | {_plain(found)} |")
    open_ = len(rows) - covered - doubtful
    head = (
        f"Of {len(rows)} entries {covered} are measured by a claim, {doubtful} cannot be measured, {open_} are not done yet. "
        "Entries are said as lecture notes say them; some are wrong, and then a claim that says so is refuted.\n"
    )
    return "\n".join([head, "| id | says | kind | measured by, at cpu |", "| --- | --- | --- | --- |", *rows])


def _measured(path: str, suite: Suite, name: str, results: Mapping[str, Result]) -> str:
    result = results.get(suite.suite)
    claim = result.claims.get(name) if result else None
    asked = "cpu" in (suite.claims[name].profiles or suite.profiles)
    verdict = (
        f"{SIGNS[claim.verdict]} {claim.verdict}" if claim else "not run yet" if asked else "at gpu only"
    )
    return f"[{name}]({path}) {verdict}"


def _plain(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _link(result: Result, text: str) -> str:
    return f"[{text}]({result.file})"


def fill(page: str, content: str) -> str:
    """The page with what stands between the two marks replaced."""
    before, _, rest = page.partition(START)
    _, _, after = rest.partition(END)
    return f"{before}{START}\n{content}\n{END}{after}"


def pages(root: Path) -> Iterator[tuple[Path, str]]:
    """The two files, and what they should hold."""
    results = latest(root / "results")
    suites = {
        path.relative_to(root / "suites").as_posix(): load(path)
        for path in sorted((root / "suites").rglob("*.yaml"))
    }
    entries = read_ledger(root / "suites" / LEDGER).values()
    for path, content in (
        (root / "README.md", table(results)),
        (root / "suites" / "README.md", ledger(entries, suites, results)),
    ):
        yield path, fill(path.read_text(encoding="utf-8"), content)


if __name__ == "__main__":
    for path, content in pages(Path(sys.argv[1]) if len(sys.argv) > 1 else Path.cwd()):
        path.write_text(content, encoding="utf-8")
