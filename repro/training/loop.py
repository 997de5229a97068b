"""The training loop: one for all tasks, models and devices."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import nn

from repro.catalogue import OPTIMIZERS, SCHEDULES
from repro.errors import ReproError
from repro.recipe import Recipe
from repro.state import devices
from repro.state.net import State
from repro.state.randomness import seed_default
from repro.training import groups
from repro.training.batches import Batches
from repro.training.checkpoint import Checkpoint
from repro.training.compiling import forward_pass
from repro.training.cost import Stopwatch, cost
from repro.training.curves import Curves


@dataclass
class Trained:
    """What a run leaves: metrics (shares 0 to 1, losses in nats), curves as [step, value], and its cost."""

    measurements: dict[str, float]
    curves: dict[str, list[tuple[int, float]]]
    cost: dict[str, Any]


class Progress:
    """Where a run stands; `tell` hears of it about once a second."""

    def __init__(self, tell: Callable[[dict[str, Any]], None] = lambda _: None):
        self.tell, self.last = tell, 0.0

    def at(self, step: int, recipe: Recipe, seconds: float) -> None:
        if time.monotonic() - self.last >= 1.0:
            self.last = time.monotonic()
            rate = step * recipe.batch_size / seconds if step else None
            left = seconds / step * (recipe.steps - step) if step else None
            self.tell({"step": step, "steps": recipe.steps, "images_per_second": rate, "seconds_left": left})


def train(state: State, checkpoint: Checkpoint, progress: Progress) -> Trained:
    """Train to the end of the recipe, from the checkpoint on if there is one, and evaluate."""
    recipe, model = state.spec.recipe, state.model
    assert recipe is not None
    optimizer = _optimizer(state)
    rate = _learning_rate(recipe)
    bases = [group["lr"] for group in optimizer.param_groups]
    batches, curves = Batches(state), Curves(recipe.steps)
    start, training, evaluating = 0, Stopwatch(state.device), Stopwatch(state.device)
    saved = checkpoint.load()
    if saved is not None:
        model.load_state_dict(saved["model"])
        optimizer.load_state_dict(saved["optimizer"])
        curves.restore(saved["curves"], state.device)
        start, training.seconds, evaluating.seconds = saved["step"], saved["training"], saved["evaluating"]
    memory = devices.PeakMemory(state.device)
    forward = forward_pass(state, batches.at(start))
    training.start()
    for step in range(start, recipe.steps):
        images, targets = batches.at(step)
        seed_default(state.device, batches.noise + step)
        for group, base in zip(optimizer.param_groups, bases, strict=True):
            group["lr"] = rate(base, step)
        with state.autocast():
            outputs = forward(images)
            loss = state.task.loss(outputs, targets)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        if recipe.clip_grad_norm is not None:
            nn.utils.clip_grad_norm_(model.parameters(), recipe.clip_grad_norm)
        optimizer.step()
        done = step + 1
        with torch.no_grad():
            error = state.task.error(outputs, targets)
        curves.add(done, loss.detach(), error)
        progress.at(done, recipe, training.read())
        if recipe.evaluate.every and done % recipe.evaluate.every == 0 and done < recipe.steps:
            training.stop()
            with evaluating:
                curves.test(done, state.evaluate("test"))
            training.start()
        if checkpoint.due():
            training.stop()
            checkpoint.save(
                {
                    "model": model.state_dict(),
                    "optimizer": optimizer.state_dict(),
                    "curves": curves.state(),
                    "step": done,
                    "training": training.seconds,
                    "evaluating": evaluating.seconds,
                }
            )
            training.start()
    training.stop()
    with evaluating:
        tested = state.evaluate("test")
        measurements = {**state.evaluate("train", recipe.evaluate.train_images), **tested}
    curves.test(recipe.steps, tested)
    taken = cost(state, training.seconds, evaluating.seconds, memory.read())
    if recipe.cuda_graph and state.device.type == "cuda":
        taken["cuda_graph"] = float(forward is not model)  # whether it could be had
    return Trained(measurements, curves.lists(), taken)


def _optimizer(state: State) -> torch.optim.Optimizer:
    """Of the net's parameters, in groups. Raises `ReproError` if its options do not go together."""
    recipe = state.spec.recipe
    assert recipe is not None
    name, options = recipe.optimizer.name, recipe.optimizer.options
    try:
        optimizer: torch.optim.Optimizer = OPTIMIZERS.load(name)(state.model.parameters(), **options)
    except (ValueError, TypeError) as error:
        raise ReproError(f"optimizer '{name}' with {options}: {error}") from error
    groups.split(optimizer, state.model, recipe.optimizer.groups, state.spec.model.name)
    return optimizer


def _learning_rate(recipe: Recipe) -> Callable[[float, int], float]:
    """Of a group's own rate and a step: what the schedule and the warm-up make of it."""
    factor = partial(SCHEDULES.load(recipe.schedule.name), steps=recipe.steps, **recipe.schedule.options)
    warmup = recipe.warmup
    return lambda base, step: base * factor(step) * min(1.0, (step + 1) / warmup if warmup else 1.0)
