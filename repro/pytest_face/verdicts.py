"""What all processes of a run decided: the results that are written of it, and the table of verdicts."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from repro.places import RUNS, project

if TYPE_CHECKING:
    from repro.outcome import Decided
    from repro.pytest_face.run import Run


class Verdicts:
    """Gathered from reports, which cross from process to process."""

    def __init__(self, run: "Run"):
        self.run, self.config = run, run.config
        self.reports: dict[str, list[dict[str, Any]]] = {}
        self.written: list[Path] = []
        self.trouble: list[str] = []  # in writing results

    def add(self, report: dict[str, Any]) -> None:
        self.reports.setdefault(report["file"], []).append(report)

    @property
    def folder(self) -> Path:
        found: Path | None = self.config.getoption("results")
        return found or self.run.root / RUNS

    def write(self) -> None:
        """Each suite's. What is in the way of one is told at the end."""
        from repro.errors import ReproError

        for file, found in self.reports.items():
            try:
                self._write_one(Path(file), {entry["name"]: _decided(entry) for entry in found})
            except ReproError as error:
                self.trouble.append(f"{self.run.shown(Path(file))}: {error}")

    def _write_one(self, path: Path, claims: dict[str, "Decided"]) -> None:
        from repro.places import within
        from repro.reading import load
        from repro.result import verdict

        result = self.run.session().keep(load(path), within(path), claims, project(path.parent), self.folder)
        self.written.append(self.folder / result.path)
        strict = self.config.getoption("strict_claims")
        for name, decided in claims.items():
            later = result.claims[name]
            if decided.claim.is_tolerated(strict) and not later.is_tolerated(strict):
                self.trouble.append(
                    f"{self.run.shown(path)}::{name}: {verdict(later)}, with the seeds that others took"
                )

    def tell(self, reporter: Any) -> None:
        """The table, what the verdicts are worth together, and where the results are."""
        if not self.reports:
            return
        from repro.executors.scale import offer
        from repro.format import broken
        from repro.report import terminal, text

        claims = {}
        for file, found in sorted(self.reports.items()):
            for entry in sorted(found, key=lambda entry: entry["place"]):
                claims[f"{self.run.shown(Path(file))}::{entry['name']}"] = _decided(entry).claim
        reporter.section(f"verdicts at profile {self.run.profile}")
        writer = self.config.get_terminal_writer()
        wide = writer.fullwidth if writer.hasmarkup else None
        reporter.write_line(terminal.verdicts(claims, wide) if wide else text.verdicts(claims))
        for line in text.summary(claims, map(self.run.shown, self.written)):
            for part in broken(line, wide) if wide else [line]:
                reporter.write_line(part)
        if larger := offer(self.run.profile, lambda: self.run.profiles):
            reporter.write_line(larger)
        for line in self.trouble:
            reporter.write_line(line, red=True)


def _decided(entry: dict[str, Any]) -> "Decided":
    """What a process, perhaps another one, decided."""
    from repro.outcome import Decided

    return Decided.model_validate(entry["decided"])
