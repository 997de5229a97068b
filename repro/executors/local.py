"""Trials on this machine: in this process, or in as many processes as there are places."""

import multiprocessing
import os
import signal
import threading
import time
from concurrent.futures import Future, ProcessPoolExecutor
from pathlib import Path

from repro.executors.lease import cores, lease, places
from repro.store import Store
from repro.trial import Job, Number


def work(job: Job, root: Path, newer_than: float) -> bool:
    """Do a job on one of the machine's places. False if another process is at it."""
    from repro.training.run import execute

    device = job.device if not isinstance(job, Number) else job.trial.device if job.trial else "cpu"
    with lease(places(device)) as index:
        return bool(execute(job, Store(root, newer_than), device_index=index))


class InProcess:
    """One job at a time, here: what a worker of pytest-xdist does."""

    slots = 1

    def submit(self, job: Job, store: Store) -> Future[bool]:
        future: Future[bool] = Future()
        try:
            future.set_result(work(job, store.root, store.newer_than))
        except Exception as error:
            future.set_exception(error)
        return future

    def restart(self) -> None:
        """Nothing to do: if this process dies, there is nobody left to restart it."""

    def close(self) -> None:
        """Nothing is open."""


class Processes:
    """A pool of spawned processes, started when there is work, one job each at a time."""

    def __init__(self, slots: int):
        self.slots = slots
        self.pool: ProcessPoolExecutor | None = None

    def submit(self, job: Job, store: Store) -> Future[bool]:
        if self.pool is None:
            context = multiprocessing.get_context("spawn")
            self.pool = ProcessPoolExecutor(self.slots, mp_context=context, initializer=_follow_the_parent)
        return self.pool.submit(work, job, store.root, store.newer_than)

    def restart(self) -> None:
        """After a process died, the pool is broken: the next job starts a fresh one."""
        self.close()

    def close(self) -> None:
        if self.pool is not None:
            for process in list((self.pool._processes or {}).values()):
                process.terminate()
            self.pool.shutdown(wait=True, cancel_futures=True)
            self.pool = None


def _follow_the_parent() -> None:
    """Ctrl-C reaches the whole group: the parent hears it and ends the pool. And if the parent is killed, end too."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1.0)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def local(jobs: int | None = None) -> InProcess | Processes:
    """The executor for `jobs` trials at once; as many as the machine has cores, if not given."""
    jobs = jobs or cores()
    return InProcess() if jobs == 1 else Processes(jobs)
