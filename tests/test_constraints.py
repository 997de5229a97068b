"""What tox installs is pinned, but for torch, and once a week it is not."""

import configparser
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
OF_THE_MACHINE = {"torch", "torchvision"}  # and what only they need
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
TESTED = ("tests", "reference", "ray", "tensorboard", "wandb", "mlflow")
WANTED = [Requirement(line) for line in PROJECT["dependencies"]]
WANTED += [Requirement(line) for extra in (*TESTED, "docs") for line in EXTRAS[extra]]
PINNED = {
    canonicalize_name(pin.name): pin
    for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    if not line.startswith("#")
    for pin in [Requirement(line)]
}


def install_command():
    tox = configparser.ConfigParser(interpolation=None)
    tox.read(ROOT / "tox.ini", encoding="utf-8")
    return tox["testenv"]["install_command"]


@pytest.mark.parametrize("wanted", WANTED, ids=lambda requirement: requirement.name)
def test_each_dependency_is_pinned_to_a_release_that_it_allows_or_is_of_the_machine(wanted):
    if wanted.name in OF_THE_MACHINE:
        assert wanted.name not in PINNED
    else:
        (pin,) = PINNED[canonicalize_name(wanted.name)].specifier
        assert pin.operator == "==" and wanted.specifier.contains(pin.version)


def test_the_extras_that_are_pinned_are_those_that_tox_installs():
    tox = configparser.ConfigParser(interpolation=None)
    tox.read(ROOT / "tox.ini", encoding="utf-8")
    installed = " ".join(tox[f"testenv:{name}"]["extras"] for name in ("tests", "trackers")).split()
    assert {*installed} == {*TESTED}


def test_nothing_is_pinned_that_comes_with_a_kind_of_gpu():
    assert not [name for name in PINNED if name.startswith(("nvidia-", "cuda-", "triton"))]


def test_tox_installs_what_is_pinned_and_the_weekly_job_what_is_newest():
    assert " -c constraints.txt " in install_command()
    weekly = yaml.safe_load((ROOT / ".github/workflows/unpinned.yml").read_text(encoding="utf-8"))
    scripts = [step["run"] for step in weekly["jobs"]["test"]["steps"] if "run" in step]
    newest = install_command().replace(" -c constraints.txt", "")
    assert any(f"tox -e tests -x 'testenv.install_command={newest}'" in script for script in scripts)
