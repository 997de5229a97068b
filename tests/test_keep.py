"""`repro keep`: results under version control, in the place of those of the same claims."""

import pytest
from click.testing import CliRunner
from kit.results import FACTS, claim, result

from repro.cli import main
from repro.places import KEPT, RUNS
from repro.report.marks import END, START
from repro.result import write

CLEAN = {"commit": "c0ffee" * 6 + "c0ff", "dirty": False}


def repro(*arguments):
    return CliRunner().invoke(main, list(map(str, arguments)))


def made(night=1, claims="ab", facts=CLEAN, **rest):
    """A result of a clean commit, with a claim for each letter."""
    found = result(claims={name: claim() for name in claims}, night=night, **rest)
    environment = found.environment.model_copy(update={"facts": {**FACTS, **facts}})
    return found.model_copy(update={"environment": environment})


def with_picture(path):
    (path.parent / path.stem).mkdir()
    (path.parent / path.stem / "shown.png").write_bytes(b"png")
    return path


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    """The current folder is an empty project."""
    monkeypatch.chdir(tmp_path)


def kept():
    return sorted(path.relative_to(KEPT).as_posix() for path in KEPT.rglob("*") if path.is_file())


def test_by_default_what_stands_of_each_complete_suite_is_kept_with_its_pictures_and_stays_where_it_was():
    path = with_picture(write(made(1), RUNS))
    write(made(1, suite="other", complete=False), RUNS)
    run = repro("keep")
    assert run.exit_code == 0
    assert run.output == f"kept: {KEPT}/made-up/cpu/{path.name} (2 claims, 0 pictures)\n"
    assert kept() == [f"made-up/cpu/{path.name}", f"made-up/cpu/{path.stem}/shown.png"]
    assert (KEPT / "made-up" / "cpu" / path.name).read_bytes() == path.read_bytes()
    assert repro("keep").output == f"kept already: {path}\n" and len(kept()) == 2


def test_keeping_that_was_cut_short_is_done_again():
    path = with_picture(write(made(1), RUNS))
    (KEPT / "made-up" / "cpu" / path.stem).mkdir(parents=True)
    assert repro("keep").exit_code == 0 and len(kept()) == 2


def test_a_newer_complete_result_takes_the_place_of_the_older_with_its_pictures_and_of_no_other():
    other, gpu, old = made(1, suite="other"), made(1, profile="gpu"), made(1)
    for each in (other, gpu, old):
        with_picture(write(each, KEPT))
    write(made(2), RUNS)
    said = repro("keep").output
    assert f"removed, no claim stands on it any more: {KEPT}/made-up/cpu/{old.id}.json\n" in said
    assert [name for name in kept() if name.startswith("made-up/cpu")] == [f"made-up/cpu/{made(2).id}.json"]
    assert len(kept()) == 5


def test_a_result_of_some_claims_is_kept_beside_what_the_others_stand_on_until_a_complete_one_comes():
    write(made(1), KEPT)
    partial = write(made(2, claims="b", complete=False), RUNS)
    assert repro("keep", partial).exit_code == 0 and len(kept()) == 2
    write(made(3, claims="b", complete=False), RUNS)
    repro("keep", "made-up")
    assert kept() == [f"made-up/cpu/{made(night).id}.json" for night in (1, 3)]
    write(made(4), RUNS)
    repro("keep")
    assert kept() == [f"made-up/cpu/{made(4).id}.json"]


@pytest.mark.parametrize(
    ("refused", "why"),
    [
        (
            made(facts={**CLEAN, "dirty": True}),
            "made by commit c0ffeec0ff with uncommitted changes; delete it, or keep it with --dirty",
        ),
        (made(facts={"commit": None, "dirty": None}), "made by no commit; --dirty"),
        (made(complete=False), "made-up (cpu): only some of its claims, and nothing complete of it is kept"),
    ],
)
def test_what_does_not_count_is_refused_and_nothing_is_touched(refused, why):
    paths = [write(made(suite="another"), RUNS), write(refused, RUNS)]
    run = repro("keep", *paths)
    assert run.exit_code == 2 and why in run.output and not KEPT.exists()


