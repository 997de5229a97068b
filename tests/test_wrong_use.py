"""A user's mistakes: the command says what is wrong, and ends with 2, without a traceback."""

import os

import click
import pytest
from click.testing import CliRunner
from conftest import TINY
from kit.results import result, trial

from repro.cli import main
from repro.cli.group import Place
from repro.result import write


@pytest.fixture
def cluttered(tiny, tmp_path):
    """A folder of everything that is no result and no suite; of results there are some in `good`."""
    write(result([trial()]), tmp_path / "good")
    (tmp_path / "empty").mkdir()
    (tmp_path / "folder.yaml").mkdir()
    (tmp_path / "nothing.yaml").touch()
    (tmp_path / "wide.yaml").write_text(TINY, encoding="utf-16")
    (tmp_path / "notes.txt").write_text("notes")
    (tmp_path / "loop.yaml").symlink_to(tmp_path / "loop.yaml")
    (tmp_path / "torn.json").write_text("{")
    return tiny


NAMES = ["", "*", "nowhere", "empty", "notes.txt", "notes.txt/x", "torn.json", "loop.yaml", "/dev/null"]
NAMES += ["x" * 5000, "-x", "--result", "/proc/self/mem"]  # that nobody can read from its beginning
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
@pytest.mark.parametrize("command", ["run", "work", "plan", "check", "list", "store"])
def test_a_mistake_in_naming_a_suite_is_wrong_use(command, name):
    assert ended(command, name).exit_code == 2


@pytest.mark.usefixtures("cluttered")
@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("tinny.yaml", "tinny.yaml: no such file or folder; did you mean 'tiny.yaml'?"),
        ("tiny.yaml::order", "tiny.yaml::order: a claim is asked for by -k: tiny.yaml -k order"),
        (
            "tiny.yaml -k oder",
            "no claim like 'oder' at profile 'cpu' (profiles: cpu, missing); did you mean 'order'?",
        ),
        ("tiny.yaml -k xyz", "nothing to run: no claim like 'xyz' at profile 'cpu' (profiles: cpu, missing)"),
        (
            "tiny.yaml --profile CPU",
            "no claim at profile 'CPU' (profiles: cpu, missing); did you mean 'cpu'?",
        ),
    ],
)
def test_what_was_probably_meant_is_said(words, said):
    run = ended("run", *words.split())
    assert run.exit_code == (2 if "such" in said or "asked for" in said else 4)
    assert run.output.endswith(f"{said}\n")


def test_what_is_neither_a_file_nor_a_folder_is_told(tmp_path):
    os.mkfifo(tmp_path / "pipe.yaml")
    run = ended("run", str(tmp_path / "pipe.yaml"))
    assert run.exit_code == 2 and run.output.endswith("pipe.yaml: neither a file nor a folder\n")


def test_a_pipe_among_suites_and_results_is_not_waited_for(tiny, tmp_path):
    for name in ("pipe.yaml", "recipes.yaml", "pipe.json"):
        os.mkfifo(tmp_path / name)
    assert ended("check", str(tmp_path)).exit_code == 0
    assert ended("list", str(tmp_path)).exit_code == 0
    assert ended("run", str(tiny), "-k", "order").exit_code == 0
    for words in (("show", "pipe.json"), ("compare", ".", ".")):
        run = ended(*words)
        assert "pipe.json: not a result: neither a file nor a folder" in run.output


def test_a_link_that_leads_nowhere_is_told_as_one(tmp_path):
    (tmp_path / "link.yaml").symlink_to(tmp_path / "gone.yaml")
    run = ended("run", str(tmp_path / "link.yaml"))
    assert run.exit_code == 2 and run.output.endswith("link.yaml: a link that leads to no file\n")


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


