"""The package in examples/own_package, installed, and used as its README says."""

import json
import os
import re
import shlex
import shutil
from pathlib import Path

import pytest
from conftest import on_one_core
from kit import forked

REPRO = Path(__file__).parents[1]
EXAMPLE = REPRO / "examples" / "own_package"

pytestmark = pytest.mark.journey  # trains, in a process for each command


class Package:
    """A copy of the package, installed into a folder that only commands run here have on their path."""

    def __init__(self, folder: Path):
        self.folder, installed = folder / "own_package", folder / "installed"
        left = ("results", "runs", ".repro", "build", "*.egg-info", "__pycache__")  # by whoever tried it
        shutil.copytree(EXAMPLE, self.folder, ignore=shutil.ignore_patterns(*left))
        paths = {"PYTHONPATH": os.pathsep.join(map(str, (installed, REPRO)))}
        self.environment = {**os.environ, **paths, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
        self.environment.pop("REPRO_HOME", None)
        install = "python -m pip install --quiet --no-index --no-deps --no-build-isolation"
        self.run(f"{install} --target {installed} .")

    def run(self, command: str, *codes: int) -> str:
        """What a command says that ends with one of some codes, or with 0."""
        arguments = shlex.split(command.removeprefix("python -m "))
        with on_one_core():
            done = forked.command(*arguments, cwd=self.folder, env=self.environment)
        assert done.returncode in (codes or (0,)), f"{command}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def changes(self, name: str, old: str, new: str) -> None:
        text = (self.folder / name).read_text()
        assert old in text
        (self.folder / name).write_text(text.replace(old, new))


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Package:
    return Package(tmp_path_factory.mktemp("own"))


@pytest.fixture(scope="module")
def said(package: Package) -> dict[str, str]:
    """What the commands of the README say, but for the installation."""
    (block,) = re.findall(r"```sh\n(.*?)```", (EXAMPLE / "README.md").read_text(), re.DOTALL)
    commands = [line.partition("#")[0].strip() for line in block.splitlines()]
    return {command: package.run(command) for command in commands if not command.startswith("pip ")}


def test_entry_points_keep_to_their_contracts(said):
    assert said["repro check --plugins"] == "4 entry points: no faults found\n"


def test_the_suite_has_no_mistakes_and_its_claims_are_reproduced(said):
    assert said["repro check"] == "1 suite with 4 claims, 0 named recipes: no mistakes found\n"
    assert (
        len(re.findall(r"^suites/mirrored.yaml::\S+ +reproduced ", said["pytest suites -v"], re.MULTILINE))
        == 4
    )


def test_a_second_run_is_the_same(said):
    assert re.search(r"(\d+) measurements: \1 identical", said["repro compare results runs"])


def test_its_own_tests_pass(said):
    assert re.search(r"^\d+ passed", said["pytest tests -q"], re.MULTILINE)


@pytest.mark.usefixtures("said")
def test_a_metric_that_declares_lower_to_be_better_is_worse_where_it_has_grown(package):
    package.changes("suites/mirrored.yaml", "steps: 60", "steps: 20")
    package.run("repro run --results shorter -j 1")
    # Costs are compared, too, and on a busy machine they may be worse where metrics are better.
    for sides, kind, codes in (("runs shorter", "worse", [3]), ("shorter runs", "better", [0, 3])):
        compared = json.loads(package.run(f"repro compare {sides} --format json", *codes))
        changes = {(change["arm"], change["quantity"]): change["kind"] for change in compared["measurements"]}
        assert changes["net", "miss_rate"] == changes["net", "train_miss_rate"] == kind
    watched = json.loads(package.run("repro watch runs shorter --format json", 3))
    suspects = {(suspect["arm"], suspect["quantity"]): suspect["way"] for suspect in watched["suspects"]}
    grown = [("net", "miss_rate"), ("net", "train_miss_rate"), ("net_mirrored", "miss_rate")]
    assert [suspects[of] for of in grown] == ["worse"] * 3
