"""The pytest face: `pytest suites/` has one item a claim. Collecting imports no torch."""

import os
import re
import shlex
import sys
import time
import warnings
from argparse import ArgumentTypeError
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from repro.suite_files import RECIPES

if TYPE_CHECKING:
    from repro.conclusion import Concluded
    from repro.runner import Runner
    from repro.suite import Suite

PROGRESS_EVERY = 20.0  # seconds between two lines


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("repro", "claims of papers (suites/*.yaml)")
    group.addoption(
        "--profile",
        default="cpu",
        help="the scale at which claims are tested, such as cpu or gpu (default: cpu)",
    )
    group.addoption(
        "--device", choices=("cpu", "cuda", "mps"), help="train here instead of on the profile's device"
    )
    group.addoption(
        "--seeds-max", type=_positive, metavar="N", help="allow N seeds instead of what the suite allows"
    )
    group.addoption("--jobs", type=_positive, metavar="N", help="trials at once (default: as many as cores)")
    group.addoption(
        "--executor", choices=("local", "ray"), default="local", help="where trials run (default: local)"
    )
    group.addoption(
        "--fresh", action="store_true", help="train everything again instead of using what the store has"
    )
    group.addoption(
        "--continue",
        dest="continue_from",
        type=Path,
        metavar="RESULT",
        help="add fresh seeds (--seeds-max of them, or one) to the evidence of a result, or of the latest ones of a folder",
    )
    group.addoption(
        "--pilot",
        action="store_true",
        help="try a recipe: seeds from 1000 up, which never judge, and no result",
    )
    group.addoption("--results", type=Path, metavar="DIR", help="where result JSONs go (default: results/)")
    group.addoption("--strict-claims", action="store_true", help="fail where a claim is undecided")


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise ArgumentTypeError(f"not a whole number above 0: {text}")
    return int(text)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "static: a claim that needs no training")
    config.addinivalue_line("markers", "timed: a claim that times nets, with the machine to itself")
    config.addinivalue_line("markers", "trained: a claim that needs training")
    config.pluginmanager.register(Session(config), "repro-session")


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> "SuiteFile | None":
    if file_path.suffix in (".yaml", ".yml") and file_path.name != RECIPES and _is_suite(file_path, parent):
        return SuiteFile.from_parent(parent, path=file_path)
    return None


def _is_suite(path: Path, parent: pytest.Collector) -> bool:
    """Whether a YAML file says it is a suite, or was asked for by name."""
    if any(Path(argument.partition("::")[0]).resolve() == path for argument in parent.config.args):
        return True
    try:
        return (
            re.search(r"^suite\s*:", path.read_text(encoding="utf-8", errors="replace"), re.MULTILINE)
            is not None
        )
    except OSError:
        return False


class SuiteFile(pytest.File):
    """A suite; its items are the claims asked at the profile."""

    def collect(self) -> "Iterable[ClaimItem]":
        from repro.check import load
        from repro.errors import ReproError

        session: Session = self.config.pluginmanager.getplugin("repro-session")
        try:
            suite = load(self.path)
        except ReproError as error:
            raise self.CollectError(str(error)) from None
        session.profiles |= set(suite.profiles)
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
        self.concluded: Concluded | None = None
        measurements = suite.claims[self.name].expectation.measurements
        if suite.task:
            self.add_marker(suite.task)
        kinds = {"trained" if suite.needs_training(m) else suite.kind(m) for m in measurements}
        self.add_marker(next((kind for kind in ("trained", "timed") if kind in kinds), "static"))

    def runtest(self) -> None:
        from repro.conclusion import conclude

        session: Session = self.config.pluginmanager.getplugin("repro-session")
        with warnings.catch_warnings():
            warnings.simplefilter("default")  # a warning of a library is no reason to lose a training run
            self.concluded = conclude(session.runner(), self.suite, self.name, session.earlier(self.suite))
        claim = self.concluded.claim
        self.user_properties += [("verdict", claim.verdict), ("seeds", len(claim.evidence.seeds))]
        tolerated = claim.verdict == "undecided" and not self.config.getoption("strict_claims")
        if not claim.as_expected and not tolerated:
            raise UnexpectedVerdict

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        from repro.errors import ReproError
        from repro.report.text import claim_details

        if isinstance(excinfo.value, UnexpectedVerdict) and self.concluded is not None:
            return claim_details(self.concluded.claim, self.command())
        if isinstance(excinfo.value, ReproError):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        return self.path, None, self.name

    def place(self) -> int:
        """Which claim of its suite it is."""
        return list(self.suite.claims).index(self.name)

    def command(self) -> str:
        session: Session = self.config.pluginmanager.getplugin("repro-session")
        return f"repro run {session.shown(self.path)} -k {self.name}{session.options()}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[Any]:
    report = yield
    if isinstance(item, ClaimItem) and call.when == "call" and item.concluded is not None:
        concluded = item.concluded.model_dump(mode="json")
        report.repro = {
            "file": str(item.path),
            "name": item.name,
            "place": item.place(),
            "concluded": concluded,
        }
    return report


def pytest_report_teststatus(report: Any) -> Any:
    found = getattr(report, "repro", None)
    if found and report.when == "call" and report.passed and not found["concluded"]["claim"]["as_expected"]:
        return "undecided", "u", ("UNDECIDED", {"yellow": True})
    return None


