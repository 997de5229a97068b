"""One loop: what a run leaves, what it draws, and what it leaves alone."""

import copy
import errno
import math
import os
import subprocess
import sys

import pytest
import torch
from training.tiny import RESNET, install, outcome, spec

from repro.errors import ReproError
from repro.store import Store, StoreError, from_json
from repro.training import devices, optimizers
from repro.training.batches import Batches
from repro.training.cost import arithmetic
from repro.training.curves import POINTS, Curves
from repro.training.loop import train
from repro.training.randomness import generator, own_default_stream, seed_default, stream
from repro.training.run import execute, images, state_of
from repro.training.state import build

CPU = torch.device("cpu")
PLAIN = {**RESNET, "residual": False}
real_peak = devices.matmul_peak


@pytest.fixture(autouse=True)
def nets(tmp_path, monkeypatch):
    install(tmp_path / "packages", monkeypatch)
    monkeypatch.setattr(devices, "matmul_peak", lambda *_: 1e9)


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


def state(*arguments, **options):
    trial = spec(*arguments, **options)
    return build(trial, images(trial.data, CPU), CPU)


def habits(**options):
    return {"name": "habits", **options}


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


# What is drawn


def test_arms_with_one_seed_see_the_same_batches_with_the_same_augmentation():
    recipe = {"augment": ["flip", {"name": "pad_crop", "pad": 2}]}
    arms = [Batches(state(3, model=model, **recipe)) for model in (RESNET, PLAIN, habits(drop=0.5))]
    for step in (0, 1, 700, 1500):
        seen = [arm.at(step) for arm in arms]
        for inputs, targets in seen[1:]:
            assert torch.equal(inputs, seen[0][0]) and torch.equal(targets, seen[0][1])


def test_batches_depend_on_the_step_alone_not_on_what_was_drawn_before():
    recipe = {"augment": ["flip"]}
    one, other = Batches(state(**recipe)), Batches(state(**recipe))
    for step in range(5):
        one.at(step)
    for step in (4, 900, 2):
        assert torch.equal(one.at(step)[0], other.at(step)[0])


def test_other_seeds_see_other_batches_and_other_augmentation():
    (a, a_targets), (b, b_targets) = (Batches(state(seed)).at(0) for seed in (0, 1))
    assert not torch.equal(a, b) and not torch.equal(a_targets, b_targets)
    batches = Batches(state(augment=["flip"]))
    plain = Batches(state())
    flips = [(batches.at(step)[0] != plain.at(step)[0]).flatten(1).any(1).tolist() for step in (0, 1)]
    assert flips[0] != flips[1] and 0 < sum(flips[0]) < 16


def test_an_epoch_shows_every_image_once_and_the_next_one_in_another_order():
    batches = Batches(state(batch_size=3000))  # 10,000 images: three batches, and 1000 left out
    numbers = torch.arange(batches.count)
    batches.state.data = copy.copy(batches.state.data)
    object.__setattr__(batches.state.data, "train_targets", numbers)
    epochs = [torch.cat([batches.at(3 * epoch + index)[1] for index in range(3)]) for epoch in range(2)]
    assert batches.count == 10_000
    for epoch in epochs:
        assert len(epoch.unique()) == 9000
    assert not torch.equal(*epochs)


def test_a_batch_larger_than_the_set_is_an_error_that_says_so():
    with pytest.raises(ReproError, match="batch_size 10001 is more than the 10000 training images there are"):
        Batches(state(batch_size=10_001))
    assert len(Batches(state(batch_size=10_000)).at(7)[1]) == 10_000


def test_streams_differ_by_seed_and_purpose_and_leave_room_for_steps():
    seeds = {stream(seed, purpose) for seed in range(50) for purpose in ("noise", "augmentation", "order/0")}
    assert len(seeds) == 150 and max(seeds) < 2**62
    assert torch.equal(torch.rand(3, generator=generator(1, "x")), torch.rand(3, generator=generator(1, "x")))


def test_the_same_seed_starts_from_the_same_weights_whatever_ran_before():
    first = state(5).model.state_dict()
    torch.rand(7)
    again, other = state(5).model.state_dict(), state(6).model.state_dict()
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["classifier.weight"], other["classifier.weight"])


def test_plain_and_residual_nets_start_from_the_same_weights():
    residual, plain = state().model.state_dict(), state(model=PLAIN).model.state_dict()
    assert residual.keys() == plain.keys() and all(torch.equal(residual[name], plain[name]) for name in plain)


# What is left as it was


