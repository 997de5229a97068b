"""Where store, results and commit of a run are: in the project of its suites, wherever one stands."""

import json
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner
from conftest import TINY
from kit import forked

import repro
from repro.cli import main
from repro.places import home, project, shown, within

QUICK = ("-k", "order", "--jobs", "1", "-p", "no:cacheprovider", "-p", "no:benchmark")


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """A folder that one stands in, beside a project whose suites lie two folders deep, and no REPRO_HOME."""
    monkeypatch.delenv("REPRO_HOME", raising=False)
    suites = tmp_path / "project" / "suites" / "deep"
    suites.mkdir(parents=True)
    (suites / "tiny.yaml").write_text(TINY)
    (tmp_path / "project" / "pytest.ini").write_text("[pytest]\n")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    return tmp_path


def commit(folder: Path) -> str:
    """Make a folder a repository with one commit; gives it."""
    git = ["git", "-C", str(folder), "-c", "user.name=a", "-c", "user.email=a@b"]
    for arguments in (["init", "-q"], ["add", "."], ["commit", "-qm", "all"]):
        subprocess.run([*git, *arguments], check=True)
    done = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def by_command(suites, *options):
    run = CliRunner().invoke(main, ["run", str(suites), "-k", "order", "-j", "1", *map(str, options)])
    assert run.exit_code == 0, run.output


def by_pytest(suites, *options):
    run = forked.command("pytest", suites, *QUICK, *options)
    assert run.returncode == 0, run.stdout + run.stderr


def by_pytest_with_workers(suites, *options):
    by_pytest(suites, "-n", "1", *options)


def results(folder: Path) -> list[dict]:
    return [json.loads(path.read_text()) for path in sorted(folder.glob("tiny/cpu/*.json"))]


# ---- which folder it is


@pytest.mark.parametrize("mark", ["pyproject.toml", "pytest.ini", "tox.ini", ".git"])
def test_a_project_is_the_nearest_folder_with_a_mark(tmp_path, mark):
    deep = tmp_path / "outer" / "inner" / "suites" / "deep"
    deep.mkdir(parents=True)
    (tmp_path / "outer" / "pyproject.toml").touch()
    assert project(deep) == tmp_path / "outer"
    (tmp_path / "outer" / "inner" / mark).touch()
    assert project(deep) == project(tmp_path / "outer" / "inner") == tmp_path / "outer" / "inner"


def test_without_a_mark_it_is_the_folder_of_suites_or_what_holds_it(tmp_path):
    (tmp_path / "mine" / "suites" / "deep").mkdir(parents=True)
    assert project(tmp_path / "mine") == tmp_path / "mine"
    assert project(tmp_path / "mine" / "suites") == tmp_path / "mine"
    assert project(tmp_path / "mine" / "suites" / "deep") == tmp_path / "mine"


def test_repro_home_overrules_the_project(tmp_path, monkeypatch):
    monkeypatch.delenv("REPRO_HOME", raising=False)
    assert home(tmp_path) == tmp_path / ".repro"
    monkeypatch.setenv("REPRO_HOME", "~/elsewhere")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert home(tmp_path / "project") == tmp_path / "elsewhere"
    monkeypatch.setenv("REPRO_HOME", "~nobody-of-this-name/x")
    assert home(tmp_path) == Path.cwd() / "~nobody-of-this-name" / "x"


def test_a_path_is_shown_as_short_as_it_can_be_typed(tmp_path, monkeypatch):
    (tmp_path / "project" / "suites").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "project" / "suites")
    assert shown(tmp_path / "project" / "results") == "../results"
    assert shown(tmp_path / "project" / "results", tmp_path / "project") == "results"
    assert shown(Path("/x")) == "/x"


# ---- of a run


@pytest.mark.slow  # processes
@pytest.mark.parametrize("run", [by_command, by_pytest])
def test_store_results_and_commit_are_the_project_s_wherever_one_stands(elsewhere, run):
    head = commit(elsewhere / "project")
    run(elsewhere / "project" / "suites")
    assert (elsewhere / "project" / ".repro" / "numbers").is_dir()
    (result,) = results(elsewhere / "project" / "results" / "runs")
    assert result["environment"]["facts"]["commit"] == head
    assert result["file"] == "suites/deep/tiny.yaml"
    assert result["command"] == "repro run suites/deep/tiny.yaml --profile cpu"
    assert list((elsewhere / "elsewhere").iterdir()) == []


@pytest.mark.slow  # processes
@pytest.mark.parametrize("run", [by_command, by_pytest_with_workers])
def test_a_folder_for_results_moves_neither_store_nor_commit_even_once_it_exists(elsewhere, run):
    (elsewhere / "project" / "pytest.ini").unlink()  # then pytest's rootdir is what all paths have in common
    head = commit(elsewhere / "project")
    store, counted = elsewhere / "project" / ".repro", []
    for _ in range(2):
        run(elsewhere / "project" / "suites" / "deep", "--results", elsewhere / "far")
        counted.append({path: path.stat().st_mtime_ns for path in store.glob("numbers/*.json")})
    assert len(counted[0]) == 2 and counted[0] == counted[1]
    found = results(elsewhere / "far")
    assert [result["environment"]["facts"]["commit"] for result in found] == [head, head]
    assert not (elsewhere / ".repro").exists() and not (elsewhere / "elsewhere" / ".repro").exists()


def test_the_harness_from_python_has_the_same_store_and_commit(elsewhere):
    head = commit(elsewhere / "project")
    (result,) = repro.run(elsewhere / "project" / "suites", only="order", jobs=1)
    assert (elsewhere / "project" / ".repro" / "numbers").is_dir()
    assert result.environment.facts["commit"] == head and result.file == "suites/deep/tiny.yaml"


def test_suites_of_two_projects_share_the_store_of_the_first_and_keep_their_own_commits(elsewhere):
    other = elsewhere / "other"
    other.mkdir()
    (other / "tox.ini").touch()
    (other / "second.yaml").write_text(TINY.replace("suite: tiny", "suite: second"))
    heads = [commit(folder) for folder in (elsewhere / "project", other)]
    suites = [elsewhere / "project" / "suites", other / "second.yaml"]
    found = repro.run(suites, only="order", jobs=1)
    assert [result.environment.facts["commit"] for result in found] == heads
    assert [result.file for result in found] == ["suites/deep/tiny.yaml", "second.yaml"]
    assert (elsewhere / "project" / ".repro").is_dir() and not (other / ".repro").exists()


@pytest.mark.slow
@pytest.mark.parametrize("place", [".", "suites", "suites/deep"])
def test_what_a_run_has_left_is_found_from_any_folder_of_the_project(elsewhere, place, monkeypatch):
    monkeypatch.chdir(elsewhere / "project" / "suites" / "deep")
    by_command("tiny.yaml")
    monkeypatch.chdir(elsewhere / "project" / place)
    shown_there = CliRunner().invoke(main, ["show", "tiny"])
    assert shown_there.exit_code == 0 and "order  reproduced" in shown_there.output


def test_a_file_is_written_down_as_it_is_typed_in_its_project_s_folder(elsewhere):
    assert within(elsewhere / "project" / "suites" / "deep" / "tiny.yaml") == "suites/deep/tiny.yaml"
    assert within(Path("../project/suites/deep/tiny.yaml")) == "suites/deep/tiny.yaml"
