"""Devices: their peak, their flags, their memory."""

import subprocess
import sys
from functools import cache

import pytest
import torch
from kit.tiny import evaluating, spec

from repro.errors import ReproError
from repro.state import devices, tf32
from repro.work.execute import execute

CPU = torch.device("cpu")
pytestmark = pytest.mark.usefixtures("nets")

real_peak = devices.matmul_peak


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_peak_of_a_device_is_measured_once_and_positive(monkeypatch, precision):
    monkeypatch.setattr(devices, "MATMUL", {"cpu": (32, 64)})
    real_peak.cache_clear()
    peak = real_peak(CPU, precision)
    assert 1e6 < peak < 1e15 and real_peak(CPU, precision) == peak
    real_peak.cache_clear()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_device_that_is_not_there_is_an_error_that_names_those_that_are(store):
    with pytest.raises(
        ReproError, match=r"device 'cuda' is not available to torch .* here \(available: cpu\)"
    ):
        execute(spec(device="cuda"), store)


def test_flags_are_those_of_a_trial_inside_and_hold_for_both_kinds():
    for deterministic in (True, False):
        with devices.flags(deterministic):
            assert torch.get_num_threads() == 1
            assert torch.are_deterministic_algorithms_enabled() == deterministic
            assert torch.backends.cudnn.benchmark != deterministic
            assert (
                torch.backends.cuda.matmul.fp32_precision
                == torch.backends.cudnn.conv.fp32_precision
                == "ieee"
            )


def test_tf32_is_what_products_on_cuda_are_meanwhile_and_a_net_is_as_in_fp32():
    trial = spec(precision="tf32")
    with devices.flags(True):
        with tf32.products(trial.recipe):
            assert torch.backends.cuda.matmul.fp32_precision == "tf32"
            assert torch.backends.cudnn.conv.fp32_precision == "tf32"
        assert torch.backends.cuda.matmul.fp32_precision == "ieee"
        assert torch.backends.cudnn.conv.fp32_precision == "ieee"
        for other in ("fp32", "bf16"):
            with tf32.products(spec(precision=other).recipe):
                assert torch.backends.cuda.matmul.fp32_precision == "ieee"
    assert tf32.as_fp32(trial) == spec() != trial and trial.digest != spec().digest
    assert tf32.as_fp32(bf16 := spec(precision="bf16")) is bf16


def test_the_peak_under_tf32_is_measured_anew_and_not_taken_for_that_of_fp32(monkeypatch):
    monkeypatch.setattr(devices, "MATMUL", 64)
    monkeypatch.setattr(devices, "matmul_peak", real_peak)
    real_peak.cache_clear()
    before = real_peak(CPU, "fp32")
    with tf32.products(spec(precision="tf32").recipe):
        assert real_peak.cache_info().currsize == 0
        real_peak(CPU, "fp32")
    assert real_peak.cache_info().currsize == 0 and before > 0


def test_on_a_cpu_a_trial_in_tf32_ends_as_in_fp32(store, monkeypatch):
    monkeypatch.setattr(devices, "matmul_peak", cache(lambda *_: 1e9))
    weights, told = {}, {}
    for precision in ("fp32", "tf32"):
        trial = spec(precision=precision)
        execute(trial, store)
        weights[precision] = store.read_file(trial, trial.file)
        told[precision] = store.read(trial)["environment"]["precision"]
    assert weights["fp32"] == weights["tf32"] and told == {"fp32": "fp32", "tf32": "tf32"}
    looked = evaluating(spec(precision="tf32"), images=20)
    execute(looked, store)
    assert store.read(looked)["measurements"]["test_error"] <= 1


MEMORY = """
import torch
from repro.state.devices import PeakMemory

for blocks, numbers in ((1, 30_000_000), (100, 300_000), (100, 300_000), (0, 0)):
    memory = PeakMemory(torch.device("cpu"))
    taken = [torch.ones(numbers) for _ in range(blocks)]
    print(memory.read())
    del taken
"""


@pytest.mark.slow
def test_memory_is_that_of_a_stretch_of_work_whatever_was_freed_before_it():
    """In a process of its own: what others leave may be freed at any moment. Small blocks are the heap's."""
    told = subprocess.run(
        [sys.executable, "-c", MEMORY], capture_output=True, text=True, check=True
    ).stdout.split()
    if told[0] == "None":
        pytest.skip("this system does not tell")
    *stretches, idle = map(int, told)
    assert all(120e6 < stretch < 135e6 for stretch in stretches) and idle < 10e6
