"""The README is short, and the suite that it shows is one."""

import re
from pathlib import Path

import repro

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


def test_it_can_be_read_in_minutes():
    assert len(README.splitlines()) <= 150


def test_the_two_commands_are_there_once_each_as_ci_runs_them():
    for environment in ("suites", "tests"):
        assert len(re.findall(rf"^python3 -m venv .*tox -e {environment}$", README, re.MULTILINE)) == 1


def test_the_suite_that_is_shown_has_no_mistakes(tmp_path):
    (suite,) = re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)
    path = tmp_path / "suite.yaml"
    path.write_text(suite)
    assert repro.load(path).suite == "resnet-degradation"