NEEDED = {  # by commands, and there; they are asked for nothing else
    "bisect": {"good": "HEAD", "bad": "HEAD", "suite": "tiny.yaml"},
    "compare": {"base": "good", "new": "good"},
    "confirm": {"suspects": "torn.json", "base": "x", "results": "turns"},
    "export": {"names": "good", "to": "csv", "out": "x.csv"},
    "show": {"name": "good"},
    "watch": {"history": "good", "tonight": "good"},
}
FURTHER = {("run", "results"): ("tiny.yaml", "-k", "order"), ("report", "out"): ("good",)}
VALUED = [
    (command, parameter)
    for command in main.commands.values()
    for parameter in command.params
    if not getattr(parameter, "is_flag", False)
]
PLACES = [(command, parameter) for command, parameter in VALUED if isinstance(parameter.type, Place)]


def typed(command, parameter, value):
    given = NEEDED.get(command.name, {}) | {parameter.name: value}
    asked = [one for one in command.params if one.name in given]
    options = [(one.opts[0], given[one.name]) for one in asked if isinstance(one, click.Option)]
    names = [given[one.name] for one in asked if isinstance(one, click.Argument)]
    return (command.name, *(part for option in options for part in option), *names)


def named(asked):
    return " ".join((asked[0].name, asked[1].name))


@pytest.mark.usefixtures("cluttered")
@pytest.mark.parametrize("asked", VALUED, ids=named)
def test_an_empty_text_is_no_value_of_any_parameter(asked):
    run = ended(*typed(*asked, ""))
    assert run.exit_code == 2 and "Invalid value for" in run.output


FRACTIONS = [asked for asked in VALUED if isinstance(asked[1].type, click.FloatRange)]


@pytest.mark.usefixtures("cluttered")
@pytest.mark.parametrize("value", ["nan", "inf"])
@pytest.mark.parametrize("asked", FRACTIONS, ids=named)
def test_no_number_is_none_or_infinite(asked, value):
    run = ended(*typed(*asked, value))
    assert run.exit_code == 2 and "Invalid value for" in run.output


@pytest.mark.usefixtures("cluttered")
@pytest.mark.parametrize("asked", PLACES, ids=named)
def test_no_parameter_takes_a_place_below_a_file(asked):
    command, of = asked[0].name, asked[1].name
    words = [*typed(*asked, "notes.txt/x"), *FURTHER.get((command, of), ())]
    if of == "results":  # in which suites are looked up, and nothing else
        words = ["made-up" if word == "good" else word for word in words]
    is_nothing = (command, of) == ("watch", "tonight")  # which may have measured nothing
    assert ended(*words).exit_code == (4 if is_nothing else 2)


@pytest.mark.usefixtures("cluttered")
@pytest.mark.parametrize(
    "command",
    [
        "report good -o notes.txt",
        "export good --to csv -o empty",
        "export good --to tensorboard -o notes.txt",
        "watch good good -o empty",
        "watch good good -o nowhere/x.json",
        "watch notes.txt good",
        "watch nowhere good",
        "init --to notes.txt",
        "run tiny.yaml -k order --hours 1 --earlier notes.txt",
        "run tiny.yaml -k order --hours 1 --earlier nowhere",
        "run tiny.yaml -k order --results notes.txt",
        "confirm empty tiny.yaml --base x --results turns",
        "confirm torn.json tiny.yaml --base x --results notes.txt",
        "bisect HEAD HEAD empty",
    ],
)
def test_a_file_is_no_folder_and_a_folder_no_file(command):
    assert ended(*command.split()).exit_code == 2


def test_pytest_takes_no_empty_text_either(pytester, pytestconfig):
    group = pytestconfig._parser.getgroup("repro")
    valued = [option.names()[0] for option in group.options if option.attrs().get("action") != "store_true"]
    assert len(valued) > 8
    for option in valued:
        with pytest.raises(pytest.UsageError, match=option):
            pytester.parseconfig(f"{option}=")


@pytest.mark.parametrize("option", ["--earlier=nowhere", "--earlier=notes.txt", "--results=notes.txt"])
def test_pytest_takes_a_folder_only_where_it_is_one(pytester, option):
    pytester.makefile(".txt", notes="")
    with pytest.raises(pytest.UsageError, match="folder"):
        pytester.parseconfig(option)
