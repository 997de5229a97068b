"""Trials on this machine: in this process, or in as many processes as there are places."""

import multiprocessing
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from repro.errors import ReproError
from repro.executors.lease import cores, count, hold
from repro.interrupt import deaf, hear
from repro.job import Job, Needs
from repro.status import Status
from repro.store import Store
from repro.work.processes import follow_the_parent, without_the_script


def work(job: Job, root: Path, since: int, per_gpu: int = 1) -> bool:
    """Do a job with what it needs of this machine. False if another process is at it."""
    from repro.work.execute import execute

    store = Store(root, since)
    status = Status(store)

    def waits(holder: str) -> None:
        status.tell({"waits": [f"waits for {holder}"], "job": job.digest, "label": job.label})

    with closing(status), hold(job.needs, job.label, waits, per_gpu) as places:
        status.close()
        return execute(job, store, places=places, per_gpu=per_gpu)


def begin() -> None:
    """In a new process."""
    follow_the_parent()
    hear()
    import repro.work.execute  # noqa: F401


class InProcess:
    """One job at a time, here: what a worker of pytest-xdist does."""

    def __init__(self, per_gpu: int = 1):
        self.per_gpu = per_gpu

    def room(self, needs: Needs) -> int:  # noqa: ARG002
        return 1

    def submit(self, job: Job, store: Store) -> Future[bool]:
        future: Future[bool] = Future()
        try:
            future.set_result(work(job, store.root, store.since, self.per_gpu))
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

    def close(self) -> None:
        for process in list((self.pool._processes or {}).values()):
            process.terminate()
        self.pool.shutdown(wait=True, cancel_futures=True)


class Processes:
    """Spawned processes, started when there is work, one job each at a time."""

    def __init__(self, slots: int, per_gpu: int = 1):
        self.slots, self.per_gpu = slots, per_gpu
        self.workers: list[Worker] = []

    def room(self, needs: Needs) -> int:
        return max(1, min(self.slots, count(needs.device, self.per_gpu) // max(1, needs.places)))

    def submit(self, job: Job, store: Store) -> Future[bool]:
        """A future; it gives `BrokenExecutor` if the process dies. The next job then gets a fresh one. Raises
        `ReproError` where no process can be started.
        """
        try:
            worker = self._worker()
            with without_the_script(), deaf():
                worker.last = worker.pool.submit(work, job, store.root, store.since, self.per_gpu)
        except BrokenExecutor:  # its process died, at its last job or after it
            self.workers.remove(worker)
            worker.close()
            return self.submit(job, store)
        except (EOFError, OSError) as error:
            raise ReproError(f"no process can be started for {job.label}: {error}") from error
        return worker.last

    def _worker(self) -> Worker:
        """One that is free, or a new one; if a caller left jobs behind after an error, the one that is
        longest at its last.
        """
        free = next((worker for worker in self.workers if worker.is_free()), None)
        if free is None and len(self.workers) < self.slots:
            context = multiprocessing.get_context("spawn")
            free = Worker(ProcessPoolExecutor(1, context, begin))
            self.workers.append(free)
        if free is None:
            free = self.workers.pop(0)
            self.workers.append(free)
        return free

    def close(self) -> None:
        while self.workers:
            self.workers.pop().close()


def local(jobs: int | None = None, per_gpu: int = 1) -> InProcess | Processes:
    """The executor for `jobs` trials at once; as many as the machine has cores, if not given."""
    jobs = jobs or cores()
    return InProcess(per_gpu) if jobs == 1 else Processes(jobs, per_gpu)
