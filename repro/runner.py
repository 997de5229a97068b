"""How jobs get done: in the order in which they build on each other, here or by other processes."""

import time
from collections import Counter, deque
from collections.abc import Collection, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Future, wait
from contextlib import suppress
from typing import Any

from repro.contracts import Executor
from repro.errors import ReproError
from repro.job import Job, closure
from repro.status import Status
from repro.store import Store

DEATHS = 3  # of workers at one job, after which it is given up
TELL_EVERY = 2.0  # seconds
POLL = 0.2  # seconds until a job that another process is at is looked at again
IN_VIEW = 16  # jobs to come that are looked at for those that can be begun


class Runner:
    """Several, in any number of processes, share the work through the store."""

    def __init__(self, store: Store, executor: Executor):
        self.store, self.executor = store, executor
        self.coming: Iterator[Job] = iter(())  # what will be asked for later, for places that are idle
        self.in_view: list[Job] = []
        self.ahead: set[str] = set()  # what was begun so
        self.running: dict[Future[bool], Job] = {}
        self.deaths: Counter[str] = Counter()
        self.records: dict[str, Mapping[str, Any]] = {}
        self.wanted: set[str] = set()
        self.finished: set[str] = set()
        self.failed: dict[str, ReproError] = {}  # what cannot be done is not tried again
        self.elsewhere: list[Job] = []  # what others are at, while nothing is left to do here
        self.status = Status(store)
        self.told = 0.0

    def ensure(self, jobs: Iterable[Job]) -> None:
        """See to it that jobs are done, and what comes before them. Raises `ReproError` if one cannot be.

        What is `coming` is begun where a place would be idle; nobody waits for it here, and what is wrong
        with it is told where it is asked for.
        """
        todo = deque(sorted(self._missing(jobs), key=lambda job: job.needs.alone))  # rounds come last
        for job in todo:
            if job.digest in self.failed:
                raise self.failed[job.digest]
        if todo and not self.wanted:
            self.store.sweep()
        asked = {job.digest for job in todo}
        self.wanted |= asked
        look_again: dict[str, float] = {}  # jobs that others are at, with when to look at them
        self._tell()
        while todo or asked & self._at_work():
            if self._begin(todo, look_again):
                self._go_ahead(todo)
            for future in self._ended():
                job = self.running.pop(future)
                try:
                    did_it = self._is_at_its_end(job, future)
                except Exception:
                    if job.digest in asked:
                        raise
                    continue
                if did_it:
                    self.finished.add(job.digest)
                elif job.digest in asked:
                    look_again[job.digest] = time.monotonic() + POLL
                    if all(job.digest != one.digest for one in todo):
                        todo.append(job)
                self._tell()
            self.elsewhere = [] if self.running else [job for job in todo if job.digest in look_again]
            if time.monotonic() - self.told >= TELL_EVERY:
                self._tell()
        self._tell()

    def ensure_all(self, jobs: Iterable[Job]) -> None:
        """The same, but for those that cannot be done, or that come after such a one."""
        left = list(jobs)
        while left:
            try:
                self.ensure(left)
            except ReproError:
                can_be = [job for job in left if not any(one.digest in self.failed for one in closure([job]))]
                if len(can_be) == len(left):
                    raise
                left = can_be
            else:
                left = []

    def record(self, job: Job) -> Mapping[str, Any]:
        """The record of a job that is done, without curves."""
        if job.digest not in self.records and not self._read(job):
            raise ReproError(f"the record of {job.label} has gone from {self.store.path(job)}; run again")
        return self.records[job.digest]

    def are_done(self, jobs: Iterable[Job]) -> bool:
        """Whether jobs are done already, by whomever."""
        return all(map(self._is_done, jobs))

    def close(self) -> None:
        self.executor.close()
        self.status.close()

    def _missing(self, jobs: Iterable[Job]) -> list[Job]:
        """What is not done yet of jobs, and of what those come after."""
        return closure(jobs, unless=self._is_done)

    def _is_done(self, job: Job) -> bool:
        return job.digest in self.records or self._read(job)

    def _read(self, job: Job) -> bool:
        """Look whether there is a record of a job. It is kept, but for its curves, of which nothing is asked
        here: they are nearly all of a trial's.
        """
        found = self.store.read(job)
        if found is not None:
            self.records[job.digest] = {key: value for key, value in found.items() if key != "curves"}
        return found is not None

    def _is_ready(self, job: Job) -> bool:
        return all(self._is_done(before) for before in job.after)

    def _at_work(self) -> set[str]:
        return {job.digest for job in self.running.values()}

    def _has_room(self, job: Job) -> bool:
        return len(self.running) < self.executor.room(job.needs)

    def _begin(self, todo: deque[Job], look_again: Mapping[str, float]) -> bool:
        """Begin what can be, until there is no room for the next. Whether there was for all."""
        at_work = self._at_work()
        for _ in range(len(todo)):
            job = todo.popleft()
            if self._is_done(job):
                self.finished.add(job.digest)
            elif (
                job.digest in at_work
                or look_again.get(job.digest, 0.0) > time.monotonic()
                or not self._is_ready(job)
            ):
                todo.append(job)
            elif self._has_room(job):
                self.running[self.executor.submit(job, self.store)] = job
            else:
                todo.appendleft(job)
                return False
        return True

    def _go_ahead(self, todo: Collection[Job]) -> None:
        """Begin what is coming where there is room, unless something wants the machine to itself. It needs
        what is needed now: a trial on another device would take the place of one that is asked for.
        """
        now = [*todo, *self.running.values()]
        if any(job.needs.alone for job in now):
            return
        self._look_ahead()
        kinds = {_places(job) for job in now}
        taken = {job.digest for job in now}
        for job in [*self.in_view]:
            if job.digest not in taken and self._is_over(job):
                self.in_view.remove(job)
            elif (
                job.digest not in taken
                and _places(job) in kinds
                and self._has_room(job)
                and self._is_ready(job)
            ):
                self.in_view.remove(job)
                self.ahead.add(job.digest)
                self.wanted.add(job.digest)
                self.running[self.executor.submit(job, self.store)] = job
                taken.add(job.digest)

    def _look_ahead(self) -> None:
        """See what is coming, but for what is asked for already. What cannot be read is told where it is."""
        while len(self.in_view) < IN_VIEW and (job := next(self.coming, None)) is not None:
            with suppress(ReproError):
                found = closure([job], unless=self._is_done)
                self.in_view += [one for one in found if one.digest not in self.wanted]

    def _is_over(self, job: Job) -> bool:
        """Whether a job in view is none to begin ahead, or not any more."""
        return (
            job.needs.alone
            or job.digest in self.ahead
            or any(one.digest in self.failed for one in (job, *job.after))
            or self._is_done(job)
        )

    def _is_at_its_end(self, job: Job, future: Future[bool]) -> bool:
        """Whether a job is done now, or else to be looked at again. Raises what went wrong with it."""
        try:
            return future.result()
        except BrokenExecutor:
            self.deaths[job.digest] += 1
            if self.deaths[job.digest] < DEATHS:
                return False
            died = f"its process died {DEATHS} times; is the memory enough?"
            self.failed[job.digest] = ReproError(f"{job.label}: {died}")
        except ReproError as error:
            self.failed[job.digest] = error
        raise self.failed[job.digest] from None

    def _ended(self) -> Iterable[Future[bool]]:
        """Those that have ended, after a moment's wait."""
        if self.running:
            return wait(list(self.running), timeout=POLL, return_when=FIRST_COMPLETED).done
        time.sleep(POLL / 4)
        return ()

    def _tell(self) -> None:
        """Say, for the display, how far this process is with what it wants, and for whom it waits."""
        if self.wanted:
            finished = sorted(self.finished & self.wanted)
            waits = [f"waits for {holder}" for job in self.elsewhere if (holder := self.store.holder(job))]
            self.status.tell({"wanted": sorted(self.wanted), "finished": finished, "waits": waits})
        self.told = time.monotonic()


def _places(job: Job) -> tuple[str, int]:
    """What kind of places a job takes, and how many."""
    return job.needs.device, max(1, job.needs.places)
