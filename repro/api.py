"""The harness from Python: `repro.run("suites/…yaml")` decides claims and gives their results."""

import math
import secrets
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple, Self

from repro import reading, result
from repro.document import DocumentError, closest
from repro.errors import ReproError
from repro.evidence import decide
from repro.executors import executor
from repro.format import table
from repro.options import Options
from repro.outcome import Decided
from repro.places import KEPT, REGISTER, RESULTS, home, project, typed, within
from repro.plan import rota
from repro.plan.course import Course
from repro.reading import load_all
from repro.register import Register
from repro.report.text import failures
from repro.result import RIGHT, ClaimResult, Result, verdict_rows
from repro.runner import Runner
from repro.session import Session
from repro.store import Store
from repro.suite import Device, Suite
from repro.suite_files import project_of, suite_files
from repro.trial import TrialSpec

SCALES = ("cpu", "gpu", "paper")  # one of these is no slip of the pen for another

__all__ = ["Results", "check", "decide", "load", "read", "run"]


def check(suites: str | Path | Iterable[str | Path]) -> list[str]:
    """Everything that is wrong with suites (files or folders), a `FILE:LINE:COL: message` each."""
    found = reading.check_all(_paths(suites))
    return [str(DocumentError([problem])) for problem in found.problems]


def load(suite: str | Path) -> Suite:
    """Read a suite, by its file or its name. Raises `DocumentError` with all that is wrong with it."""
    path = Path(suite)
    return reading.load(path if path.exists() else suite_files([path])[0])


def read(path: str | Path) -> Result:
    """Read a result's JSON file. Raises `ReproError` if it is none."""
    return result.read(Path(path))


class NothingRan(ReproError):
    """No claim was asked."""


class NothingMeasured(ReproError):
    """Claims were asked, and none could be measured."""


class Results(list[Result]):
    """Results, shown as a table of their claims in a notebook.

    `failed` holds why what is not in them could not be measured, or not be kept, by `FILE::CLAIM` or `FILE`;
    `left` why suites were left for want of time; `damaged` what is no result among those of earlier runs.
    """

    def __init__(self, results: Iterable[Result] = ()):
        super().__init__(results)
        self.failed: dict[str, ReproError] = {}
        self.left: dict[str, str] = {}
        self.damaged: list[ReproError] = []

    @contextmanager
    def noting(self, name: str) -> Iterator[None]:
        """What fails is noted under a name, and ends nothing."""
        try:
            yield
        except ReproError as error:
            self.failed[name] = error

    def _repr_html_(self) -> str:
        return "".join(result._repr_html_() for result in self)

    def __str__(self) -> str:
        claims = {f"{result.suite}: {name}": result.claims[name] for result in self for name in result.claims}
        return table(verdict_rows(claims), right=RIGHT)


