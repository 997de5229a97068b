import math
import os
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from threading import Thread

import pytest

from repro.errors import ReproError
from repro.executors import lease as leases
from repro.executors.lease import alone, cores, hold, lease, places
from repro.job import Needs

HOLD = """
import os, sys, time
from repro.executors.lease import lease
log = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
names, many = sys.argv[4].split(","), int(sys.argv[5])
for _ in range(int(sys.argv[2])):
    with lease(names, many) as held:
        os.write(log, "".join(f"+{place}\\n" for place in held).encode())
        time.sleep(float(sys.argv[3]))
        os.write(log, "".join(f"-{place}\\n" for place in held).encode())
"""


@pytest.fixture(autouse=True)
def own_places(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)


def holder(log, times, seconds, names="one,two", many=1):
    arguments = map(str, (log, times, seconds, names, many))
    return subprocess.Popen([sys.executable, "-c", HOLD, *arguments])


def most_at_once(log):
    """How many places were held at most; none was ever held twice, and none is left."""
    held, most = set(), 0
    for sign, place in log.read_text().split():
        assert (place in held) == (sign == "-")
        held ^= {place}
        most = max(most, len(held))
    assert not held
    return most


@pytest.mark.slow
def test_no_more_trials_run_at_once_than_there_are_places_over_all_processes(tmp_path):
    holders = [holder(tmp_path / "log", 6, 0.03) for _ in range(4)]
    assert [each.wait(60) for each in holders] == [0, 0, 0, 0]
    assert most_at_once(tmp_path / "log") == 2


@pytest.mark.slow
def test_holders_that_each_want_two_of_three_places_do_not_wait_for_each_other(tmp_path):
    holders = [holder(tmp_path / "log", 8, 0.02, "one,two,three", many=2) for _ in range(3)]
    holders.append(holder(tmp_path / "log", 8, 0.02, "one,two,three"))
    assert [each.wait(60) for each in holders] == [0, 0, 0, 0]
    assert most_at_once(tmp_path / "log") == 3
    assert len((tmp_path / "log").read_text().split()) == 2 * (3 * 2 * 8 + 8)


def pass_through(name, times):
    for _ in range(times):
        with lease([name]):
            """It can be had again and again."""


def test_several_places_are_had_together_and_none_is_kept_from_others_while_one_is_missing():
    names, had = ["one", "two", "three"], []

    def want_two():
        with lease(names, 2) as held:
            had.append(held)

    with lease(names, 2) as held:
        assert held == (0, 1)
        waiting = Thread(target=want_two, daemon=True)
        waiting.start()
        passing = Thread(target=pass_through, args=("three", 20), daemon=True)
        passing.start()
        passing.join(10)
        assert not passing.is_alive() and had == []
    waiting.join(10)
    assert had == [(0, 1)]
    with lease(["one"]), lease(names, 2) as held:
        assert held == (1, 2)


def test_more_places_than_there_are_are_an_error_and_not_a_wait():
    with (
        pytest.raises(ReproError, match=r"3 places are needed at once, and there are 2: one, two"),
        lease(["one", "two"], 3),
    ):
        pass


def test_the_place_of_a_killed_process_is_free_at_once(tmp_path):
    other = holder(tmp_path / "log", 1, 60)
    while not (tmp_path / "log").exists() or not (tmp_path / "log").read_text():
        time.sleep(0.01)
    with lease(["one", "two"]) as held:
        assert held == (1,)
    other.kill()
    other.wait()
    with lease(["one", "two"]) as held:
        assert held == (0,)


def test_a_place_is_given_back_after_an_error():
    with pytest.raises(RuntimeError), lease(["one"]):
        raise RuntimeError
    with lease(["one"]) as held:
        assert held == (0,)


def test_places_that_cannot_be_kept_are_an_error_with_the_remedy(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "file"))
    with (
        pytest.raises(ReproError, match=r"cannot be written \(Not a directory\)\. Set TMPDIR"),
        lease(["one"]),
    ):
        pass


