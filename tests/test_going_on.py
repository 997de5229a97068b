"""What cannot be measured, or not be kept, ends nothing else."""

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner
from conftest import TINY

import repro
from repro.api import NothingMeasured
from repro.cli import main
from repro.errors import ReproError
from repro.report.text import failures
from repro.result import Result

pytestmark = pytest.mark.slow  # processes

QUICK = ("-p", "no:cacheprovider", "-p", "no:benchmark")
QUESTIONS = """\
claims:
  order: {says: The deeper one is larger., expect: params(small) < params(large)}
  learns: {says: Training helps., expect: test_error(small) < test_error(frozen)}
  learns-much: {says: Training helps., expect: test_error(small) < 2 * test_error(frozen)}
"""


def run(*arguments):
    return CliRunner().invoke(main, ["run", *map(str, arguments)])


def kept(folder: Path) -> dict[str, Result]:
    found = (Result.model_validate_json(path.read_text()) for path in folder.rglob("*.json"))
    return {result.suite: result for result in found}


@pytest.fixture
def three(tiny):
    """The folder of three suites, of which the second wants data that are not there."""
    folder, text = tiny.parent / "suites", TINY.partition("claims:")[0] + QUESTIONS
    folder.mkdir()
    missing = text.replace("{name: fashion-mnist-small, size: 7}", "{name: cifar10}")
    for name, content in (("a", text), ("b", missing), ("c", text)):
        (folder / f"{name}.yaml").write_text(content.replace("suite: tiny", f"suite: {name}"))
    tiny.unlink()
    return folder


WHOLE = {"a": True, "b": False, "c": True}


@pytest.mark.usefixtures("three")
def test_claims_without_data_are_listed_at_the_end_and_all_others_decided_and_kept(tmp_path):
    ended = run("suites", "-j", 1, "--results", "res")
    assert ended.exit_code == 2 and "Traceback" not in ended.output
    decided = [line.split()[0] for line in ended.output.splitlines() if "reproduced" in line.split()[1:2]]
    assert decided == [
        *("suites/a.yaml::order", "suites/a.yaml::learns", "suites/a.yaml::learns-much"),
        "suites/b.yaml::order",
        *("suites/c.yaml::order", "suites/c.yaml::learns", "suites/c.yaml::learns-much"),
    ]
    left_out, *lists = ended.output.split("2 failed:\n")  # before anything is trained, and at the end
    assert left_out.endswith("left out, since they cannot be measured here:\n")
    for listed in lists:
        claims = "  suites/b.yaml::learns\n  suites/b.yaml::learns-much\n"
        assert listed.startswith(f"{claims}    data set 'cifar10'")
        assert listed.count("Set REPRO_DATA to the folder that holds") == 1
    assert len(lists) == 2
    found = kept(tmp_path / "res")
    assert {name: result.complete for name, result in found.items()} == WHOLE
    assert list(found["b"].claims) == ["order"] and len(found["c"].claims) == 3


@pytest.mark.usefixtures("three")
def test_from_python_what_failed_is_told_beside_the_results():
    results = repro.run("suites", jobs=1)
    assert {result.suite: result.complete for result in results} == WHOLE
    assert list(results.failed) == ["suites/b.yaml::learns", "suites/b.yaml::learns-much"]
    assert all("REPRO_DATA" in str(error) for error in results.failed.values())
    assert repro.run("suites", only="order").failed == {}


@pytest.mark.usefixtures("three")
def test_where_nothing_can_be_measured_that_is_an_error_with_all_reasons():
    said = r"(?s)^2 failed:\n  suites/b\.yaml::learns\n  suites/b\.yaml::learns-much\n    data set 'cifar10'"
    with pytest.raises(NothingMeasured, match=said):
        repro.run("suites/b.yaml", only="learns", jobs=1)
    ended = run("suites/b.yaml", "-k", "learns", "-j", 1)
    assert ended.exit_code == 2 and "\n2 failed:\n" in ended.output and "claim " not in ended.output


