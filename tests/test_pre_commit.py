"""What is checked before a commit is what `tox -e lint` checks."""

import configparser
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]


def test_the_hooks_run_the_commands_of_tox_in_its_environment():
    tox = configparser.ConfigParser(interpolation=None)
    tox.read(ROOT / "tox.ini", encoding="utf-8")
    commands = tox["testenv:lint"]["commands"].split("\n")
    (repository,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"]
    hooks = [hook["entry"] for hook in repository["hooks"]]
    assert hooks == [f"tox exec -qe lint --skip-pkg-install -- {command}" for command in commands if command]
    assert repository["repo"] == "local"
