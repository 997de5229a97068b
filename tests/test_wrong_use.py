"""A user's mistakes: the command says what is wrong, and ends with 2, without a traceback."""

import pytest
from click.testing import CliRunner
from conftest import TINY

from repro.cli import main


@pytest.fixture
def cluttered(tiny, tmp_path):
    """A folder of everything that is no result and no suite."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "folder.yaml").mkdir()
    (tmp_path / "nothing.yaml").touch()
    (tmp_path / "wide.yaml").write_text(TINY, encoding="utf-16")
    (tmp_path / "notes.txt").write_text("notes")
    (tmp_path / "loop.yaml").symlink_to(tmp_path / "loop.yaml")
    (tmp_path / "torn.json").write_text("{")
    return tiny


NAMES = ["", "*", "nowhere", "empty", "notes.txt", "notes.txt/x", "torn.json", "loop.yaml", "/dev/null"]
NAMES += ["x" * 5000, "-x", "--result"]
SUITES = [*NAMES, "/nowhere.yaml", "folder.yaml", "nothing.yaml", "wide.yaml", "tiny.yaml::order"]
RESULTS = [*NAMES, "**", "/nowhere.json", "./nowhere.json", "../../..x"]
OF_RESULTS = [
    ("show", "{}"),
    ("compare", "{}", "empty"),
    ("compare", "empty", "{}"),
    ("export", "{}", "--to", "csv", "-o", "x.csv"),
    ("watch", "empty", "{}"),
    ("watch", "{}", "empty"),
    ("report", "{}", "-o", "site"),
    ("keep", "{}"),
    ("confirm", "{}", "tiny.yaml", "--base", "x", "--results", "turns"),
    ("show", "tiny", "--results", "{}"),
]


def ended(*arguments):
    run = CliRunner().invoke(main, arguments)
    assert "Traceback" not in run.output and run.output.strip()
    assert run.exception is None or isinstance(run.exception, SystemExit), run.exception
    return run


@pytest.mark.usefixtures("cluttered")
@pytest.mark.parametrize("name", SUITES, ids=lambda name: repr(name)[:20])
@pytest.mark.parametrize("command", ["run", "check", "list"])
def test_a_mistake_in_naming_a_suite_is_wrong_use(command, name):
    assert ended(command, name).exit_code == 2


@pytest.mark.usefixtures("cluttered")
@pytest.mark.parametrize("name", RESULTS, ids=lambda name: repr(name)[:20])
@pytest.mark.parametrize("command", OF_RESULTS, ids=lambda command: " ".join(command)[:20])
def test_a_mistake_in_naming_a_result_is_wrong_use_or_nothing(command, name):
    code = ended(*(part.format(name) for part in command)).exit_code
    assert code in ({0, 2, 4} if name == "empty" else {2, 4, 5} if command[0] == "watch" else {2})


@pytest.mark.usefixtures("cluttered")
@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--results", "notes.txt"), "'--results'"),
        (("--results", ""), "'--results': the name is empty"),
        (("--results", "notes.txt/x"), "Name another folder for results with --results"),
        (("--results", "/proc/nowhere"), "Name another folder for results with --results"),
        (("--jobs", "0"), "'--jobs'"),
        (("--jobs", "many"), "'--jobs'"),
        (("--seeds-max", "-1"), "'--seeds-max'"),
        (("--executor", "cloud"), "'--executor'"),
        (("--device", "cuda"), "device 'cuda' is not available"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_a_mistake_in_an_option_is_wrong_use(options, said):
    claim = "coin" if "cuda" in options else "order"
    run = ended("run", "tiny.yaml", "-k", claim, "-j", "1", *options)
    assert run.exit_code == 2 and said in run.output and "REPRO_HOME" not in run.output


@pytest.mark.usefixtures("tiny")
def test_a_file_that_may_not_be_read_is_said(monkeypatch):
    def refuse(path, *_, **__):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("pathlib.Path.read_text", refuse)
    run = ended("check", "tiny.yaml")
    assert run.exit_code == 2 and run.output == "tiny.yaml: cannot be read: Permission denied\n"
    monkeypatch.setattr("pathlib.Path.is_dir", refuse)
    run = ended("check", "tiny.yaml")
    assert run.exit_code == 2 and run.output == "tiny.yaml: Permission denied\n"
