"""Trials on the machines of a Ray cluster, which all see the store's folder (a shared disk): a task a
trial.
"""

import os
from concurrent.futures import Future
from typing import Any

from repro.errors import ReproError
from repro.executors.local import work
from repro.job import Job, Needs
from repro.store import Store


class Ray:
    """Ray leases the places: a CPU core a trial, and a GPU for one on `cuda`, or its share. `address` None
    starts a cluster here.
    """

    def __init__(self, address: str | None = None, per_gpu: int = 1):
        self.per_gpu = per_gpu
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        try:
            import ray
        except ImportError:
            raise ReproError("the executor 'ray' needs Ray: pip install 'repro[ray]'") from None
        self.ray = ray
        if not ray.is_initialized():
            try:
                ray.init(
                    address=address, include_dashboard=False, log_to_driver=False, configure_logging=False
                )
            except ConnectionError as error:
                raise ReproError(f"no Ray cluster at {address!r}: {error}") from None
        self.resources: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call,unused-ignore]

    def room(self, needs: Needs) -> int:
        on_gpu = needs.device == "cuda"
        places = self.resources.get("GPU" if on_gpu else "CPU", 1) * (self.per_gpu if on_gpu else 1)
        return max(1, int(places) // max(1, needs.places))

    def submit(self, job: Job, store: Store) -> Future[bool]:
        places = max(1, job.needs.places)
        share = 1 / self.per_gpu if places == 1 else 1  # several GPUs are taken whole
        gpus = places * share if job.needs.device == "cuda" else 0
        task: Any = self.ray.remote(num_cpus=places, num_gpus=gpus, max_retries=3)(work)
        future: Future[bool] = Future()
        task.remote(job, store.root, store.since, self.per_gpu).future().add_done_callback(
            lambda done: _settle(future, done)
        )
        return future

    def close(self) -> None:
        self.ray.shutdown()


def _settle(future: Future[bool], done: Future[bool]) -> None:
    """Pass on what a task came to; its own error, without Ray's wrapping."""
    error = done.exception()
    if error is None:
        future.set_result(done.result())
    else:
        future.set_exception(getattr(error, "cause", None) or error)
