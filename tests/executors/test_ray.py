"""Trials on Ray, on this machine."""

from functools import partial

import pytest

pytest.importorskip("ray", reason="Ray is not installed: pip install 'repro[ray]'")

from repro.errors import ReproError
from repro.executors import executor
from repro.reading import load
from repro.runner import Runner
from repro.session import Session
from repro.store import Store

pytestmark = pytest.mark.slow  # processes


@pytest.mark.filterwarnings("default")  # Ray's own
def test_ray_gives_the_numbers_that_local_gives_and_its_errors(tiny, tmp_path, monkeypatch):
    import ray

    monkeypatch.setattr(ray, "init", partial(ray.init, num_cpus=1))  # each of its workers imports torch
    suite = load(tiny)
    here = Session(Runner(Store(tmp_path / "here"), executor("local", 1)), "cpu", seeds_max=2)
    there = Session(Runner(Store(tmp_path / "there"), executor("ray")), "cpu", seeds_max=2)
    try:
        learns, also = there.decide(suite, "learns").claim, here.decide(suite, "learns").claim
        assert learns.values == also.values
        with pytest.raises(ReproError, match="REPRO_DATA"):
            Session(there.runner, "missing").decide(suite, "learns")
    finally:
        there.close()
