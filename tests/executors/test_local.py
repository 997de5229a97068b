"""Processes that share a store, and die."""

import gc
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from threading import Thread

import psutil
import pytest
import torch
from kit import forked
from kit.tiny import install, outcome, spec

from repro.errors import ReproError
from repro.executors import lease, local
from repro.executors.local import InProcess, Processes
from repro.faults import Fault
from repro.runner import Runner
from repro.state import devices
from repro.store import Store
from repro.work.execute import execute

pytestmark = pytest.mark.slow  # processes


@pytest.fixture(autouse=True)
def surroundings(tmp_path, monkeypatch):
    """Nets with habits, and places of one's own."""
    install(tmp_path / "packages", monkeypatch)
    own = tempfile.mkdtemp()
    monkeypatch.setenv("TMPDIR", own)
    monkeypatch.setattr(tempfile, "tempdir", own)


@pytest.fixture
def processes(monkeypatch):
    monkeypatch.setattr(local.multiprocessing, "get_context", lambda _: forked.context())
    executor = Processes(2)
    yield executor
    executor.close()


@pytest.fixture
def habits(tmp_path):
    """A trial whose net has habits and a label, which is in the log once for every time it was trained."""
    return lambda label, seed=0, **options: spec(
        seed, model={"name": "habits", "log": str(tmp_path / "log"), "label": label, **options}
    )


def log(tmp_path: Path) -> list[tuple[str, int]]:
    path = tmp_path / "log"
    lines = path.read_text().splitlines() if path.exists() else []
    return [(label, int(pid)) for label, pid in map(str.split, lines)]


def wait_for(condition, seconds=60.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)


def share(root: Path, jobs: list[str], tmp: Path) -> None:
    """What each of several processes does: see to it that all trials are done."""
    from repro.trial import TrialSpec

    os.environ["TMPDIR"], tempfile.tempdir = str(tmp), None
    lease.places = lambda _: ["one", "two", "three", "four"]
    devices.matmul_peak = lambda *_: 1.0
    gc.freeze()
    Path(tmp, f"ready-{os.getpid()}").touch()
    while not Path(tmp, "go").exists():
        time.sleep(0.002)
    runner = Runner(Store(root), InProcess())
    runner.ensure([TrialSpec.model_validate_json(job) for job in jobs])
    runner.close()


def start(count, store, jobs):
    tmp = Path(tempfile.gettempdir())
    arguments = (store.root, [job.model_dump_json() for job in jobs], tmp)
    started = [forked.context().Process(target=share, args=arguments) for _ in range(count)]
    for process in started:
        process.start()
    wait_for(lambda: len(list(tmp.glob("ready-*"))) == count)
    (tmp / "go").touch()
    return started


def test_processes_on_one_store_train_each_trial_once_and_nobody_waits_while_there_is_work(
    store, tmp_path, habits
):
    jobs = [habits(f"net{i}", pause=0.1) for i in range(6)]
    started = start(3, store, jobs)
    for process in started:
        process.join(60)
    assert [process.exitcode for process in started] == [0, 0, 0]
    trained = log(tmp_path)
    assert sorted(label for label, _ in trained) == [f"net{i}" for i in range(6)]
    assert len({pid for _, pid in trained[:3]}) == 3
    assert all(store.read(job) is not None for job in jobs)
    assert store.running() == []


def test_the_trial_of_a_killed_process_is_taken_over_by_one_that_waits_for_it(store, tmp_path, habits):
    jobs = [habits("net", pause=0.2)]
    started = start(2, store, jobs)
    wait_for(lambda: log(tmp_path))
    ((_, first),) = log(tmp_path)
    os.kill(first, signal.SIGKILL)
    for process in started:
        process.join(60)
    assert sorted(process.exitcode for process in started) == [-signal.SIGKILL, 0]
    assert [pid for _, pid in log(tmp_path)] == [
        process.pid for process in sorted(started, key=lambda p: p.pid != first)
    ]
    assert store.read(jobs[0]) is not None


def test_a_worker_that_is_killed_is_replaced_and_disturbs_no_other(
    processes, store, tmp_path, habits, monkeypatch
):
    neighbours = [habits(f"neighbour{i}", pause=0.15) for i in range(2)]
    fatal = habits("fatal", fatal=2, drop=0.5)
    runner = Runner(store, processes)
    runner.ensure([neighbours[0], fatal, neighbours[1]])
    labels = [label for label, _ in log(tmp_path)]
    assert labels.count("fatal") == 3 and labels.count("neighbour0") == labels.count("neighbour1") == 1

    monkeypatch.setattr(devices, "matmul_peak", lambda *_: 1.0)
    here = Store(tmp_path / "here")
    execute(fatal, here)
    assert outcome(store, fatal) == outcome(here, fatal)


def test_a_job_whose_process_always_dies_is_given_up_by_name_and_the_executor_goes_on(
    processes, store, tmp_path, habits
):
    fatal = habits("fatal", seed=4, fatal=99)
    neighbour = habits("neighbour", pause=0.2)
    later = habits("later")
    runner = Runner(store, processes)
    with pytest.raises(
        ReproError,
        match=r"^habits\(.*label=fatal.*\), seed 4: its process died 3 times; is the memory enough\?$",
    ):
        runner.ensure([fatal, neighbour])
    runner.ensure([neighbour, later])
    assert [label for label, _ in log(tmp_path)].count("fatal") == 3
    assert [label for label, _ in log(tmp_path)].count("neighbour") == 1


