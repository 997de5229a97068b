"""Checkpoints: weights, optimizer, position and curves of a run that may be killed at any moment."""

import hashlib
import io
import time
from pathlib import Path
from typing import Any

import torch

from repro.store import write_atomically

EVERY = 15.0  # seconds: what a kill can cost
CHECKSUM = hashlib.sha256().digest_size  # bytes of it, behind what torch saves


class Checkpoint:
    """One file, replaced atomically. Random streams need no saving: they are functions of seed and step.

    `trial` is the digest of whose run it is: the file of another trial would fit no net, or the wrong one.
    Those of generations before `since` do not count.
    """

    def __init__(self, path: Path | None, every: float = EVERY, since: int = 0, trial: str = ""):
        self.path = path
        self.every = every
        self.since = since
        self.trial = trial
        self.last = time.monotonic()

    @classmethod
    def of(cls, folder: Path, every: float = EVERY, since: int = 0, trial: str = "") -> "Checkpoint":
        """The one that a trial keeps in its folder."""
        return cls(folder / "checkpoint.pt", every, since, trial)

    def due(self) -> bool:
        return self.path is not None and time.monotonic() - self.last >= self.every

    def save(self, state: dict[str, Any]) -> None:
        if self.path is not None:
            buffer = io.BytesIO()
            torch.save({**state, "trial": self.trial, "generation": self.since}, buffer)
            buffer.write(hashlib.sha256(buffer.getbuffer()).digest())
            write_atomically(self.path, buffer.getvalue())
        self.last = time.monotonic()

    def load(self) -> dict[str, Any] | None:
        """What was saved last; None if there is nothing that can be read (the run then starts again)."""
        if self.path is None:
            return None
        try:
            content = memoryview(self.path.read_bytes())
            saved, checksum = content[:-CHECKSUM], content[-CHECKSUM:]
            if hashlib.sha256(saved).digest() != checksum:
                return None  # torch notices few of the bits that may have changed
            state = torch.load(io.BytesIO(saved), weights_only=True, map_location="cpu")
        except Exception:  # what unpickling raises for a foreign file has no common base
            return None
        ours = isinstance(state, dict) and state.get("trial") == self.trial
        return state if ours and state["generation"] >= self.since else None

    def remove(self) -> None:
        if self.path is not None:
            self.path.unlink(missing_ok=True)
