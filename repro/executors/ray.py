"""Trials on the machines of a Ray cluster, which all see the store's folder (a shared disk): a task a
trial.
"""

import os
from collections.abc import Iterable, Mapping
from concurrent.futures import BrokenExecutor, Future
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from repro.errors import ReproError
from repro.executors import elsewhere
from repro.executors.local import work
from repro.job import Job, Needs
from repro.store import Store

NOT_IMPORTED = "failed to import on the worker"  # what Ray says of a function
PRESENT = "no machine of the Ray cluster has"


def there(job: Job, root: Path, since: int, asker: elsewhere.Asker, per_gpu: int = 1) -> bool:
    """On a worker: do a job, if the outcome is that of where it is asked for."""
    os.environ.update(asker.settings)
    elsewhere.check(asker, elsewhere.common(), Store(root, since))
    return work(job, root, since, per_gpu)


class Ray:
    """Ray leases the places: a CPU core a trial, and a GPU for one on `cuda`, or its share. `address` None
    starts a cluster here, or takes the one that RAY_ADDRESS names.
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
        self._askers: dict[Path, elsewhere.Asker] = {}
        self._held = ExitStack()

    def room(self, needs: Needs) -> int:
        """As the cluster is at the moment, or as its autoscaler may make it: that goes by what is asked for.
        Raises `ReproError` if no machine of it can ever do such a job.
        """
        nodes = self.ray.nodes()  # type: ignore[no-untyped-call,unused-ignore]
        machines = [node["Resources"] for node in nodes if node["Alive"]]
        return room(needs, machines, _most(), self.per_gpu)

    def submit(self, job: Job, store: Store) -> Future[bool]:
        """A future; it gives `BrokenExecutor` if the worker, or its machine, dies."""
        if store.root not in self._askers:
            self._askers[store.root] = self._held.enter_context(elsewhere.asking(store))
        places = max(1, job.needs.places)
        share = 1 / self.per_gpu if places == 1 else 1  # several GPUs are taken whole
        gpus = places * share if job.needs.device == "cuda" else 0
        task: Any = self.ray.remote(num_cpus=places, num_gpus=gpus, max_retries=0)(there)
        future: Future[bool] = Future()
        asker = self._askers[store.root]
        task.remote(job, store.root, store.since, asker, self.per_gpu).future().add_done_callback(
            lambda done: _settle(future, done)
        )
        return future

    def close(self) -> None:
        self._held.close()
        self.ray.shutdown()


def room(
    needs: Needs, machines: Iterable[Mapping[str, float]], most: Mapping[str, float], per_gpu: int = 1
) -> int:
    """How many such jobs go at once on machines with so much of each resource, or on `most` in all. A job is
    on one machine; those that take one GPU share it with others.
    """
    kind = "GPU" if needs.device == "cuda" else "CPU"
    places = max(1, needs.places)
    there = sum(int(machine.get(kind, 0)) // places for machine in machines)
    share = per_gpu if (kind, places) == ("GPU", 1) else 1
    found = share * max(there, int(most.get(kind, 0)) // places)
    if not found:
        raise ReproError(f"{PRESENT} {'a GPU' if (kind, places) == ('GPU', 1) else f'{places} {kind}s'}")
    return found


def _most() -> Mapping[str, float]:
    """What the autoscaler may bring the cluster to; nothing without one. Ray tells only its own libraries."""
    from ray._private.state import state

    ask: Any = getattr(state, "get_max_resources_from_cluster_config", dict)
    return ask() or {}


def _settle(future: Future[bool], done: Future[bool]) -> None:
    """Pass on what a task came to; its own error, without Ray's wrapping."""
    from ray.exceptions import NodeDiedError, OutOfMemoryError, WorkerCrashedError

    error = done.exception()
    if error is None:
        future.set_result(done.result())
    elif isinstance(error, WorkerCrashedError | NodeDiedError | OutOfMemoryError):
        future.set_exception(BrokenExecutor(str(error)))
    elif NOT_IMPORTED in str(error):
        future.set_exception(
            ReproError("a worker of the Ray cluster has no repro, or an older one: install the same on all")
        )
    else:
        future.set_exception(getattr(error, "cause", None) or error)
