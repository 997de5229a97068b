"""Which release this is."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import repro
from repro import release

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

SAID = """
import repro
from importlib.metadata import PackageNotFoundError, version
try:
    version("repro")
except PackageNotFoundError:
    print(repro.__version__)
"""


def test_the_release_is_that_of_the_package():
    assert re.fullmatch(r"\d+\.\d+\.\d+", repro.__version__) and repro.__version__ == release.version()


def test_sources_that_are_not_installed_know_it_from_the_file_beside_them(tmp_path):
    folder = shutil.copytree(
        ROOT / "repro",
        tmp_path / "repro",
        ignore=lambda _, names: {*names} - {"__init__.py", "release.py", "errors.py"},
    )
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    alone = [sys.executable, "-S", "-c", SAID]  # -S: without what is installed
    env = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(alone, env=env, cwd=folder, capture_output=True, text=True)
    assert done.stdout.strip() == PROJECT["version"], done.stderr


@pytest.mark.parametrize(
    "beside", [None, "not TOML", '[project]\nname = "other"\nversion = "7"', "[tool.repro]"]
)
def test_without_such_a_file_it_is_unknown(tmp_path, monkeypatch, beside):
    def nothing(name):
        raise release.PackageNotFoundError(name)

    monkeypatch.setattr(release, "installed", nothing)
    if beside is not None:
        (tmp_path / "pyproject.toml").write_text(beside)
    assert release.version(tmp_path) == "unknown"
