"""Trials that take a fraction of a second, and a net of another package with every bad habit a test needs."""

import gc
import json
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from repro.catalogue import MODELS
from repro.counting import Counting
from repro.recipe import Named
from repro.store import Store
from repro.suite import ResolvedArm, Suite, merge
from repro.trial import Evaluating, Probing, Subject, TrialSpec, specify

if TYPE_CHECKING:
    from repro.state.net import State

RECIPE = {
    "steps": 6,
    "batch_size": 16,
    "optimizer": {"name": "sgd", "lr": 0.05, "momentum": 0.9},
    "evaluate": {"train_images": 64},
}
RESNET = {"name": "cifar_resnet", "depth": 8, "width": 4}

NETS = '''
import os
import signal
import time

from torch import nn

from repro.models.layers.interpolation import bilinear


class Habits(nn.Module):
    """`log`: a file that gets a line for every net that is built.

    `fatal`: kills its process so many times, as `log` counts.
    """

    def __init__(
        self,
        *,
        drop: float = 0.0,
        log: str = "",
        label: str = "",
        pause: float = 0.0,
        fatal: int = 0,
        fails: str = "",
        peeks: bool = False,
        tied: bool = False,
        interpolates: bool = False,
        in_channels: int = 3,
        classes: int = 10,
    ):
        super().__init__()
        self.pause, self.fails, self.peeks, self.dies = pause, fails, peeks, False
        self.interpolates = interpolates
        self.body = nn.Sequential(nn.Flatten(), nn.Linear(49 * in_channels, 16), nn.ReLU(), nn.Dropout(drop))
        self.head = nn.Linear(16, classes)
        if tied:
            self.twin = self.head
        if log:
            with open(log, "a") as file:
                file.write(f"{label} {os.getpid()}\\n")
            with open(log) as file:
                self.dies = sum(line.split()[0] == label for line in file) <= fatal

    def forward(self, x):
        if self.training and not x.is_meta:
            time.sleep(self.pause)
            if self.dies:
                os.kill(os.getpid(), signal.SIGKILL)
            if self.fails:
                raise ValueError(self.fails)
        if self.peeks and x.sum().item() == 0.5:
            return x
        seen = self.body(x)
        if self.interpolates:
            seen = bilinear(seen.view(-1, 1, 4, 4), (8, 8))[..., ::2, ::2].flatten(1)
        return self.head(seen)
'''


def install(folder: Path, monkeypatch: Any) -> None:
    """Put a package `tinynets` with the model `habits` on the path, of spawned processes, too."""
    (folder / "tinynets").mkdir(parents=True)
    (folder / "tinynets" / "__init__.py").touch()
    (folder / "tinynets" / "nets.py").write_text(NETS)
    (folder / "tinynets-1.dist-info").mkdir()
    (folder / "tinynets-1.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: tinynets\nVersion: 1\n"
    )
    (folder / "tinynets-1.dist-info" / "entry_points.txt").write_text(
        "[repro.models]\nhabits = tinynets.nets:Habits\n"
    )
    for name in ("tinynets", "tinynets.nets"):  # of this folder, and gone after the test
        monkeypatch.setitem(sys.modules, name, None)
        del sys.modules[name]
    # First: reading entry points would keep it for good
    monkeypatch.setitem(MODELS.targets, "habits", "tinynets.nets:Habits")
    monkeypatch.syspath_prepend(folder)


def spec(
    seed: int = 0,
    *,
    model: Any = RESNET,
    size: int = 7,
    device: Any = "cpu",
    trained: bool = True,
    start: TrialSpec | None = None,
    leaving_out: Any = (),
    freeze: tuple[str, ...] = (),
    **recipe: Any,
) -> TrialSpec:
    """A trial, that starts from another perhaps, but for some modules; keywords change the recipe."""
    suite = Suite.model_validate_json(
        json.dumps(
            {
                "suite": "tiny",
                "task": "classification",
                "arms": {"arm": {"model": model["name"]}},
                "profiles": {
                    "cpu": {
                        "data": {"name": "fashion-mnist-small", "size": size},
                        "recipe": merge(RECIPE, recipe),
                    },
                },
                "claims": {"any": {"says": "Any.", "expect": "train_error(arm) < 1"}},
            }
        )
    )
    arm = suite.resolve("arm", "cpu")
    weights = Named(name="trial", arm="first", **{"except": leaving_out}) if start else None
    net = Named.model_validate(model)
    resolved = ResolvedArm(net, arm.data, arm.recipe, seed_offset=0, weights=weights, freeze=freeze)
    return specify("classification", resolved, seed, device, trained=trained, start=start)


CODE = {"code": "", "torch": ""}


def counting(measure: str, *, model: Any = RESNET, data: Named | None = None, **options: Any) -> Counting:
    """A count of a net; `data` are for its numbers of channels and classes."""
    return Counting(measure=measure, options=options, model=Named.model_validate(model), data=data, **CODE)


def probing(measure: str, trial: TrialSpec, treatment: Named | None = None, **options: Any) -> Probing:
    """A probe of a trial's net, treated or not."""
    return Probing(
        measure=measure, options=options, subject=Subject(trial=trial, treatment=treatment), **CODE
    )


def evaluating(
    trial: TrialSpec, treatment: Named | None = None, *, split: Any = "test", images: int | None = None
) -> Evaluating:
    """The metrics of a trial's net, treated or not."""
    subject = Subject(trial=trial, treatment=treatment)
    return Evaluating(subject=subject, split=split, images=images, **CODE)


def habits(**options: Any) -> dict[str, Any]:
    return {"name": "habits", **options}


def state(*arguments: Any, **options: Any) -> "State":
    """Net, optimizer and images of `spec(...)` before its first step."""
    from repro.state.devices import resolve
    from repro.state.net import build
    from repro.work.execute import images

    trial, cpu = spec(*arguments, **options), resolve("cpu")
    return build(trial, images(trial.data, cpu), cpu)


def run(
    trial: str,
    root: str,
    every: float = 0.0,
    call: str = "",
    count: int = 0,
    places: tuple[int, ...] = (0,),
) -> None:
    """Do a trial here, but be killed at the so many-th `call` of `os`: before an fsync, after a replace."""
    from repro.state import devices
    from repro.work.execute import execute

    gc.freeze()  # what is imported, as a worker does: each trial looks through the rest
    devices.matmul_peak = lambda *_: 1.0  # measures for a third of a second
    if call:
        original, calls = getattr(os, call), [0]

        def counted(*arguments: Any) -> None:
            calls[0] += "/running/" not in str(arguments[-1])  # those come by time
            if call == "replace":
                original(*arguments)
            if calls[0] == count:
                os.kill(os.getpid(), signal.SIGKILL)
            if call != "replace":
                original(*arguments)

        setattr(os, call, counted)
    spec = TrialSpec.model_validate_json(trial)
    execute(spec, Store(Path(root)), places=places, checkpoint_every=every)


def outcome(store: Store, trial: TrialSpec) -> tuple[bytes, Any, Any]:
    """What must be equal, bit for bit, however a trial was trained: weights, measurements and curves."""
    record = store.read(trial)
    assert record is not None, "the trial did not end"
    return store.read_file(trial, trial.file), record["measurements"], record["curves"]
