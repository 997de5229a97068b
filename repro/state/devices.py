"""Devices: which one, with which flags, and what it can do."""

import ctypes
import gc
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import psutil
import torch

from repro.environment import cpu_name
from repro.errors import ReproError

ERROR = 2  # the mode in which what is not deterministic raises
# Sides of the square matrices whose product is a device's peak here: on one core half a second even in fp32;
# a GPU is full with the larger ones only.
MATMUL = {"cpu": (1024,), "mps": (1024, 4096), "cuda": (2048, 4096, 8192)}


def resolve(name: str, index: int = 0) -> torch.device:
    """The device of a name. Raises `ReproError` where it is not there."""
    available: dict[str, Callable[[], bool]] = {
        "cpu": lambda: True,
        "cuda": torch.cuda.is_available,
        "mps": torch.backends.mps.is_available,
    }
    if not available[name]():
        present = ", ".join(key for key, there in available.items() if there())
        raise ReproError(
            f"device '{name}' is not available to torch {torch.__version__} here (available: {present})"
        )
    return torch.device(name, index) if name == "cuda" else torch.device(name)


@contextmanager
def flags(deterministic: bool) -> Iterator[None]:
    """One CPU thread, true fp32, deterministic kernels, as trials want them; then everything as it was."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # without it cuBLAS is not deterministic
    deterministic_: Any = torch.utils.deterministic  # modules that make their settings as they are imported
    cudnn: Any = torch.backends.cudnn
    before = (
        torch.get_num_threads(),
        torch.get_deterministic_debug_mode(),
        deterministic_.fill_uninitialized_memory,
        cudnn.benchmark,
        cudnn.conv.fp32_precision,
        torch.backends.cuda.matmul.fp32_precision,
    )

    def put(threads: int, mode: int, fill: bool, benchmark: bool, conv: str, matmul: str) -> None:
        torch.set_num_threads(threads)
        torch.set_deterministic_debug_mode(mode)  # as use_deterministic_algorithms, without 2 s of imports
        deterministic_.fill_uninitialized_memory = fill  # costs time, finds only bugs of torch
        cudnn.benchmark = benchmark
        cudnn.conv.fp32_precision = conv
        torch.backends.cuda.matmul.fp32_precision = matmul

    put(1, ERROR if deterministic else 0, False, not deterministic, "ieee", "ieee")
    try:
        yield
    finally:
        put(*before)


def synchronise(device: torch.device) -> None:
    """Wait for the device, before reading a clock."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


class PeakMemory:
    """Bytes that work takes beyond what was taken before it; None where the device does not tell."""

    STATUS, RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")

    def __init__(self, device: torch.device):
        self.device, self.start = device, 0
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
            self.start = torch.cuda.memory_allocated(device)
        elif device.type == "cpu":
            gc.collect()  # what is freed in the middle of the stretch would hide as much of what is taken
            _trim()
            try:
                self.RESET.write_text("5")  # Linux: the high-water mark of resident memory starts again
            except OSError:
                self.start = -1
            else:
                self.start = psutil.Process().memory_info().rss

    def read(self) -> int | None:
        if self.device.type == "cuda":
            return torch.cuda.max_memory_allocated(self.device) - self.start
        if self.device.type == "cpu" and self.start >= 0:
            found = re.search(r"VmHWM:\s+(\d+) kB", self.STATUS.read_text())
            return max(0, int(found[1]) * 1024 - self.start) if found else None
        return None


def _trim() -> None:
    """Give the heap's free pages back, or what takes them again would not show. Only glibc can be asked."""
    if os.name == "posix":
        libc = ctypes.CDLL(None)
        if hasattr(libc, "malloc_trim"):
            libc.malloc_trim(0)


@cache
def matmul_peak(device: torch.device, precision: str) -> float:
    """FLOP a second of a large matrix product, best of several: what this device can do at this precision."""
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    return max(_product_rate(side, dtype, device) for side in MATMUL[device.type])


def _product_rate(side: int, dtype: torch.dtype, device: torch.device) -> float:
    own = torch.Generator(device).manual_seed(0)  # nobody else's numbers are drawn
    a, b = (torch.randn(side, side, device=device, generator=own).to(dtype) for _ in range(2))
    best, deadline = float("inf"), time.perf_counter() + 0.3
    a @ b
    while time.perf_counter() < deadline or best == float("inf"):
        synchronise(device)
        start = time.perf_counter()
        a @ b
        synchronise(device)
        best = min(best, time.perf_counter() - start)
    return 2 * side**3 / best


@cache
def describe(device: torch.device, precision: str) -> dict[str, Any]:
    """What makes timings comparable: same device model, driver, torch and precision."""
    if device.type == "cuda":
        name, driver = torch.cuda.get_device_name(device), _driver()
    else:
        name, driver = cpu_name(), None
    return {"device": name, "driver": driver, "torch": torch.__version__, "precision": precision}


def _driver() -> str | None:
    try:
        found = re.search(r"\d+\.\d+(\.\d+)?", Path("/proc/driver/nvidia/version").read_text())
    except OSError:
        return None
    return found[0] if found else None
