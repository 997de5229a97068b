"""Trials that are killed, run again, and end as if nothing had happened."""

import hashlib
import io
import shutil
import signal
import time

import pytest
import torch
from kit import forked
from kit.tiny import RESNET, outcome, run, spec

from repro.data.embedded import FashionMnistSmall
from repro.state import devices
from repro.store import Store
from repro.training.checkpoint import Checkpoint
from repro.work.execute import execute

HABITS = {"name": "habits", "drop": 0.5}
ADAMW = {"name": "adamw", "lr": 0.01}
pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("nets")]  # processes


def runs(store, trial, *moment, every=0.0):
    """Run a trial in a process of its own; its exit code."""
    process = forked.context().Process(
        target=run, args=(trial.model_dump_json(), str(store.root), every, *moment)
    )
    process.start()
    process.join(60)
    return process.exitcode


KILLS = [
    ("fsync", 1),  # the first checkpoint is not yet there
    ("replace", 1),  # there it is
    ("replace", 3),  # it has gone on to the 4th step
    ("fsync", 2),  # in the middle of the next checkpoint but one
    ("fsync", 3),
]
LATE = KILLS[-2:]  # it goes on twice, from another step each time


@pytest.mark.parametrize(
    ("kills", "trial"),
    [
        (KILLS, {"augment": ["flip", {"name": "pad_crop", "pad": 1}], "evaluate": {"every": 2}}),
        (
            LATE,
            {
                "precision": "bf16",
                "optimizer": ADAMW,
                "schedule": "cosine",
                "warmup": 3,
                "clip_grad_norm": 1.0,
            },
        ),
        (LATE, {"model": HABITS, "optimizer": ADAMW, "augment": ["flip"], "evaluate": {"every": 3}}),
        (
            LATE,
            {
                "model": HABITS,
                "precision": "bf16",
                "optimizer": {"nesterov": True, "weight_decay": 0.01},
                "channels_last": False,
            },
        ),
        (
            LATE,
            {
                "optimizer": {
                    "weight_decay": 0.01,
                    "groups": {"bias": {"lr": 2, "momentum": 0}, "norm": {"weight_decay": 0}},
                },
                "schedule": "poly",
            },
        ),
    ],
    ids=[
        "sgd, augmentation, test curve",
        "adamw, bf16",
        "adamw, dropout, augmentation",
        "nesterov, bf16, dropout",
        "groups",
    ],
)
def test_a_killed_trial_ends_with_the_same_weights_measurements_and_curves(store, tmp_path, kills, trial):
    trial, whole = spec(steps=9, **trial), Store(tmp_path / "whole")
    for kill in kills:
        assert runs(store, trial, *kill) == -signal.SIGKILL
        assert store.read(trial) is None
    assert len(list(store.folder(trial).glob(".*.part"))) == 1  # the last killed writer's
    assert runs(store, trial) == 0
    assert runs(whole, trial, every=60.0) == 0
    assert outcome(store, trial) == outcome(whole, trial)
    assert [path.name for path in store.folder(trial).iterdir()] == ["weights.safetensors"]
    assert store.running() == []

    execute(spec(seed=7, model=RESNET), store)  # something else runs before it in this process
    here = Store(tmp_path / "here")
    execute(trial, here)
    assert outcome(here, trial) == outcome(whole, trial)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A store with what `spec()` comes to if nothing happens to it."""
    store = Store(tmp_path_factory.mktemp("whole"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(devices, "matmul_peak", lambda *_: 1e9)
        execute(spec(), store)
    return store


@pytest.mark.parametrize("moment", [("fsync", 7), ("replace", 7), ("fsync", 8), ("replace", 8)])
def test_a_trial_killed_while_its_outcome_is_written_ends_with_the_same_outcome(store, whole, moment):
    trial = spec()  # 6 checkpoints, then weights and record
    assert runs(store, trial, *moment) == -signal.SIGKILL
    assert (store.read(trial) is not None) == (moment == ("replace", 8))
    assert runs(store, trial) == 0
    assert outcome(store, trial) == outcome(whole, trial)


def test_a_trial_killed_from_outside_goes_on_from_its_checkpoint(store, tmp_path):
    trial = spec(steps=60, model={"name": "habits", "drop": 0.2, "pause": 0.01})
    whole = Store(tmp_path / "whole")
    checkpoint = store.folder(trial) / "checkpoint.pt"
    process = forked.context().Process(target=run, args=(trial.model_dump_json(), str(store.root)))
    process.start()
    deadline = time.monotonic() + 30
    while not checkpoint.exists() and time.monotonic() < deadline:
        time.sleep(0.005)
    time.sleep(0.1)
    process.kill()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    reached = Checkpoint(checkpoint, trial=trial.digest).load()["step"]
    assert 0 < reached < 60
    steps = []
    saves = Checkpoint.save
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(
            Checkpoint, "save", lambda self, state: (steps.append(state["step"]), saves(self, state))
        )
        execute(trial, store, checkpoint_every=0.0)
    assert steps == list(range(reached + 1, 61))
    execute(trial, whole)
    assert outcome(store, trial) == outcome(whole, trial)


def saved(change):
    """A checkpoint that is whole and that torch can read, but ..."""

    def content(path):
        buffer = io.BytesIO()
        torch.save(change(torch.load(path, weights_only=True)), buffer)
        return buffer.getvalue() + hashlib.sha256(buffer.getvalue()).digest()

    return content


def flipped(path):
    """A bit of a weight is another one: torch would take it."""
    content = bytearray(path.read_bytes())
    content[content.index(b"model") + 5000] ^= 1
    return bytes(content)


DAMAGES = {
    "of another trial": saved(lambda state: {**state, "trial": "another"}),
    "with other content": saved(lambda _: {"weights": torch.zeros(3)}),
    "a tensor": saved(lambda _: torch.zeros(3)),
    "with code": saved(lambda state: {**state, "model": FashionMnistSmall}),
    "with another bit": flipped,
    "torn": lambda path: path.read_bytes()[: path.stat().st_size // 2],
    "binary": lambda _: bytes(range(256)) * 10,
    "text": lambda _: b"checkpoint\n",
    "empty": lambda _: b"",
}


@pytest.fixture(scope="module")
def last(tmp_path_factory):
    """The last checkpoint of `spec()`."""
    store, path = Store(tmp_path_factory.mktemp("last")), tmp_path_factory.mktemp("checkpoint") / "last.pt"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(devices, "matmul_peak", lambda *_: 1e9)
        patch.setattr(Checkpoint, "remove", lambda self: shutil.copy(self.path, path))
        execute(spec(), store, checkpoint_every=0.0)
    assert Checkpoint(path, trial=spec().digest).load()["step"] == 6
    return path


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_torn_or_foreign_checkpoint_is_ignored_and_training_starts_again(
    store, whole, last, monkeypatch, damage
):
    trial = spec()
    folder = store.folder(trial)
    folder.mkdir(parents=True)
    (folder / "checkpoint.pt").write_bytes(damage(last))
    steps = []
    monkeypatch.setattr(Checkpoint, "save", lambda _, state: steps.append(state["step"]))
    execute(trial, store, checkpoint_every=0.0)
    assert steps == [1, 2, 3, 4, 5, 6]
    assert outcome(store, trial) == outcome(whole, trial)


def test_a_checkpoint_of_an_older_generation_or_another_trial_is_ignored(tmp_path):
    path = tmp_path / "checkpoint.pt"
    Checkpoint(path, since=3, trial="x").save({"step": 3})
    for since in (0, 3):
        assert Checkpoint(path, since=since, trial="x").load()["step"] == 3
    assert Checkpoint(path, since=4, trial="x").load() is None
    assert Checkpoint(path, trial="y").load() is None


def test_a_flipped_bit_anywhere_in_a_checkpoint_is_noticed(tmp_path):
    path = tmp_path / "checkpoint.pt"
    Checkpoint(path, trial="x").save({"weights": torch.arange(300.0)})
    content = path.read_bytes()
    for place in range(0, 8 * len(content), 97):
        damaged = bytearray(content)
        damaged[place // 8] ^= 1 << place % 8
        path.write_bytes(damaged)
        assert Checkpoint(path, trial="x").load() is None


def test_a_checkpoint_is_due_by_time_and_never_without_a_path(tmp_path):
    assert Checkpoint(tmp_path / "checkpoint.pt", every=0.0).due()
    assert not Checkpoint(tmp_path / "checkpoint.pt", every=60.0).due()
    nowhere = Checkpoint(None, every=0.0)
    assert not nowhere.due() and nowhere.load() is None
    nowhere.save({})
    nowhere.remove()
