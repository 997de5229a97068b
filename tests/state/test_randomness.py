"""Random streams: what is drawn from them, and that a trial leaves those of its process as they were."""

import pytest
import torch
from kit.tiny import RESNET, habits, outcome, spec, state

from repro.faults import Fault
from repro.state.randomness import generator, own_default_stream, seed_default, stream
from repro.store import Store
from repro.work.execute import execute

CPU = torch.device("cpu")
pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("nets")]  # trains, in processes too

PLAIN = {**RESNET, "residual": False}


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
    torch.backends.cudnn.conv.fp32_precision, torch.backends.cuda.matmul.fp32_precision = (
        before["conv"],
        before["matmul"],
    )


@pytest.mark.parametrize("recipe", [{}, {"deterministic": False}])
def test_a_trial_leaves_random_streams_threads_and_flags_as_they_were(store, unusual, recipe):
    execute(spec(model=habits(drop=0.5), **recipe), store)
    assert surroundings() == unusual


def test_a_trial_that_fails_leaves_them_too_and_frees_its_lock(store, unusual):
    trial = spec(model=habits(fails="no such luck"))
    with pytest.raises(Fault, match="ValueError: no such luck"):
        execute(trial, store)
    assert surroundings() == unusual
    assert store.running() == []
    with store.take(trial) as mine:
        assert mine


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
