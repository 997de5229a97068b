"""The pytest face: `pytest suites/` has one item a claim. Collecting imports no torch."""

import math
import os
import sys
import time
import warnings
from argparse import ArgumentTypeError
from collections.abc import Callable, Generator, Iterable
from contextlib import ExitStack, nullcontext, suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import pytest

from repro.executors import SHARES
from repro.interrupt import deaf, hear
from repro.places import KEPT, RESULTS, RUNS, SUFFIXES, project, shown

if TYPE_CHECKING:
    from repro.errors import ReproError
    from repro.options import Options
    from repro.outcome import Decided
    from repro.plan.ahead import Ahead
    from repro.plan.rota import Rota
    from repro.report.progress import Line
    from repro.session import Session
    from repro.store import Store
    from repro.suite import Suite

PROGRESS_EVERY = 20.0  # seconds between two lines of a log
RENEWED_EVERY = 0.5  # and until that of a terminal is written anew


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("repro", "claims of papers (suites/*.yaml)")
    group.addoption(
        "--profile",
        type=_word,
        default="cpu",
        help="the scale at which claims are tested: cpu, gpu or paper (default: cpu)",
    )
    group.addoption(
        "--device", choices=("cpu", "cuda", "mps"), help="train here instead of on the profile's device"
    )
    group.addoption(
        "--seeds-max", type=_positive, metavar="N", help="allow N seeds instead of what the suite allows"
    )
    group.addoption(
        "--jobs", type=_positive, metavar="N", help="how many trials run at once (default: one per core)"
    )
    group.addoption(
        "--per-gpu",
        type=_share,
        default=1,
        metavar="N",
        help="trials that share a GPU, each with an equal part of its memory (default: 1)",
    )
    group.addoption(
        "--executor", choices=("local", "ray"), default="local", help="where trials run (default: local)"
    )
    group.addoption(
        "--fresh",
        action="store_true",
        help="train everything again instead of using what is stored; a run that is killed starts over",
    )
    group.addoption(
        "--pilot",
        action="store_true",
        help="try a recipe: seeds from 1000 up, which never judge, and no result",
    )
    group.addoption(
        "--results", type=_folder, metavar="DIR", help=f"where result JSONs go (default: {RUNS.as_posix()})"
    )
    group.addoption(
        "--hours",
        type=_hours,
        metavar="H",
        help="take the suites whose oldest verdict is oldest first, and leave what takes longer than H hours",
    )
    group.addoption(
        "--earlier",
        type=_folder_that_is_there,
        metavar="DIR",
        help=f"for --hours: the results of earlier runs (default: {RESULTS.as_posix()})",
    )
    group.addoption(
        "--strict-claims",
        action="store_true",
        help="fail where a claim is undecided, unless the suite expects that",
    )


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise ArgumentTypeError(f"not a whole number above 0: {text}")
    return int(text)


def _hours(text: str) -> float:
    with suppress(ValueError):
        if 0 < float(text) < math.inf:
            return float(text)
    raise ArgumentTypeError(f"not a number of hours above 0: {text}")


def _word(text: str) -> str:
    if not text:
        raise ArgumentTypeError("the name is empty")
    return text


def _folder(text: str) -> Path:
    found = Path(_word(text))
    if found.exists() and not found.is_dir():
        raise ArgumentTypeError(f"not a folder: {text}")
    return found


def _folder_that_is_there(text: str) -> Path:
    found = _folder(text)
    if not found.is_dir():
        raise ArgumentTypeError(f"there is no such folder: {text}")
    return found