def run(
    suites: str | Path | Iterable[str | Path],
    profile: str = "cpu",
    *,
    only: str | None = None,
    device: Device | None = None,
    seeds_max: int | None = None,
    first_seed: int | None = None,
    pilot: bool = False,
    fresh: bool = False,
    jobs: int | None = None,
    per_gpu: int = 1,
    where: Literal["local", "ray"] = "local",
    results: str | Path | None = None,
    decided: Callable[[Path, str, ClaimResult], None] = lambda *_: None,
    kept: Callable[[Path], None] = lambda _: None,
    missing: Callable[[Mapping[str, ReproError]], None] = lambda _: None,
    begins: Callable[[Store, Callable[[], Course]], None] = lambda *_: None,
    hours: float | None = None,
    earlier: str | Path | None = None,
    left: Callable[[Mapping[str, str]], None] = lambda _: None,
    damaged: Callable[[ReproError], None] = lambda _: None,
) -> Results:
    """Decide the claims of suites (files, folders or names) at a profile, and give a result for each suite.

    `only` claims whose name contains the text; `pilot` uses seeds from 1000 up, which never judge; `fresh`
    trains everything again; `jobs` are the trials at once, as many as cores if not given, and `per_gpu` those
    that share a GPU. With `results`, a folder, each result is written there with its pictures. `decided`
    hears of each claim, and again where others of its suite have taken further seeds since; `kept` hears of
    each file. `begins` is given the store, and what tells the course of the run.

    With `hours` the suites whose oldest verdict is oldest come first, by the results in the folder `earlier`
    (results/ in the project, if not given), and what takes longer than there is time is left, as is what has
    not begun when they are over: `left` hears of it, by suite with the reason, and results/left.txt says it.
    What is no result in `earlier` counts for nothing: `damaged` hears of each such file.

    What cannot be measured ends nothing: it is in the results' `failed`, and those it was to be in are not
    complete. Where data or weights are missing, or GPUs or memory are too few, that is found before the
    first trial, and `missing` hears of it at once, by the same names. The trials of all suites are kept in
    the store of the first one's project.

    Raises `DocumentError` for suites with mistakes, `NothingRan` where no claim is asked, and
    `NothingMeasured`, with all reasons, where none could be measured.
    """
    options = Options(profile, only, device, seeds_max, first_seed, pilot, jobs, per_gpu, where)
    clock = _Clock(hours)
    if earlier is not None and not Path(earlier).is_dir():
        raise ReproError(f"earlier: {earlier} is no folder")
    given = _paths(suites)
    asked, root = _asked(given, options), project_of(given)
    store = Store(home(root))
    store = store.anew() if fresh else store
    session = _session(options, store, Register(root / REGISTER))
    found, folder = Results(), None if pilot or results is None else Path(results)

    def leave(why: Mapping[str, str]) -> None:
        found.left |= why
        left(why)

    def leave_out(error: ReproError) -> None:
        found.damaged.append(error)
        damaged(error)

    if hours is not None:
        past = rota.earlier(Path(earlier or root / RESULTS), leave_out)
        asked, too_long = _in_turn(asked, session, options, past, hours)
        if too_long:
            leave(too_long)
        if not asked:
            if folder is not None:
                rota.note(found.left, folder)
            raise NothingRan(f"nothing to run: no suite takes {hours:g} h or less")
    begins(
        store,
        partial(session.course, [(one.suite, name) for one in asked for name in one.names], root / KEPT),
    )
    any_decided = False
    try:
        ahead = options.ahead(store)
        for one in asked:
            for name in one.names:
                with found.noting(one.key(name)):
                    ahead.check(session.steps(one.suite, name, most=1))
        if found.failed:
            missing(dict(found.failed))
        asked = [one.without(found.failed) for one in asked]
        session.expect((one.suite, name) for one in asked for name in one.names if not clock.is_over)
        for one in asked:
            if any_decided and clock.is_over:
                leave(rota.over(one.suite.suite, clock.hours))
                continue
            claims = dict[str, Decided]()
            for name in one.names:
                with found.noting(one.key(name)):
                    claims[name] = session.decide(one.suite, name)
                    decided(one.path, name, claims[name].claim)
            if not claims:
                continue
            any_decided = True
            with found.noting(typed(one.path)):
                found.append(
                    session.keep(one.suite, within(one.path), claims, project(one.path.parent), folder)
                )
                for name, claim in found[-1].claims.items():
                    if claim != claims[name].claim:  # with the seeds that others took since
                        decided(one.path, name, claim)
                if folder is not None:
                    kept(folder / found[-1].path)
        if hours is not None and folder is not None:
            rota.note(found.left, folder)
    finally:
        session.close()
    if not any_decided:
        raise NothingMeasured("\n".join(failures(found.failed)))
    return found


