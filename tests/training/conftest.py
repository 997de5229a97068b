"""What tests of trials share."""

from pathlib import Path

import pytest
from training.tiny import install

from repro.state import devices
from repro.store import Store


@pytest.fixture
def nets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The model `habits`, and a peak of the device that is not measured."""
    install(tmp_path / "packages", monkeypatch)
    monkeypatch.setattr(devices, "matmul_peak", lambda *_: 1e9)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")