def test_places_lie_in_a_folder_that_only_its_user_can_use(tmp_path):
    with lease(["one"], what="something"):
        (folder,) = tmp_path.glob("repro-*")
        assert folder.stat().st_mode & 0o777 == 0o700
        assert [file.name for file in folder.iterdir()] == ["one.lock"]
    assert list(folder.iterdir()) == []
    folder.chmod(0o777)  # as it may have been made before
    with lease(["one"]):
        assert folder.stat().st_mode & 0o777 == 0o700


def is_linked(folder):
    (folder.parent / "elsewhere").mkdir()
    folder.symlink_to(folder.parent / "elsewhere")


@pytest.mark.parametrize("put", [is_linked, Path.touch], ids=["a-link", "a-file"])
def test_what_another_has_put_in_the_place_of_that_folder_is_an_error_with_the_remedy(tmp_path, put):
    folder = tmp_path / f"repro-{os.getuid()}"
    put(folder)
    told = rf"^{folder}: cannot be written \(somebody else has put something there\)\. Set TMPDIR to a folder"
    with pytest.raises(ReproError, match=told), lease(["one"]):
        pass
    assert not any((tmp_path / "elsewhere").glob("*"))


def test_a_folder_of_another_user_is_an_error(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    with pytest.raises(ReproError, match="somebody else has put something there"), lease(["one"]):
        pass


def test_a_link_in_the_place_of_a_lock_is_refused_and_its_target_stays_as_it_is(tmp_path):
    with lease(["one"]):
        (folder,) = tmp_path.glob("repro-*")
    (tmp_path / "thesis").write_text("content")
    (folder / "one.lock").symlink_to(tmp_path / "thesis")
    with pytest.raises(ReproError, match=r"one\.lock: cannot be written \(.*links\)"), lease(["one"]):
        pass
    assert (tmp_path / "thesis").read_text() == "content"


def test_a_user_without_a_name_has_places_too(monkeypatch):
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "getuid", lambda: 123456)
    with lease(["one"]) as held:
        assert held == (0,)


def test_a_cpu_has_as_many_places_as_cores_that_may_be_used(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3, 5, 8}, raising=False)
    monkeypatch.setattr(leases, "quota", lambda: math.inf)
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


def test_trials_that_share_gpus_take_different_ones_first_and_know_which(monkeypatch):
    monkeypatch.setattr(leases, "places", lambda device: [f"{device}-0", f"{device}-1"])
    monkeypatch.setattr(leases, "_last", set())
    gpu = Needs(device="cuda")
    with ExitStack() as held:
        found = []
        for _ in range(4):
            leases._last.clear()
            found.append(held.enter_context(hold(gpu, per_gpu=2)))
        assert found == [(0,), (1,), (0,), (1,)]
        assert waits(gpu, per_gpu=2) and waits(gpu) and waits(Needs(device="cuda", alone=True))
        assert not waits(gpu, per_gpu=3) and not waits(Needs(), per_gpu=3)
    with hold(gpu, per_gpu=2), hold(Needs(device="cuda"), per_gpu=2) as second:
        assert second == (1,)
    with hold(Needs(device="cuda", alone=True)):
        assert waits(gpu, per_gpu=2)


def test_so_many_share_a_gpu_and_cores_are_not_shared(monkeypatch):
    import torch

    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert (leases.count("cuda"), leases.count("cuda", 3)) == (2, 6)
    assert leases.count("cpu", 3) == leases.cores() and leases.count("mps", 3) == 1


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


@pytest.mark.slow
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


def count():
    with hold(Needs(places=0)):
        """At once."""


@pytest.fixture
def three_cores(monkeypatch):
    monkeypatch.setattr(leases, "places", lambda device: [f"{device}-{core}" for core in range(3)])


def waits(needs, **how):
    """Whether a job that needs this would wait now; it is gone when that is known."""
    done = []

    def want():
        with hold(needs, **how):
            done.append(True)

    thread = Thread(target=want, daemon=True)
    thread.start()
    thread.join(0.3)
    return not done


@pytest.mark.usefixtures("three_cores")
def test_a_job_holds_what_it_needs_and_knows_its_places():
    with hold(Needs()) as first, hold(Needs(places=2)) as others:
        assert (first, others) == ((0,), (1, 2))
        assert waits(Needs())
        with hold(Needs(device="cuda", places=3)) as gpus:  # those are places of their own
            assert gpus == (0, 1, 2)
    with hold(Needs(alone=True)) as first:
        assert first == (0,)


