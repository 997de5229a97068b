"""How quick a device is at an arm: some of its own steps are taken, and what they end with is thrown away."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

from repro.catalogue import OPTIMIZERS
from repro.data.images import ImageSet
from repro.data.split import image_shape
from repro.state import devices
from repro.state.net import EVALUATION_BATCH, EVALUATION_PIXELS, State, build
from repro.state.randomness import own_default_stream
from repro.state.tf32 import as_fp32, products
from repro.training.batches import Batches
from repro.training.compiling import forward_pass
from repro.trial import TrialSpec

# Steps, and evaluations: in the first one memory is taken, kernels are chosen, and images are searched for
# regions, which is done once for all trials
WARM_UP = 1
LONGEST = 0.05  # seconds of steps, once there have been two


@dataclass(frozen=True)
class Pace:
    """Seconds of a training step, and of evaluating an image."""

    step: float
    image: float


def pace(spec: TrialSpec, data: ImageSet, device: torch.device, longest: float = LONGEST) -> Pace:
    """Measured here, from random weights. On a CPU it is the thread's own time that counts, so that it hardly
    matters what else runs; trials have a core each.
    """
    recipe = spec.recipe
    assert recipe is not None
    alone = as_fp32(spec).model_copy(update={"weights": None, "start": None})
    with devices.flags(recipe.deterministic), products(recipe), own_default_stream(device):
        state = build(alone, data, device)
        step, clock = _stepping(state), _clock(device)
        for _ in range(WARM_UP):
            step()
        seconds, steps = 0.0, 0
        while steps < 2 or seconds < longest:
            seconds += _timed(step, clock)
            steps += 1
        few = max(1, min(EVALUATION_BATCH, EVALUATION_PIXELS // image_shape(data.test)[1:].numel()) // 8)
        few = min(few, len(data.test))
        for _ in range(WARM_UP):
            state.evaluate("test", few)
        evaluation = _timed(lambda: state.evaluate("test", few), clock)
    return Pace(step=seconds / steps, image=evaluation / few)


def _stepping(state: State) -> Callable[[], None]:
    """Takes one step after another, as `loop.train` does, of the first batch."""
    recipe = state.spec.recipe
    assert recipe is not None
    optimizer = OPTIMIZERS.load(recipe.optimizer.name)(state.model.parameters(), **recipe.optimizer.options)
    batches = Batches(state)
    forward = forward_pass(state, batches.at(0))

    def step() -> None:
        images, targets = batches.at(0)
        with state.autocast():
            outputs = forward(images)
            loss = state.task.loss(outputs, targets)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            state.task.error(outputs, targets)

    return step


def _clock(device: torch.device) -> Callable[[], float]:
    if device.type == "cpu":
        return time.thread_time

    def read() -> float:
        devices.synchronise(device)
        return time.perf_counter()

    return read


def _timed(work: Callable[[], object], clock: Callable[[], float]) -> float:
    begun = clock()
    work()
    return clock() - begun
