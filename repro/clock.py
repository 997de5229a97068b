"""What is read off while a net runs in a process of its own, alone on the machine. Imports no torch."""

from collections.abc import Mapping
from typing import Any, NamedTuple


class Timed(NamedTuple):
    """One net's readings in one round."""

    batch_size: int
    seconds: tuple[float, ...]  # of each pass
    peak_memory: int | None  # bytes; None where the system does not tell
    joules: float | None  # of a pass; None where the device does not report it


def readings(record: Mapping[str, Any]) -> Timed:
    """What a round's record holds of one net."""
    return Timed(
        batch_size=record["timing"]["batch_size"],
        seconds=tuple(record["seconds"]),
        peak_memory=record["peak_memory_bytes"],
        joules=record["joules"],
    )
