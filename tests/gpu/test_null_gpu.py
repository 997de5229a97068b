"""Where trials run on GPUs, tried on devices that have memory and compute nothing: see null/cuda.c."""

from pathlib import Path

import pytest
from conftest import TINY
from null_gpu import GIB, Gpus, Server, build, lacking

pytestmark = pytest.mark.journey  # builds, and starts processes

KEPT = 2**21  # bytes, the allocator's smallest block: what a worker had between trials that was ended there


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    if why := lacking():
        pytest.skip(why)
    return build(tmp_path_factory.mktemp("null"))


@pytest.fixture(scope="module")
def server(library):
    server = Server(library)
    yield server
    server.close()


@pytest.fixture
def gpus(tmp_path, library, server):
    (tmp_path / "tiny.yaml").write_text(TINY)
    return lambda count, size: Gpus(tmp_path, library, count, int(size), server)


def trials(gpus):
    return len(list(Path(gpus.env["REPRO_HOME"]).glob("trials/*.json")))


def test_two_workers_on_two_gpus_and_two_on_one_take_no_more_than_trials_do(gpus):
    one = gpus(1, 80 * GIB)
    assert one.repro("tiny.yaml", "-k", "coin", "-j", "1").returncode in (0, 1)
    (alone,) = one.devices
    assert trials(one) >= 5 and alone.used <= KEPT and alone.processes == 1

    two = gpus(2, 80 * GIB - 1)
    done = two.repro("tiny.yaml", "-k", "coin", "-j", "2")
    assert done.returncode in (0, 1) and trials(two) == trials(one), done.stderr
    assert sum(device.processes for device in two.devices) >= 2
    assert all(device.used <= KEPT and device.peak <= alone.peak for device in two.devices)

    both = gpus(1, 80 * GIB - 2)
    done = both.repro("tiny.yaml", "-k", "coin", "-j", "2", "--per-gpu", "2")
    assert done.returncode in (0, 1) and trials(both) == trials(one), done.stderr
    (device,) = both.devices
    assert device.processes == 2 and alone.peak <= device.peak <= 2 * alone.peak

    shared = gpus(1, 80 * GIB - 3)
    options = ("--device", "cuda", "--pilot", "-n", "2", "-p", "no:cacheprovider", "-k", "coin or known")
    tested = shared.python("-m", "pytest", "tiny.yaml", *options)
    assert "2 workers" in tested.stdout and "rror" not in tested.stdout.replace("test_error", ""), (
        tested.stdout
    )
    (device,) = shared.devices
    assert device.processes in (1, 2) and device.used <= device.processes * KEPT
    assert device.peak <= alone.peak + KEPT


def test_what_is_too_large_for_a_gpu_of_23_gib_is_one_line_and_the_rest_is_decided(gpus, tmp_path):
    huge = "  huge: {model: cifar_resnet, depth: 56, width: 256, recipe: {batch_size: 10000}}\n"
    claim = "  far: {says: It fits., expect: test_error(huge) < test_error(frozen)}\n"
    (tmp_path / "tiny.yaml").write_text(
        TINY.replace("    model: {width: 4}\n", "").replace("  large:", huge + "  large:") + claim
    )
    small = gpus(1, 23 * GIB)
    done = small.repro("tiny.yaml", "-k", "r", "-j", "1")  # far and order, and others whose numbers are none
    assert done.returncode == 2 and "tiny.yaml::order" in done.stdout
    said = [line for line in done.stderr.splitlines() if "a batch of 10000 takes about" in line]
    assert said and "of the GPU's memory, of which 24.7 GB are free. Take a smaller batch_size" in said[0]
    assert "Traceback" not in done.stderr


def test_what_is_too_large_for_its_part_of_a_gpu_is_told_before_any_trial(gpus):
    shared = gpus(1, 4 * GIB)  # an eighth is less than a context of CUDA takes
    done = shared.repro("tiny.yaml", "-k", "learns", "-j", "1", "--per-gpu", "8")
    assert done.returncode == 2 and trials(shared) == 0, done.stderr
    assert "a batch of 32 takes about" in done.stderr and "in arm 'small'" in done.stderr


def test_what_runs_out_of_memory_all_the_same_is_a_line_with_its_batch(gpus):
    done = gpus(1, 2**20).repro("tiny.yaml", "-k", "learns", "-j", "1")
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert "takes about" in done.stderr or "the memory of 'cuda:0' is not enough" in done.stderr


STEPS = """
import ctypes
import os
import torch
from kit.tiny import spec, state
from repro.state.net import build
from repro.training.pace import _stepping
from repro.work import room

device, data = torch.device("cuda", 0), state().data
images = sum(split.images.nbytes + split.targets.nbytes for split in (data.train, data.test))
both, null = room.need(spec(), data) + images, ctypes.CDLL("libcuda.so.1")
counts = [ctypes.c_long.in_dll(null, f"null_{what}") for what in ("kernels", "to_device", "to_host", "waits")]
for free in (both, both - 1):
    room._free = lambda *_: free
    ours = build(spec(), room.placed(spec(), data, device), device)
    step = _stepping(ours)
    step()
    before = [one.value for one in counts]
    step()
    row = (type(ours.data.train).__name__, *(one.value - then for one, then in zip(counts, before)))
    print(*row, flush=True)
os._exit(0)  # at the end of an interpreter, PyTorch's thread of gradients may ask for it once more, and abort
"""


def test_a_set_beside_the_net_and_one_that_is_copied_cost_a_step_no_wait(gpus):
    done = gpus(1, 80 * GIB).python("-c", STEPS)
    assert done.returncode == 0, done.stderr
    rows = map(str.split, done.stdout.splitlines())
    found = {kind: list(map(int, counts)) for kind, *counts in rows}
    kernels, to_device, to_host, waits = found["InMemory"]
    assert kernels > 50 and (to_host, waits) == (0, 0)
    assert found["Staged"][1:] == [to_device + 2, 0, 0]  # images and labels
    assert found["Staged"][0] < kernels  # rows are looked up by the host