def surroundings():
    return {
        "random": torch.random.get_rng_state().tolist(),
        "threads": torch.get_num_threads(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "warn only": torch.is_deterministic_algorithms_warn_only_enabled(),
        "fill": torch.utils.deterministic.fill_uninitialized_memory,
        "benchmark": torch.backends.cudnn.benchmark,
        "conv": torch.backends.cudnn.conv.fp32_precision,
        "matmul": torch.backends.cuda.matmul.fp32_precision,
        "gradients": torch.is_grad_enabled(),
    }


@pytest.fixture
def unusual():
    """Settings that are neither torch's defaults nor what a trial sets."""
    before = surroundings()
    torch.manual_seed(12345)
    torch.rand(3)
    torch.set_num_threads(2)
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.backends.cudnn.benchmark = True
    torch.backends.cudnn.conv.fp32_precision = torch.backends.cuda.matmul.fp32_precision = "tf32"
    yield surroundings()
    torch.random.set_rng_state(torch.tensor(before["random"], dtype=torch.uint8))
    torch.set_num_threads(before["threads"])
    torch.use_deterministic_algorithms(before["deterministic"], warn_only=before["warn only"])
    torch.backends.cudnn.benchmark = before["benchmark"]
    torch.backends.cudnn.conv.fp32_precision, torch.backends.cuda.matmul.fp32_precision = before["conv"], before["matmul"]


@pytest.mark.parametrize("recipe", [{}, {"deterministic": False}])
def test_a_trial_leaves_random_streams_threads_and_flags_as_they_were(store, unusual, recipe):
    execute(spec(model=habits(drop=0.5), **recipe), store)
    assert surroundings() == unusual


def test_a_trial_that_fails_leaves_them_too_and_frees_its_lock(store, unusual):
    trial = spec(model=habits(fails="no such luck"))
    with pytest.raises(ValueError, match="no such luck"):
        execute(trial, store)
    assert surroundings() == unusual
    assert store.running() == []
    with store.claim(trial.digest) as got:
        assert got


@pytest.mark.usefixtures("unusual")
def test_settings_of_the_process_do_not_change_the_outcome(store, tmp_path):
    trial, other = spec(model=habits(drop=0.5), augment=["flip"]), Store(tmp_path / "other")
    execute(trial, store)
    torch.set_num_threads(1)
    torch.manual_seed(0)
    execute(trial, other)
    assert outcome(store, trial) == outcome(other, trial)


def test_the_default_stream_is_given_back_and_can_be_seeded():
    before = torch.random.get_rng_state()
    with own_default_stream(CPU):
        seed_default(CPU, 3)
        drawn = torch.rand(2)
        seed_default(CPU, 3)
        assert torch.equal(torch.rand(2), drawn)
    assert torch.equal(torch.random.get_rng_state(), before)


# What a run leaves


def test_evaluation_on_the_way_does_not_disturb_training(store):
    plain = spec(model={**RESNET, "depth": 14}, steps=5)
    often = spec(model={**RESNET, "depth": 14}, steps=5, evaluate={"every": 1})
    for trial in (plain, often):
        execute(trial, store)
    (weights, measured, curves), (same_weights, same_measured, more) = outcome(store, plain), outcome(store, often)
    assert weights == same_weights and measured == same_measured
    assert [step for step, _ in more["test_error"]] == [1, 2, 3, 4, 5]
    assert curves["test_error"] == more["test_error"][-1:] == [[5, measured["test_error"]]]
    assert curves["batch_loss"] == more["batch_loss"]


def test_on_a_cpu_images_are_evaluated_in_parts_and_nothing_shows(monkeypatch):
    measured, sizes = {}, []
    for pixels in (2**19, 49 * 64):
        monkeypatch.setattr("repro.training.state.CPU_PIXELS", pixels)
        trained = state()
        trained.model.register_forward_pre_hook(lambda _, inputs: sizes.append(len(inputs[0])))
        measured[pixels] = trained.evaluate("train", 150)
    assert sizes == [150, 64, 64, 22]
    assert measured[2**19] == measured[49 * 64]


def test_a_run_records_its_spec_measurements_curves_cost_and_environment(store):
    trial = spec()
    execute(trial, store)
    record = store.read(trial.digest)
    assert type(trial).model_validate(record["spec"], strict=False).digest == trial.digest
    assert set(record["measurements"]) == {"train_error", "train_loss", "test_error", "test_loss"}
    assert [step for step, _ in record["curves"]["batch_error"]] == [1, 2, 3, 4, 5, 6]
    cost = record["cost"]
    assert cost["images_per_second"] == pytest.approx(6 * 16 / cost["seconds"]) and cost["evaluation_seconds"] > 0
    assert cost["share_of_matmul_peak"] == pytest.approx(cost["flops"] / cost["seconds"] / 1e9)
    assert record["environment"]["precision"] == "fp32"


def test_a_trial_that_is_done_is_not_trained_again_unless_it_must_be_newer(store):
    trial = spec(model=habits(log=str(store.root) + ".log", label="x"))
    execute(trial, store)
    assert execute(trial, store)
    assert lines(store) == 1
    first = store.read(trial.digest)["finished"]
    assert execute(trial, Store(store.root, newer_than=first + 0.001))
    assert lines(store) == 2 and store.read(trial.digest)["finished"] > first


def lines(store):
    with open(str(store.root) + ".log") as file:
        return len(file.readlines())


def test_a_trial_that_another_process_is_at_is_refused_at_once(store):
    trial = spec()
    with store.claim(trial.digest):
        assert not execute(trial, store)
    assert store.read(trial.digest) is None


@pytest.mark.parametrize("model", [RESNET, habits()])
def test_a_run_that_diverges_ends_with_the_error_of_what_it_predicts_and_no_loss(store, model):
    trial = spec(model=model, optimizer={"lr": 1e30}, steps=4)
    execute(trial, store)
    measured = store.read(trial.digest)["measurements"]
    assert measured["test_error"] == pytest.approx(0.9) and 0.5 < measured["train_error"] <= 1
    assert measured["test_loss"] is None and from_json(measured["train_loss"]) == math.inf


def test_no_steps_at_all_leave_the_net_as_it_was_initialised(store):
    trial = spec(steps=0)
    execute(trial, store)
    trained, fresh = state_of(trial, store, CPU).model.state_dict(), state(steps=0).model.state_dict()
    assert all(torch.equal(trained[name], fresh[name]) for name in fresh)


def test_the_learning_rate_follows_the_schedule_with_a_linear_warmup(store, steps):
    execute(spec(steps=8, warmup=4, optimizer={"lr": 0.5}, schedule={"name": "step", "at": [6], "factor": 0.1}), store)
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
    assert asked == ["CifarResNet"]


def test_a_net_with_shared_weights_can_be_stored_and_read(store):
    trial = spec(model=habits(tied=True))
    execute(trial, store)
    weights = state_of(trial, store, CPU).model.state_dict()
    assert torch.equal(weights["head.weight"], weights["twin.weight"])


@pytest.mark.parametrize("damage", [lambda path: path.unlink(), lambda path: path.write_bytes(path.read_bytes()[:100])])
def test_weights_that_are_gone_or_torn_are_an_error_with_the_file_and_the_remedy(store, damage):
    trial = spec()
    execute(trial, store)
    folder = store.folder(trial.digest)
    damage(folder / "weights.safetensors")
    with pytest.raises(StoreError, match=rf"{folder}/weights\.safetensors: not the weights of its trial .* Delete {folder}"):
        state_of(trial, store, CPU)


@pytest.mark.parametrize("every", [0.0, 60.0])
def test_a_full_disk_ends_a_trial_with_the_remedy_and_it_can_be_run_again(store, tmp_path, monkeypatch, every):
    trial, whole = spec(), Store(tmp_path / "whole")
    with monkeypatch.context() as patched:

        def full(*_):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        patched.setattr(os, "fsync", full)
        with pytest.raises(StoreError, match=r"no space left on the disk\. Nothing is lost: make room and run the same"):
            execute(trial, store, checkpoint_every=every)
    assert list(store.folder(trial.digest).iterdir()) == []
    execute(trial, store)
    execute(trial, whole)
    assert outcome(store, trial) == outcome(whole, trial)


def test_a_trial_that_cannot_say_where_it_stands_is_trained_all_the_same(store):
    store.root.mkdir()
    (store.root / "running").write_text("not a folder")
    trial = spec()
    execute(trial, store)
    assert store.read(trial.digest) is not None


# Curves


def test_a_curve_has_at_most_200_points_and_ends_at_the_last_step():
    for steps in (1, 7, 199, 200, 201, 399, 401, 1234):
        curves = Curves(steps)
        for step in range(1, steps + 1):
            curves.add(step, torch.tensor(float(step)), torch.tensor(0.5))
            curves.test(step, {"test_error": step / steps})
        for points in curves.lists().values():
            assert min(steps, POINTS // 2) <= len(points) <= POINTS
            assert points[-1][0] == steps
        assert curves.lists()["test_error"][-1] == (steps, 1.0)


def test_the_points_of_a_curve_are_means_of_all_steps_since_the_last_point():
    curves = Curves(500)  # a point every 3 steps
    for step in range(1, 501):
        curves.add(step, torch.tensor(float(step)), torch.tensor(0.0))
    points = curves.lists()["batch_loss"]
    assert points[:2] == [(3, 2.0), (6, 5.0)] and points[-1] == (500, 499.5)


def test_curves_that_are_saved_in_the_middle_of_a_window_go_on_exactly():
    whole, first, second = Curves(1000), Curves(1000), Curves(1000)
    values = torch.rand(1000, 2, generator=torch.Generator().manual_seed(1))
    for step in range(1, 1001):
        whole.add(step, *values[step - 1])
        if step == 503:
            second.restore(first.state(), CPU)
        (first if step < 503 else second).add(step, *values[step - 1])
    assert second.lists() == whole.lists()


# Cost and devices


def test_the_operations_of_a_step_are_counted_as_by_hand():
    body, head = 49 * 16, 16 * 10  # multiply-adds of an image
    assert arithmetic(state(model=habits(), batch_size=32)).step_flops == 2 * 32 * (2 * body + 3 * head)
    convolutions = 7 * 7 * 9 * 4 * 4 * 2 + 4 * 4 * 9 * (4 * 8 + 8 * 8) + 2 * 2 * 9 * (8 * 16 + 16 * 16)
    stem, classifier = 7 * 7 * 9 * 4, 16 * 10
    # Backward: as much again for the weights, and for the inputs, which the images need none of.
    counted = arithmetic(state(batch_size=8))
    assert counted.step_flops == 2 * 8 * (2 * stem + 3 * convolutions + 3 * classifier)
    assert counted.macs == stem + convolutions + classifier


def test_counting_operations_leaves_the_net_on_its_device():
    counted = state()
    before = copy.deepcopy(counted.model.state_dict())
    arithmetic(counted)
    assert all(torch.equal(before[name], value) for name, value in counted.model.state_dict().items())
    assert all(p.grad is None for p in counted.model.parameters())


def test_a_net_that_looks_at_values_has_no_count_but_is_trained(store):
    trial = spec(model=habits(peeks=True))
    execute(trial, store)
    cost = store.read(trial.digest)["cost"]
    assert (
        cost["flops"] is None
        and cost["macs"] is None
        and cost["params"] > 0
        and cost["share_of_matmul_peak"] is None
        and cost["images_per_second"] > 0
    )


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_peak_of_a_device_is_measured_once_and_positive(monkeypatch, precision):
    monkeypatch.setattr(devices, "MATMUL", 64)
    real_peak.cache_clear()
    peak = real_peak(CPU, precision)
    assert 1e6 < peak < 1e15 and real_peak(CPU, precision) == peak
    real_peak.cache_clear()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_device_that_is_not_there_is_an_error_that_names_those_that_are(store):
    with pytest.raises(ReproError, match=r"device 'cuda' is not available to torch .* here \(available: cpu\)"):
        execute(spec(device="cuda"), store)


def test_flags_are_those_of_a_trial_inside_and_hold_for_both_kinds():
    for deterministic in (True, False):
        with devices.flags(deterministic):
            assert torch.get_num_threads() == 1
            assert torch.are_deterministic_algorithms_enabled() == deterministic
            assert torch.backends.cudnn.benchmark != deterministic
            assert torch.backends.cuda.matmul.fp32_precision == torch.backends.cudnn.conv.fp32_precision == "ieee"


MEMORY = """
import torch
from repro.training.devices import PeakMemory

for blocks, numbers in ((1, 30_000_000), (100, 300_000), (100, 300_000), (0, 0)):
    memory = PeakMemory(torch.device("cpu"))
    taken = [torch.ones(numbers) for _ in range(blocks)]
    print(memory.read())
    del taken
"""


def test_memory_is_that_of_a_stretch_of_work_whatever_was_freed_before_it():
    """In a process of its own: what other tests leave behind may be freed at any moment. Small blocks come from the heap."""
    told = subprocess.run([sys.executable, "-c", MEMORY], capture_output=True, text=True, check=True).stdout.split()
    if told[0] == "None":
        pytest.skip("this system does not tell")
    *stretches, idle = map(int, told)
    assert all(120e6 < stretch < 135e6 for stretch in stretches) and idle < 10e6


def test_training_needs_no_store_at_all():
    from repro.training.checkpoint import Checkpoint
    from repro.training.loop import Progress

    told = []
    trained = train(state(), Checkpoint(None), Progress(told.append))
    assert 0 <= trained.measurements["test_error"] <= 1
    assert told[0]["steps"] == 6 and told[0]["images_per_second"] > 0
