"""The pytest face, in real pytest runs."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import psutil
import pytest
from conftest import TINY

from repro.result import Result

pytestmark = pytest.mark.slow  # processes

FAST = ("--jobs", "1", "-p", "no:cacheprovider", "-p", "no:benchmark")


@pytest.fixture
def suite(tiny, pytester):
    """The small suite, where pytester runs; it trains in the process of the test."""
    shutil.copy(tiny, pytester.path)
    return pytester


def claims(pytester, *arguments):
    return pytester.runpytest_inprocess("tiny.yaml", *FAST, *arguments)


def the_result(folder: Path) -> Result:
    (path,) = folder.glob("results/runs/tiny/cpu/*.json")
    return Result.model_validate_json(path.read_text())


def test_every_claim_is_an_item(suite):
    run = suite.runpytest_inprocess("--collect-only", "-q", *FAST)
    run.stdout.fnmatch_lines(["tiny.yaml::learns", "tiny.yaml::upside-down", "*", "6 tests collected*"])


def test_a_claim_that_ends_as_expected_passes_and_another_fails(suite):
    run = claims(suite, "-v")
    assert run.ret == 1
    run.assert_outcomes(passed=3, failed=2)
    run.stdout.fnmatch_lines(
        [
            "tiny.yaml::learns PASSED*",
            "tiny.yaml::upside-down FAILED*",
            "tiny.yaml::known PASSED*",
            "tiny.yaml::coin UNDECIDED*",
            "tiny.yaml::sizes FAILED*",
            "tiny.yaml::order PASSED*",
            "*verdicts at profile cpu*",
            "tiny.yaml::learns*reproduced * 5 *",
            "! tiny.yaml::upside-down*refuted, expected reproduced * 5 *",
            "tiny.yaml::known*refuted (as known*)*",
            "! tiny.yaml::coin*undecided, expected reproduced * [57] *",
            "1 of 4 claims that seeds decide are reproduced; were there nothing to any of them, at most*",
            "FAILED tiny.yaml::sizes - refuted, expected reproduced: They are equally large.",
            "*2 failed, 3 passed, 1 undecided*",
        ]
    )


def test_a_failure_shows_the_numbers_and_no_traceback(suite):
    run = claims(suite, "-k", "upside-down or sizes")
    text = run.stdout.str()
    assert "Traceback" not in text and "repro/" not in text
    run.stdout.fnmatch_lines(
        [
            "refuted, expected reproduced (frozen is trivial): Training hurts.",
            "  expects  test_error(small) > test_error(frozen)",
            "  again    repro run tiny.yaml -k upside-down --profile cpu",
            "  seed  test_error(small)  test_error(frozen) * margin",
            "  0 *",
            "  4 *",
            "  test_error(small) > test_error(frozen)",
            "    margin -* on average (positive where it holds), interval [[]-*, -*]",
            "  A verdict takes *",
            "  params(small)    4934",
            "  params(large)  11,094",
            "  params(small) == params(large): does not hold",
        ]
    )


def test_undecided_fails_only_if_claims_are_strict(suite):
    assert claims(suite, "-k", "coin").ret == 0
    run = claims(suite, "-k", "coin", "--strict-claims")
    assert run.ret == 1
    run.stdout.fnmatch_lines(["*[57] seeds were not enough to tell; *"])


def test_a_claim_that_is_decided_though_it_was_not_to_be_fails_only_if_claims_are_strict(suite):
    path = suite.path / "tiny.yaml"
    path.write_text(path.read_text().replace("verdict: refuted, because", "verdict: undecided, because"))
    run = claims(suite, "-k", "known", "-v")
    assert run.ret == 0
    told = ["tiny.yaml::known DECIDED*", "! tiny.yaml::known * refuted, expected undecided*", "*1 decided*"]
    run.stdout.fnmatch_lines(told)
    assert claims(suite, "-k", "known", "--strict-claims").ret == 1


def test_seeds_max_limits_the_seeds(suite):
    run = claims(suite, "-k", "coin", "--seeds-max", "6")
    run.stdout.fnmatch_lines(["! tiny.yaml::coin*undecided, expected reproduced * 5 *"])
    assert the_result(suite.path).claims["coin"].evidence.seeds == (0, 1, 2, 3, 4)


def test_a_run_writes_one_result_with_what_it_decided(suite):
    claims(suite, "-k", "learns or order")
    result = the_result(suite.path)
    assert set(result.claims) == {"learns", "order"} and not result.complete
    assert {(trial.arm, trial.seed) for trial in result.trials} == {
        (a, s) for a in ("small", "frozen") for s in range(5)
    }
    learns = result.claims["learns"]
    assert learns.verdict == learns.expected == "reproduced" and learns.evidence.decided_at == 5
    assert [len(values) for values in learns.values.values()] == [5, 5]
    assert result.command == "repro run tiny.yaml --profile cpu"
    text = json.dumps(result.model_dump(mode="json"))
    assert os.uname().nodename not in text and str(Path.home()) + "/" not in text


def test_results_go_where_they_are_asked_for(suite, tmp_path):
    claims(suite, "-k", "order", "--results", str(tmp_path / "elsewhere"))
    assert len(list((tmp_path / "elsewhere").glob("tiny/cpu/*.json"))) == 1


def test_marks_select_what_needs_no_training(suite):
    claims(suite, "-m", "static", "--collect-only").assert_outcomes()
    run = claims(suite, "-m", "static", "-v")
    run.stdout.fnmatch_lines(["tiny.yaml::sizes FAILED*", "tiny.yaml::order PASSED*"])
    run.assert_outcomes(passed=1, failed=1, deselected=4)
    claims(suite, "-m", "classification and trained", "-k", "learns").assert_outcomes(passed=1, deselected=5)


def test_several_workers_share_the_work_and_write_one_result(suite):
    run = suite.runpytest_subprocess(
        "tiny.yaml", "-n", "2", "-v", "-p", "no:cacheprovider", "-p", "no:benchmark"
    )
    run.assert_outcomes(passed=3, failed=2)
    run.stdout.fnmatch_lines(["tiny.yaml::learns * reproduced*", "result: results/runs/tiny/cpu/*.json"])
    assert the_result(suite.path).complete


def test_a_bad_suite_is_an_error_with_its_places_and_no_traceback(suite):
    bad = TINY.replace("depth: 14", "dept: 14").replace(
        "test_error(frozen) < 0.9", "test_error(frosen) < 0.9"
    )
    (suite.path / "tiny.yaml").write_text(bad)
    run = claims(suite)
    assert run.ret == pytest.ExitCode.INTERRUPTED
    run.stdout.fnmatch_lines(
        [
            "*tiny.yaml:6:32: *'dept'*did you mean 'depth'?*",
            "*tiny.yaml:26:72: unknown arm 'frosen'; did you mean 'frozen'?",
        ]
    )
    assert "Traceback" not in run.stdout.str()


def test_missing_data_fails_with_the_remedy(suite):
    run = claims(suite, "--profile", "missing", "-k", "learns")
    run.assert_outcomes(failed=1, deselected=5)
    run.stdout.fnmatch_lines(["data set 'cifar10' is not in *REPRO_DATA*"])
    assert "Traceback" not in run.stdout.str()


@pytest.mark.parametrize("workers", [(), ("-n", "1")], ids=["alone", "with a worker"])
def test_a_profile_that_no_suite_has_is_wrong_use(suite, workers):
    run = suite.runpytest_subprocess("tiny.yaml", "--profile", "cpuu", *workers, "-p", "no:cacheprovider")
    assert run.ret in (pytest.ExitCode.USAGE_ERROR, pytest.ExitCode.NO_TESTS_COLLECTED)
    assert "profile 'cpuu'" in run.stdout.str() + run.stderr.str() and "INTERNALERROR" not in run.stdout.str()


@pytest.mark.parametrize("value", ["0", "-1", "many"])
def test_a_number_of_seeds_is_checked(suite, value):
    run = suite.runpytest_subprocess("tiny.yaml", "--seeds-max", value)
    assert run.ret == pytest.ExitCode.USAGE_ERROR
    run.stderr.fnmatch_lines([f"*--seeds-max: not a whole number above 0: {value}"])


def test_other_yaml_is_left_alone(suite):
    (suite.path / "workflow.yaml").write_text("name: ci\non: [push]\n")
    run = suite.runpytest_inprocess("--collect-only", "-q", *FAST)
    run.stdout.fnmatch_lines(["6 tests collected*"])


def test_recipes_that_suites_share_are_left_alone(suite):
    recipe = TINY[TINY.index("\n      steps: 20") : TINY.index("\n  missing")]
    (suite.path / "recipes.yaml").write_text(f"suite:{recipe}\n")
    (suite.path / "tiny.yaml").write_text(TINY.replace(recipe, " suite"))
    run = suite.runpytest_inprocess("--collect-only", "-q", *FAST)
    run.stdout.fnmatch_lines(["6 tests collected*"])


def test_fresh_trains_again(suite, shared_home):
    def finished():
        return {
            path.name: json.loads(path.read_text())["finished"] for path in shared_home.glob("numbers/*.json")
        }

    claims(suite, "-k", "order")
    before = finished()
    claims(suite, "-k", "order")
    assert finished() == before
    claims(suite, "-k", "order", "--fresh")
    assert sum(finished()[name] > then for name, then in before.items()) == 2


def test_collecting_imports_no_torch(suite):
    code = (
        "import pytest, sys; pytest.main(['tiny.yaml', '--collect-only', '-q']); "
        "print('heavy:', sorted({'torch', 'datasets', 'torchvision'} & set(sys.modules)))"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=suite.path, capture_output=True, text=True, check=True
    )
    assert "6 tests collected" in run.stdout and "heavy: []" in run.stdout


@pytest.fixture
def slow(pytester, tmp_path, monkeypatch):
    """The small suite with trials of half a second, where pytester runs, in a store of its own."""
    monkeypatch.setenv("REPRO_HOME", str(pytester.path / "store"))
    monkeypatch.setenv("REPRO_DATA", str(tmp_path / "nowhere"))
    text = (
        TINY.replace("steps: 20", "steps: 30").replace("width: 4", "width: 8").replace("size: 7", "size: 14")
    )
    (pytester.path / "slow.yaml").write_text(text)
    return pytester


ASKED = ("slow.yaml", "-k", "learns or known")


def start(folder, *arguments):
    command = [sys.executable, "-m", "pytest", *ASKED, "-p", "no:cacheprovider", *arguments]
    # Be the tests in the background, which ignores it
    heard = partial(signal.signal, signal.SIGINT, signal.default_int_handler)
    return subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, preexec_fn=heard
    )


def wait_for_records(folder, count):
    deadline = time.monotonic() + 120
    while len(list(folder.glob("store/trials/*.json"))) < count:
        assert time.monotonic() < deadline, "no trial ends"
        time.sleep(0.1)


@pytest.mark.journey
def test_ctrl_c_ends_all_processes_and_the_next_run_goes_on(slow):
    run = start(slow.path)
    wait_for_records(slow.path, 2)
    processes = psutil.Process(run.pid).children(recursive=True)
    run.send_signal(signal.SIGINT)
    out, _ = run.communicate(timeout=60)
    assert run.returncode == pytest.ExitCode.INTERRUPTED and "KeyboardInterrupt" in out, out
    assert "interrupted: trials that are done are kept, and a run goes on from there" in out, out
    _, alive = psutil.wait_procs(processes, timeout=10)
    assert not alive
    kept = {path: path.stat().st_mtime for path in slow.path.glob("store/trials/*.json")}
    slow.runpytest_inprocess(*ASKED, *FAST).assert_outcomes(passed=2, deselected=4)
    assert len(kept) >= 2 and len(list(slow.path.glob("store/trials/*.json"))) == 10
    assert all(path.stat().st_mtime == then for path, then in kept.items())


@pytest.mark.journey
def test_a_killed_worker_costs_its_claim_and_nothing_else(slow):
    run = start(slow.path, "-n", "1", "--jobs", "1")
    wait_for_records(slow.path, 2)
    worker = next(p for p in psutil.Process(run.pid).children() if "-c" in p.cmdline())
    worker.kill()
    out, _ = run.communicate(timeout=120)
    assert "1 failed, 1 passed" in out and "crashed while running" in out, out
    slow.runpytest_inprocess(*ASKED, *FAST).assert_outcomes(passed=2, deselected=4)
