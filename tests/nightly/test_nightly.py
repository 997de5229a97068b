"""The nightly workflow asks the command line for what it has, and reports what it should."""

import re
import shlex
import shutil
import subprocess
from itertools import chain
from pathlib import Path

import click
import pytest
import yaml

from repro.cli import main

ROOT = Path(__file__).parents[2]
GITHUB = ROOT / ".github"
PLUGIN = (ROOT / "repro" / "pytest_plugin.py").read_text(encoding="utf-8")
TEXTS = {path.stem: path.read_text(encoding="utf-8") for path in (GITHUB / "workflows").glob("*.yml")}
WORKFLOWS = {name: yaml.safe_load(text) for name, text in TEXTS.items()}
JOBS = {**WORKFLOWS["nightly"]["jobs"], **WORKFLOWS["profile"]["jobs"]}
STEPS = list(chain.from_iterable(job.get("steps", []) for job in JOBS.values()))
SCRIPTS = {step["name"]: step["run"] for step in STEPS if "run" in step}
COMMAND = re.compile(r"(?:^|[;{]|then|if)\s*(repro \w+[^|>&;\n]*)", re.MULTILINE)


def test_it_uses_commands_and_options_that_exist():
    lines = "\n".join(SCRIPTS.values()).replace("\\\n", "")
    used = [shlex.split(text) for text in COMMAND.findall(lines)]
    assert {"show", "compare", "watch", "confirm", "report"} <= {words[1] for words in used}
    for _, name, *words in used:
        command = main.commands[name]
        context = click.Context(command, info_name=name)
        known = {
            option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)
        }
        assert {word for word in words if word.startswith("-")} <= known, name
        required = [p for p in command.params if p.required and isinstance(p, click.Option)]
        assert all(set(option.opts) & set(words) for option in required), name
        assert context.command is command


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
@pytest.mark.parametrize("name", SCRIPTS)
def test_every_script_parses_and_stops_at_the_first_failure(name):
    assert SCRIPTS[name].startswith("set -euo pipefail\n")
    checked = subprocess.run(["bash", "-n"], input=SCRIPTS[name], text=True, capture_output=True, check=False)
    assert checked.returncode == 0, checked.stderr


def test_each_job_may_do_what_it_needs_and_no_more():
    assert all(workflow["permissions"] == {"contents": "read"} for workflow in WORKFLOWS.values())
    granted = {
        name: {what for what, right in job["permissions"].items() if right == "write"}
        for name, job in JOBS.items()
    }
    called = {"cpu": {"issues"}, "gpu": {"issues"}}  # what is called can do no more
    assert granted == {**called, "suites": set(), "site": {"pages", "id-token"}, "issue": {"issues"}}


def test_other_people_s_actions_are_those_of_one_commit_and_no_checkout_leaves_its_token_behind():
    for name, text in TEXTS.items():
        used = re.findall(r"uses: (\S+)(.*)", text)
        assert used, name
        for action, comment in used:
            if not action.startswith("./"):
                assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", action), (name, action)
                assert re.fullmatch(r"  # v\d+\.\d+\.\d+", comment), (name, action)
    jobs = chain.from_iterable(workflow["jobs"].values() for workflow in WORKFLOWS.values())
    steps = chain.from_iterable(job.get("steps", []) for job in jobs)
    checkouts = [step for step in steps if "actions/checkout" in step.get("uses", "")]
    assert len(checkouts) == 5
    assert all(step["with"]["persist-credentials"] is False for step in checkouts)


def test_both_profiles_run_where_they_did_and_neither_waits_for_the_other_s_runner():
    called = {name: JOBS[name]["with"] for name in ("cpu", "gpu")}
    assert {name: (of["profile"], of["runner"]) for name, of in called.items()} == {
        "cpu": ("cpu", '["ubuntu-latest"]'),
        "gpu": ("gpu", '["self-hosted", "gpu"]'),
    }
    assert JOBS["site"]["needs"] == "cpu" and JOBS["issue"]["needs"] == "suites"
    assert not any("needs" in JOBS[name] for name in (*called, "suites"))
    assert "concurrency" not in WORKFLOWS["nightly"]
    assert "inputs.profile" in JOBS["suites"]["concurrency"]["group"]


