"""What clocks say: functions of what was read while a net ran, in its own process, alone on the machine.

How it ran is `recipe.Timing`; what was timed is said in each reading, and kept with it in results. Imports no
torch.
"""

from statistics import median

from repro.clock import Timed
from repro.declaration import declare
from repro.errors import ReproError


@declare(unit="ms", better="lower")
def latency(timed: Timed) -> float:
    """Milliseconds of one pass of a batch: the median of a process's passes."""
    return 1000 * median(timed.seconds)


@declare(unit="images/s", better="higher")
def throughput(timed: Timed) -> float:
    """Images a second: the batch size over the median time of a pass."""
    return timed.batch_size / median(timed.seconds)


@declare(unit="bytes", better="lower")
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


@declare(unit="J/image", better="lower")
def energy(timed: Timed) -> float:
    """Joules an image, by the energy counter of an NVIDIA GPU. Raises `ReproError` where there is none."""
    if timed.joules is None:
        raise ReproError(
            "energy: needs an NVIDIA GPU that counts it, and pip install "
            "'repro[gpu]'; ask for it at such a profile"
        )
    return timed.joules / timed.batch_size