def _share(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= SHARES:
        raise ArgumentTypeError(f"not a whole number from 1 to {SHARES}: {text}")
    return int(text)


def pytest_configure(config: pytest.Config) -> None:
    if hasattr(config, "workerinput"):
        hear()
    config.addinivalue_line("markers", "static: a claim that needs no training")
    config.addinivalue_line("markers", "timed: a claim that times nets, with the machine to itself")
    config.addinivalue_line("markers", "trained: a claim that needs training")
    config.pluginmanager.register(Run(config), "repro-run")


@pytest.hookimpl(wrapper=True)
def pytest_sessionstart(session: pytest.Session) -> Generator[None]:
    """Workers of pytest-xdist are started here; they hear Ctrl-C from `pytest_configure` on."""
    with deaf() if session.config.pluginmanager.hasplugin("dsession") else nullcontext():
        return (yield)


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> "SuiteFile | None":
    if file_path.suffix not in SUFFIXES:
        return None
    from repro.suite_files import is_suite

    if is_suite(file_path, named=parent.session.isinitpath(file_path)):
        return SuiteFile.from_parent(parent, path=file_path)
    return None


class SuiteFile(pytest.File):
    """A suite; its items are the claims asked at the profile."""

    def collect(self) -> "Iterable[ClaimItem]":
        from repro.errors import ReproError
        from repro.reading import load, one_name

        run: Run = self.config.pluginmanager.getplugin("repro-run")
        try:
            suite = load(self.path)
        except ReproError as error:
            raise self.CollectError(str(error)) from None
        first = run.suites.setdefault(suite.suite, self.path)
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
        self.is_late = self.run.is_over
        if self.is_late:
            pytest.skip(f"{self.config.getoption('hours'):g} h are over: left for another night")
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
        found: Run = self.config.pluginmanager.getplugin("repro-run")
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


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, Any]:
    report = yield
    if isinstance(item, ClaimItem) and call.when == "call" and item.decided is not None:
        decided = item.decided.model_dump(mode="json")
        report.repro = {
            "file": str(item.path),
            "name": item.name,
            "place": item.place,
            "decided": decided,
        }
    elif isinstance(item, ClaimItem) and call.when == "call" and item.is_late:
        report.repro_late = item.suite.suite
    return report


def pytest_report_teststatus(report: Any) -> Any:
    found = getattr(report, "repro", None)
    if found and report.when == "call" and report.passed and not found["decided"]["claim"]["as_expected"]:
        return "undecided", "u", ("UNDECIDED", {"yellow": True})
    return None


