"""Leases: how many trials run at once on a machine, whatever the number of processes that want to run one.

A place is a lock of the machine (not of a store). Who wants the machine alone takes the place `alone` first,
and what has not begun waits behind him: so he gets the rest as soon as what runs has ended.
"""

import errno
import math
import os
import stat
import tempfile
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from repro import lock
from repro.errors import ReproError
from repro.executors import SHARES
from repro.executors.quota import quota
from repro.job import Needs

POLL = 0.05  # seconds
SAY_EVERY = 2.0  # seconds of waiting
ALONE = "alone"

Waits = Callable[[str], None]  # hears now and then, in words, for whom one waits


def _unheard(_: str) -> None:
    """Nobody wants to know."""


def cores() -> int:
    """CPU cores this process may keep busy: as many as its quota allows of those it may use, at least one."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, math.floor(min(usable, quota())))


@contextmanager
def hold(
    needs: Needs, what: str = "", waits: Waits = _unheard, per_gpu: int = 1
) -> Iterator[tuple[int, ...]]:
    """Wait for what a job needs of this machine and hold it; gives the indices of its cores or GPUs. `what`
    it is held for is what others hear that wait. Up to `per_gpu` trials that take one GPU share it.
    """
    if needs.alone:
        with alone(needs.device, what, waits):
            yield (0,)
    else:
        first = None if needs.device == "cpu" else _last
        whole = places(needs.device)
        shares = _shares(whole, per_gpu if needs.device == "cuda" and needs.places == 1 else 1)
        with lease(shares, needs.places, what, waits, first=first) as held:
            yield tuple(index % len(whole) for index in held)


@contextmanager
def lease(
    places: list[str],
    many: int = 1,
    what: str = "",
    waits: Waits = _unheard,
    *,
    behind: tuple[str, ...] = (ALONE,),
    first: set[str] | None = None,
) -> Iterator[tuple[int, ...]]:
    """Wait for so many of some places and hold them; gives their indices. Nothing is taken while somebody
    holds a place that this one stands `behind`. Those in `first` are tried first, and those that are held
    then take their place there: a worker keeps its GPU, on which alone it has a context.

    Raises `ReproError` if there are fewer.
    """
    if many > len(places):
        raise ReproError(
            f"{many} places are needed at once, and there are {len(places)}: {', '.join(places)}"
        )
    said = time.monotonic()
    while True:
        before = _holders(behind)
        if not before:
            with ExitStack() as stack:  # all or none: two that each hold a part would wait for each other
                held = _taken(stack, places, many, what, first or ())
                if len(held) == many:
                    if first is not None:
                        first.clear()
                        first.update(places[index] for index in held)
                    yield held
                    return
        holders = before or _holders(places)
        if holders and time.monotonic() - said >= SAY_EVERY:
            said = time.monotonic()
            waits(", ".join(holders))
        time.sleep(POLL)


@contextmanager
def alone(device: str, what: str = "", waits: Waits = _unheard) -> Iterator[None]:
    """Hold the whole machine, every core and the device's places: no trial runs, and no count begins."""
    rest = sorted({*places("cpu"), *_shares(places(device), SHARES if device == "cuda" else 1)})
    with ExitStack() as held:
        for place in [ALONE, *rest]:  # one after another: nobody else takes one who does not have the first
            held.enter_context(lease([place], 1, what, waits, behind=()))
        yield


_last: set[str] = set()  # the GPUs that this process held last


def _taken(
    stack: ExitStack, places: list[str], many: int, what: str, first: Collection[str]
) -> tuple[int, ...]:
    """The indices of as many places as can be had at once, up to so many; the stack holds them."""
    held = list[int]()
    with _told():
        for index in sorted(range(len(places)), key=lambda index: places[index] not in first):
            if len(held) < many and stack.enter_context(lock.hold(_file(places[index]), what)):
                held.append(index)
    return tuple(held)


def _holders(places: Iterable[str]) -> list[str]:
    """Those who hold any of some places, in words."""
    with _told():
        return [holder for place in places if (holder := lock.holder(_file(place)))]


def _file(place: str) -> Path:
    """The file of a place, in a folder of this user's that nobody else writes to. Raises OSError if it is not
    so.
    """
    folder = Path(tempfile.gettempdir()) / f"repro-{os.getuid()}"  # in a container an id may have no name
    with suppress(FileExistsError):  # each time: temporary folders are swept
        folder.mkdir(mode=0o700, parents=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        raise PermissionError(errno.EPERM, "somebody else has put something there", str(folder))
    if found.st_mode & 0o077:
        folder.chmod(0o700)
    return folder / f"{place}.lock"


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        remedy = "Set TMPDIR to a folder that can be"
        raise ReproError(f"{error.filename}: cannot be written ({error.strerror}). {remedy}") from error


def count(device: str, per_gpu: int = 1) -> int:
    """How many trials a device kind takes at once here: one a core, one a GPU if not more share it. Opens no
    GPU.
    """
    if device != "cuda":
        return cores() if device == "cpu" else 1
    import torch

    return per_gpu * max(1, int(torch.cuda.device_count()))


def _shares(whole: list[str], each: int) -> list[str]:
    """So many places in the place of each one, which is the first of them: first those of different GPUs."""
    return [f"{place}-{share}" if share else place for share in range(each) for place in whole]


def places(device: str) -> list[str]:
    """The places of a device kind: a CPU core, or a GPU that CUDA_VISIBLE_DEVICES lets us see, by its
    identity.
    """
    if device != "cuda":
        return [f"cpu-{core}" for core in range(cores())] if device == "cpu" else [device]
    import torch

    found = [f"cuda-{torch.cuda.get_device_properties(i).uuid}" for i in range(torch.cuda.device_count())]
    return found or [device]  # without a GPU the job itself says so
