"""The nightly workflow asks the command line for what it has, and reports what it should."""

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import click
import pytest
import yaml

from repro.cli import main

WORKFLOW = yaml.safe_load(
    (Path(__file__).parents[2] / ".github" / "workflows" / "nightly.yml").read_text(encoding="utf-8")
)
STEPS = [(job, step) for job, content in WORKFLOW["jobs"].items() for step in content["steps"]]
SCRIPTS = {step["name"]: step["run"] for _, step in STEPS if "run" in step}
COMMAND = re.compile(r"(?:^|[;{]|then|if)\s*(repro \w+[^|>&;\n]*)", re.MULTILINE)


def test_it_uses_commands_and_options_that_exist():
    used = [shlex.split(text) for script in SCRIPTS.values() for text in COMMAND.findall(script)]
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
    assert WORKFLOW["permissions"] == {"contents": "read"}
    granted = {
        job: {what for what, right in content["permissions"].items() if right == "write"}
        for job, content in WORKFLOW["jobs"].items()
    }
    assert granted == {"suites": set(), "site": {"pages", "id-token"}, "issue": {"issues"}}


def test_both_profiles_run_where_they_did():
    rows = WORKFLOW["jobs"]["suites"]["strategy"]["matrix"]["include"]
    assert [(row["profile"], row["runner"]) for row in rows] == [
        ("cpu", '["ubuntu-latest"]'),
        ("gpu", '["self-hosted", "gpu"]'),
    ]


def run(name, folder, stubs):
    """Run a step's script in a folder, stubs (name: what it does) first on the path: code, calls, summary."""
    if shutil.which("bash") is None:
        pytest.skip("needs bash")
    tools = folder / "tools"
    tools.mkdir()
    for stub, does in stubs.items():
        (tools / stub).write_text(f'#!/bin/bash\necho "{stub} $*" >> "{folder}/calls"\n{does}\n')
        (tools / stub).chmod(0o755)
    for file in ("calls", "summary", "output"):
        (folder / file).touch()
    environment = {
        "PATH": f"{tools}:/usr/bin:/bin",
        "PROFILE": "cpu",
        "GITHUB_SHA": "new",
        "RUN": "https://run",
    }
    environment |= {"GITHUB_STEP_SUMMARY": str(folder / "summary"), "GITHUB_OUTPUT": str(folder / "output")}
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


@pytest.mark.parametrize(
    ("code", "ended", "title"),
    [(0, 0, ""), (3, 3, "title=Regression"), (5, 5, "The run, not the code"), (2, 2, "The run")],
)
def test_only_a_confirmed_regression_is_handed_to_the_issue(tmp_path, code, ended, title):
    (tmp_path / "report").mkdir()
    install = (
        "mkdir -p base-env/bin; printf '#!/bin/bash\\n' > base-env/bin/python; chmod +x base-env/bin/python"
    )
    stubs = {"jq": "echo old", "git": "", "python": install, "repro": f"echo decisions; exit {code}"}
    found, calls, said = run(CONFIRM, tmp_path, stubs)
    assert (
        found == ended and "git fetch --depth 1 origin old" in calls and "decisions" in said and title in said
    )
    assert (tmp_path / "regression" / "cpu.md").exists() == (code == 3)


def test_with_the_same_code_on_both_sides_nothing_is_confirmed(tmp_path):
    (tmp_path / "report").mkdir()
    code, calls, said = run(CONFIRM, tmp_path, {"jq": "echo new", "repro": "exit 3"})
    assert code == 0 and "repro" not in calls and "one of the machine" in said
