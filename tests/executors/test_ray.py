"""Trials on Ray, on this machine."""

import pytest

pytest.importorskip("ray", reason="Ray is not installed: pip install 'repro[ray]'")

from repro.checking import load
from repro.errors import ReproError
from repro.executors import executor
from repro.runner import Runner
from repro.store import Store


@pytest.mark.filterwarnings("default")  # Ray's own
def test_ray_gives_the_numbers_that_local_gives_and_its_errors(tiny, tmp_path):
    suite = load(tiny)
    here = Runner(Store(tmp_path / "here"), executor("local", 1), "cpu", seeds_max=2)
    there = Runner(Store(tmp_path / "there"), executor("ray"), "cpu", seeds_max=2)
    try:
        assert there.decide(suite, "learns").values == here.decide(suite, "learns").values
        with pytest.raises(ReproError, match="REPRO_DATA"):
            Runner(Store(tmp_path / "there"), there.executor, "missing").decide(suite, "learns")
    finally:
        there.close()
