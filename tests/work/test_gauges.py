"""What is read off a GPU, on a driver made up here: it says what it is told to, and nothing of the rest."""

import sys
import time
from types import SimpleNamespace

import pytest
import torch

from repro.work import gauges
from repro.work.gauges import FEWEST, TICKS, Gauges

CUDA = torch.device("cuda")


class Nvml:
    """Of a GPU that takes 300 W, and whose energy counter ticks every 5 ms."""

    NVML_CLOCK_SM, NVML_CLOCK_MEM, NVML_TEMPERATURE_GPU = 1, 2, 0

    class NVMLError(Exception):
        pass

    def __init__(self, bits=0, ticks=True, error=False):
        self.bits, self.ticks, self.error = bits, ticks, error

    def nvmlInit(self):
        if self.error:
            raise self.NVMLError

    def nvmlDeviceGetHandleByUUID(self, uuid):
        assert uuid == "GPU-1234"
        return "handle"

    def nvmlDeviceGetTotalEnergyConsumption(self, handle):
        assert handle == "handle"
        return int(time.perf_counter() / 0.005) * 1500 if self.ticks else 7

    def nvmlDeviceGetCurrentClocksThrottleReasons(self, _):
        return self.bits

    def nvmlDeviceGetClockInfo(self, _, which):
        return {1: 1980, 2: 2619}[which]

    def nvmlDeviceGetMaxClockInfo(self, _, which):
        return {1: 1985}[which]

    def nvmlDeviceGetTemperature(self, _, which):
        assert which == 0
        return 42

    def nvmlDeviceGetPowerManagementLimit(self, _):
        return 700_000

    def nvmlDeviceGetComputeRunningProcesses(self, _):
        raise self.NVMLError


@pytest.fixture
def driver(monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: SimpleNamespace(uuid="1234"))

    def put(**how):
        monkeypatch.setitem(sys.modules, "pynvml", Nvml(**how))
        return Gauges.of(CUDA)

    return put


def test_the_state_of_a_gpu_has_units_and_none_for_what_it_does_not_tell(driver):
    assert driver().state() == {
        "clock_mhz": 1980,
        "highest_clock_mhz": 1985,
        "memory_clock_mhz": 2619,
        "celsius": 42,
        "power_limit_watts": 700.0,
        "other_processes": None,
    }


@pytest.mark.parametrize(
    ("bits", "why"),
    [(0, ()), (1, ()), (4, ("power cap",)), (0x48, ("hardware slowdown", "temperature, by the hardware"))],
)
def test_idling_slows_nothing_down_and_the_rest_has_a_name(driver, bits, why):
    assert driver(bits=bits).slowed() == why


def test_energy_is_counted_from_tick_to_tick(driver):
    found = driver().energy(lambda: time.sleep(0.0005))
    assert found.joules == pytest.approx(1.5 * TICKS, rel=0.2)  # more, where a tick was slept through
    assert found.watts == pytest.approx(300, rel=0.1)
    assert found.times >= TICKS and driver().idle_watts() == pytest.approx(300, rel=1 / FEWEST)


def test_a_counter_that_stands_still_says_nothing(driver, monkeypatch):
    monkeypatch.setattr(gauges, "LONGEST", 0.05)
    assert driver(ticks=False).energy(lambda: None) is None and driver(ticks=False).idle_watts() is None


def test_without_a_gpu_its_library_or_an_answer_there_are_no_gauges(driver, monkeypatch):
    assert driver(error=True) is None and Gauges.of(torch.device("cpu")) is None
    monkeypatch.setitem(sys.modules, "pynvml", None)  # not installed
    assert Gauges.of(CUDA) is None
