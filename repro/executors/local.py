"""Trials on this machine: in this process, or in as many processes as there are places."""

import multiprocessing
import os
import signal
import threading
import time
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor
from dataclasses import dataclass
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

    def close(self) -> None:
        """Nothing is open."""


@dataclass
class Worker:
    """A pool of one process, so that its death breaks only its own job and says which one that was."""

    pool: ProcessPoolExecutor
    last: Future[bool] | None = None

    def is_free(self) -> bool:
        return self.last is None or self.last.done()

    def is_broken(self) -> bool:
        return self.is_free() and self.last is not None and isinstance(self.last.exception(), BrokenExecutor)

    def close(self) -> None:
        for process in list((self.pool._processes or {}).values()):
            process.terminate()
        self.pool.shutdown(wait=True, cancel_futures=True)


class Processes:
    """Spawned processes, started when there is work, one job each at a time."""

    def __init__(self, slots: int):
        self.slots = slots
        self.workers: list[Worker] = []

    def submit(self, job: Job, store: Store) -> Future[bool]:
        """A future; it gives `BrokenExecutor` if the process dies. The next job then gets a fresh one."""
        worker = self._worker()
        try:
            worker.last = worker.pool.submit(work, job, store.root, store.newer_than)
        except BrokenExecutor:  # it died while it had nothing to do
            self._drop(worker)
            return self.submit(job, store)
        return worker.last

    def _worker(self) -> Worker:
        """One that is free, or a new one; if a caller left jobs behind after an error, the one that is longest at its last."""
        for worker in list(self.workers):
            if worker.is_broken():
                self._drop(worker)
        free = next((worker for worker in self.workers if worker.is_free()), None)
        if free is None and len(self.workers) < self.slots:
            context = multiprocessing.get_context("spawn")
            free = Worker(ProcessPoolExecutor(1, context, _follow_the_parent, (os.getpid(),)))
            self.workers.append(free)
        if free is None:
            free = self.workers.pop(0)
            self.workers.append(free)
        return free

    def _drop(self, worker: Worker) -> None:
        self.workers.remove(worker)
        worker.close()

    def close(self) -> None:
        while self.workers:
            self.workers.pop().close()


def _follow_the_parent(parent: int) -> None:
    """Ctrl-C reaches the whole group: the parent hears it and ends the pool. And if the parent is killed, end too."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1.0)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def local(jobs: int | None = None) -> InProcess | Processes:
    """The executor for `jobs` trials at once; as many as the machine has cores, if not given."""
    jobs = jobs or cores()
    return InProcess() if jobs == 1 else Processes(jobs)
