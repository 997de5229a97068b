"""What clocks say: functions of what was read while a net ran, in its own process, alone on the machine.

How it ran is `recipe.Timing`; what was timed is said in each reading, and kept with it in results. Imports no
torch.
"""

from collections.abc import Mapping
from statistics import median
from typing import Any, NamedTuple

from repro.errors import ReproError


class Timed(NamedTuple):
    """One net's readings in one round."""

    batch_size: int
    seconds: tuple[float, ...]  # of each pass
    peak_memory: int | None  # bytes; None where the system does not tell
    joules: float | None  # of a pass; None where the device does not report it


def latency(timed: Timed) -> float:
    """Milliseconds of one pass of a batch: the median of a process's passes."""
    return 1000 * median(timed.seconds)


def throughput(timed: Timed) -> float:
    """Images a second: the batch size over the median time of a pass."""
    return timed.batch_size / median(timed.seconds)


def peak_memory(timed: Timed) -> float:
    """Bytes that a pass takes at its peak, beyond the net's weights and the batch, which are there before.

    On the CPU of the resident memory, for which Linux keeps a high-water mark. Raises `ReproError` on other
    systems.
    """
    if timed.peak_memory is None:
        raise ReproError(
            "peak_memory: this system keeps no high-water mark of memory; Linux does, and torch on a GPU"
        )
    return timed.peak_memory


def energy(timed: Timed) -> float:
    """Joules an image, by the energy counter of an NVIDIA GPU. Raises `ReproError` where there is none."""
    if timed.joules is None:
        raise ReproError(
            "energy: needs an NVIDIA GPU that counts it, and pip install "
            "'repro[gpu]'; ask for it at such a profile"
        )
    return timed.joules / timed.batch_size


def readings(record: Mapping[str, Any]) -> Timed:
    """What a round's record holds of one net."""
    return Timed(
        record["timing"]["batch_size"],
        tuple(record["seconds"]),
        record["peak_memory_bytes"],
        record["joules"],
    )
