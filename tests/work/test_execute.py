"""A run: its steps, what it leaves, and how it ends where something is missing."""

import errno
import gc
import math
import os
import weakref

import pytest
import torch
from kit.tiny import RESNET, counting, habits, outcome, spec, state
from torch.utils._python_dispatch import TorchDispatchMode

from repro.store import Store, StoreError
from repro.training import optimizers
from repro.training.loop import train
from repro.trial import Subject
from repro.value import from_json
from repro.work.execute import Work, execute

CPU = torch.device("cpu")
pytestmark = pytest.mark.usefixtures("nets")


def ended(store, trial):
    """The net that a trial ends with."""
    return Work(store, CPU).state(Subject(trial=trial))


@pytest.fixture
def steps(monkeypatch):
    """Learning rate and norm of the gradients at every optimizer step from here on."""
    seen, original = [], optimizers.sgd

    def watched(parameters, **options):
        parameters = list(parameters)
        norm = lambda: float(torch.stack([p.grad.norm() for p in parameters]).norm())  # noqa: E731
        optimizer = original(parameters, **options)
        optimizer.register_step_pre_hook(lambda o, *_: seen.append((float(o.param_groups[0]["lr"]), norm())))
        return optimizer

    monkeypatch.setattr(optimizers, "sgd", watched)
    return seen


def test_a_net_whose_parameters_are_counted_draws_none_of_a_normal_distribution(store):
    """To draw those on `meta` would import torch's compiler."""
    called = []

    class Called(TorchDispatchMode):
        def __torch_dispatch__(self, function, types, arguments=(), options=None):
            called.append(function.name())
            return function(*arguments, **(options or {}))

    with Called():
        execute(counting("params", data=spec().data), store)
    assert "aten::empty.memory_format" in called
    assert not [name for name in called if "normal_" in name]


def test_the_one_who_executes_says_how_many_share_a_gpu(store, monkeypatch):
    seen = []

    class Seen(Work):
        def __init__(self, *given):
            super().__init__(*given)
            seen.append(given[-1])

    monkeypatch.setattr("repro.work.execute.Work", Seen)
    execute(counting("params", data=spec().data), store, per_gpu=3)
    assert seen == [3]


@pytest.mark.parametrize(("per_gpu", "is_known"), [(1, True), (2, False)])
def test_of_a_gpu_that_others_share_the_share_is_not_known(store, per_gpu, is_known):
    work = Work(store, CPU, per_gpu=per_gpu)
    assert work.per_gpu == 1  # a core is nobody else's
    work.per_gpu = per_gpu
    record = work.trained(spec(steps=2))
    cost = record["cost"]
    assert record["environment"].get("per_gpu") == (None if is_known else per_gpu)
    assert cost["seconds"] > 0 and cost["flops"] > 0
    assert (cost["share_of_matmul_peak"] is not None) == is_known
    assert (cost["matmul_peak_flops_per_second"] is not None) == is_known


@pytest.mark.slow
def test_evaluation_on_the_way_does_not_disturb_training(store):
    plain = spec(model={**RESNET, "depth": 14}, steps=5)
    often = spec(model={**RESNET, "depth": 14}, steps=5, evaluate={"every": 1})
    for trial in (plain, often):
        execute(trial, store)
    (weights, measured, curves), (same_weights, same_measured, more) = (
        outcome(store, plain),
        outcome(store, often),
    )
    assert weights == same_weights and measured == same_measured
    assert [step for step, _ in more["test_error"]] == [1, 2, 3, 4, 5]
    assert curves["test_error"] == more["test_error"][-1:] == [[5, measured["test_error"]]]
    assert curves["batch_loss"] == more["batch_loss"]


def test_on_a_cpu_images_are_evaluated_in_parts_and_nothing_shows(monkeypatch):
    measured, sizes = {}, []
    for pixels in (2**19, 49 * 64):
        monkeypatch.setattr("repro.state.net.CPU_PIXELS", pixels)
        trained = state()
        trained.model.register_forward_pre_hook(lambda _, inputs: sizes.append(len(inputs[0])))
        measured[pixels] = trained.evaluate("train", 150)
    assert sizes == [150, 64, 64, 22]
    assert measured[2**19] == measured[49 * 64]


def test_a_run_records_its_spec_measurements_curves_cost_and_environment(store):
    trial = spec()
    execute(trial, store)
    record = store.read(trial)
    assert type(trial).model_validate(record["spec"], strict=False).digest == trial.digest
    assert set(record["measurements"]) == {"train_error", "train_loss", "test_error", "test_loss"}
    assert [step for step, _ in record["curves"]["batch_error"]] == [1, 2, 3, 4, 5, 6]
    cost = record["cost"]
    assert (
        cost["images_per_second"] == pytest.approx(6 * 16 / cost["seconds"])
        and cost["evaluation_seconds"] > 0
    )
    assert cost["share_of_matmul_peak"] == pytest.approx(cost["flops"] / cost["seconds"] / 1e9)
    assert record["environment"]["precision"] == "fp32"


def test_a_trial_that_is_done_is_not_trained_again_unless_everything_is_done_anew(store):
    trial = spec(model=habits(log=str(store.root) + ".log", label="x"))
    execute(trial, store)
    assert execute(trial, store)
    assert lines(store) == 1
    fresh = store.anew()
    assert execute(trial, fresh) and execute(trial, fresh)
    assert lines(store) == 2


