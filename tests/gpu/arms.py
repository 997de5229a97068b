"""Steps of every arm of every suite at the scales of GPUs, in the training loop, on data of the right form.

    python tests/gpu/arms.py        steps on the GPU that torch sees; prints what each costs, as JSON

Arms that differ in what a step does not depend on (seeds, rates) are taken once. Images are as large as
in the suites, batches small.
"""

import ctypes
import json
import os
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from repro.catalogue import TASKS
from repro.contracts import Split
from repro.data.split import InMemory, head
from repro.models.layers.freezing import freeze
from repro.plan.arms import form_of
from repro.reading import load
from repro.state import devices
from repro.state.net import State, make_model, put
from repro.state.randomness import own_default_stream
from repro.state.tf32 import as_fp32
from repro.training.checkpoint import Checkpoint
from repro.training.loop import Progress, train
from repro.trial import TrialSpec

SUITES = Path(__file__).parents[2] / "suites"
SCALES = ("gpu", "paper")
STEPS = 3  # in the first ones the optimizer makes its state
BATCH = 8
COUNTED = ("kernels", "to_device", "to_host", "waits")


def no_arithmetic() -> bool:
    """Whether the GPU is the one that computes nothing: that library counts kernels, a driver does not."""
    return "NULL_GPUS" in os.environ


def trials() -> dict[str, TrialSpec]:
    """By suite, scale and arm: the first of those that take the same steps."""
    found: dict[str, tuple[str, TrialSpec]] = {}  # by what their steps depend on
    for path in sorted(SUITES.glob("[!.]*/*.yaml")):  # no drafts
        suite = load(path)
        if suite.task == "detection" and no_arithmetic():
            continue  # which boxes are kept goes by their numbers, and there are none
        for scale in SCALES:
            for arm in suite.arms_at(scale) if scale in suite.profiles else ():
                if suite.arms[arm].of is None and (spec := trial(suite, arm, scale)) is not None:
                    found.setdefault(alike(spec), (f"{path.stem} {scale} {arm}", spec))
    return dict(found.values())


def trial(suite: Any, arm: str, scale: str) -> TrialSpec | None:
    """None for an arm that is not trained."""
    one = suite.resolve(arm, scale)
    if one.recipe is None or one.data is None or not one.recipe.steps:
        return None
    changes = {
        "batch_size": min(BATCH, one.recipe.batch_size),
        "compile": False,
        "cuda_graph": one.recipe.cuda_graph and not no_arithmetic(),  # there is nothing to record
    }
    return TrialSpec(
        task=suite.task,
        model=one.model,
        data=one.data,
        fingerprint="",
        recipe=one.recipe.model_copy(update=changes),
        freeze=one.freeze,
        seed=0,
        device="cuda",
        code="",
        torch="",
    )


def alike(spec: TrialSpec) -> str:
    """The same for arms whose steps have the same operators."""
    asked = spec.model_dump(mode="json")
    for key in ("steps", "schedule", "warmup", "evaluate"):
        del asked["recipe"][key]
    del asked["recipe"]["optimizer"]["lr"]
    return json.dumps(asked)


class Ended(Exception):
    """So many steps were to be taken."""


def some(split: Split, count: int) -> Split:
    """The first rows, by themselves."""
    return InMemory(*head(split, count))


class Counter(Progress):
    """What the last of a run's steps has cost; None is what this GPU does not tell."""

    def __init__(self) -> None:
        super().__init__()
        try:
            null = ctypes.CDLL("libcuda.so.1")
            self.counts = [ctypes.c_long.in_dll(null, f"null_{what}") for what in COUNTED]
        except (OSError, ValueError):  # a GPU that computes
            self.counts = []
        self.before: list[int] = []
        self.cost: dict[str, int | None] = dict.fromkeys(COUNTED)

    def at(self, step: int, *_: Any) -> None:
        """Hears of each step."""
        now = [count.value for count in self.counts]
        if self.before:
            self.cost = {what: int(b - a) for what, a, b in zip(COUNTED, self.before, now, strict=True)}
        self.before = now
        if not self.counts:
            torch.cuda.set_sync_debug_mode("warn" if step == STEPS - 1 else "default")
        if step == STEPS:
            raise Ended


def cost(spec: TrialSpec, device: torch.device) -> dict[str, Any]:
    """Of a step of the training loop: kernels, copies to the device and to the host, and waits for it."""
    recipe = spec.recipe
    assert recipe is not None
    with devices.flags(recipe.deterministic), own_default_stream(device):
        with device:
            model = make_model(spec.model, spec.data)
        freeze(model, spec.freeze)
        model = put(model, device, channels_last=recipe.channels_last)
        data = form_of(spec.data)
        data = replace(data, train=some(data.train, 2 * STEPS * BATCH), test=some(data.test, BATCH))
        state = State(as_fp32(spec), model.train(), TASKS.load(spec.task)(), data.to(device), device)
        counter = Counter()
        with warnings.catch_warnings(record=True) as said, suppress(Ended):
            warnings.simplefilter("always")
            train(state, Checkpoint(None), counter)
        state.evaluate("test")
    if not counter.counts:
        counter.cost["waits"] = sum("synchroniz" in str(one.message) for one in said)
    return {**counter.cost, "precision": recipe.precision, "deterministic": recipe.deterministic}


def costs() -> Iterator[tuple[str, dict[str, Any]]]:
    """Of all arms, with what stopped one in its place."""
    device = torch.device("cuda", 0)
    for name, spec in trials().items():
        began = time.process_time()
        try:
            yield name, cost(spec, device)
        except Exception as error:
            yield name, {"error": f"{type(error).__name__}: {error}".splitlines()[0]}
        torch.cuda.empty_cache()
        print(name, f"{time.process_time() - began:.1f} s", file=sys.stderr, flush=True)


if __name__ == "__main__":
    json.dump(dict(costs()), sys.stdout, indent=1)