@pytest.mark.usefixtures("three_cores")
@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_who_is_alone_keeps_every_core_and_his_own_device_from_others(device):
    with hold(Needs(device=device, alone=True)):
        assert waits(Needs()) and waits(Needs(places=0)) and waits(Needs(device=device))


@pytest.mark.usefixtures("three_cores")
def test_who_wants_to_be_alone_waits_for_one_core_that_is_held():
    with hold(Needs()):
        assert waits(Needs(alone=True))


@pytest.mark.usefixtures("three_cores")
def test_what_is_done_at_once_holds_nothing():
    with hold(Needs(places=3)), hold(Needs(places=0)) as held:
        assert held == ()
    with hold(Needs(places=0)):
        assert not waits(Needs(alone=True))


@pytest.mark.usefixtures("three_cores")
def test_who_waits_is_told_for_whom(monkeypatch):
    monkeypatch.setattr(leases, "SAY_EVERY", 0.1)
    heard = []

    def want(needs):
        with hold(needs, "another", heard.append):
            """It has it."""

    for held, needs in [
        (Needs(places=3), Needs()),
        (Needs(), Needs(alone=True)),
        (Needs(alone=True), Needs(places=0)),
    ]:
        with hold(held, "vgg, seed 3"):
            waiting = Thread(target=want, args=(needs,), daemon=True)
            waiting.start()
            waiting.join(0.5)
            assert len(heard) >= 2 and set(heard[0].split(", vgg")) and "vgg, seed 3 (process " in heard[0]
        waiting.join(10)
        heard.clear()


TRAIN = """
import os, sys, time
from pathlib import Path
from repro.executors import lease
from repro.job import Needs
log, alone = os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND), sys.argv[2] == "alone"
lease.places = lambda device: [f"{device}-0", f"{device}-1"]
if alone:
    os.write(log, b"asks\\n")
while not Path(sys.argv[3]).exists():
    with lease.hold(Needs(alone=alone)):
        os.write(log, b"alone\\n" if alone else b"trial\\n")
        time.sleep(0.3)
    if alone:
        break
"""


@pytest.mark.slow
def test_who_wants_to_be_alone_comes_next_while_many_train_one_after_another(tmp_path):
    """Eight processes train on two cores, without a pause: he waits for the two that run, not for a pause."""
    log, stop = tmp_path / "log", tmp_path / "stop"
    log.touch()
    command = [sys.executable, "-c", TRAIN, str(log)]
    trainers = [subprocess.Popen([*command, "trial", str(stop)]) for _ in range(8)]
    while log.read_text().count("trial") < 10:
        time.sleep(0.01)
    try:
        subprocess.run([*command, "alone", str(stop)], timeout=60, check=True)
    finally:
        stop.touch()
    assert [each.wait(60) for each in trainers] == [0] * 8
    events = log.read_text().split()
    assert events.index("alone") - events.index("asks") <= 6  # a few may begin before he is heard
    assert "trial" in events[events.index("alone") :]


def test_counts_wait_while_somebody_holds_the_machine_until_he_is_killed(tmp_path):
    holder = subprocess.Popen([sys.executable, "-c", ALONE, str(tmp_path / "log"), "alone", "1", "60"])
    while not (tmp_path / "log").exists() or not (tmp_path / "log").read_text():
        time.sleep(0.01)
    counting = Thread(target=count)
    counting.start()
    counting.join(0.5)
    assert counting.is_alive()
    holder.kill()
    holder.wait()
    counting.join(10)
    assert not counting.is_alive()
    with alone("cpu"):
        """It can be had again."""


def test_a_worker_keeps_its_gpu_unless_another_has_it():
    last = {"two"}
    with lease(["one", "two"], first=last) as held:
        assert held == (1,)
        with lease(["one", "two"], first=last) as others:
            assert others == (0,) and last == {"one"}
    with lease(["one", "two"], first=last) as held:
        assert held == (0,)
