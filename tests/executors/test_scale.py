"""The larger scale is offered where there is a GPU, and nowhere else."""

import sys

import pytest
import torch

from repro import environment
from repro.executors.scale import offer


@pytest.fixture
def sees(monkeypatch):
    """Whether torch and the driver see a GPU."""

    def sees(torch_does, driver_does=True):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: torch_does)
        monkeypatch.setattr(environment, "gpu_names", lambda: ("a GPU",) if driver_does else ())

    return sees


def both():
    return {"cpu", "gpu"}


def test_where_torch_sees_a_gpu_the_larger_scale_is_offered(sees):
    sees(True)
    line = offer("cpu", both)
    assert line is not None and "--profile gpu" in line and "\n" not in line


def test_nothing_is_offered_without_a_gpu_nor_what_was_run_or_is_not_there(sees):
    sees(False)
    assert offer("cpu", both) is None
    sees(True)
    assert offer("gpu", both) is None
    assert offer("paper", both) is None
    assert offer("cpu", lambda: {"cpu", "paper"}) is None


def test_torch_is_not_imported_for_it_where_the_driver_lists_no_gpu(sees, monkeypatch):
    sees(True, driver_does=False)
    monkeypatch.delitem(sys.modules, "torch")
    assert offer("cpu", both) is None
    assert "torch" not in sys.modules