class Run:
    """What lasts as long as a pytest run: this process's session, and what all processes decided."""

    def __init__(self, config: pytest.Config):
        self.config = config
        self.here = config.invocation_params.dir
        self.profiles: set[str] = set()
        self.suites: dict[str, Path] = {}  # by name
        self.reports: dict[str, list[dict[str, Any]]] = {}
        self.written: list[Path] = []
        self.trouble: list[str] = []  # in writing results
        self.damaged: list[ReproError] = []  # earlier results that are none
        self.late: set[str] = set()  # suites with claims that there was no time for
        self.until = getattr(config, "workerinput", {}).get("repro_until") or time.time() + 3600 * (
            config.getoption("hours") or math.inf
        )
        self._session: Session | None = None
        self._display, self._shown = ExitStack(), False

    def session(self) -> "Session":
        if self._session is None:
            from repro.executors import executor
            from repro.executors.lease import cores
            from repro.places import REGISTER
            from repro.register import Register
            from repro.runner import Runner

            asked = self.options
            workers = getattr(self.config, "workerinput", {}).get("workercount", 1)
            jobs = max(1, (asked.jobs or cores()) // workers)
            runner = Runner(self.store(), executor(asked.where, jobs, asked.per_gpu))
            self._session = asked.session(runner, Register(self.root / REGISTER))
        return self._session

    @cached_property
    def ahead(self) -> "Ahead":
        """What all processes together need of this machine."""
        return self.options.ahead(self.store())

    @cached_property
    def options(self) -> "Options":
        """What all processes together are asked for."""
        from repro.options import Options

        option = self.config.getoption
        return Options(
            profile=option("profile"),
            device=option("device"),
            seeds_max=option("seeds_max"),
            pilot=option("pilot"),
            jobs=option("jobs"),
            per_gpu=option("per_gpu"),
            where=option("executor"),
        )

    @cached_property
    def root(self) -> Path:
        """The folder of the project that store and results belong to, whatever pytest's rootdir is."""
        from repro.errors import ReproError
        from repro.suite_files import project_of

        named = [self.here / argument.partition("::")[0] for argument in self.config.args]
        try:
            return project_of(path for path in named if path.is_dir() or path.suffix in SUFFIXES)
        except ReproError:  # what is named otherwise than by its path
            return project(self.here)

    def store(self) -> "Store":
        from repro.places import home
        from repro.store import Store

        return Store(home(self.root), self.since)

    @cached_property
    def since(self) -> int:
        """The generation of the store that counts: with `--fresh` a new one, the same for all workers."""
        from repro.places import home
        from repro.store import Store

        if not self.config.getoption("fresh"):
            return 0
        given = getattr(self.config, "workerinput", {}).get("repro_since")
        return given or Store(home(self.root)).anew().since

    def shown(self, path: Path) -> str:
        """A path as a user would type it."""
        return shown(path, self.here)

    @property
    def is_worker(self) -> bool:
        """Whether this is a process of pytest-xdist, which another one asks."""
        return hasattr(self.config, "workerinput")

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        node.workerinput["repro_since"] = self.since
        if self.config.getoption("hours"):  # found out once, or workers might collect otherwise
            node.workerinput |= {"repro_turns": [*self.rota.turns], "repro_until": self.until}

    @property
    def left(self) -> dict[str, str]:
        """Suites that there was no time for, or not for all of, and why; known where the rota is."""
        from repro.plan import rota

        if "rota" not in self.__dict__:
            return {}
        found = dict(self.rota.left)
        for suite in sorted(self.late):
            found |= rota.over(suite, self.config.getoption("hours"))
        return found

    @property
    def is_over(self) -> bool:
        """Whether the hours are."""
        return time.time() > self.until

    @cached_property
    def rota(self) -> "Rota":
        """Which suites there is time for, of all that are named. Earlier results that cannot be read end
        nothing: they are told.
        """
        from repro.plan import rota
        from repro.reading import load_all
        from repro.suite_files import suite_files

        option, session = self.config.getoption, self.session()
        named = [self.here / argument.partition("::")[0] for argument in self.config.args]
        asked = [
            (suite, self.options.names(suite))
            for suite in load_all(suite_files(named)).values()
            if option("profile") in suite.profiles
        ]
        at_once = self.options.at_once(session.experiment(suite).device for suite, _ in asked)
        past = rota.earlier(option("earlier") or self.root / RESULTS, self.damaged.append)
        return rota.rota(session.due(asked, past, at_once), option("hours"))

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """With `--hours`, suites in their turn, without those that there is no time for."""
        if not config.getoption("hours") or not any(isinstance(item, ClaimItem) for item in items):
            return
        given = getattr(config, "workerinput", {}).get("repro_turns")
        turns = {suite: i for i, suite in enumerate(given if given is not None else self.rota.turns)}
        claims = [item for item in items if isinstance(item, ClaimItem)]
        config.hook.pytest_deselected(items=[item for item in claims if item.suite.suite not in turns])
        kept = sorted(
            (item for item in claims if item.suite.suite in turns), key=lambda item: turns[item.suite.suite]
        )
        items[:] = [*kept, *(item for item in items if not isinstance(item, ClaimItem))]

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Hear from a worker what profiles there are: it alone has read the suites."""
        self.profiles |= set(getattr(node, "workeroutput", {}).get("repro_profiles", ()))

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        if self._no_such_profile() and not self.is_worker:
            raise pytest.UsageError(self._no_such_profile())
        claims = [item for item in session.items if isinstance(item, ClaimItem)]
        if claims:
            self._start_display(lambda: [(item.suite, item.name) for item in claims])

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: Iterable[str]) -> None:
        claims = [name for name in ids if Path(name.partition("::")[0]).suffix in SUFFIXES]
        if claims:
            self._start_display(lambda: self._named(claims))

    def _no_such_profile(self) -> str | None:
        profile = self.config.getoption("profile")
        if not self.profiles or profile in self.profiles:
            return None
        return f"no suite has a profile '{profile}'; there are: {', '.join(sorted(self.profiles))}"

    def _named(self, ids: Iterable[str]) -> "list[tuple[Suite, str]]":
        """The claims that workers collected, with their suites."""
        from repro.reading import load

        files = {name: self.config.rootpath / name.partition("::")[0] for name in ids}
        suites = {path: load(path) for path in {*files.values()}}
        return [(suites[path], name.rpartition("::")[2]) for name, path in files.items()]

    def _start_display(self, claims: "Callable[[], list[tuple[Suite, str]]]") -> None:
        """Once, where the terminal is: in the controller, or in the one process there is. `claims` are those
        that there are to decide.
        """
        terminal = self.config.pluginmanager.getplugin("terminalreporter")
        if self._shown or self.is_worker or terminal is None or sys.__stdout__ is None:
            return
        if self.config.getoption("collectonly"):
            return
        from repro import streams
        from repro.report.progress import Display, Stand

        self._shown = True
        streams.adapt(sys.__stdout__)
        if terminal.verbosity < 0:
            return
        # Nothing is captured at this moment: a copy of standard output keeps on reaching the terminal.
        copy = os.fdopen(os.dup(sys.__stdout__.fileno()), "w", errors=streams.OTHER_SIGNS)
        stream = self._display.enter_context(copy)
        if stream.isatty():
            show, every = self._line(stream).show, RENEWED_EVERY
        else:
            every = PROGRESS_EVERY

            def show(stand: Stand | None) -> None:
                if stand is not None:
                    print(f"\n  {stand}", file=stream, flush=True)

        display = self._display.enter_context(Display(self.store(), show, every))
        if self.config.getoption("executor") == "local":  # a cluster is not started for an estimate
            session, kept = self.session(), self.root / KEPT
            display.begin(self.store(), lambda: session.course(claims(), kept))

    def _line(self, stream: TextIO) -> "Line":
        """A line below the one that pytest is writing, which is gone whenever pytest goes on."""
        from repro.report.progress import Line

        writer = self.config.get_terminal_writer()
        original = writer.write
        line = Line(stream, lambda: writer.fullwidth, lambda: writer.width_of_current_line)

        def write(message: str, **options: Any) -> None:
            with line.lock:
                line.erase()
                original(message, **options)
                writer.flush()

        self._display.callback(setattr, writer, "write", original)
        setattr(writer, "write", write)  # noqa: B010
        return line

    def pytest_runtest_logreport(self, report: Any) -> None:
        if late := getattr(report, "repro_late", None):
            self.late.add(late)
        found = getattr(report, "repro", None)
        if found and report.when == "call":
            self.reports.setdefault(found["file"], []).append(found)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        self._display.close()
        if self.is_worker:
            getattr(self.config, "workeroutput", {})["repro_profiles"] = sorted(self.profiles)
        elif self._no_such_profile():
            session.exitstatus = pytest.ExitCode.USAGE_ERROR
        try:
            self._write_results()
        finally:
            if self._session is not None:
                self._session.close()
        if self.trouble:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def _write_results(self) -> None:
        """Each suite's. What is in the way of one is told at the end."""
        from repro.errors import ReproError

        if self.is_worker or self.config.getoption("pilot"):
            return
        if "rota" in self.__dict__:
            from repro.plan import rota

            rota.note(self.left, self.config.getoption("results") or self.root / RUNS)
        for file, found in self.reports.items():
            try:
                self._write_result(Path(file), {entry["name"]: _decided(entry) for entry in found})
            except ReproError as error:
                self.trouble.append(f"{self.shown(Path(file))}: {error}")

    def _write_result(self, path: Path, claims: dict[str, "Decided"]) -> None:
        from repro.places import within
        from repro.reading import load
        from repro.result import verdict

        folder = self.config.getoption("results") or self.root / RUNS
        result = self.session().keep(load(path), within(path), claims, project(path.parent), folder)
        self.written.append(folder / result.path)
        strict = self.config.getoption("strict_claims")
        for name, decided in claims.items():
            later = result.claims[name]
            if decided.claim.is_tolerated(strict) and not later.is_tolerated(strict):
                self.trouble.append(
                    f"{self.shown(path)}::{name}: {verdict(later)}, with the seeds that others took"
                )

    def pytest_terminal_summary(self, terminalreporter: Any, exitstatus: int) -> None:
        if self._no_such_profile() and exitstatus != pytest.ExitCode.USAGE_ERROR:  # else pytest says it
            terminalreporter.write_line(f"ERROR: {self._no_such_profile()}", red=True)
        for error in self.damaged:
            terminalreporter.write_line(f"left out: {' '.join(str(error).split())}", yellow=True)
        if self.left:
            from repro.report.text import left_for

            terminalreporter.section("left for another night")
            terminalreporter.write_line("\n".join(left_for(self.left)))
        if not self.reports:
            return
        from repro.executors.scale import offer
        from repro.format import broken
        from repro.report import terminal, text

        claims = {}
        for file, found in sorted(self.reports.items()):
            for entry in sorted(found, key=lambda entry: entry["place"]):
                claims[f"{self.shown(Path(file))}::{entry['name']}"] = _decided(entry).claim
        terminalreporter.section(f"verdicts at profile {self.config.getoption('profile')}")
        writer = self.config.get_terminal_writer()
        wide = writer.fullwidth if writer.hasmarkup else None
        terminalreporter.write_line(terminal.verdicts(claims, wide) if wide else text.verdicts(claims))
        for line in text.summary(claims, map(self.shown, self.written)):
            for part in broken(line, wide) if wide else [line]:
                terminalreporter.write_line(part)
        if larger := offer(self.config.getoption("profile"), lambda: self.profiles):
            terminalreporter.write_line(larger)
        for line in self.trouble:
            terminalreporter.write_line(line, red=True)


def _decided(entry: dict[str, Any]) -> "Decided":
    """What a process, perhaps another one, decided."""
    from repro.outcome import Decided

    return Decided.model_validate(entry["decided"])