def test_pytest_decides_and_keeps_the_same(three, pytester):
    shutil.copytree(three, pytester.path / "suites")
    ended = pytester.runpytest_inprocess("suites", "--jobs", "1", *QUICK)
    ended.assert_outcomes(passed=7, failed=2)
    ended.stdout.fnmatch_lines(["data set 'cifar10'*REPRO_DATA*", "  in suites/b.yaml::learns"])
    found = kept(pytester.path / "results")
    assert {name: result.complete for name, result in found.items()} == WHOLE


@pytest.mark.usefixtures("three")
def test_a_result_that_cannot_be_written_takes_no_other_with_it(tmp_path):
    (tmp_path / "res").mkdir()
    (tmp_path / "res" / "a").write_text("in the way")
    ended = run("suites", "-k", "order", "-j", 1, "--results", "res")
    assert ended.exit_code == 2 and kept(tmp_path / "res").keys() == {"b", "c"}
    assert "suites/a.yaml::order" in ended.output.partition("1 failed")[0]  # it was decided
    assert "\n  suites/a.yaml\n    res/a/cpu/" in ended.output
    assert ended.output.endswith("(Not a directory). Name another folder for results with --results\n")


def test_a_result_that_cannot_be_written_takes_no_other_with_it_under_pytest(three, pytester):
    shutil.copytree(three, pytester.path / "suites")
    (pytester.path / "res").mkdir()
    (pytester.path / "res" / "a").write_text("in the way")
    ended = pytester.runpytest_inprocess("suites", "-k", "order", "--results", "res", *QUICK)
    assert ended.ret == pytest.ExitCode.TESTS_FAILED
    ended.stdout.fnmatch_lines(["suites/a.yaml: res/a/cpu/*: cannot be written *--results"])
    assert kept(pytester.path / "res").keys() == {"b", "c"}


def test_a_store_that_cannot_be_written_is_one_reason_that_names_it(tiny, monkeypatch):
    (tiny.parent / "in-the-way").write_text("x")
    monkeypatch.setenv("REPRO_HOME", str(tiny.parent / "in-the-way"))
    ended = run(tiny, "-k", "s", "-j", 1)
    assert ended.exit_code == 2 and ended.output.count("cannot be written") == 1
    assert "in-the-way: cannot be written (Not a directory). Set REPRO_HOME" in ended.output


def test_a_reason_is_said_once_for_all_that_it_is_the_reason_of():
    one, other = ReproError("There is no data.\nGet some."), ReproError("It fails.")
    listed = failures({"a": one, "b": other, "c": ReproError(str(one))})
    assert list(listed) == [
        "3 failed:",
        "  a",
        "  c",
        "    There is no data.",
        "    Get some.",
        "  b",
        "    It fails.",
    ]


@pytest.mark.slow  # processes
@pytest.mark.parametrize(
    "workers", [(), pytest.param(("-n", "1"), marks=pytest.mark.journey)], ids=["alone", "with a worker"]
)
def test_a_profile_that_no_suite_has_is_wrong_use_of_pytest_with_the_list(three, pytester, workers):
    shutil.copytree(three, pytester.path / "suites")
    ended = pytester.runpytest_subprocess("suites", "--profile", "cpuu", *QUICK, *workers)
    assert ended.ret == pytest.ExitCode.USAGE_ERROR
    said = "ERROR: no suite has a profile 'cpuu'; there are: cpu, missing"
    assert (ended.outlines + ended.errlines).count(said) == 1 and "INTERNALERROR" not in ended.stdout.str()


def test_a_profile_that_some_suites_have_asks_those(three, pytester):
    text = (three / "a.yaml").read_text().replace("  missing:", "  other:")
    (three / "a.yaml").write_text(text)
    shutil.copytree(three, pytester.path / "suites")
    ended = pytester.runpytest_inprocess("suites", "--profile", "other", "-k", "order", *QUICK)
    ended.assert_outcomes(passed=1, deselected=2)
    assert (
        json.loads(next(pytester.path.glob("results/runs/a/other/*.json")).read_text())["profile"] == "other"
    )
