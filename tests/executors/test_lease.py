import os
import subprocess
import sys
import tempfile
import time
from threading import Thread

import pytest

from repro.errors import ReproError
from repro.executors.lease import alone, cores, lease, places, unless_alone

HOLD = """
import os, sys, time
from repro.executors.lease import lease
log = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
for _ in range(int(sys.argv[2])):
    with lease(["one", "two"]) as index:
        os.write(log, f"+{index}\\n".encode())
        time.sleep(float(sys.argv[3]))
        os.write(log, f"-{index}\\n".encode())
"""


@pytest.fixture(autouse=True)
def own_places(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)


def hold(log, times, seconds):
    return subprocess.Popen([sys.executable, "-c", HOLD, str(log), str(times), str(seconds)])


def test_no_more_trials_run_at_once_than_there_are_places_over_all_processes(tmp_path):
    holders = [hold(tmp_path / "log", 6, 0.03) for _ in range(4)]
    assert [holder.wait(60) for holder in holders] == [0, 0, 0, 0]
    held, most = set(), 0
    for event in (tmp_path / "log").read_text().split():
        sign, place = event
        assert (place in held) == (sign == "-")
        held ^= {place}
        most = max(most, len(held))
    assert most == 2 and not held


def test_the_place_of_a_killed_process_is_free_at_once(tmp_path):
    holder = hold(tmp_path / "log", 1, 60)
    while not (tmp_path / "log").exists() or not (tmp_path / "log").read_text():
        time.sleep(0.01)
    with lease(["one", "two"]) as index:
        assert index == 1
    holder.kill()
    holder.wait()
    with lease(["one", "two"]) as index:
        assert index == 0


def test_a_place_is_given_back_after_an_error():
    with pytest.raises(RuntimeError), lease(["one"]):
        raise RuntimeError
    with lease(["one"]) as index:
        assert index == 0


def test_places_that_cannot_be_kept_are_an_error_with_the_remedy(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "file"))
    with (
        pytest.raises(ReproError, match=r"cannot be written \(Not a directory\)\. Set TMPDIR"),
        lease(["one"]),
    ):
        pass


def test_a_user_without_a_name_has_places_too(monkeypatch):
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "getuid", lambda: 123456)
    with lease(["one"]) as index:
        assert index == 0


def test_a_cpu_has_as_many_places_as_cores_that_may_be_used(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3, 5, 8}, raising=False)
    assert cores() == 3 and places("cpu") == ["cpu-0", "cpu-1", "cpu-2"]


def test_gpus_have_a_place_each_by_identity_and_without_one_the_job_says_so(monkeypatch):
    import torch

    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(
        torch.cuda, "get_device_properties", lambda i: type("Properties", (), {"uuid": f"GPU-{i}"})
    )
    assert places("cuda") == ["cuda-GPU-0", "cuda-GPU-1"]
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    assert places("cuda") == ["cuda"]


ALONE = """
import os, sys, time
from repro.executors.lease import alone, lease, places
log = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
for _ in range(int(sys.argv[3])):
    with alone("cpu") if sys.argv[2] == "alone" else lease(places("cpu")):
        os.write(log, f"+{sys.argv[2]}\\n".encode())
        time.sleep(float(sys.argv[4]))
        os.write(log, f"-{sys.argv[2]}\\n".encode())
"""


def test_who_holds_the_machine_alone_is_alone_on_it(tmp_path):
    """No trial runs meanwhile, and two that want it do not wait for each other."""
    kinds = [("alone", 6), ("alone", 6), ("trial", 12), ("trial", 12)]
    arguments = [
        [sys.executable, "-c", ALONE, str(tmp_path / "log"), kind, str(times), "0.03"]
        for kind, times in kinds
    ]
    assert [process.wait(60) for process in list(map(subprocess.Popen, arguments))] == [0] * len(kinds)
    events, running = (tmp_path / "log").read_text().split(), []
    for event in events:
        if event.startswith("+"):
            running.append(event[1:])
        else:
            running.remove(event[1:])
        assert "alone" not in running or running == ["alone"]
    assert events.count("+alone") == 12 and events.count("+trial") == 24


def test_counts_wait_while_somebody_holds_the_machine_until_he_is_killed(tmp_path):
    holder = subprocess.Popen([sys.executable, "-c", ALONE, str(tmp_path / "log"), "alone", "1", "60"])
    while not (tmp_path / "log").exists() or not (tmp_path / "log").read_text():
        time.sleep(0.01)
    counting = Thread(target=unless_alone)
    counting.start()
    counting.join(0.5)
    assert counting.is_alive()
    holder.kill()
    holder.wait()
    counting.join(10)
    assert not counting.is_alive()
    with alone("cpu"):
        """It can be had again."""
