"""Where long work stands, for whoever waits: a thread that looks, in the store at the work of all processes,
or at what is told it in this one. On a terminal it is one line that renews itself, elsewhere a line now and
then.
"""

import re
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from io import StringIO
from statistics import fmean
from typing import Any, Protocol, TextIO

from rich.console import Console
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from repro.errors import ReproError
from repro.format import duration, printable
from repro.plan.course import Arm, Course
from repro.plan.steps import ROUND, Step, taken
from repro.store import Store

BAR = 12  # cells of a terminal
OPTIONS = re.compile(r"\([^()]*=[^()]*\)")  # of a net: `(depth=20, width=4)`


@dataclass(frozen=True)
class Stand:
    """How far the work is."""

    done: int
    wanted: int
    left: float | None  # seconds of all that is to be done
    running: tuple[str, ...]
    waits: tuple[str, ...] = ()
    of: str = "trials and numbers done"

    def __str__(self) -> str:
        return "; ".join([self.head, *self.running, *self.waits])

    @property
    def is_before(self) -> bool:
        """Whether it is not known yet how much there is to do."""
        return self.wanted == 0

    @property
    def head(self) -> str:
        left = "" if self.left is None else f", about {duration(self.left)} left"
        return f"{self.done} of {self.wanted} {self.of}{left}"

    @property
    def short(self) -> str:
        left = "" if self.left is None else f", {duration(self.left)} left"
        return f"{self.done}/{self.wanted}{left}"


class Looks(Protocol):
    """Knows where work stands."""

    def look(self) -> Stand | None:
        """None if nothing is going on."""


class Told:
    """What this process says of its own work: how many of what are done, and at which it is."""

    def __init__(self, of: str):
        self.of = of
        self._stand: Stand | None = None

    def at(self, done: int, wanted: int, now: str) -> None:
        self._stand = Stand(done, wanted, None, (printable(now),), of=self.of)

    def look(self) -> Stand | None:
        return self._stand


class Progress:
    """What the store says of a run's course, and what processes say of themselves."""

    def __init__(self, store: Store, course: Course | None = None):
        self.store, self.course = store, course or Course()
        self._seconds = dict[str, float]()  # of the steps that are done, by digest
        self._at_once = 1  # the most trials that were seen to run together
        self._awaited = {*self.course.steps}  # those that may be done by now: all, before the first look

    def look(self) -> Stand | None:
        """None if nothing is going on."""
        states, steps = self.store.running(), self.course.steps
        processes = [state for state in states if "wanted" in state]
        running = [state for state in states if "step" in state]
        wanted = {name for state in processes for name in state["wanted"]}
        finished = {name for state in processes for name in state["finished"]}
        if len(wanted) == len(finished) and not running:
            return None
        self._read(finished | {state["name"] for state in running})
        wanted |= {digest for digest, step in steps.items() if step.sure}
        done = wanted & (finished | self._seconds.keys())
        return Stand(
            done=len(done),
            wanted=len(wanted),
            left=self._left(wanted - done, running),
            running=tuple(self._told(state) for state in running),
            waits=tuple(self._waiting(states)),
        )

    def _read(self, lately: Collection[str]) -> None:
        """How long steps took that are done since the last look. `lately` were done, or are on the way."""
        for digest in self._awaited - self._seconds.keys():
            with suppress(ReproError):  # what is damaged is told by who needs it
                record = self.store.read(self.course.steps[digest].job)
                if record is not None:
                    self._seconds[digest] = taken(record)
        self._awaited = self.course.steps.keys() & lately

    def _left(self, todo: Iterable[str], running: list[dict[str, Any]]) -> float | None:
        """As many trials at once as there were, and rounds by themselves. An arm takes what its other seeds
        took, else what kept results say, else what arms take on average.
        """
        of_arms = defaultdict[Arm, list[float]](list)
        for digest, seconds in self._seconds.items():
            of_arms[_arm(self.course.steps[digest])].append(seconds)
        known = {**self.course.seconds, **{arm: fmean(taken) for arm, taken in of_arms.items()}}
        now = {state["name"]: state["seconds_left"] for state in running}
        steps = [
            self.course.steps[digest] for digest in todo if digest in self.course.steps and digest not in now
        ]
        there = [left for left in now.values() if left is not None]
        if (steps and not known) or (now and not there and not steps):
            return None
        otherwise = fmean(known.values()) if known else 0.0
        self._at_once = max(self._at_once, len(now))
        alone, together = 0.0, sum(there)
        for step in steps:
            seconds = known.get(_arm(step), otherwise)
            if step.arm == ROUND:
                alone += seconds
            else:
                together += seconds
        return max(alone + together / self._at_once, *there, 0.0) if steps or there else None

    def _told(self, state: dict[str, Any]) -> str:
        """One running trial."""
        who = self._who(state["name"], f"{state['model']} seed {state['seed']}")
        return printable(f"{who}: {100 * state['step'] // max(1, state['steps'])} %")

    def _waiting(self, states: Iterable[dict[str, Any]]) -> Iterator[str]:
        """Jobs that wait, or processes, by whom they wait for."""
        found = defaultdict[str, set[str]](set)
        for state in states:
            for text in state.get("waits", ()):
                who = f"{self._who(state['job'], state['label'])} " if "job" in state else ""
                found[OPTIONS.sub("", text)].add(who)
        for text, waiting in sorted(found.items()):
            first, *others = sorted(waiting)
            yield printable(f"{first}{f'(and {len(others)} more) ' if others else ''}{text}")

    def _who(self, digest: str, otherwise: str) -> str:
        """The arm and seed of a job of this run."""
        step = self.course.steps.get(digest)
        return step.label if step else otherwise