def lines(store):
    with open(str(store.root) + ".log") as file:
        return len(file.readlines())


def test_a_trial_that_another_process_is_at_is_refused_at_once(store):
    trial = spec()
    with store.take(trial):
        assert not execute(trial, store)
    assert store.read(trial) is None


@pytest.mark.parametrize("model", [RESNET, habits()])
def test_a_run_that_diverges_ends_with_the_error_of_what_it_predicts_and_an_infinite_loss(store, model):
    trial = spec(model=model, optimizer={"lr": 1e30}, steps=4)
    execute(trial, store)
    measured = store.read(trial)["measurements"]
    assert measured["test_error"] == pytest.approx(0.9) and 0.5 < measured["train_error"] <= 1
    assert from_json(measured["test_loss"]) == from_json(measured["train_loss"]) == math.inf


def test_no_steps_at_all_leave_the_net_as_it_was_initialised(store):
    trial = spec(steps=0)
    execute(trial, store)
    trained, fresh = ended(store, trial).model.state_dict(), state(steps=0).model.state_dict()
    assert all(torch.equal(trained[name], fresh[name]) for name in fresh)


def test_the_learning_rate_follows_the_schedule_with_a_linear_warmup(store, steps):
    execute(
        spec(steps=8, warmup=4, optimizer={"lr": 0.5}, schedule={"name": "step", "at": [6], "factor": 0.1}),
        store,
    )
    assert [rate for rate, _ in steps] == pytest.approx([0.125, 0.25, 0.375, 0.5, 0.5, 0.5, 0.05, 0.05])


def test_gradients_are_clipped_to_the_norm_that_is_asked_for(store, steps):
    execute(spec(), store)
    execute(spec(clip_grad_norm=0.01), store)
    assert min(norm for _, norm in steps[:6]) > 0.1
    assert all(norm == pytest.approx(0.01, rel=1e-3) for _, norm in steps[6:])


def test_compiling_is_asked_of_torch_with_the_net(store, monkeypatch):
    asked = []
    monkeypatch.setattr(torch, "compile", lambda model: asked.append(type(model).__name__) or model)
    execute(spec(), store)
    assert asked == []
    execute(spec(compile=True), store)
    assert asked == ["ResNet"]


def test_a_net_with_shared_weights_can_be_stored_and_read(store):
    trial = spec(model=habits(tied=True))
    execute(trial, store)
    weights = ended(store, trial).model.state_dict()
    assert torch.equal(weights["head.weight"], weights["twin.weight"])


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda path: path.unlink(), "cannot be read"),
        (lambda path: path.write_bytes(path.read_bytes()[:100]), "damaged:"),
    ],
    ids=["gone", "torn"],
)
def test_weights_that_are_gone_or_torn_are_an_error_with_the_file_and_the_remedy(store, damage, said):
    trial = spec()
    execute(trial, store)
    weights = store.folder(trial) / "weights.safetensors"
    damage(weights)
    with pytest.raises(StoreError, match=rf"^{weights}: {said} .*Delete {store.path(trial)}"):
        ended(store, trial)


@pytest.mark.slow
@pytest.mark.parametrize("every", [0.0, 60.0])
def test_a_full_disk_ends_a_trial_with_the_remedy_and_it_can_be_run_again(
    store, tmp_path, monkeypatch, every
):
    trial, whole = spec(), Store(tmp_path / "whole")
    with monkeypatch.context() as patched:

        def full(*_):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        patched.setattr(os, "fsync", full)
        with pytest.raises(
            StoreError, match=r"no space left on the disk\. Nothing is lost: make room and run the same"
        ):
            execute(trial, store, checkpoint_every=every)
    assert list(store.folder(trial).iterdir()) == []
    execute(trial, store)
    execute(trial, whole)
    assert outcome(store, trial) == outcome(whole, trial)


def test_a_trial_that_cannot_say_where_it_stands_is_trained_all_the_same(store):
    store.root.mkdir()
    (store.root / "running").write_text("not a folder")
    trial = spec()
    execute(trial, store)
    assert store.read(trial) is not None


def test_training_needs_no_store_at_all():
    from repro.training.checkpoint import Checkpoint
    from repro.training.loop import Progress

    told = []
    trained = train(state(), Checkpoint(None), Progress(told.append))
    assert 0 <= trained.measurements["test_error"] <= 1
    assert told[0]["steps"] == 6 and told[0]["images_per_second"] > 0


class Cycle:
    """Garbage, once nobody wants it, that has to be looked for."""

    def __init__(self):
        self.itself = self


def test_only_what_a_job_has_left_is_looked_through_for_garbage(monkeypatch, store):
    seen, left = [], []

    def do(*_):
        seen.append(len(gc.get_objects()))
        left.append(weakref.ref(Cycle()))

    monkeypatch.setattr(Work, "do", do)
    gc.unfreeze()  # what the tests have imported
    try:
        execute(spec(), store)
        assert gc.get_freeze_count() == 0
    finally:
        gc.freeze()
    assert left[0]() is None
    execute(spec(), store)
    assert gc.get_freeze_count() > 100_000  # who has frozen it, lets it go
    assert max(seen) < 10_000
