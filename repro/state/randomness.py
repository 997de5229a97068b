"""Random streams that need no saving: functions of the trial's seed, of what it is for, and of the step.

So arms that share a seed share initialisation, data order and augmentation, and a run that is resumed goes on
exactly.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import torch


def stream(seed: int, purpose: str) -> int:
    """The seed of one stream, below 2^62, so that a step can be added to it."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{purpose}".encode()).digest()[:8], "big") >> 2


def generator(seed: int, purpose: str, device: torch.device | str = "cpu") -> torch.Generator:
    return torch.Generator(device=device).manual_seed(stream(seed, purpose))


def seed_default(device: torch.device, seed: int) -> None:
    """Seed the stream that layers draw from (dropout, initialisation), on the CPU and on the device."""
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        torch.cuda.default_generators[device.index or 0].manual_seed(seed)
    elif device.type == "mps":
        torch.mps.manual_seed(seed)


@contextmanager
def own_default_stream(device: torch.device) -> Iterator[None]:
    """Give the default streams back as they were found."""
    index = [device.index or 0] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=index, enabled=True):
        yield
