"""A file among results that is none: it is named in one line, left out, and counts for nothing."""

import json

import pytest
from click.testing import CliRunner
from kit.results import FACTS, claim, result, trial

from repro.archive import files, find
from repro.cli import main
from repro.errors import ReproError
from repro.places import KEPT, RUNS
from repro.plan import rota
from repro.result import write

COMMIT = "c0ffee" * 6 + "c0ff"
DAMAGES = {
    "torn": lambda path, content: path.write_bytes(content[: len(content) // 2]),
    "empty": lambda path, _: path.touch(),
    "of another schema": lambda path, content: path.write_text(
        json.dumps({**json.loads(content), "schema": 1})
    ),
    "no UTF-8": lambda path, content: path.write_text(content.decode(), encoding="utf-16"),
    "foreign": lambda path, _: path.write_text('{"comparison": []}'),
    "a folder": lambda path, _: path.mkdir(),
    "a link to nothing": lambda path, _: path.symlink_to(path.with_name("nowhere")),
}
READERS = {
    "show": ("made-up",),
    "compare": (RUNS, RUNS),
    "export": (RUNS, "--to", "csv", "-o", "x.csv"),
    "watch": (RUNS, "tonight"),
    "report": (RUNS, "-o", "site"),
    "keep": (),
}


def repro(*arguments):
    return CliRunner().invoke(main, list(map(str, arguments)))


@pytest.fixture(params=DAMAGES)
def damaged(request, tmp_path, monkeypatch):
    """The path of a damaged file beside a whole result of a clean commit, in a project of its own."""
    monkeypatch.chdir(tmp_path)
    made = result([trial()], claims={"a": claim()})
    environment = made.environment.model_copy(update={"facts": {**FACTS, "commit": COMMIT, "dirty": False}})
    whole = write(made.model_copy(update={"environment": environment}), RUNS)
    write(result([trial()], claims={"a": claim()}, night=2), tmp_path / "tonight")
    path = whole.with_name("20990101T000000Z-newest.json")  # if it were believed, it would stand
    DAMAGES[request.param](path, whole.read_bytes())
    return path


@pytest.mark.parametrize("command", READERS)
def test_the_others_are_of_use(damaged, command):
    run = repro(command, *READERS[command])
    assert run.exit_code == 0, run.output
    named = [line for line in run.output.splitlines() if str(damaged) in line]
    assert named and len({*named}) == 1 and not run.output.count("Traceback")
    assert ("not a result" in named[0]) or ("cannot be read" in named[0])
    assert command != "keep" or [path.name for path in files(KEPT)] == [
        path.name for path in files(RUNS) if path != damaged
    ]


def test_it_does_not_count_as_a_verdict_of_an_earlier_run(damaged):
    told = []
    assert [one.id for one in rota.earlier(RUNS, told.append)] == [result().id]
    assert len(told) == 1 and str(damaged) in str(told[0])


def test_named_by_itself_it_is_an_error(damaged):
    assert damaged.is_dir() or repro("show", damaged).exit_code == 2
    assert damaged.is_dir() or repro("compare", damaged, RUNS).exit_code == 2
    with pytest.raises(ReproError):
        find(damaged.stem, RUNS)


def test_among_tonights_results_it_is_a_problem_of_the_run(damaged):
    run = repro("watch", "tonight", RUNS)
    assert run.exit_code == 5 and f"NOT THE CODE BUT THE RUN: {damaged}" in run.output
    for whole in [path for path in files(RUNS) if path != damaged]:
        whole.unlink()
    run = repro("watch", "tonight", RUNS)
    assert run.exit_code == 5 and str(damaged) in run.output


def test_among_what_is_kept_it_is_in_the_way(damaged):
    damaged.rename(damaged.parents[3] / "moved")
    KEPT.mkdir(parents=True)
    (damaged.parents[3] / "moved").rename(KEPT / damaged.name)
    run = repro("keep")
    assert run.exit_code == 2 and str(KEPT / damaged.name) in run.output
