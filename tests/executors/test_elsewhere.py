"""Workers on other machines: what they must have in common with who asks. Hosts are made up."""

import socket

import pytest
from kit.tiny import install

from repro import source
from repro.errors import ReproError
from repro.executors import elsewhere
from repro.executors.elsewhere import Common
from repro.executors.ray import room
from repro.job import Needs
from repro.store import Store

OURS = Common("one", "2.14.1")


@pytest.fixture(autouse=True)
def machine(monkeypatch):
    monkeypatch.setattr(socket, "gethostname", lambda: "node-7")
    monkeypatch.setattr(elsewhere, "common", lambda: OURS)


def refused(store, here=OURS, seen=None):
    with elsewhere.asking(store) as asker, pytest.raises(ReproError) as told:
        elsewhere.check(asker, here, seen or store)
    return str(told.value)


def test_a_worker_that_has_all_in_common_is_asked_and_no_lock_is_left(store):
    with elsewhere.asking(store) as asker:
        elsewhere.check(asker, OURS, Store(store.root))
        assert store.lock_file(asker.token).exists()
    assert not store.lock_file(asker.token).exists()


def test_a_worker_with_other_code_or_another_torch_is_refused(store):
    assert "node-7 has other code of repro" in refused(store, Common("another", "2.14.1"))
    assert "node-7 has torch 2.13.0, and where the command runs there is 2.14.1" in refused(
        store, Common("one", "2.13.0")
    )


def test_a_store_that_is_another_folder_is_refused_and_so_is_one_whose_locks_are_not_seen(store, tmp_path):
    assert "node-7 sees another folder as" in refused(store, seen=Store(tmp_path / "of-its-own"))
    with elsewhere.asking(store) as asker:
        pass
    store.lock_file(asker.token).touch()  # so a disk without locks shows it
    with pytest.raises(ReproError, match="does not pass on to node-7 who holds a lock"):
        elsewhere.check(asker, OURS, store)


def test_settings_of_the_harness_go_along_and_no_others(store, monkeypatch):
    monkeypatch.setenv("REPRO_DATA", "/data")
    monkeypatch.setenv("PASSWORD", "secret")
    with elsewhere.asking(store) as asker:
        assert asker.settings["REPRO_DATA"] == "/data" and "PASSWORD" not in asker.settings


def test_the_digest_of_code_is_of_all_files_and_of_packages_that_add_to_the_catalogues(tmp_path, monkeypatch):
    before = source.of_packages()
    install(tmp_path / "packages", monkeypatch)
    source.of_packages.cache_clear()
    with_nets = source.of_packages()
    nets = tmp_path / "packages" / "tinynets" / "nets.py"
    nets.write_text(nets.read_text().replace("0.5", "0.6"))
    source.of_packages.cache_clear()
    assert len({before, with_nets, source.of_packages()}) == 3
    source.of_packages.cache_clear()


GPU, PAIR = Needs(device="cuda"), Needs(device="cuda", places=2)
MACHINES = [{"CPU": 16.0}, {"CPU": 8.0, "GPU": 1.0}, {"CPU": 8.0, "GPU": 3.0}]


def test_room_is_where_a_job_has_all_its_places_on_one_machine():
    assert room(Needs(), MACHINES, {}) == room(Needs(places=0), MACHINES, {}) == 32
    assert (room(GPU, MACHINES, {}), room(PAIR, MACHINES, {})) == (4, 1)


def test_room_is_what_an_autoscaler_may_add_so_that_it_hears_of_the_work():
    assert room(GPU, [{"CPU": 4.0}], {"CPU": 64, "GPU": 8}) == 8
    assert room(Needs(), [{"CPU": 4.0}], {"CPU": 64}) == 64


def test_a_cluster_without_a_gpu_or_with_too_few_on_a_machine_says_so_at_once():
    with pytest.raises(ReproError, match=r"^no machine of the Ray cluster has a GPU$"):
        room(GPU, [{"CPU": 4.0}], {})
    with pytest.raises(ReproError, match=r"^no machine of the Ray cluster has 4 GPUs$"):
        room(Needs(device="cuda", places=4), MACHINES, {})