def test_no_text_from_outside_is_written_into_a_script():
    """What an expression says becomes part of the script: it goes through the environment."""
    jobs = chain.from_iterable(workflow["jobs"].values() for workflow in WORKFLOWS.values())
    scripts = [step["run"] for job in jobs for step in job.get("steps", []) if "run" in step]
    starter = yaml.safe_load((ROOT / "repro" / "starter" / "nightly.yml").read_text(encoding="utf-8"))
    scripts += [step["run"] for step in starter["jobs"]["claims"]["steps"] if "run" in step]
    found = {expression for script in scripts for expression in re.findall(r"\$\{\{ *(.*?) *\}\}", script)}
    assert found <= {"matrix.order"}  # of ci.yml's own list


def test_a_night_has_time_for_what_its_job_is_given_for():
    for name in ("cpu", "gpu"):
        given = JOBS[name]["with"]
        assert 60 * float(given["hours"]) + given["confirm_minutes"] <= given["minutes"] - 15  # to install


def test_suites_are_decided_anew_in_turn_with_the_store_outside_the_workspace(tmp_path):
    stubs = {"python": "", "pytest": ""}
    given = {"SEEDS": "5", "HOURS": "4", "EXTRA": "[gpu]", "STORE": "", "RUNNER_TEMP": "/runner/temp"}
    assert run("Install", tmp_path, stubs, **given)[1] == "python -m pip install .[gpu]\n"
    assert (tmp_path / "environment").read_text() == "REPRO_HOME=/runner/temp/repro\n"
    asked = run("Decide the claims", tmp_path, stubs, **given)[1].splitlines()[-1].split()
    options = {*re.findall(r'"(--[\w-]+)"', PLUGIN)}
    assert {word for word in asked if word.startswith("--")} <= options | {"--junitxml"}
    assert asked[asked.index("--hours") + 1] == "4" and asked[asked.index("--earlier") + 1] == "history"
    assert "--fresh" in asked


OLD, NEW = "0123456789" * 4, "abcdef0123" * 4  # commits


