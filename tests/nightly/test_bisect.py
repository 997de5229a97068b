"""Which commit did it: in repositories whose code makes results up, and in one of the harness itself."""

import shutil
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner
from kit.results import claim, result, trial

import repro as harness
from repro.cli import main
from repro.errors import ReproError
from repro.nightly.bisect import Bisection, NothingFound

pytestmark = pytest.mark.slow  # processes

MADE_UP = """\
import json, os, pathlib, sys
def main(prog_name):
    asked, options = sys.argv[2], dict(zip(sys.argv[3::2], sys.argv[4::2]))
    home = pathlib.Path(os.environ["REPRO_HOME"])
    assert sys.argv[1] == "run" and pathlib.Path(asked).is_file() and not home.exists()
    home.mkdir()
    if "crash" in (error := pathlib.Path("error").read_text()):
        sys.exit("no such option")
    made = json.loads(pathlib.Path("made").read_text())
    for trial in made["trials"]:
        trial["measurements"]["test_error"] = None if error == "none" else float(error) + 1e-3 * trial["seed"]
    folder = pathlib.Path(options["--results"])
    folder.mkdir(parents=True)
    (folder / "made.json").write_text(json.dumps(made))
    sys.exit(1)  # a claim is not as expected
"""


def git(folder, *arguments):
    who = ["-c", "user.name=a", "-c", "user.email=a@b"]
    done = subprocess.run(["git", "-C", folder, *who, *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def commit(folder, title):
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--allow-empty", "--message", title)
    return git(folder, "rev-parse", "HEAD")


@pytest.fixture
def made_up(tmp_path):
    """Makes a repository with a commit for each error rate, and gives it with its commits."""

    def make(*errors):
        folder = tmp_path / "repository"
        (folder / "repro" / "cli").mkdir(parents=True)
        (folder / "repro" / "__init__.py").touch()
        (folder / "repro" / "cli" / "__init__.py").write_text(MADE_UP)
        (folder / "suite.yaml").touch()
        trials = [trial(seed=seed) for seed in range(5)]
        (folder / "made").write_text(result(trials, claims={"c": claim()}).model_dump_json(by_alias=True))
        git(tmp_path, "init", "--quiet", folder)
        commits = []
        for error in errors:
            (folder / "error").write_text(error)
            commits.append(commit(folder, f"error {error}"))
        return folder, commits

    return make


def first_bad(folder, good, bad, look_for="worse", said=None):
    say = (lambda _: None) if said is None else said.append
    return Bisection(folder, "suite.yaml", [], look_for, say).first_bad(good, bad)


@pytest.mark.parametrize("at", [1, 2, 3, 4, 5])
def test_the_first_bad_commit_is_found_wherever_it_is(made_up, at):
    folder, commits = made_up(*["0.3"] * at, *["0.9"] * (6 - at))
    said = []
    found, comparison = first_bad(folder, commits[0], "HEAD", said=said)
    assert found == commits[at]
    assert [(change.kind, round(change.new, 3)) for change in comparison.measurements] == [("worse", 0.902)]
    assert len([line for line in said if "left" in line]) <= 3  # of four that lie between


def test_what_counts_as_bad_can_be_a_gain_a_lost_value_or_any_other_number(made_up):
    folder, commits = made_up("0.3", "0.30001", "0.1", "0.1", "none")
    assert first_bad(folder, commits[0], commits[3], "better")[0] == commits[2]
    assert first_bad(folder, commits[0], commits[3], "changed")[0] == commits[1]
    assert first_bad(folder, commits[2], commits[4], "worse")[0] == commits[4]


def test_commits_that_cannot_be_run_are_skipped(made_up):
    folder, commits = made_up("0.3", "0.3", "crash", "0.3", "0.9", "0.9", "crash", "0.9")
    said = []
    assert first_bad(folder, commits[0], commits[-1], said=said)[0] == commits[4]
    lines = [line for line in said if "skipped" in line]
    assert all("ended with 1: no such option" in line for line in lines)


def test_if_commits_that_cannot_be_run_hide_it_those_it_may_be_are_named(made_up):
    folder, commits = made_up("0.3", "0.3", "crash", "0.9")
    with pytest.raises(NothingFound) as error:
        first_bad(folder, commits[0], commits[-1])
    assert (
        str(error.value)
        == f"it is one of {commits[2][:12]}, {commits[3][:12]}; all but the last cannot be run"
    )


def test_a_bad_commit_that_is_no_worse_and_a_good_one_that_cannot_be_run_are_said(made_up):
    folder, commits = made_up("crash", "0.3", "0.3", "0.9")
    with pytest.raises(NothingFound, match="is not worse than"):
        first_bad(folder, commits[1], commits[2])
    with pytest.raises(ReproError, match="ended with 1: no such option"):
        first_bad(folder, commits[0], commits[3])
    with pytest.raises(ReproError, match="does not come before"):
        first_bad(folder, commits[3], commits[1])
    with pytest.raises(ReproError, match="no commit 'nowhere'"):
        first_bad(folder, "nowhere", "HEAD")


def repro(*arguments):
    return CliRunner().invoke(main, list(map(str, arguments)))


def test_the_command_leaves_the_folder_as_it_was_and_ends_with_the_commit(made_up):
    folder, commits = made_up("0.3", "0.3", "0.9")
    (folder / "suite.yaml").write_text("not committed")
    before = git(folder, "status", "--porcelain", "--branch")
    found = repro("bisect", commits[0], "HEAD", folder / "suite.yaml", "-k", "c")
    assert found.exit_code == 0 and found.stdout.endswith(f"the first worse commit: {commits[2]}\n")
    assert "WORSE" in found.stdout and git(folder, "status", "--porcelain", "--branch") == before
    assert git(folder, "worktree", "list").count("\n") == 0
    assert repro("bisect", commits[0], commits[1], folder / "suite.yaml").exit_code == 5
    assert repro("bisect", "nowhere", "HEAD", folder / "suite.yaml").exit_code == 2


def test_a_suite_in_no_repository_is_wrong_use(tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "suite.yaml").touch()
    found = repro("bisect", "a", "b", tmp_path / "folder" / "suite.yaml")
    assert found.exit_code == 2 and "in no git repository" in found.output


SUITE = """\
suite: tiny
task: classification
arms: {small: {model: cifar_resnet, depth: 8}}
profiles:
  cpu:
    data: {name: fashion-mnist-small, size: 7}
    model: {width: 4}
    recipe: {steps: 20, batch_size: 32, optimizer: {name: sgd, lr: 0.1}, evaluate: {train_images: 100}}
claims:
  learns: {says: It learns., expect: test_error(small) < 0.8}
  sizes: {says: It is small., expect: params(small) < 1e6}
"""


@pytest.mark.journey
@pytest.mark.usefixtures("one_core")
def test_the_commit_that_broke_the_optimizer_of_the_harness_is_found(tmp_path):
    folder = tmp_path / "repository"
    code = folder / "repro"
    shutil.copytree(Path(harness.__file__).parent, code, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "tiny.yaml").write_text(SUITE)
    git(tmp_path, "init", "--quiet", folder)
    loop = code / "training" / "loop.py"
    sound = loop.read_text()
    assert sound.count("optimizer.step()") == 1
    good = commit(folder, "Train")
    loop.write_text(sound.replace("optimizer.step()", "pass"))
    bad = commit(folder, "Be quicker")
    found = repro("bisect", good, "HEAD", folder / "tiny.yaml", "-k", "learns", "--seeds", 3)
    assert found.exit_code == 0, found.output
    assert found.stdout.endswith(f"the first worse commit: {bad}\n")
