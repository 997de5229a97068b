"""Memory that is not enough: a device's, or the machine's."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from traceback import clear_frames

import torch

from repro.errors import ReproError

# What RuntimeErrors say beside `MemoryError` and torch's `OutOfMemoryError`: those of torch on a CPU under
# Linux and under Windows, on MPS, and of NVIDIA's libraries
SAID = re.compile(r"can't allocate memory|not enough memory|out of memory|ALLOC_FAILED", re.IGNORECASE)
WANTED = re.compile(r"allocate ([\d.]+) (bytes|[KMGTP]iB)")


@contextmanager
def enough(what: str, device: torch.device | str, remedy: str) -> Iterator[None]:
    """Raises `ReproError` in the place of what is raised for want of memory. What was made in the block is
    let go, so that something smaller may be tried.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not is_short(error):
            raise
        clear_frames(error.__traceback__)
        short = f"the memory of '{device}' is not enough{_wanted(error)}"
        raise ReproError(f"{what}: {short}. {remedy}") from None


def is_short(error: BaseException) -> bool:
    """Whether this is raised for want of memory."""
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or bool(SAID.search(str(error)))


def _wanted(error: BaseException) -> str:
    found = WANTED.search(str(error))
    if not found:
        return ""
    number, unit = found.groups()
    amount = f"{int(number) / 2**30:.3g} GiB" if unit == "bytes" else f"{number} {unit}"
    return f", {amount} were wanted at once"