def run(name, folder, stubs, **given):
    """Run a step's script in a folder, stubs (name: what it does) first on the path: code, calls, summary."""
    if shutil.which("bash") is None:
        pytest.skip("needs bash")
    tools = folder / "tools"
    tools.mkdir(exist_ok=True)
    for stub, does in stubs.items():
        (tools / stub).write_text(f'#!/bin/bash\necho "{stub} $*" >> "{folder}/calls"\n{does}\n')
        (tools / stub).chmod(0o755)
    for file in ("calls", "summary", "output", "environment"):
        (folder / file).touch()
    environment = {
        "PATH": f"{tools}:/usr/bin:/bin",
        "PROFILE": "cpu",
        "CONFIRM_MINUTES": "60",
        "GITHUB_SHA": NEW,
        "GITHUB_REPOSITORY": "owner/name",
        "GITHUB_REF_NAME": "main",
        "GITHUB_SERVER_URL": "https://server",
        "RUN": "https://run",
        "HOME": str(folder),
    }
    environment |= {"GITHUB_STEP_SUMMARY": str(folder / "summary"), "GITHUB_OUTPUT": str(folder / "output")}
    environment |= {"GITHUB_ENV": str(folder / "environment"), "EXTRA": "", **given}
    ended = subprocess.run(
        ["bash", "-c", SCRIPTS[name]],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return ended.returncode, (folder / "calls").read_text(), (folder / "summary").read_text() + ended.stdout


ISSUE = "Open the issue, or add to it"


def test_without_a_confirmed_regression_no_issue_is_touched(tmp_path):
    assert run(ISSUE, tmp_path, {"gh": ""})[:2] == (0, "")


@pytest.mark.parametrize(("open_issue", "done"), [("", "gh issue create"), ("17", "gh issue comment 17")])
def test_a_confirmed_regression_opens_one_issue_or_adds_to_it(tmp_path, open_issue, done):
    (tmp_path / "regression").mkdir()
    (tmp_path / "regression" / "cpu.md").write_text("slower")
    code, calls, _ = run(ISSUE, tmp_path, {"gh": f'[ "$2" != list ] || echo "{open_issue}"'})
    assert code == 0 and done in calls and ("issue create" in calls) != ("issue comment" in calls)
    assert (tmp_path / "body.md").read_text() == "slower\n\nhttps://run\n".replace("slower\n\n", "slower\n")


WATCH = "Look for steps in the history"


@pytest.mark.parametrize(
    ("code", "title"),
    [(0, ""), (3, ""), (4, "Nothing was measured"), (5, "The run, not the code"), (2, "The run, not")],
)
def test_a_broken_run_is_not_reported_as_a_regression(tmp_path, code, title):
    (tmp_path / "report").mkdir()
    ended, _, said = run(WATCH, tmp_path, {"repro": f"echo suspects; exit {code}"})
    assert ended == (0 if code in (0, 3) else code) and "suspects" in said and "Regression" not in said
    assert title in said and (tmp_path / "output").read_text() == f"code={code}\n"


CONFIRM = "Confirm suspects, old and new code in turns"
INSTALL = "mkdir -p base-env/bin; printf '#!/bin/bash\\n' > base-env/bin/python; chmod +x base-env/bin/python"


def watched(base=OLD, alarms=0):
    """What `jq` finds in what `repro watch` wrote."""
    return f'case "$*" in *alarms*) echo {alarms} ;; *) echo "{base}" ;; esac'


@pytest.mark.parametrize(
    ("code", "ended", "title"),
    [(0, 0, ""), (3, 3, "title=Regression"), (5, 5, "The run, not the code"), (2, 2, "The run")],
)
def test_only_a_confirmed_regression_is_handed_to_the_issue(tmp_path, code, ended, title):
    (tmp_path / "report").mkdir()
    stubs = {"jq": watched(), "git": "", "python": INSTALL, "repro": f"echo decisions; exit {code}"}
    found, calls, said = run(CONFIRM, tmp_path, stubs)
    assert found == ended and "decisions" in said and title in said
    assert f"git worktree add --force --detach base {OLD}\n" in calls
    assert "--minutes 60 --repository https://server/owner/name" in calls
    assert (tmp_path / "regression" / "cpu.md").exists() == (code == 3)


@pytest.mark.parametrize(
    "base",
    ["HEAD", "main", OLD[:39], OLD + "0", OLD.replace("1", "G"), f"{OLD[:38]}/.", "--upload-pack=x", "."],
)
def test_what_the_history_names_is_not_installed_unless_it_is_the_name_of_a_commit(tmp_path, base):
    (tmp_path / "report").mkdir()
    code, calls, said = run(
        CONFIRM, tmp_path, {"jq": watched(base), "git": "", "python": "", "repro": "exit 3"}
    )
    assert code == 0 and "no commit of this branch" in said
    assert not re.search("^(git|python|repro)", calls, re.MULTILINE)


def git(folder, *arguments):
    who = ["-c", "user.name=x", "-c", "user.email=x@x"]
    done = subprocess.run(["git", *who, *arguments], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_a_commit_is_confirmed_against_only_if_this_branch_has_it(tmp_path):
    git(tmp_path, "init", "-q", "-b", "main")
    commits = {}
    for name in ("old", "new"):
        git(tmp_path, "commit", "-q", "--allow-empty", "-m", name)
        commits[name] = git(tmp_path, "rev-parse", "HEAD")
    git(tmp_path, "checkout", "-q", "-b", "elsewhere", commits["old"])
    git(tmp_path, "commit", "-q", "--allow-empty", "-m", "elsewhere")
    commits["elsewhere"] = git(tmp_path, "rev-parse", "HEAD")
    git(tmp_path, "checkout", "-q", "main")
    (tmp_path / "report").mkdir()
    commits["unknown"] = OLD
    for name, commit in commits.items():
        stubs = {"jq": watched(commit), "python": INSTALL, "repro": "git -C base rev-parse HEAD"}
        code, calls, said = run(CONFIRM, tmp_path, stubs)
        assert code == 0
        assert ("repro confirm" in calls and commit in said) == (name in ("old", "new")), name
        (tmp_path / "calls").unlink()
        (tmp_path / "summary").unlink()


@pytest.mark.parametrize("base", ["", NEW, "HEAD"])
@pytest.mark.parametrize("alarms", [0, 2])
def test_without_older_code_nothing_is_confirmed_and_what_broke_is_reported_all_the_same(
    tmp_path, base, alarms
):
    (tmp_path / "report").mkdir()
    (tmp_path / "report" / "watch.md").write_text("an arm has gone")
    code, calls, _ = run(CONFIRM, tmp_path, {"jq": watched(base, alarms), "git": "", "repro": "exit 3"})
    assert code == (3 if alarms else 0) and "repro" not in calls
    report = tmp_path / "regression" / "cpu.md"
    assert report.exists() == bool(alarms)
    assert not alarms or report.read_text().endswith("against the run before:\n\nan arm has gone")


# ---- the history, over nights, with a `gh` that has artifacts in a folder

GH = """
served={served}
case "$1 $2" in
  "run list") ls "$served" | sort -rn ;;
  "api "*)
    run=${{2#*runs/}} name=${{2##*name=}}
    if [ -d "$served/${{run%%/*}}/$name" ]; then echo 1; else echo 0; fi ;;
  "run download")
    shift 2; run=$1
    while [ $# -gt 0 ]; do
      case $1 in --name) name=$2 ;; --dir) dir=$2 ;; esac
      shift
    done
    cd "$served/$run/$name" || exit 1
    find . -type f | while read -r file; do
      if [ -e "$dir/$file" ]; then echo "error extracting $file: file exists"; exit 1; fi
      mkdir -p "$(dirname "$dir/$file")"
      cp "$file" "$dir/$file"
    done ;;
esac
"""
FETCH, ADD, SITE = "Fetch the history", "Add tonight to the history", "Make the site"


@pytest.fixture
def runner(tmp_path):
    """A folder that steps run in, as after a checkout, with a kept result."""
    folder = tmp_path / "runner"
    kept = folder / "results" / "kept" / "suite" / "cpu"
    (kept / "kept").mkdir(parents=True)
    (kept / "kept.json").write_text("kept")
    (kept / "kept" / "picture.png").write_text("a picture")
    shutil.copytree(GITHUB, folder / ".github")
    (tmp_path / "served").mkdir()
    return folder


def names(folder):
    return sorted(path.name for path in folder.rglob("*.json"))


def a_night(runner, number):
    """Fetch the history, measure something, add it, and keep the history as an artifact."""
    served = runner.parent / "served"
    for left in ("history", "nightly", "report"):
        shutil.rmtree(runner / left, ignore_errors=True)
    stubs = {"gh": GH.format(served=served), "repro": "", "python": ""}
    code, calls, said = run(FETCH, runner, stubs)
    assert code == 0, said
    measured = runner / "nightly" / "suite" / "cpu"
    measured.mkdir(parents=True)
    (measured / f"night{number}.json").write_text(str(number))
    assert run(ADD, runner, stubs)[0] == 0
    shutil.copytree(runner / "history", served / str(100 + number) / "history-cpu")
    return calls, said


def test_the_history_grows_night_by_night(runner):
    for number in range(1, 5):
        calls, said = a_night(runner, number)
        assert ("No history" in said) == (number == 1)
        assert names(runner / "history") == ["kept.json", *(f"night{n}.json" for n in range(1, number + 1))]
    asked = "--repo owner/name --workflow nightly.yml --event schedule --branch main"
    assert f"gh run list {asked}" in calls
    assert (runner / "history" / "suite" / "cpu" / "kept" / "picture.png").exists()


def test_nights_that_left_no_history_are_passed_over(runner):
    a_night(runner, 1)
    for run_id in ("102", "103"):
        (runner.parent / "served" / run_id / "results-cpu").mkdir(parents=True)
    a_night(runner, 4)
    assert names(runner / "history") == ["kept.json", "night1.json", "night4.json"]


def test_a_history_that_is_there_and_cannot_be_had_ends_the_step_and_is_not_cut_short(runner):
    a_night(runner, 1)
    broken = GH.format(served=runner.parent / "served").replace('cd "$served', 'exit 1; cd "$served')
    assert run(FETCH, runner, {"gh": broken})[0] != 0
    assert run(FETCH, runner, {"gh": "exit 1"})[0] != 0
    kept = [step for step in STEPS if str(step.get("with", {}).get("name", "")).startswith("history-")]
    assert all("steps.history.outcome == 'success'" in step["if"] for step in kept) and len(kept) == 1


def test_the_site_is_of_tonight_and_of_what_the_other_profile_left_last(runner):
    a_night(runner, 1)
    served = runner.parent / "served"
    shutil.copytree(served / "101" / "history-cpu", served / "99" / "history-gpu")
    (served / "99" / "history-gpu" / "on-gpu.json").write_text("")
    shutil.rmtree(runner / "history")
    (runner / "tonight").mkdir()
    (runner / "tonight" / "night2.json").write_text("")
    code, calls, said = run(SITE, runner, {"gh": GH.format(served=served), "python": "", "repro": ""})
    assert code == 0, said
    assert "repro report history -o site\npython -m sphinx -q docs site/docs\n" in calls
    assert names(runner / "history") == ["kept.json", "night1.json", "night2.json", "on-gpu.json"]
