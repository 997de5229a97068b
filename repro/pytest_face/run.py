"""What lasts as long as a pytest run, in each of its processes."""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from repro.interrupt import GOES_ON
from repro.places import SUFFIXES, project, shown
from repro.pytest_face.hours import Hours
from repro.pytest_face.items import ClaimItem
from repro.pytest_face.progress import Progress
from repro.pytest_face.verdicts import Verdicts

if TYPE_CHECKING:
    from repro.options import Options
    from repro.plan.ahead import Ahead
    from repro.session import Session
    from repro.store import Store
    from repro.suite import Suite


class Run:
    """This process's session, and the hooks of pytest that need to know of the whole run."""

    def __init__(self, config: pytest.Config):
        self.config = config
        self.here = config.invocation_params.dir
        self.profiles: set[str] = set()
        self.suites: dict[str, Path] = {}  # by name
        self.hours, self.progress, self.verdicts = Hours(self), Progress(self), Verdicts(self)
        self.claims: list[ClaimItem] = []  # those to decide, in their order
        self._session: Session | None = None

    @property
    def profile(self) -> str:
        found: str = self.config.getoption("profile")
        return found

    @property
    def named(self) -> list[Path]:
        """The files and folders that pytest was given."""
        return [self.here / argument.partition("::")[0] for argument in self.config.args]

    @cached_property
    def beside(self) -> dict[tuple[Path, str], Path]:
        """The suites of the project that pytest was not given."""
        from repro.suite_files import beside

        return beside(self.files)

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
            if not self.is_worker:
                self._session.expect(self._to_come())
        return self._session

    def _to_come(self) -> "Iterator[tuple[Suite, str]]":
        """The claims that will be decided here, as far as there is time, and memory for them."""
        for item in self.claims:
            if self.hours.are_over:
                return
            with suppress(Exception):  # whatever it is, it is told in its turn
                self.ahead.check(self.session().steps(item.suite, item.name, most=1))
                yield item.suite, item.name

    @cached_property
    def options(self) -> "Options":
        """What all processes together are asked for."""
        from repro.options import Options

        option = self.config.getoption
        return Options(
            profile=self.profile,
            device=option("device"),
            seeds_max=option("seeds_max"),
            pilot=option("pilot"),
            jobs=option("jobs"),
            per_gpu=option("per_gpu"),
            where=option("executor"),
        )

    @cached_property
    def ahead(self) -> "Ahead":
        """What all processes together need of this machine."""
        return self.options.ahead(self.store())

    @cached_property
    def files(self) -> list[Path]:
        """The suites that pytest was given; none, where they are named otherwise than by their paths."""
        from repro.errors import ReproError
        from repro.suite_files import suite_files

        try:
            return suite_files(path for path in self.named if path.is_dir() or path.suffix in SUFFIXES)
        except ReproError:
            return []

    @cached_property
    def root(self) -> Path:
        """The folder of the project that store and results belong to, whatever pytest's rootdir is."""
        return project(self.files[0].parent if self.files else self.here)

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
        node.workerinput |= {"repro_since": self.since, **self.hours.for_worker()}

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        self.hours.arrange(items)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Hear from a worker what profiles there are: it alone has read the suites."""
        self.profiles |= set(getattr(node, "workeroutput", {}).get("repro_profiles", ()))

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        if self._no_such_profile() and not self.is_worker:
            raise pytest.UsageError(self._no_such_profile())
        self.claims = [item for item in session.items if isinstance(item, ClaimItem)]
        if self.claims:
            self.progress.start(lambda: [(item.suite, item.name) for item in self.claims])

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: Iterable[str]) -> None:
        claims = [name for name in ids if Path(name.partition("::")[0]).suffix in SUFFIXES]
        if claims:
            self.progress.start(lambda: self._named(claims))

    def _no_such_profile(self) -> str | None:
        if not self.profiles or self.profile in self.profiles:
            return None
        return f"no suite has a profile '{self.profile}'; there are: {', '.join(sorted(self.profiles))}"

    def _named(self, ids: Iterable[str]) -> "list[tuple[Suite, str]]":
        """The claims that workers collected, with their suites."""
        from repro.reading import load

        files = {name: self.config.rootpath / name.partition("::")[0] for name in ids}
        suites = {path: load(path) for path in {*files.values()}}
        return [(suites[path], name.rpartition("::")[2]) for name, path in files.items()]

    def pytest_runtest_logreport(self, report: Any) -> None:
        if late := getattr(report, "repro_late", None):
            self.hours.late.add(late)
        found = getattr(report, "repro", None)
        if found and report.when == "call":
            self.verdicts.add(found)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        self.progress.close()
        if self.is_worker:
            getattr(self.config, "workeroutput", {})["repro_profiles"] = sorted(self.profiles)
        elif self._no_such_profile():
            session.exitstatus = pytest.ExitCode.USAGE_ERROR
        try:
            self._write()
        finally:
            if self._session is not None:
                self._session.close()
        if self.verdicts.trouble:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def _write(self) -> None:
        if self.is_worker or self.config.getoption("pilot"):
            return
        if self.hours.is_planned:
            from repro.plan import rota

            rota.note(self.hours.left, self.verdicts.folder)
        self.verdicts.write()

    def pytest_terminal_summary(self, terminalreporter: Any, exitstatus: int) -> None:
        if self._no_such_profile() and exitstatus != pytest.ExitCode.USAGE_ERROR:  # else pytest says it
            terminalreporter.write_line(f"ERROR: {self._no_such_profile()}", red=True)
        for error in self.hours.damaged:
            terminalreporter.write_line(f"left out: {' '.join(str(error).split())}", yellow=True)
        if self.hours.left:
            from repro.report.text import left_for

            terminalreporter.section("left for another night")
            terminalreporter.write_line("\n".join(left_for(self.hours.left)))
        self.verdicts.tell(terminalreporter)
        if exitstatus == pytest.ExitCode.INTERRUPTED and (self.suites or self.verdicts.reports):
            terminalreporter.write_line(GOES_ON, yellow=True)
