"""The package alone, as pip installs it: suites by name from any folder, and a folder of one's own."""

import json
import os
import re
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from conftest import TINY

import repro as harness
from repro import places
from repro.cli import main
from repro.new_project import quickest, topics
from repro.suite_files import by_name, suites_below

ROOT = Path(__file__).parents[1]


def repro(*arguments):
    return CliRunner().invoke(main, list(map(str, arguments)))


@pytest.fixture
def nowhere(tmp_path, monkeypatch):
    """An empty folder that one stands in, and suites as an installed package has them."""
    packaged = tmp_path / "site-packages" / "repro" / "suites"
    shutil.copytree(ROOT / "suites", packaged, ignore=shutil.ignore_patterns("*.md"))
    (tmp_path / "site-packages" / "pyproject.toml").touch()  # is no mark of these suites' project
    monkeypatch.setattr(places, "PACKAGED", packaged)
    monkeypatch.setenv("REPRO_HOME", str(tmp_path / "store"))
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    return tmp_path / "empty"


# ---- by name


@pytest.mark.parametrize(
    "name", ["known-answer", "suites/selfcheck/known_answer.yaml", "selfcheck/known_answer.yaml", "selfcheck"]
)
def test_a_suite_runs_by_its_name_and_leaves_its_result_where_one_stands(nowhere, name):
    run = repro("run", name, "-k", "same-size", "-j", 1)
    assert run.exit_code == 0, run.output
    assert "\nsuites/selfcheck/known_answer.yaml::same-size  reproduced" in f"\n{run.output}"
    (path,) = nowhere.glob("results/runs/known-answer/cpu/*.json")
    result = json.loads(path.read_text())
    assert result["file"] == "suites/selfcheck/known_answer.yaml"
    assert result["command"] == "repro run suites/selfcheck/known_answer.yaml --profile cpu"
    assert not list(places.PACKAGED.parents[1].rglob("results"))


def test_a_suite_of_one_s_own_comes_before_one_of_the_package_of_its_name(nowhere):
    assert harness.load("known-answer").arms.keys() != {"small", "frozen", "large"}
    (nowhere / "pytest.ini").touch()
    (nowhere / "suites").mkdir()
    (nowhere / "suites" / "mine.yaml").write_text(TINY.replace("suite: tiny", "suite: known-answer"))
    assert by_name()["known-answer"] == nowhere / "suites" / "mine.yaml"
    assert harness.load("known-answer").arms.keys() == {"small", "frozen", "large"}


def test_a_suite_that_is_named_is_told_by_the_path_that_one_would_type(nowhere):
    (nowhere / "pytest.ini").touch()
    (nowhere / "suites").mkdir()
    (nowhere / "suites" / "mine.yaml").write_text(TINY)
    run = repro("run", "tiny", "-k", "sizes", "-j", 1)  # they are not equally large
    assert run.exit_code == 1 and run.output.startswith("suites/mine.yaml::sizes\n")
    assert str(nowhere) not in run.output
    missing = repro("run", "tiny", "--profile", "missing", "-k", "coin", "-j", 1)
    assert missing.exit_code == 2 and "\n  suites/mine.yaml::coin\n" in missing.output
    (nowhere / "suites" / "mine.yaml").write_text(TINY.replace("lr: 0.1}", "lr: x}"))
    assert repro("check", "tiny").output.startswith("suites/mine.yaml:18:")


@pytest.mark.usefixtures("nowhere")
def test_a_suite_of_the_package_that_cannot_be_measured_is_told_by_its_short_path():
    run = repro("run", "fcn-skips", "--profile", "paper", "--device", "cpu", "-k", "skips-help", "-j", 1)
    assert run.exit_code == 2 and "suites/segmentation/fcn_skips.yaml::" in run.output
    assert str(places.PACKAGED) not in run.output


