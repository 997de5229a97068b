"""What a run cost, and how much of the device it used."""

import copy
import time
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils._pytree import tree_map

from repro.measures.operations import OperationCounter, UnknownOperator
from repro.state import devices
from repro.state.net import State
from repro.training.batches import Batches


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


@dataclass(frozen=True)
class Arithmetic:
    """Counted on the meta device by `OperationCounter`: products, convolutions, 2 FLOP per multiply-add."""

    step_flops: int  # of one training step, forward and backward
    macs: int  # of the forward pass of one image, as it is trained on


def arithmetic(state: State) -> Arithmetic | None:
    """None for a net that cannot run on the meta device, because it looks at values, or that has an operator
    which is not known. What is raised otherwise for a batch is raised in training, too.
    """
    recipe = state.spec.recipe
    assert recipe is not None
    model = copy.deepcopy(state.model).to("meta")
    images, targets = tree_map(lambda tensor: tensor.to("meta"), Batches(state).at(0))
    try:
        with OperationCounter() as forward:
            outputs = model(images)
        with OperationCounter() as backward:
            state.task.loss(outputs, targets).backward()
    except (RuntimeError, UnknownOperator):
        return None
    of_forward = forward.get_total_flops()
    return Arithmetic(of_forward + backward.get_total_flops(), of_forward // (2 * recipe.batch_size))


_counted: dict[tuple[str, ...], Arithmetic | None] = {}


def of_the_arm(state: State) -> Arithmetic | None:
    """`arithmetic`, once a process for all seeds: at 56 layers it takes 0.4 s, 3 % of a trial at cpu."""
    spec, recipe = state.spec, state.spec.recipe
    assert recipe is not None
    arm = (spec.task, spec.model.model_dump_json(), spec.data.model_dump_json(), recipe.model_dump_json())
    if arm not in _counted:
        _counted[arm] = arithmetic(state)
    return _counted[arm]


def cost(state: State, seconds: float, evaluation_seconds: float, memory: int | None) -> dict[str, Any]:
    recipe = state.spec.recipe
    assert recipe is not None
    counted, peak = of_the_arm(state), devices.matmul_peak(state.device, recipe.precision)
    flops = None if counted is None else counted.step_flops * recipe.steps
    return {
        "seconds": seconds,
        "evaluation_seconds": evaluation_seconds,
        "images_per_second": recipe.steps * recipe.batch_size / seconds if seconds else None,
        "peak_memory_bytes": memory,
        "params": sum(p.numel() for p in state.model.parameters() if p.requires_grad),
        "macs": None if counted is None else counted.macs,
        "flops": flops,
        "matmul_peak_flops_per_second": peak,
        "share_of_matmul_peak": flops / seconds / peak if seconds and flops is not None else None,
    }
