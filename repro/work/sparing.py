"""Checkpoints that take a small share of a trial's time, however large its net and however slow the disk."""

import time
from typing import Any

from repro.training.checkpoint import Checkpoint

APART = 50  # times as long as the last one took: a fiftieth of the time, at most, goes into them


class Sparing(Checkpoint):
    """As far apart as `every` says at least, and further where they take long. With `every` 0 there is one
    after each step, whatever it takes.
    """

    took = 0.0  # seconds, the last one

    def due(self) -> bool:
        return super().due() and (not self.every or time.monotonic() - self.last >= APART * self.took)

    def save(self, state: dict[str, Any]) -> None:
        begun = time.monotonic()
        super().save(state)
        self.took = time.monotonic() - begun