@pytest.mark.usefixtures("nowhere")
def test_without_suites_of_one_s_own_those_of_the_package_are_listed_by_name_and_none_is_run():
    listed = repro("list")
    assert listed.exit_code == 0 and "\nknown-answer::same-size " in listed.output
    run = repro("run")
    assert run.exit_code == 2 and run.output.startswith("suites: no such file or folder. `repro list` ")
    assert "`repro init`" in run.output


@pytest.mark.usefixtures("nowhere")
@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("known-anwser", "no such file or folder, and no suite of that name; did you mean 'known-answer'?"),
        ("../suites/selfcheck", "no such file or folder"),
        ("selfcheck/nope.yaml", "no such file or folder"),
    ],
)
def test_what_is_neither_a_path_nor_a_name_is_told_with_the_nearest_name(name, said):
    run = repro("check", name)
    assert run.exit_code == 2 and run.output == f"{name}: {said}\n"


def test_no_suite_is_called_as_a_topic_is():
    assert not {*topics()} & by_name().keys()


# ---- a folder of one's own


def test_what_init_copies_is_a_project_without_mistakes(nowhere):
    assert repro("init", "selfcheck", "fcn-skips", "--to", "mine").exit_code == 0
    suites = {str(path.relative_to(nowhere / "mine")) for path in suites_below(nowhere / "mine" / "suites")}
    names = ("segmentation/fcn_skips", "selfcheck/known_answer", "selfcheck/no_difference")
    assert suites == {f"suites/{name}.yaml" for name in names}
    assert harness.check("mine/suites") == []
    assert places.project(nowhere / "mine" / "suites" / "selfcheck") == nowhere / "mine"
    for name in ("ledger.json", "suite.schema.json", "recipes.yaml"):
        assert (nowhere / "mine" / "suites" / name).read_bytes() == (ROOT / "suites" / name).read_bytes()


def test_init_changes_no_file_and_says_so(nowhere):
    (nowhere / "pytest.ini").write_text("[pytest]\n# mine\n")
    run = repro("init", "selfcheck")
    assert (
        "left as it was: pytest.ini" in run.output and "new: suites/selfcheck/known_answer.yaml" in run.output
    )
    assert (nowhere / "pytest.ini").read_text() == "[pytest]\n# mine\n"


@pytest.mark.parametrize(
    "word", ["fcn-skips", "segmentation/fcn_skips.yaml", "suites/segmentation/fcn_skips.yaml"]
)
def test_init_names_the_quickest_claim_to_begin_with_and_then_all(nowhere, word):
    run = repro("init", word, "--to", "my own")
    quickest, rest = run.output.splitlines()[-2:]
    command = "cd 'my own' && pytest suites/segmentation/fcn_skips.yaml::skips-cost-little"
    assert quickest == f"now decide a claim, the quickest: {command}"  # a static one, the last of four
    assert rest == "then edit, and decide all 4: pytest -v"
    assert [path.stem for path in suites_below(nowhere / "my own")] == ["fcn_skips"]


def test_the_quickest_claim_trains_on_the_fewest_pixels_and_times_nothing(tmp_path):
    text = TINY.partition("claims:")[0] + "claims:\n"
    for name, expect in (
        ("timed", "latency(small) >= latency(large)"),
        ("both", "train_error(frozen) >= train_error(small)"),
        ("one", "test_error(frozen) >= train_error(frozen)"),
    ):
        text += f"  {name}: {{says: x, expect: {expect}}}\n"
    (tmp_path / "tiny.yaml").write_text(text)
    assert quickest([tmp_path / "tiny.yaml"]) == (tmp_path / "tiny.yaml", "one", 3)
    (tmp_path / "tiny.yaml").write_text("suite: x")
    assert quickest([tmp_path / "tiny.yaml"]) is None


@pytest.mark.parametrize(
    ("word", "said"),
    [("fcn-skip", "did you mean 'fcn-skips'?"), ("xyz", "topics: arithmetic, classification, ")],
)
def test_init_copies_nothing_for_a_word_that_is_neither_topic_nor_suite(nowhere, word, said):
    run = repro("init", "selfcheck", word)
    assert run.exit_code == 2 and run.output.startswith(f"no topic and no suite '{word}'; {said}")
    assert list(nowhere.iterdir()) == []


