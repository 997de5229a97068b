"""Checkpoints that take long are written seldom, and what a trial ends with does not depend on it."""

import time

import pytest
from kit.tiny import outcome, spec

from repro.store import Store
from repro.training.checkpoint import Checkpoint
from repro.work.execute import execute
from repro.work.sparing import Sparing


class Clock:
    """Steps of a second, and a disk that takes as long as it is told."""

    def __init__(self, monkeypatch, takes):
        self.now, self.takes, self.saved = 1000.0, takes, []
        monkeypatch.setattr(time, "monotonic", lambda: self.now)
        monkeypatch.setattr(Checkpoint, "save", lambda checkpoint, _: self.save(checkpoint))

    def save(self, checkpoint):
        self.now += self.takes
        self.saved.append(self.now)
        checkpoint.last = self.now

    def train(self, checkpoint, steps):
        for _ in range(steps):
            self.now += 1.0
            if checkpoint.due():
                checkpoint.save({})


@pytest.fixture
def at(tmp_path, monkeypatch):
    """A clock for a disk, and a checkpoint that is due every 15 seconds."""

    def make(takes, every=15.0):
        clock = Clock(monkeypatch, takes)
        return clock, Sparing(tmp_path / "checkpoint.pt", every)

    return make


@pytest.mark.parametrize("takes", [0.3125, 2.0, 7.0])
def test_slow_checkpoints_take_a_fiftieth_of_the_time(at, takes):
    clock, checkpoint = at(takes)
    clock.train(checkpoint, 20_000)
    first, *_, last = clock.saved
    assert first == 1015.0 + takes  # nothing is known before the first one
    share = takes * (len(clock.saved) - 1) / (last - first)
    assert 0.018 <= share <= 0.02


def test_quick_checkpoints_are_as_far_apart_as_before(at):
    clock, checkpoint = at(0.25)
    clock.train(checkpoint, 60)
    assert clock.saved == pytest.approx([1015.25, 1030.5, 1045.75, 1061.0])


def test_only_the_last_one_counts(at):
    clock, checkpoint = at(2.0)
    clock.train(checkpoint, 16)
    clock.takes = 0.125
    clock.train(checkpoint, 120)
    assert clock.saved == pytest.approx([1017.0, 1117.125, 1132.25])


def test_one_after_each_step_is_one_after_each_step(at):
    clock, checkpoint = at(2.0, every=0.0)
    clock.train(checkpoint, 5)
    assert len(clock.saved) == 5


@pytest.mark.usefixtures("nets")
def test_a_trial_writes_as_few_as_its_disk_is_slow_and_ends_with_the_same_bits(store, tmp_path, monkeypatch):
    trial, whole, saves = spec(steps=6), Store(tmp_path / "whole"), Checkpoint.save
    execute(trial, whole)
    steps = []

    def slow(checkpoint, state):
        steps.append(state["step"])
        saves(checkpoint, state)
        time.sleep(0.2)

    monkeypatch.setattr(Checkpoint, "save", slow)
    execute(trial, store, checkpoint_every=1e-9)
    assert steps == [1]  # the next is due in ten seconds
    assert outcome(store, trial) == outcome(whole, trial)
