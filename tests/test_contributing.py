"""What CONTRIBUTING.md shows stands in the file that it names, or does what it should in a copy of it all."""

import os
import re
import shutil
from pathlib import Path
from typing import NamedTuple

import pytest
from kit import forked

from repro import catalogue

ROOT = Path(__file__).parents[1]


class Shown(NamedTuple):
    """A block of code, and what its first line says: where it stands, and in which group of the catalogue."""

    path: str
    group: str
    text: str

    @property
    def is_quoted(self) -> bool:
        return self.path.startswith("examples/")


BLOCK = re.compile(r"```(?:python|yaml)\n# (\S+?)(?:, (\w+))?\n(.*?)```", re.DOTALL)
SHOWN = [Shown(*block) for block in BLOCK.findall((ROOT / "CONTRIBUTING.md").read_text())]
QUOTED = [shown for shown in SHOWN if shown.is_quoted]


@pytest.mark.parametrize(
    "shown", QUOTED, ids=[f"{n}-{Path(shown.path).name}" for n, shown in enumerate(QUOTED)]
)
def test_what_is_quoted_stands_in_its_file(shown):
    assert shown.text in (ROOT / shown.path).read_text()


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """This project with what is shown added to it."""
    folder = tmp_path_factory.mktemp("copy")
    for part in ("repro", "tests", "suites"):
        shutil.copytree(ROOT / part, folder / part)  # with what is compiled
    shutil.copy(ROOT / "pyproject.toml", folder)
    for shown in SHOWN:
        if not shown.is_quoted:
            _add(shown, folder / shown.path)
    return folder


def _add(shown: Shown, path: Path) -> None:
    """A new file; or an entry at the beginning of its group, or at the end of a file that is there."""
    before = path.read_text() if path.exists() else ""
    if shown.group:
        begins = f'"{getattr(catalogue, shown.group).group}",\n    {{\n'
        assert before.count(begins) == 1
        path.write_text(before.replace(begins, begins + shown.text))
    else:
        path.write_text(before + shown.text)


def run(folder: Path, *arguments: str) -> str:
    """What a command prints that ends well."""
    environment = {**os.environ, "PYTHONPATH": str(folder), "REPRO_HOME": str(folder / "store")}
    done = forked.command(*arguments, cwd=folder, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.journey
def test_what_is_added_keeps_to_its_contract_passes_its_tests_and_is_known_to_editors(copy):
    schema = run(copy, "repro", "schema")
    (copy / "suites/suite.schema.json").write_text(schema)
    assert '"lenet"' in schema and '"squares"' in schema and '"fashion-100"' in schema
    own = ["tests/models/test_lenet.py", "tests/data/test_squares.py"]
    named = "lenet or squares or (kept and suites)"
    of_all = ["tests/test_contracts.py", "tests/test_schema.py", "-k", named]
    passed = run(copy, "pytest", "-W", "error", "-v", "-p", "no:cacheprovider", *own, *of_all)
    for test in (
        *own,
        "contract[model-lenet]",
        "contract[data set-squares]",
        "kept_is_the_one_that_is_printed",
    ):
        assert test in passed


@pytest.mark.slow  # processes
def test_the_suite_and_the_recipe_that_are_shown_have_no_mistakes(copy):
    checked = run(copy, "repro", "check", "suites/classification/lenet.yaml", "suites/recipes.yaml")
    assert checked.startswith("1 suite with 1 claim, ") and checked.endswith(": no mistakes found\n")