def test_the_nightly_workflow_pins_its_actions_as_ours_do_and_takes_no_text_of_others_into_a_shell():
    text = (ROOT / "repro" / "starter" / "nightly.yml").read_text()
    ours = "".join(path.read_text() for path in (ROOT / ".github" / "workflows").iterdir())
    steps = yaml.safe_load(text)["jobs"]["claims"]["steps"]
    assert all(re.fullmatch(r"actions/[\w-]+@[0-9a-f]{40}", step["uses"]) for step in steps if "uses" in step)
    assert all(step["uses"] in ours for step in steps if "uses" in step)
    assert not [step for step in steps if "${{" in step.get("run", "")]


# ---- completion


def completed(monkeypatch, *words):
    """What bash is given behind these words, of which the last is not whole."""
    monkeypatch.setenv("_REPRO_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", " ".join(["repro", *words]))
    monkeypatch.setenv("COMP_CWORD", str(len(words)))
    run = CliRunner().invoke(main, [], prog_name="repro")
    return [line.removeprefix("plain,") for line in run.output.split()]


@pytest.mark.usefixtures("nowhere")
@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (("run", "fcn-sk"), ["fcn-skips", "fcn-skips-at-boundaries"]),
        (("run", "./fcn"), ["file,"]),
        (("init", "cla"), ["classic-nets-cost", "classification"]),
        (("run", "known-answer", "--profile", "c"), ["cpu"]),
        (("run", "known-answer", "-k", "same"), ["same-size"]),
        (("run", "no-such-suite", "-k", "same"), []),
        (("show", "kno"), ["known-answer"]),
    ],
    ids=" ".join,
)
def test_a_shell_completes_suites_profiles_claims_and_results(monkeypatch, words, offered):
    Path("results/runs/known-answer/cpu").mkdir(parents=True)
    Path("results/runs/known-answer/cpu/x.json").touch()
    assert completed(monkeypatch, *words) == offered


# ---- as pip installs it


@pytest.mark.slow  # builds, and starts processes
def test_the_wheel_in_a_fresh_environment_runs_a_suite_by_name_and_begins_a_project(tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for name in ("repro", "suites"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    fresh = tmp_path / "fresh"
    venv.create(fresh)
    python, here = str(fresh / "bin" / "python"), [path for path in sys.path if path.endswith("-packages")]
    alone = {name: os.environ[name] for name in os.environ if name not in ("PYTHONPATH", "REPRO_HOME")}

    def done(*command, folder=tmp_path):
        run = subprocess.run(command, cwd=folder, env=alone, capture_output=True, text=True)
        assert run.returncode == 0, run.stdout + run.stderr
        return run.stdout

    build = ("wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", "wheels", "./source")
    done(sys.executable, "-m", "pip", *build)
    (wheel,) = tmp_path.glob("wheels/*.whl")
    done(
        sys.executable,
        "-m",
        "pip",
        "--quiet",
        "--python",
        python,
        "install",
        "--no-deps",
        "--no-compile",
        str(wheel),
    )
    (lib,) = fresh.glob("lib/*/site-packages")
    (lib / "torch_and_all.pth").write_text("\n".join(here))  # what it depends on is that of these tests
    (tmp_path / "stand").mkdir()
    command, stand = str(fresh / "bin" / "repro"), tmp_path / "stand"
    run = done(command, "run", "known-answer", "-k", "same-size", folder=stand)
    assert "suites/selfcheck/known_answer.yaml::same-size  reproduced" in run
    assert {path.name for path in stand.iterdir()} == {".repro", "results"}
    assert not list(fresh.rglob("results")) and not list(fresh.rglob(".repro"))
    done(command, "init", "selfcheck", "--to", "mine")
    done(python, "-m", "pytest", "-q", "-k", "same-size", "-p", "no:cacheprovider", folder=tmp_path / "mine")
    assert list(tmp_path.glob("mine/results/runs/known-answer/cpu/*.json"))