def test_errors_of_a_job_reach_the_caller_and_the_executor_goes_on(processes, store, habits):
    for executor in (processes, InProcess()):
        runner = Runner(store, executor)
        with pytest.raises(Fault, match="ValueError: no such luck"):
            runner.ensure([habits("fails", fails="no such luck")])
        with pytest.raises(ReproError, match="batch_size 10001 is more than the 10000 training images"):
            runner.ensure([spec(batch_size=10_001)])
        with pytest.raises(ReproError, match="depth must be 6n"):
            runner.ensure([spec(model={"name": "cifar_resnet", "depth": 9})])
        good = habits(f"good-{type(executor).__name__}")
        runner.ensure([good])
        assert store.read(good) is not None


def test_a_worker_that_died_while_it_had_nothing_to_do_is_replaced(processes, store, tmp_path, habits):
    assert processes.submit(habits("first"), store).result(60)
    ((_, pid),) = log(tmp_path)
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: processes.workers[0].pool._broken)
    assert processes.submit(habits("second"), store).result(60)
    assert processes.submit(habits("third"), store).result(60)
    pids = [pid for _, pid in log(tmp_path)]
    assert pids[1] != pid and pids[1] == pids[2]


def test_no_more_processes_are_started_than_jobs_may_run_and_closing_ends_them(
    processes, store, tmp_path, habits
):
    futures = [
        processes.submit(habits(f"net{i}", pause=0.05), store) for i in range(4)
    ]  # more than a runner would submit
    assert [future.result(60) for future in futures] == [True] * 4
    pids = {pid for _, pid in log(tmp_path)}
    assert 1 <= len(pids) <= 2
    slow = processes.submit(habits("slow", pause=60.0), store)
    wait_for(lambda: len(log(tmp_path)) == 5)
    processes.close()
    wait_for(lambda: not any(map(psutil.pid_exists, pids)), 10.0)
    assert slow.done() and slow.exception() is not None


def is_free(store, trial):
    with store.take(trial) as mine:
        return mine


PARENT = """
import sys
from pathlib import Path
from repro.executors.local import Processes
from repro.store import Store
from repro.trial import TrialSpec

if __name__ == "__main__":
    executor, store = Processes(1), Store(Path(sys.argv[1]))
    for job in sys.argv[2:]:
        print(executor.submit(TrialSpec.model_validate_json(job), store).result(), flush=True)
"""


def test_spawned_workers_train_the_same_and_end_when_their_parent_is_killed(
    store, tmp_path, habits, monkeypatch
):
    first, endless = habits("first", drop=0.5), habits("endless", pause=20.0)
    (tmp_path / "parent.py").write_text(PARENT)
    command = [
        sys.executable,
        tmp_path / "parent.py",
        store.root,
        first.model_dump_json(),
        endless.model_dump_json(),
    ]
    path = [str(tmp_path / "packages"), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path)}
    parent = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    assert parent.stdout.readline() == "True\n"
    wait_for(lambda: len(log(tmp_path)) == 2)
    parent.kill()
    parent.wait()  # not for the end of its output: a worker left behind would hold that open
    parent.stdout.close()
    worker = log(tmp_path)[1][1]
    wait_for(
        lambda: not psutil.pid_exists(worker) or psutil.Process(worker).status() == psutil.STATUS_ZOMBIE, 5.0
    )
    wait_for(lambda: is_free(store, endless), 5.0)

    monkeypatch.setattr(devices, "matmul_peak", lambda *_: 1.0)
    here = Store(tmp_path / "here")
    execute(first, here)
    assert outcome(store, first) == outcome(here, first)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_job_for_a_device_that_is_not_there_is_an_error_and_not_a_wait(store):
    with pytest.raises(
        ReproError, match=r"device 'cuda' is not available to torch .* here \(available: cpu\)"
    ):
        InProcess().submit(spec(device="cuda"), store).result(0)


def test_one_job_at_a_time_is_done_in_this_process_and_more_are_not():
    assert isinstance(local.local(1), InProcess)
    assert local.local(3).slots == 3 and local.local(3).workers == []


def test_a_job_that_waits_for_a_place_says_so_and_for_whom_until_it_has_it(store, monkeypatch, habits):
    monkeypatch.setattr(lease, "places", lambda _: ["one"])
    monkeypatch.setattr(lease, "SAY_EVERY", 0.05)
    monkeypatch.setattr(devices, "matmul_peak", lambda *_: 1.0)
    waiting = Thread(target=InProcess().submit, args=(habits("net"), store), daemon=True)
    with lease.lease(["one"], what="another trial"):
        waiting.start()
        wait_for(store.running)
        (state,) = store.running()
    assert state["job"] == habits("net").digest and re.fullmatch(
        r"habits\(.*label=net.*\), seed 0", state["label"]
    )
    assert re.fullmatch(rf"waits for another trial \(process {os.getpid()} .*\)", *state["waits"])
    waiting.join(60)
    assert store.read(habits("net")) is not None
    assert store.running() == [] and not any((store.root / "locks").iterdir())
