"""Records of the store that no job made: what there must be, and nothing more."""

from typing import Any

ENVIRONMENT = {"device": "made up", "driver": None, "torch": "2", "precision": "fp32"}


def trial(**changes: Any) -> dict[str, Any]:
    record = {
        "measurements": {},
        "trivial": {},
        "curves": {},
        "cost": {"seconds": 2.0},
        "environment": ENVIRONMENT,
    }
    return record | changes


def timed_net(**changes: Any) -> dict[str, Any]:
    """What a round's record holds of one net."""
    record = {
        "timing": {"batch_size": 1},
        "region": "a pass",
        "seconds": [0.1],
        "peak_memory_bytes": None,
        "joules": None,
        "matmul_peak_flops_per_second": 1e11,
        "environment": ENVIRONMENT,
    }
    return record | changes
