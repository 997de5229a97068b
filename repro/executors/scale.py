"""The larger scale that a machine with a GPU has, said where the small one was run."""

import sys
from collections.abc import Callable, Collection

from repro import environment

SMALL, LARGER = "cpu", "gpu"  # profiles


def offer(profile: str, profiles: Callable[[], Collection[str]]) -> str | None:
    """One line after a run of suites with such profiles; None where there is nothing to offer."""
    if profile != SMALL or not _sees_a_gpu() or LARGER not in profiles():
        return None
    return f"torch sees a GPU here: with --profile {LARGER} the same is asked at a larger scale"


def _sees_a_gpu() -> bool:
    """Torch is asked where it is imported already; else only where the driver lists a GPU."""
    if "torch" not in sys.modules and not environment.gpu_names():
        return False
    import torch

    return torch.cuda.is_available()
