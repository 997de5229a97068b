"""Leases: how many trials run at once on a machine, whatever the number of processes that want to run one.

A place is a lock file of the machine (not of a store), which the system lets go of when its holder dies.
"""

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from repro.errors import ReproError

POLL = 0.05  # seconds
ALONE = "alone"


def cores() -> int:
    """CPU cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def lease(places: list[str]) -> Iterator[int]:
    """Wait for one of some places (at least one) and hold it; gives its index."""
    user = (
        os.getuid() if hasattr(os, "getuid") else os.environ.get("USERNAME", "")
    )  # in a container an id may have no name
    folder = Path(tempfile.gettempdir()) / f"repro-{user}"
    locks = [FileLock(folder / f"{place}.lock", timeout=0) for place in places]
    while True:
        for index, lock in enumerate(locks):
            try:
                folder.mkdir(parents=True, exist_ok=True)  # each time: temporary folders are swept
                lock.acquire()
            except Timeout:
                continue
            except OSError as error:
                raise ReproError(
                    f"{folder}: cannot be written ({error.strerror}). Set TMPDIR to a folder that can be"
                ) from error
            try:
                yield index
                return
            finally:
                lock.release()
        time.sleep(POLL)


@contextmanager
def alone(device: str) -> Iterator[None]:
    """Hold the whole machine: every core, and the device's places. No trial runs, and no count begins (see
    `unless_alone`).
    """
    with ExitStack() as held:
        for place in sorted(
            {ALONE, *places("cpu"), *places(device)}
        ):  # in one order, or two could wait for each other
            held.enter_context(lease([place]))
        yield


def unless_alone() -> None:
    """Wait while somebody holds the whole machine."""
    with lease([ALONE]):
        pass


def count(device: str) -> int:
    """How many trials a device kind takes at once here: one a core, one a GPU. Opens no GPU."""
    if device != "cuda":
        return cores() if device == "cpu" else 1
    import torch

    return max(1, int(torch.cuda.device_count()))


def places(device: str) -> list[str]:
    """The places of a device kind: a CPU core, or a GPU that CUDA_VISIBLE_DEVICES lets us see, by its
    identity.
    """
    if device != "cuda":
        return [f"cpu-{core}" for core in range(cores())] if device == "cpu" else [device]
    import torch

    found = [f"cuda-{torch.cuda.get_device_properties(i).uuid}" for i in range(torch.cuda.device_count())]
    return found or [device]  # without a GPU the job itself says so
