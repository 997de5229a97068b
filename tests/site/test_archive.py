"""All results at once: which claims stand, since when, and what is no result."""

import os

import pytest
from kit.judged_results import compared, keep, result, sized

from repro.errors import ReproError
from repro.site.archive import collect

HELD, OPEN, WRONG = compared(3.0, 6), compared(0.0, 10), compared(-3.0, 6)


def test_a_claim_is_that_of_the_newest_run_which_asked_it(tmp_path):
    keep(tmp_path, result({"a": HELD, "b": HELD}, run=0), result({"b": OPEN}, run=1, complete=False))
    (scale,) = collect([tmp_path]).scales
    assert {name: latest.claim.verdict for name, latest in scale.claims.items()} == {
        "a": "reproduced",
        "b": "undecided",
    }
    assert [used.finished[11:13] for used in scale.results] == ["01", "00"]
    assert scale.latest.claims.keys() == {"b"}


def test_a_claim_that_a_later_complete_run_no_longer_has_is_gone(tmp_path):
    keep(
        tmp_path,
        result({"old": HELD, "b": HELD}, run=0),
        result({"b": HELD}, run=1),
        result({"b": HELD}, run=2, complete=False),
    )
    (scale,) = collect([tmp_path]).scales
    assert scale.claims.keys() == {"b"}


def test_suites_and_profiles_are_apart_and_runs_in_the_order_they_ended(tmp_path):
    keep(
        tmp_path,
        *(
            result({"a": HELD}, suite=s, profile=p, run=r)
            for s in "xy"
            for p in ("cpu", "gpu")
            for r in (3, 1, 2)
        ),
    )
    archive = collect([tmp_path])
    assert [(scale.suite, scale.profile) for scale in archive.scales] == [
        ("x", "cpu"),
        ("x", "gpu"),
        ("y", "cpu"),
        ("y", "gpu"),
    ]
    assert all(
        [run.glance.finished[11:13] for run in scale.runs] == ["01", "02", "03"] for scale in archive.scales
    )
    assert archive.runs == 12


def test_a_changed_verdict_is_told_with_what_it_was(tmp_path):
    before = result({"a": HELD, "b": OPEN, "new": HELD}, run=0)
    keep(
        tmp_path,
        before.model_copy(update={"claims": {"a": HELD, "b": OPEN}}),
        result({"a": WRONG, "b": OPEN, "new": HELD}, run=1),
    )
    (scale,) = collect([tmp_path]).scales
    (change,) = scale.changes()
    assert (change.name, change.before.verdict, change.after.verdict) == ("a", "reproduced", "refuted")
    assert change.since == before.finished


def test_only_the_run_just_before_counts_as_a_change(tmp_path):
    keep(tmp_path, result({"a": HELD}, run=0), result({"a": OPEN}, run=1), result({"a": OPEN}, run=2))
    (scale,) = collect([tmp_path]).scales
    assert not list(scale.changes())
    assert [claim.verdict for _, claim in scale.history("a", 2)] == ["undecided", "undecided"]
    assert [claim.verdict for _, claim in scale.history("a", 30)] == ["reproduced", "undecided", "undecided"]


def test_a_file_that_is_no_result_is_named_and_does_not_stop_the_rest(tmp_path):
    keep(tmp_path, result({"a": HELD}))
    (tmp_path / "torn.json").write_text('{"schema": 2, "id": ')
    (tmp_path / "other.json").write_text('{"schema": 1}')
    archive = collect([tmp_path])
    assert len(archive.scales) == 1
    assert [problem.split(":")[0] for problem in archive.problems] == [
        str(tmp_path / "other.json"),
        str(tmp_path / "torn.json"),
    ]


def test_a_result_that_is_only_wrong_where_pages_look_is_named_and_the_run_before_counts(tmp_path):
    _, newest = keep(tmp_path, result({"a": OPEN}, run=0), result({"a": HELD}, run=1))
    newest.write_text(newest.read_text().replace('"about"', '"abuot"'))
    archive = collect([tmp_path])
    assert archive.scales[0].claims["a"].claim.verdict == "undecided" and len(archive.scales[0].runs) == 1
    assert len(archive.problems) == 1 and str(newest) in archive.problems[0]


@pytest.mark.parametrize(
    "changes",
    [{"alpha": 0.0}, {"alpha": 1.0}, {"decided_at": 11}, {"seeds": (0, 1)}, {"seeds": ()}, {"parts": ()}],
)
def test_a_result_whose_evidence_contradicts_itself_is_named(tmp_path, changes):
    broken = HELD.model_copy(update={"evidence": HELD.evidence.model_copy(update=changes)})
    keep(
        tmp_path,
        result({"a": HELD}, run=0),
        result({"a": HELD}, run=1).model_copy(update={"claims": {"a": broken}}),
    )
    archive = collect([tmp_path])
    assert archive.runs == 1 and "claims.a" in archive.problems[0]


def test_a_file_that_is_given_twice_counts_once(tmp_path):
    (path,) = keep(tmp_path, result({"a": sized()}))
    copy = tmp_path / "copy.json"
    copy.write_bytes(path.read_bytes())
    os.symlink(path, tmp_path / "link.json")
    assert collect([tmp_path, path, tmp_path]).runs == 1


@pytest.mark.parametrize("content", [None, "{}", "not JSON", "[]"])
def test_nothing_to_show_is_an_error_that_names_the_place(tmp_path, content):
    if content is not None:
        (tmp_path / "x.json").write_text(content)
    with pytest.raises(ReproError, match="no results under"):
        collect([tmp_path])
    with pytest.raises(ReproError, match="nowhere: no such file or folder"):
        collect([tmp_path / "nowhere"])