def _arm(step: Step) -> Arm:
    return step.suite, step.arm


def fitted(stand: Stand, width: int, *, colour: bool = True) -> str:
    """One line of so many cells at most, with a bar once there is something to do; what does not fit ends in
    an ellipsis.
    """
    row = Table.grid(padding=(0, 1))
    rest = Text("; ".join([*stand.waits, *stand.running]), style="yellow" if stand.waits else "")
    before = () if stand.is_before else (BAR, len(stand.short))
    for cells in (*before, max(1, width - sum(before) - len(before))):
        row.add_column(width=cells, no_wrap=True, overflow="ellipsis")
    if stand.is_before:
        row.add_row(rest)
    else:
        bar = ProgressBar(total=stand.wanted, completed=stand.done, width=BAR)
        row.add_row(bar, Text(stand.short, style="bold"), rest)
    console = Console(
        file=StringIO(), width=width, force_terminal=colour, color_system="standard" if colour else None
    )
    with console.capture() as captured:
        console.print(row, no_wrap=True, overflow="ellipsis", crop=True)
    return captured.get().partition("\n")[0].rstrip()


class Display:
    """Tells `show` every `every` seconds while there is something to tell, and None at the end. Until there
    is work to look at, it tells what else goes on.
    """

    def __init__(self, looks: Looks, show: Callable[[Stand | None], None], every: float):
        self.looks, self.show, self.every = looks, show, every
        self._before: Stand | None = None
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)

    def begin(self, store: Store, course: Callable[[], Course]) -> None:
        """Hear what there is to do. It is found out here and now: later it would disturb what is timed."""
        self.doing("looking at what is done already")
        self.looks = Progress(store, course())
        self.doing("importing torch, and looking at what the trials need")

    def doing(self, what: str) -> None:
        """It is told now: threads hardly get a turn while libraries are imported."""
        self._before = Stand(0, 0, None, (what,))
        self.show(self._before)

    def __enter__(self) -> "Display":
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        self.thread.join(timeout=2.0)
        self.show(None)

    def _run(self) -> None:
        while not self.ended.wait(self.every):
            stand = self.looks.look()
            self._before = self._before if stand is None else None
            told = stand or self._before
            if told is not None and not self.ended.is_set():
                self.show(told)


class Line:
    """One line of a terminal, that renews itself. If others write, `erase` comes before."""

    def __init__(self, stream: TextIO, width: Callable[[], int], column: Callable[[], int] = lambda: 0):
        self.stream, self.width, self.column = stream, width, column
        self.lock = threading.RLock()
        self.shown = False

    def show(self, stand: Stand | None) -> None:
        """On the line below the one that others are writing, if they are: the cursor goes back to it then."""
        with self.lock:
            if stand is None:
                self.erase()
                return
            text = fitted(stand, self.width() - 1)
            begin = "\r\033[K" if self.shown or not self.column() else "\n\r\033[K"
            self._write(begin + text)
            self.shown = True

    def erase(self) -> None:
        with self.lock:
            if self.shown:
                column = self.column() % max(1, self.width())
                self._write("\r\033[K" + (f"\033[A\033[{column}C" if column else ""))
                self.shown = False

    def _write(self, text: str) -> None:
        with suppress(OSError, ValueError):  # a terminal that was closed ends no training
            self.stream.write(text)
            self.stream.flush()


def on(
    stream: TextIO | None = None, *, logged_every: float = 30.0
) -> tuple[Callable[[Stand | None], None], float]:
    """How a stream is told, and how often, in seconds: on a terminal one line, in a log one now and then,
    from when there is something to do.
    """
    stream = stream or sys.stderr
    if stream.isatty():
        return Line(stream, lambda: Console(file=stream).width).show, 0.5

    def log(stand: Stand | None) -> None:
        if stand is not None and not stand.is_before:
            print(f"{time.strftime('%H:%M:%S')} {stand}", file=stream, flush=True)

    return log, logged_every
