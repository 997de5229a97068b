"""Trials on Ray, on this machine: one cluster for all tests, since each of its workers imports torch."""

from functools import partial

import pytest

pytest.importorskip("ray", reason="Ray is not installed: pip install 'repro[ray]'")

from kit.tiny import spec

from repro.errors import ReproError
from repro.executors import elsewhere, executor
from repro.reading import load
from repro.recipe import Named
from repro.runner import Runner
from repro.session import Session
from repro.store import Store

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]  # processes; Ray's own warnings


@pytest.fixture(scope="module")
def cluster():
    import ray

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ray, "init", partial(ray.init, num_cpus=1))
        patch.setenv("REPRO_DATA", "/as/the/cluster/began")
        executor("ray")
    yield
    ray.shutdown()


@pytest.fixture
def there(cluster, tmp_path, monkeypatch):  # noqa: ARG001
    """What runs on the cluster, which stays when it is closed."""
    found = executor("ray")
    monkeypatch.setattr(found.ray, "shutdown", lambda: None)
    runner = Runner(Store(tmp_path / "there"), found)
    yield runner
    runner.close()


def test_ray_gives_the_numbers_that_local_gives(tiny, tmp_path, there):
    suite = load(tiny)
    here = Session(Runner(Store(tmp_path / "here"), executor("local", 1)), "cpu", seeds_max=2)
    also = Session(there, "cpu", seeds_max=2)
    assert also.decide(suite, "learns").claim.values == here.decide(suite, "learns").claim.values


def test_settings_reach_workers_and_their_errors_come_back(there, monkeypatch, tmp_path):
    monkeypatch.setenv("REPRO_DATA", str(tmp_path / "set-later"))
    without_its_data = spec().model_copy(update={"data": Named(name="cifar10")})
    with pytest.raises(ReproError, match="set-later"):
        there.ensure([without_its_data])


def test_a_worker_with_other_code_is_refused(tiny, there, monkeypatch):
    monkeypatch.setattr(elsewhere, "common", lambda: elsewhere.Common("altered", "2"))
    with pytest.raises(ReproError, match="has other code of repro"):
        Session(there, "cpu").decide(load(tiny), "learns")


def test_a_trial_for_a_gpu_is_an_error_at_once(tiny, there):
    with pytest.raises(ReproError, match="no machine of the Ray cluster has a GPU"):
        Session(there, "cpu", device="cuda").decide(load(tiny), "learns")