def test_results_of_pilots_are_refused_even_of_a_clean_commit():
    pilot = made()
    evidence = pilot.claims["a"].evidence.model_copy(update={"seeds": tuple(range(997, 1002))})
    claims = {**pilot.claims, "a": pilot.claims["a"].model_copy(update={"evidence": evidence})}
    write(pilot.model_copy(update={"claims": claims}), RUNS)
    run = repro("keep", "--dirty")
    assert run.exit_code == 2 and "rests on seed 1001; those from 1000 up judge nothing" in run.output


def test_a_dirty_result_is_kept_where_that_is_asked_for():
    write(made(facts={**CLEAN, "dirty": True}), RUNS)
    assert repro("keep").exit_code == 2 and not KEPT.exists()
    assert repro("keep", "--dirty").exit_code == 0 and len(kept()) == 1


def test_what_is_older_than_what_is_kept_is_left_alone_and_by_name_an_error():
    write(made(2), KEPT)
    path = write(made(1), RUNS)
    assert repro("keep").output == f"not kept, older than what is: {path}\n"
    run = repro("keep", path.stem)
    assert run.exit_code == 2 and f"{path}: older than what is kept" in run.output
    assert kept() == [f"made-up/cpu/{made(2).id}.json"]


def test_nothing_to_keep_is_said():
    run = repro("keep")
    assert run.exit_code == 4
    assert run.output == f"nothing to keep: no suite was run completely below {RUNS}\n"
    (RUNS / "empty").mkdir(parents=True)
    assert repro("keep", RUNS / "empty").exit_code == 4
    assert repro("keep", "nothing").exit_code == 2
    assert repro("keep", "--tables", "nothing").exit_code == 2


def test_the_tables_are_made_anew_where_the_pages_have_the_marks(tmp_path):
    readme = tmp_path / "README.md"
    readme.write_text(f"# Mine\n{START}\n{END}\n")
    write(made(), RUNS)
    assert repro("keep").output.endswith("made anew: the table in README.md\n")
    assert "| [made-up: a](suites/made-up.yaml) | ✓ reproduced |" in readme.read_text(encoding="utf-8")
    readme.write_text(f"# Mine\n{START}\nwhat was\n{END}\n")
    write(made(2), RUNS)
    assert repro("keep", "--tables").output == "made anew: the table in README.md\n"
    assert "what was" not in readme.read_text(encoding="utf-8") and kept() == [
        f"made-up/cpu/{made().id}.json"
    ]
    assert repro("keep", "--tables").output == ""


def test_a_page_may_show_some_claims_alone_and_the_page_of_results_shows_all(tmp_path):
    page = tmp_path / "results" / "README.md"
    page.parent.mkdir()
    page.write_text(f"{START}\n{END}\n")
    readme = tmp_path / "README.md"
    mark = START.replace(" -->", " of made-up: a, made-up: gone, other: a -->")
    readme.write_text(f"# Mine\n{mark}\n{END}\nafter\n")
    write(made(), RUNS)
    both = "made anew: the table in README.md\nmade anew: the table in results/README.md\n"
    assert repro("keep").output.endswith(both)
    assert "| [made-up: a](../suites/made-up.yaml) | ✓ reproduced |" in page.read_text(encoding="utf-8")
    first, *rows, end, after = readme.read_text(encoding="utf-8").splitlines()[1:]
    assert (first, end, after) == (mark, END, "after")
    assert rows[2].startswith(f"| [{made().claims['a'].says}](suites/made-up.yaml) | ✓ reproduced | 5 | ")
    assert rows[3:] == ["| made-up: gone | not run yet | | | | |", "| other: a | not run yet | | | | |"]
    assert repro("keep", "--tables").output == ""
    readme.write_text("# Without marks\n")
    repro("keep", "--tables")
    assert readme.read_text() == "# Without marks\n"
