"""Items of pytest: a suite is a file of them, and a claim is one."""

import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from repro.outcome import Decided
    from repro.pytest_face.run import Run
    from repro.suite import Suite

RUN = "repro-run"  # the plugin that lasts as long as the run


class SuiteFile(pytest.File):
    """A suite; its items are the claims asked at the profile."""

    def collect(self) -> "Iterable[ClaimItem]":
        from repro.errors import ReproError
        from repro.places import project
        from repro.reading import load, one_name

        run: Run = self.config.pluginmanager.getplugin(RUN)
        try:
            suite = load(self.path)
        except ReproError as error:
            raise self.CollectError(str(error)) from None
        other = run.beside.get((project(self.path.parent), suite.suite))
        first = other or run.suites.setdefault(suite.suite, self.path)
        if first != self.path:
            raise self.CollectError(str(one_name(first, self.path)))
        run.profiles |= set(suite.profiles)
        if suite.task:
            self.config.addinivalue_line("markers", f"{suite.task}: a claim of a {suite.task} suite")
        for name, _ in suite.claims_at(self.config.getoption("profile")):
            yield ClaimItem.from_parent(self, name=name, suite=suite)


class UnexpectedVerdict(Exception):
    """A claim that did not end as expected."""


class ClaimItem(pytest.Item):
    """One claim."""

    def __init__(self, *, suite: "Suite", **rest: Any):
        super().__init__(**rest)
        self.suite = suite
        self.decided: Decided | None = None
        self.is_late = False  # whether the hours were over before it began
        if suite.task:
            self.add_marker(suite.task)
        self.add_marker(_mark(suite, self.name))

    def runtest(self) -> None:
        self.is_late = self.run.hours.are_over
        if self.is_late:
            pytest.skip(f"{self.run.hours.number:g} h are over: left for another night")
        with warnings.catch_warnings():
            warnings.simplefilter("default")  # a warning of a library is no reason to lose a training run
            session = self.run.session()
            self.run.ahead.check(session.steps(self.suite, self.name, most=1))
            self.decided = session.decide(self.suite, self.name)
        claim = self.decided.claim
        self.user_properties += [("verdict", claim.verdict), ("seeds", len(claim.evidence.seeds))]
        if not claim.is_tolerated(self.config.getoption("strict_claims")):
            raise UnexpectedVerdict

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        from repro.errors import ReproError
        from repro.report.text import claim_details

        if isinstance(excinfo.value, UnexpectedVerdict) and self.decided is not None:
            again = self.run.session().command(self.run.shown(self.path), self.name)
            return claim_details(self.decided.claim, again)
        if isinstance(excinfo.value, ReproError):
            return f"{excinfo.value}\n  in {self.run.shown(self.path)}::{self.name}"
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        return self.path, None, self.name

    @property
    def run(self) -> "Run":
        found: Run = self.config.pluginmanager.getplugin(RUN)
        return found

    @property
    def place(self) -> int:
        """Which claim of its suite it is."""
        return list(self.suite.claims).index(self.name)


def _mark(suite: "Suite", name: str) -> str:
    """`trained`, `timed` or `static`."""
    from repro.quantity import kind_of

    kinds = [(kind_of(m.name, suite.task), m) for m in suite.claims[name].expectation.measurements]
    if any("recipe" in kind.wants(measurement) for kind, measurement in kinds):
        return "trained"
    return "timed" if any(kind.timed for kind, _ in kinds) else "static"
