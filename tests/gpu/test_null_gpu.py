"""Where trials run on GPUs, tried on devices that have memory and compute nothing: see null/cuda.c."""

import os
import shutil
import struct
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import NamedTuple

import pytest
import torch
from conftest import TINY
from kit.tiny import spec, state

from repro.work import room

pytestmark = pytest.mark.slow  # builds, and starts processes

NULL = Path(__file__).parent / "null"
ROOT = Path(__file__).parents[2]
GIB = 2**30
KEPT = 2**21  # bytes, the allocator's smallest block: what a worker had between trials that was ended there


class Device(NamedTuple):
    """Bytes that are in use, and that have been at once; processes that have ever taken some."""

    used: int
    peak: int
    processes: int


class Gpus:
    """So many, of so many bytes each."""

    def __init__(self, folder, library, count, size):
        self.folder, self.count, self.ledger = folder, count, folder / f"ledger-{count}-{size}"
        self.env = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(map(str, (NULL, ROOT, ROOT / "tests"))),
            "LD_PRELOAD": str(library),
            "NULL_GPUS": str(count),
            "NULL_BYTES": str(size),
            "NULL_LEDGER": str(self.ledger),
            "REPRO_HOME": str(folder / f"store-{count}-{size}"),
        }

    def python(self, *arguments):
        command = [sys.executable, *map(str, arguments)]
        return subprocess.run(command, cwd=self.folder, env=self.env, capture_output=True, text=True)

    def repro(self, *arguments):
        return self.python("-m", "repro", "run", *arguments, "--device", "cuda", "--pilot")

    @property
    def devices(self):
        return [Device(*row) for row in struct.iter_unpack("qqq", self.ledger.read_bytes())][: self.count]


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    """Built for this torch."""
    compiler, packages = shutil.which("cc"), Path(sysconfig.get_paths()["purelib"])
    headers = [
        packages / "nvidia" / "cu13" / "include",
        packages / "triton" / "backends" / "nvidia" / "include",
    ]
    if (
        compiler is None
        or not (torch.version.cuda or "").startswith("13.")
        or not all(map(Path.is_dir, headers))
    ):
        pytest.skip("needs a C compiler, and a torch for CUDA 13 with its headers")
    built = tmp_path_factory.mktemp("null") / "libcuda.so.1"
    options = [
        "-w",
        "-O1",
        "-fPIC",
        "-shared",
        "-Wl,-soname,libcuda.so.1",
        *(f"-I{path}" for path in headers),
    ]
    subprocess.run([compiler, *options, NULL / "cuda.c", "-o", built, "-lpthread"], check=True)
    return built


@pytest.fixture
def gpus(tmp_path, library):
    (tmp_path / "tiny.yaml").write_text(TINY)
    return lambda count, size: Gpus(tmp_path, library, count, int(size))


def trials(gpus):
    return len(list(Path(gpus.env["REPRO_HOME"]).glob("trials/*.json")))


def test_four_workers_on_four_gpus_and_two_on_one_hold_no_more_than_a_trial_takes(gpus):
    one = gpus(1, 80 * GIB)
    assert one.repro("tiny.yaml", "-k", "coin", "-j", "1").returncode in (0, 1)
    (alone,) = one.devices
    assert trials(one) >= 5 and alone.used == 0 and alone.processes == 1

    four = gpus(4, 80 * GIB - 1)
    done = four.repro("tiny.yaml", "-k", "coin", "-j", "4")
    assert done.returncode in (0, 1) and trials(four) == trials(one), done.stderr
    assert sum(device.processes for device in four.devices) >= 2
    assert all(device.used <= KEPT and device.peak <= alone.peak for device in four.devices)

    shared = gpus(1, 80 * GIB - 2)
    options = ("--device", "cuda", "--pilot", "-n", "2", "-p", "no:cacheprovider", "-k", "learns or coin")
    tested = shared.python("-m", "pytest", "tiny.yaml", *options)
    assert "2 workers" in tested.stdout and "rror" not in tested.stdout.replace("test_error", ""), (
        tested.stdout
    )
    (device,) = shared.devices
    assert device.processes == 2 and device.used == 0 and device.peak <= alone.peak


def test_what_is_too_large_for_a_gpu_of_23_gib_is_one_line_and_the_rest_is_decided(gpus, tmp_path):
    huge = "  huge: {model: cifar_resnet, depth: 56, width: 256, recipe: {batch_size: 5000}}\n"
    claim = "  far: {says: It fits., expect: test_error(huge) < test_error(frozen)}\n"
    (tmp_path / "tiny.yaml").write_text(
        TINY.replace("    model: {width: 4}\n", "").replace("  large:", huge + "  large:") + claim
    )
    small = gpus(1, 23 * GIB)
    done = small.repro("tiny.yaml", "-k", "r", "-j", "1")  # far, learns, order, upside-down
    assert done.returncode == 2 and "learns" in done.stdout
    said = [line for line in done.stderr.splitlines() if "a batch of 5000 takes about" in line]
    assert said and "of the GPU's memory, of which 24.7 GB are free. Take a smaller batch_size" in said[0]
    assert trials(small) >= 10 and "Traceback" not in done.stderr


def test_what_runs_out_of_memory_all_the_same_is_a_line_with_its_batch(gpus):
    done = gpus(1, 2**20).repro("tiny.yaml", "-k", "learns", "-j", "1")
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert "takes about" in done.stderr or "the memory of 'cuda:0' is not enough" in done.stderr


STEPS = """
import ctypes
import torch
from kit.tiny import spec, state
from repro.data.split import InMemory
from repro.state.net import build
from repro.training.pace import _stepping
from repro.work.room import placed

device = torch.device("cuda", 0)
ours = build(spec(), placed(spec(), state().data, device), device)
step, null = _stepping(ours), ctypes.CDLL("libcuda.so.1")
step()
counts = [ctypes.c_long.in_dll(null, f"null_{what}") for what in ("kernels", "to_device", "to_host", "waits")]
before = [one.value for one in counts]
step()
print(type(ours.data.train).__name__, *(one.value - then for one, then in zip(counts, before)))
"""


def test_a_set_beside_the_net_and_one_that_is_copied_cost_a_step_no_wait_and_the_same_kernels(gpus):
    data = state().data
    images = sum(split.images.nbytes + split.targets.nbytes for split in (data.train, data.test))
    room_for_both = room.need(spec(), data) + images
    found = {}
    for size in (room_for_both, room_for_both - 1):
        done = gpus(1, size).python("-c", STEPS)
        assert done.returncode == 0, done.stderr
        kind, *counts = done.stdout.split()
        found[kind] = list(map(int, counts))
    kernels, to_device, to_host, waits = found["InMemory"]
    assert kernels > 50 and (to_host, waits) == (0, 0)
    more = found["Staged"]
    assert more[1] == to_device + 2 and more[2:] == [0, 0]  # images and labels
