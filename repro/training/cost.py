"""What a run cost, and how much of the device it used."""

import copy
import time
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from repro.training import devices
from repro.training.state import State


class Stopwatch:
    """Seconds of the device's work, over several stretches. Starting and stopping wait for the device."""

    def __init__(self, device: torch.device):
        self.device, self.seconds, self.since = device, 0.0, 0.0

    def start(self) -> None:
        devices.synchronise(self.device)
        self.since = time.perf_counter()

    def stop(self) -> None:
        devices.synchronise(self.device)
        self.seconds += time.perf_counter() - self.since

    def read(self) -> float:
        """Seconds so far while it runs, without waiting for the device."""
        return self.seconds + time.perf_counter() - self.since

    def __enter__(self) -> None:
        self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()


def flops_of_a_step(state: State) -> int | None:
    """Floating-point operations of one training step, forward and backward, counted on the meta device (2 per multiply-add).

    None for a net that cannot run there, because it looks at values.
    """
    recipe = state.spec.recipe
    assert recipe is not None
    model = copy.deepcopy(state.model).to("meta")
    images = torch.empty(recipe.batch_size, *state.data.train_images.shape[1:], device="meta")
    targets = torch.empty(recipe.batch_size, *state.data.train_targets.shape[1:], device="meta", dtype=torch.int64)
    targets = state.batch(images, targets)[1]
    try:
        with FlopCounterMode(display=False) as counter:
            state.task.loss(model(images), targets).backward()
    except RuntimeError:
        return None
    return counter.get_total_flops()


_counted: dict[tuple[str, str, str, int], int | None] = {}


def _flops_of_the_arm(state: State) -> int | None:
    """`flops_of_a_step`, counted once a process for all seeds: at 56 layers that takes 0.4 s, 3 % of a trial at cpu."""
    spec, recipe = state.spec, state.spec.recipe
    assert recipe is not None
    arm = (spec.task, spec.model.model_dump_json(), spec.data.model_dump_json(), recipe.batch_size)
    if arm not in _counted:
        _counted[arm] = flops_of_a_step(state)
    return _counted[arm]


def cost(state: State, seconds: float, evaluation_seconds: float, memory: int | None) -> dict[str, Any]:
    recipe = state.spec.recipe
    assert recipe is not None
    of_a_step, peak = _flops_of_the_arm(state), devices.matmul_peak(state.device, recipe.precision)
    flops = None if of_a_step is None else of_a_step * recipe.steps
    return {
        "seconds": seconds,
        "evaluation_seconds": evaluation_seconds,
        "images_per_second": recipe.steps * recipe.batch_size / seconds if seconds else None,
        "peak_memory_bytes": memory,
        "flops": flops,
        "matmul_peak_flops_per_second": peak,
        "share_of_matmul_peak": flops / seconds / peak if seconds and flops is not None else None,
    }
