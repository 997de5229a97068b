"""What an NVIDIA GPU says of itself while nets are timed on it: clocks, power, and what slows it down.

By NVML, the driver's own library (https://docs.nvidia.com/deploy/nvml-api), through nvidia-ml-py.
"""

import time
from collections.abc import Callable
from importlib import import_module
from typing import Any, NamedTuple, Self

import torch

# What makes clocks lower than they would be: bits of NVML's clock event reasons. Idling is none of them.
SLOWED = {
    0x0002: "clocks are set by an application",
    0x0004: "power cap",
    0x0008: "hardware slowdown",
    0x0010: "held to the clocks of other GPUs",
    0x0020: "temperature, by the driver",
    0x0040: "temperature, by the hardware",
    0x0080: "power brake",
}
TICKS, FEWEST = 10, 5  # of the energy counter, for a net and for the idle device
LONGEST = 5.0  # seconds of waiting for them


class Energy(NamedTuple):
    """Between two ticks of the counter."""

    joules: float
    seconds: float
    times: int  # what was done in between

    @property
    def watts(self) -> float:
        return self.joules / self.seconds


class Gauges:
    """Of one GPU."""

    def __init__(self, nvml: Any, handle: Any):
        self._nvml, self._handle = nvml, handle

    @classmethod
    def of(cls, device: torch.device) -> Self | None:
        """None where there is no NVIDIA GPU, no nvidia-ml-py, or where the driver does not answer."""
        if device.type != "cuda":
            return None
        try:
            nvml = import_module("pynvml")
        except ImportError:
            return None
        try:
            nvml.nvmlInit()
            uuid = torch.cuda.get_device_properties(device).uuid
            return cls(nvml, nvml.nvmlDeviceGetHandleByUUID(f"GPU-{uuid}"))
        except nvml.NVMLError:
            return None

    def state(self) -> dict[str, Any]:
        """Clocks in MHz, degrees Celsius, watts, and how many other processes compute there; None for what
        this GPU does not tell.
        """
        read, nvml = self._read, self._nvml
        limit = read("nvmlDeviceGetPowerManagementLimit")
        running = read("nvmlDeviceGetComputeRunningProcesses")
        return {
            "clock_mhz": read("nvmlDeviceGetClockInfo", nvml.NVML_CLOCK_SM),
            "highest_clock_mhz": read("nvmlDeviceGetMaxClockInfo", nvml.NVML_CLOCK_SM),
            "memory_clock_mhz": read("nvmlDeviceGetClockInfo", nvml.NVML_CLOCK_MEM),
            "celsius": read("nvmlDeviceGetTemperature", nvml.NVML_TEMPERATURE_GPU),
            "power_limit_watts": None if limit is None else limit / 1000,
            "other_processes": None if running is None else max(0, len(running) - 1),
        }

    def slowed(self) -> tuple[str, ...]:
        """Why its clocks are lower than they would be, now."""
        bits = self._read("nvmlDeviceGetCurrentClocksThrottleReasons") or 0
        return tuple(why for bit, why in SLOWED.items() if bits & bit)

    def energy(self, work: Callable[[], object], ticks: int = TICKS) -> Energy | None:
        """What the GPU takes while `work` is done again and again: from a tick of its counter to one so many
        later, or to the last in some seconds. None where it does not count, or has hardly ticked by then.
        """
        last = self._counter()
        if last is None:
            return None
        end = time.perf_counter() + LONGEST
        marks = list[tuple[float, int, int]]()  # of ticks: when, what it said, what had been done
        times = 0
        while len(marks) <= ticks and time.perf_counter() < end:
            work()
            times += 1
            now = self._counter()
            if now is not None and now != last:
                last = now
                marks.append((time.perf_counter(), now, times))
        if len(marks) <= FEWEST:
            return None
        (begun, before, done), (ended, after, all_done) = marks[0], marks[-1]
        return Energy((after - before) / 1000, ended - begun, all_done - done)

    def idle_watts(self) -> float | None:
        found = self.energy(lambda: time.sleep(0.002), FEWEST)
        return None if found is None else found.watts

    def _counter(self) -> int | None:
        """Millijoules since the driver was loaded."""
        found: int | None = self._read("nvmlDeviceGetTotalEnergyConsumption")
        return found

    def _read(self, name: str, *what: Any) -> Any:
        try:
            return getattr(self._nvml, name)(self._handle, *what)
        except self._nvml.NVMLError:
            return None
