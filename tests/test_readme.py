"""What the README says can be done, is done."""

import doctest
import re
from pathlib import Path

import pytest

import repro

README = Path(__file__).parents[1] / "README.md"


def block(heading: str, language: str) -> str:
    """The code below a heading."""
    section = README.read_text().partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    (code,) = re.findall(rf"```{language}\n(.*?)```", section, re.DOTALL)
    return code


def test_the_suite_that_is_shown_has_no_mistakes(tmp_path):
    path = tmp_path / "suite.yaml"
    path.write_text(block("A suite", "yaml"))
    assert repro.load(path).suite == "resnet-degradation"


@pytest.mark.slow  # trains
@pytest.mark.usefixtures("one_core")
def test_what_is_done_from_python_gives_what_is_shown(tmp_path, monkeypatch):
    monkeypatch.setenv("REPRO_HOME", str(tmp_path))
    monkeypatch.chdir(README.parent)
    code, report = block("From Python", "python"), list[str]()
    shown = doctest.DocTestParser().get_doctest(code, {}, README.name, str(README), 0)
    doctest.DocTestRunner().run(shown, out=report.append)
    assert report == []
    assert set(re.findall(r"repro\.(\w+)\(", code)) == set(repro.__all__) - {"__version__", "ReproError"}
