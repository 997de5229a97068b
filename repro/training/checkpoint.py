"""Checkpoints: weights, optimizer, position and curves of a run that may be killed at any moment."""

import io
import time
from pathlib import Path
from typing import Any

import torch

from repro.store import write_atomically

EVERY = 15.0  # seconds: what a kill can cost


class Checkpoint:
    """One file, replaced atomically. Random streams need no saving: they are functions of seed and step.

    `trial` is the digest of whose run it is: the file of another trial would fit no net, or the wrong one.
    """

    def __init__(self, path: Path | None, every: float = EVERY, newer_than: float = 0.0, trial: str = ""):
        self.path = path
        self.every = every
        self.newer_than = newer_than
        self.trial = trial
        self.last = time.monotonic()

    @classmethod
    def of(cls, folder: Path, every: float = EVERY, newer_than: float = 0.0, trial: str = "") -> "Checkpoint":
        """The one that a trial keeps in its folder."""
        return cls(folder / "checkpoint.pt", every, newer_than, trial)

    def due(self) -> bool:
        return self.path is not None and time.monotonic() - self.last >= self.every

    def save(self, state: dict[str, Any]) -> None:
        if self.path is not None:
            buffer = io.BytesIO()
            torch.save({**state, "trial": self.trial}, buffer)
            write_atomically(self.path, buffer.getvalue())
        self.last = time.monotonic()

    def load(self) -> dict[str, Any] | None:
        """What was saved last; None if there is nothing that can be read (the run then starts again)."""
        try:
            if self.path is None or self.path.stat().st_mtime < self.newer_than:
                return None
            saved = torch.load(self.path, weights_only=True, map_location="cpu")
        except Exception:  # what unpickling raises for a torn or foreign file has no common base
            return None
        return saved if isinstance(saved, dict) and saved.get("trial") == self.trial else None

    def remove(self) -> None:
        if self.path is not None:
            self.path.unlink(missing_ok=True)
