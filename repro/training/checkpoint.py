"""Checkpoints: weights, optimizer, position and curves of a run that may be killed at any moment."""

import io
import pickle
import time
from pathlib import Path
from typing import Any

import torch

from repro.store import write_atomically

EVERY = 15.0  # seconds: what a kill can cost


class Checkpoint:
    """One file, replaced atomically. Random streams need no saving: they are functions of the seed and the step."""

    def __init__(self, path: Path | None, every: float = EVERY, newer_than: float = 0.0):
        self.path, self.every, self.newer_than, self.last = path, every, newer_than, time.monotonic()

    def due(self) -> bool:
        return self.path is not None and time.monotonic() - self.last >= self.every

    def save(self, state: dict[str, Any]) -> None:
        if self.path is not None:
            buffer = io.BytesIO()
            torch.save(state, buffer)
            write_atomically(self.path, buffer.getvalue())
        self.last = time.monotonic()

    def load(self) -> dict[str, Any] | None:
        """What was saved last; None if there is nothing, or nothing that can be read (the run then starts again)."""
        if self.path is None or not self.path.exists() or self.path.stat().st_mtime < self.newer_than:
            return None
        try:
            return torch.load(self.path, weights_only=True, map_location="cpu")
        except (RuntimeError, EOFError, ValueError, KeyError, OSError, pickle.UnpicklingError):
            return None

    def remove(self) -> None:
        if self.path is not None:
            self.path.unlink(missing_ok=True)
