"""Leases: how many trials run at once on a machine, whatever the number of processes that want to run one.

A place is a lock file of the machine (not of a store), which the system lets go of when its holder dies.
"""

import math
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from repro.errors import ReproError
from repro.executors.quota import quota
from repro.job import Needs

POLL = 0.05  # seconds
ALONE = "alone"


def cores() -> int:
    """CPU cores this process may keep busy: as many as its quota allows of those it may use, at least one."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, math.floor(min(usable, quota())))


@contextmanager
def hold(needs: Needs) -> Iterator[tuple[int, ...]]:
    """Wait for what a job needs of this machine and hold it; gives the indices of its places."""
    if needs.alone:
        with alone(needs.device):
            yield (0,)
    elif needs.places == 0:
        with lease([ALONE]):
            pass  # nobody holds the whole machine
        yield ()
    else:
        with lease(places(needs.device), needs.places) as held:
            yield held


@contextmanager
def lease(places: list[str], many: int = 1) -> Iterator[tuple[int, ...]]:
    """Wait for so many of some places and hold them; gives their indices.

    Raises `ReproError` if there are fewer.
    """
    if many > len(places):
        raise ReproError(
            f"{many} places are needed at once, and there are {len(places)}: {', '.join(places)}"
        )
    folder = Path(tempfile.gettempdir()) / f"repro-{_user()}"
    locks = [FileLock(folder / f"{place}.lock", timeout=0) for place in places]
    while True:
        with ExitStack() as stack:  # all or none: two that each hold a part would wait for each other
            held: list[int] = []
            for index, lock in enumerate(locks):
                if len(held) < many and _acquired(lock, folder):
                    stack.callback(lock.release)
                    held.append(index)
            if len(held) == many:
                yield tuple(held)
                return
        time.sleep(POLL)


def _user() -> str:
    """In a container an id may have no name."""
    return str(os.getuid()) if hasattr(os, "getuid") else os.environ.get("USERNAME", "")


def _acquired(lock: FileLock, folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)  # each time: temporary folders are swept
        lock.acquire()
    except Timeout:
        return False
    except OSError as error:
        remedy = "Set TMPDIR to a folder that can be"
        raise ReproError(f"{folder}: cannot be written ({error.strerror}). {remedy}") from error
    return True


@contextmanager
def alone(device: str) -> Iterator[None]:
    """Hold the whole machine, every core and the device's places: no trial runs, and no count begins."""
    with ExitStack() as held:
        for place in sorted(
            {ALONE, *places("cpu"), *places(device)}
        ):  # in one order, or two could wait for each other
            held.enter_context(lease([place]))
        yield


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