class Session:
    """What lasts as long as a pytest run: the runner of this process, and the claims that all processes
    decided.
    """

    def __init__(self, config: pytest.Config):
        self.config = config
        self.started = getattr(config, "workerinput", {}).get("repro_started", time.time())
        self.profiles: set[str] = set()
        self.reports: dict[str, list[dict[str, Any]]] = {}
        self.written: list[Path] = []
        self.trouble: str | None = None  # in writing results
        self._runner: Runner | None = None
        self._display = ExitStack()

    def runner(self) -> "Runner":
        if self._runner is None:
            from repro.executors import executor
            from repro.executors.lease import cores
            from repro.runner import PILOT, Runner

            option = self.config.getoption
            workers = getattr(self.config, "workerinput", {}).get("workercount", 1)
            jobs = max(1, (option("jobs") or cores()) // workers)
            self._runner = Runner(
                self.store(),
                executor(option("executor"), jobs),
                option("profile"),
                option("device"),
                option("seeds_max"),
                first_seed=PILOT if option("pilot") else 0,
            )
        return self._runner

    def earlier(self, suite: "Suite") -> Any:
        """The result whose evidence is continued."""
        from repro.conclusion import continued

        path = self.config.getoption("continue_from")
        return continued(path, suite, self.config.getoption("profile")) if path else None

    def store(self) -> Any:
        from repro.store import Store, home

        return Store(
            home(self.config.rootpath), newer_than=self.started if self.config.getoption("fresh") else 0.0
        )

    def shown(self, path: Path) -> str:
        """A path as a user would type it."""
        here = self.config.invocation_params.dir
        return shlex.quote(str(path.relative_to(here) if path.is_relative_to(here) else path))

    def options(self) -> str:
        option = self.config.getoption
        chosen = {
            "--profile": option("profile"),
            "--device": option("device"),
            "--seeds-max": option("seeds_max"),
        }
        return "".join(
            f" {key} {shlex.quote(str(value))}" for key, value in chosen.items() if value is not None
        )

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        node.workerinput["repro_started"] = self.started

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        profile = self.config.getoption("profile")
        if self.profiles and profile not in self.profiles and not hasattr(self.config, "workerinput"):
            known = ", ".join(sorted(self.profiles))
            raise pytest.UsageError(f"no suite has a profile '{profile}'; there are: {known}")

    def pytest_runtestloop(self, session: pytest.Session) -> None:
        """Start the display where the terminal is: in the controller, or in the one process there is."""
        terminal = self.config.pluginmanager.getplugin("terminalreporter")
        if terminal is None or hasattr(self.config, "workerinput") or self.config.getoption("collectonly"):
            return
        if terminal.verbosity >= 0 and (self.profiles or self.config.getoption("numprocesses", None)):
            from repro.report.progress import Display

            # Nothing is captured at this moment: a copy of standard output keeps on reaching the terminal.
            stream = self._display.enter_context(os.fdopen(os.dup(sys.__stdout__.fileno()), "w"))
            write = lambda line: print(f"\n  {line}", file=stream, flush=True)  # noqa: E731
            self._display.enter_context(Display(self.store(), write, PROGRESS_EVERY))

    def pytest_runtest_logreport(self, report: Any) -> None:
        found = getattr(report, "repro", None)
        if found and report.when == "call":
            self.reports.setdefault(found["file"], []).append(found)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        self._display.close()
        from repro.errors import ReproError

        try:
            self._write_results()
        except ReproError as error:
            self.trouble = str(error)
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
        finally:
            if self._runner is not None:
                self._runner.close()

    def _write_results(self) -> None:
        if hasattr(self.config, "workerinput") or not self.reports or self.config.getoption("pilot"):
            return
        from repro.check import load
        from repro.conclusion import Concluded, build, keep

        folder = self.config.getoption("results") or self.config.rootpath / "results"
        for file, found in self.reports.items():
            concluded = {entry["name"]: Concluded.model_validate(entry["concluded"]) for entry in found}
            command = f"repro run {self.shown(Path(file))}{self.options()}"
            suite, shown = load(Path(file)), self.shown(Path(file))
            made = build(
                self.runner(), suite, shown, concluded, command, self.config.rootpath, self.earlier(suite)
            )
            self.written.append(keep(self.runner(), suite, made, folder))

    def pytest_terminal_summary(self, terminalreporter: Any, exitstatus: int) -> None:
        if not self.reports:
            if (
                self.config.getoption("numprocesses", None)
                and exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED
            ):
                terminalreporter.write_line(
                    f"no claim is asked at the profile '{self.config.getoption('profile')}'"
                )
            return
        from repro.conclusion import Concluded
        from repro.report.text import discoveries, verdicts
        from repro.result import level

        entries = [
            entry
            for _, found in sorted(self.reports.items())
            for entry in sorted(found, key=lambda entry: entry["place"])
        ]
        claims = {
            f"{self.shown(Path(entry['file']))}::{entry['name']}": Concluded.model_validate(
                entry["concluded"]
            ).claim
            for entry in entries
        }
        terminalreporter.section(f"verdicts at profile {self.config.getoption('profile')}")
        terminalreporter.write_line(verdicts(claims))
        terminalreporter.write_line("")
        for line in (
            discoveries(claims.values(), level(claims.values())),
            *(f"result: {self.shown(p)}" for p in self.written),
        ):
            if line:
                terminalreporter.write_line(line)
        if self.trouble:
            terminalreporter.write_line(self.trouble, red=True)