def work(
    suites: str | Path | Iterable[str | Path],
    options: Options,
    *,
    missing: Callable[[Mapping[str, ReproError]], None] = lambda _: None,
    begins: Callable[[Store, Callable[[], Course]], None] = lambda *_: None,
) -> dict[str, ReproError]:
    """Do what `run` would find missing, and leave it in the store: no verdict is told, noted or kept. Any
    number of these may be at work on one store; each ends when nothing is left to do. What is timed is left
    to `run`, since it is of the machine that `run` is on.

    Gives why what could not be done could not, by `FILE::CLAIM`. Raises `DocumentError` for suites with
    mistakes, and `NothingRan` where no claim is asked.
    """
    given = _paths(suites)
    asked = [(one.key(name), one.suite, name) for one in _asked(given, options) for name in one.names]
    store = Store(home(project_of(given)))
    session = _session(options, store)
    claims_asked = [(suite, name) for _, suite, name in asked]
    begins(store, partial(session.course, claims_asked, project_of(given) / KEPT))
    found, ahead, first = Results(), options.ahead(store), list[TrialSpec]()
    try:
        for key, suite, name in asked:
            with found.noting(key):
                session.check_seeds(suite)
                ahead.check(session.steps(suite, name, most=1))
                steps = [step for step in session.steps(suite, name) if step.sure]
                first += [step.job for step in steps if isinstance(step.job, TrialSpec)]
        if found.failed:
            missing(dict(found.failed))
        session.runner.ensure_all(_from_anywhere(first))  # of all claims, so that all have something to do
        for key, suite, name in _from_anywhere(asked):
            timed = any(one.timed for one in session.experiment(suite).quantities(suite.claims[name]))
            if key not in found.failed and not timed:
                with found.noting(key):
                    session.decide(suite, name)
    finally:
        session.close()
    return found.failed


def _session(options: Options, store: Store, register: Register | None = None) -> Session:
    return options.session(
        Runner(store, executor(options.where, options.jobs, options.per_gpu)), register=register
    )


class _Asked(NamedTuple):
    """A suite, and the names of its claims that are asked."""

    path: Path
    suite: Suite
    names: list[str]

    def key(self, name: str) -> str:
        return f"{typed(self.path)}::{name}"

    def without(self, failed: Collection[str]) -> Self:
        """Those that have not failed yet, by their keys."""
        return self._replace(names=[name for name in self.names if self.key(name) not in failed])


class _Clock:
    """Whether the hours that a run has, if they are limited, are over."""

    def __init__(self, hours: float | None):
        if hours is not None and not hours > 0:
            raise ReproError(f"hours: must be above 0, not {hours}")
        self.hours, self.begun = math.inf if hours is None else hours, time.monotonic()

    @property
    def is_over(self) -> bool:
        return time.monotonic() - self.begun > self.hours * 3600


def _asked(given: list[Path], options: Options) -> list[_Asked]:
    """Raises `NothingRan` where no claim is asked."""
    loaded = load_all(suite_files(given))
    asked = [_Asked(path, suite, options.names(suite)) for path, suite in loaded.items()]
    if not any(one.names for one in asked):
        known = sorted({name for suite in loaded.values() for name in suite.profiles})
        like = f" like {options.only!r}" if options.only else ""
        if options.profile in known:
            names = [name for suite in loaded.values() for name, _ in suite.claims_at(options.profile)]
            meant = closest(options.only or "", names)
        else:
            meant = None if options.profile in SCALES else closest(options.profile, known)
        hint = f"; did you mean '{meant}'?" if meant else ""
        raise NothingRan(
            f"nothing to run: no claim{like} at profile '{options.profile}' "
            f"(profiles: {', '.join(known)}){hint}"
        )
    return asked


def _in_turn(
    asked: list[_Asked], session: Session, options: Options, past: list[Result], hours: float
) -> tuple[list[_Asked], Mapping[str, str]]:
    """What there is time for, the oldest verdict first, and why other suites are left."""
    to_turn = [(one.suite, one.names) for one in asked if one.names]
    at_once = options.at_once(session.experiment(suite).device for suite, _ in to_turn)
    turns = rota.rota(session.due(to_turn, past, at_once), hours)
    by_name = {one.suite.suite: one for one in asked}
    return [by_name[suite] for suite in turns.turns], turns.left


def _from_anywhere(found: list[Any]) -> list[Any]:
    """The same in the same order, begun anywhere: so those at work begin apart, and seldom change data."""
    at = secrets.randbelow(max(1, len(found)))
    return found[at:] + found[:at]


def _paths(given: str | Path | Iterable[str | Path]) -> list[Path]:
    return [Path(given)] if isinstance(given, str | Path) else [Path(path) for path in given]
