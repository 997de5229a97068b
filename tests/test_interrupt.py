"""Ctrl-C in a terminal, which all processes of a command get, while workers import."""

import os
import signal
import subprocess
import sys
import threading
import time
from functools import partial

import pytest

from repro.interrupt import deaf

pytestmark = pytest.mark.slow  # processes

IMPORTING = """
import os, sys, time

started = " ".join(sys.orig_argv)
if "spawn_main" in started or "exec(eval(" in started:  # what multiprocessing and execnet start
    open(os.environ["STARTED"], "w").close()
    time.sleep(1)
"""


@pytest.fixture
def interrupted(tiny, tmp_path):
    """Output and code of a command that gets Ctrl-C while its first worker imports."""
    (tmp_path / "early").mkdir()
    (tmp_path / "early" / "sitecustomize.py").write_text(IMPORTING)
    path = os.pathsep.join([str(tmp_path / "early"), *filter(None, [os.environ.get("PYTHONPATH")])])
    started = tmp_path / "started"
    store = str(tmp_path / "store")  # in which nothing is done yet
    environment = {**os.environ, "PYTHONPATH": path, "STARTED": str(started), "REPRO_HOME": store}

    def run(*arguments):
        process = subprocess.Popen(
            [sys.executable, "-m", *arguments],
            cwd=tiny.parent,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            preexec_fn=partial(signal.signal, signal.SIGINT, signal.default_int_handler),
        )
        deadline = time.monotonic() + 120
        while not started.exists():
            assert time.monotonic() < deadline and process.poll() is None, process.communicate()[0]
            time.sleep(0.01)
        time.sleep(0.1)  # to be asleep
        os.killpg(process.pid, signal.SIGINT)
        return process.communicate(timeout=60)[0], process.returncode

    return run


def test_ctrl_c_while_workers_of_a_run_import_is_said_in_one_line(interrupted):
    out, code = interrupted("repro", "run", "tiny.yaml", "-k", "learns", "-j", "2")
    assert code == 130
    assert out.split("\n") == [
        "",
        "interrupted: trials that are done are kept, and a run goes on from there",
        "",
    ]


def test_ctrl_c_while_workers_of_pytest_import_is_said_by_pytest_alone(interrupted):
    out, code = interrupted("pytest", "tiny.yaml", "-n", "2", "-p", "no:cacheprovider")
    assert code == pytest.ExitCode.INTERRUPTED
    assert "! KeyboardInterrupt !" in out and "Traceback" not in out, out


def test_a_signal_that_another_thread_gets_meanwhile_is_heard_at_the_end():
    over, reached = threading.Event(), []
    other = threading.Thread(target=over.wait, daemon=True)
    other.start()
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt), deaf():
            signal.pthread_kill(other.ident, signal.SIGINT)
            time.sleep(0.1)
            reached.append(True)
        assert reached and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, handler)
        over.set()
