"""Trials on several places: two processes, here on a CPU, come to what one comes to."""

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import BrokenExecutor
from threading import Thread

import psutil
import pytest
import torch
from kit import forked, parts
from kit.tiny import RESNET, outcome, spec
from safetensors.torch import load

from repro.errors import ReproError
from repro.findings import of_recipe
from repro.job import Needs
from repro.store import Store
from repro.training.checkpoint import Checkpoint
from repro.work import execute as execution
from repro.work import ranks
from repro.work.execute import execute
from repro.work.ranks import together

PAIR = (0, 1)
pytestmark = pytest.mark.usefixtures("nets")


def test_a_recipe_of_one_place_is_what_it_was_and_of_more_a_trial_of_its_own():
    assert spec().digest == spec(places=1).digest != spec(places=2).digest
    assert "places" not in spec().recipe.model_dump()
    assert spec(places=2).needs == Needs(places=2)


def test_a_batch_that_cannot_be_cut_evenly_and_a_compiled_net_are_mistakes():
    found = [finding.message for finding in of_recipe(spec(places=3, compile=True).recipe)]
    assert found[0] == "a batch of 16 cannot be cut into 3 equal parts"
    assert "cannot be compiled" in found[1]


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(ranks.multiprocessing, "get_context", lambda _: forked.context())


def net(**options):
    return {"name": "habits", **options}


def test_what_a_trial_used_of_its_places_is_held_against_what_all_of_them_can_do(monkeypatch):
    monkeypatch.setattr(execution, "size", lambda: 4)
    cost = execution._of_all({"matmul_peak_flops_per_second": 1e9, "share_of_matmul_peak": 0.8})
    assert cost == {"matmul_peak_flops_per_second": 4e9, "share_of_matmul_peak": 0.2}


slow = pytest.mark.slow  # processes


@slow
@pytest.mark.usefixtures("quick")
def test_two_processes_come_to_the_losses_metrics_and_weights_of_one(store):
    recipe = {"steps": 8, "augment": ["flip"], "clip_grad_norm": 1.0, "evaluate": {"every": 4}}
    alone, both = spec(model=net(), **recipe), spec(model=net(), places=2, **recipe)
    execute(alone, store)
    assert execute(both, store, places=PAIR)
    one, two = store.read(alone), store.read(both)
    for curve, points in one["curves"].items():
        assert two["curves"][curve] == [[step, pytest.approx(value, abs=1e-5)] for step, value in points]
    assert two["measurements"] == {
        name: pytest.approx(v, abs=1e-5) for name, v in one["measurements"].items()
    }
    weights = [load(store.read_file(trial, trial.file)) for trial in (alone, both)]
    assert weights[0].keys() == weights[1].keys()
    for name, tensor in weights[0].items():
        torch.testing.assert_close(weights[1][name], tensor, atol=1e-6, rtol=1e-5)
    assert [path.name for path in store.folder(both).iterdir()] == ["weights.safetensors"]


@slow
@pytest.mark.usefixtures("quick")
def test_the_gradient_is_that_of_the_whole_batch_though_one_part_has_fewer_labels():
    loss, gradients, _ = parts.step()
    for of_rank in together(PAIR, "cpu", parts.both, 0.0):
        assert of_rank[0] == pytest.approx(loss)
        for own, whole in zip(of_rank[1], gradients, strict=True):
            torch.testing.assert_close(torch.tensor(own), torch.tensor(whole))


@slow
@pytest.mark.usefixtures("quick")
def test_dropout_draws_for_each_part_by_itself():
    first, second = (torch.tensor(dropped) for _, _, dropped in together(PAIR, "cpu", parts.both, 0.5))
    assert first.shape == second.shape == (4, 6)
    assert (first != second).any()


@slow
@pytest.mark.usefixtures("quick")
def test_an_error_of_one_process_ends_the_others_and_comes_back():
    with pytest.raises(ReproError, match="the second has failed"):
        together(PAIR, "cpu", parts.fail_second)


@slow
@pytest.mark.usefixtures("quick")
def test_the_first_process_saves_and_all_begin_anew_where_one_cannot_read_what_it_saved(tmp_path):
    found, again = together(PAIR, "cpu", parts.go_on, str(tmp_path))
    assert found == [(True, 3), (False, 3)]
    assert again == [None, None]


@slow
@pytest.mark.usefixtures("quick")
def test_batch_normalisation_over_places_is_refused_where_torch_has_none(store):
    trial = spec(model=RESNET, places=2)
    with pytest.raises(ReproError, match=r"'cifar_resnet' normalises over batches: .* on GPUs alone"):
        execute(trial, store, places=PAIR)
    assert store.read(trial) is None


def wait_for(condition, seconds=300.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def step_of(trial, path):
    saved = Checkpoint(path, trial=trial.digest).load()
    return saved["step"] if saved else 0


@slow
@pytest.mark.usefixtures("quick")
def test_a_trial_whose_processes_are_killed_goes_on_and_ends_with_the_same_weights(store, tmp_path):
    trial = spec(model=net(drop=0.5, pause=0.02), steps=40, places=2)
    whole = Store(tmp_path / "whole")
    execute(trial, whole, places=PAIR)
    path = store.folder(trial) / "checkpoint.pt"

    call = f"from kit.tiny import run; run({trial.model_dump_json()!r}, {str(store.root)!r}, places={PAIR})"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen([sys.executable, "-c", call], env=environment) as process:
        try:
            wait_for(lambda: step_of(trial, path) > 2)
            children = psutil.Process(process.pid).children(recursive=True)
        finally:
            process.kill()
    psutil.wait_procs(children, timeout=20)
    assert not any(child.is_running() for child in children)
    reached = step_of(trial, path)
    assert 2 < reached < 40

    said = []

    def resumed():
        with pytest.raises(BrokenExecutor) as told:
            execute(trial, store, places=PAIR, checkpoint_every=0.0)
        said.append(told)

    before = set(psutil.Process().children(recursive=True))
    thread = Thread(target=resumed)
    thread.start()
    wait_for(lambda: step_of(trial, path) > reached)
    ranks_now = [one for one in psutil.Process().children(recursive=True) if one not in before]
    os.kill(ranks_now[-1].pid, signal.SIGKILL)
    thread.join()
    assert said and store.read(trial) is None

    assert execute(trial, store, places=PAIR)
    assert outcome(store, trial) == outcome(whole, trial)
