"""Workers that share a store: `repro work`."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner
from conftest import TINY
from kit.tiny import install

from repro import api
from repro.cli import main
from repro.places import project

SLURM = project(Path(__file__).parent) / "examples" / "slurm"
TIMED = "  quick: {says: The smaller one is quicker., expect: latency(small) < latency(large)}\n"


@pytest.fixture
def own(tiny, tmp_path, monkeypatch):
    """The suite, with a store of its own."""
    monkeypatch.setenv("REPRO_HOME", str(tmp_path / "home"))
    return tiny


def records(home: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in home.rglob("*.json") if path.parent.name != "running"}


def command(*arguments):
    return CliRunner().invoke(main, list(map(str, arguments)))


def test_a_run_after_workers_trains_nothing_and_no_verdict_was_told_or_noted_before(own, tmp_path):
    ended = command("work", own, "-j", 1)
    assert (ended.exit_code, ended.stdout) == (0, "nothing is left to do\n")
    assert not (tmp_path / "results").exists()
    done = records(tmp_path / "home")
    assert sum(path.parent.name == "trials" for path in done) == 10  # two arms, five seeds
    assert api.run(own, jobs=1)[0].claims["learns"].verdict == "reproduced"
    assert records(tmp_path / "home") == done
    assert (tmp_path / "results" / "register.jsonl").exists()


@pytest.mark.parametrize(
    ("options", "why"),
    [(("--first-seed", 5, "--pilot"), "seed 5 may judge"), (("--first-seed", 998), "never judge")],
)
def test_seeds_that_may_not_be_taken_are_refused_before_the_first_trial(options, why, own, tmp_path):
    ended = command("work", own, "-j", 1, *options)
    assert ended.exit_code == 2 and why in ended.output
    assert not any(path.parent.name == "trials" for path in records(tmp_path / "home"))


def test_what_cannot_be_done_is_told_at_the_end_and_all_else_is_done(own, tmp_path):
    mixed = TINY.replace(
        "  large: {", "  broken: {model: cifar_resnet, depth: 8, data: {name: cifar10}}\n  large: {"
    )
    own.write_text(f"{mixed}  lost: {{says: Any., expect: test_error(broken) < test_error(frozen)}}\n")
    ended = command("work", own, "-j", 1, "-k", "l")
    assert ended.exit_code == 2 and "Traceback" not in ended.output
    assert ended.output.count("tiny.yaml::lost") == 2 and "learns" not in ended.output
    assert sum(path.parent.name == "trials" for path in records(tmp_path / "home")) == 10


def test_timings_are_left_to_the_run_whose_machine_they_are_of(own, tmp_path):
    own.write_text(TINY + TIMED)
    assert command("work", own, "-j", 1, "-k", "quick").exit_code == 0
    assert records(tmp_path / "home") == {}


def test_a_run_of_nothing_is_told(own):
    ended = command("work", own, "-k", "no-such-claim")
    assert ended.exit_code == 4 and "no claim like 'no-such-claim'" in ended.output


@pytest.mark.journey  # processes
def test_workers_share_the_trials_and_one_that_is_killed_leaves_its_own_to_the_others(
    own, tmp_path, monkeypatch
):
    install(tmp_path / "packages", monkeypatch)
    log = tmp_path / "log"
    net = f"{{model: habits, pause: 0.05, log: {log}, label: x}}"
    own.write_text(
        TINY.replace("{model: cifar_resnet, depth: 8}", net).replace("    model: {width: 4}\n", "")
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path / "packages"), *sys.path])}
    asked = [sys.executable, "-m", "repro", "work", str(own), "-j", "1", "-k", "learns"]
    first, second = (subprocess.Popen(asked, env=environment) for _ in range(2))
    began = time.monotonic()
    while time.monotonic() - began < 120 and not (log.exists() and f" {first.pid}\n" in log.read_text()):
        time.sleep(0.05)
    first.send_signal(signal.SIGKILL)
    assert first.wait() == -signal.SIGKILL
    assert second.wait(240) == 0
    assert sum(path.parent.name == "trials" for path in records(tmp_path / "home")) == 10


def test_the_scripts_for_slurm_give_commands_that_exist():
    for script in sorted(SLURM.glob("*.sh")):
        subprocess.run(["bash", "-n", script], check=True)
        asked = re.findall(r"^repro (\w+) suites --profile gpu$", script.read_text(), re.MULTILINE)
        assert asked and all(command(name, "--help").exit_code == 0 for name in asked)
