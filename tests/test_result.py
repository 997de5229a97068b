"""What a result says of itself: how sure all of it is together, units, directions, tables for notebooks."""

import math

import pytest
from kit.results import claim as any_claim
from kit.results import result, trial

from repro.declaration import Declaration
from repro.result import PartResult, level, verdict, verdict_rows, write

ALPHA = 0.05  # so a part is decided at an e-value of 20


def part(*e_values, holds=None):
    """A part with this evidence for it after each seed; with none it needs no seeds."""
    path = tuple((e, 0.1) for e in e_values)
    return PartResult(text="a > b", margins=(1.0,), holds=holds, estimate=1.0, interval=None, path=path)


def claim(*parts, verdict="reproduced"):
    made = any_claim(verdict)
    e_for = None if all(one.holds is not None for one in parts) else 1.0
    evidence = made.evidence.model_copy(update={"parts": parts, "e_for": e_for, "alpha": ALPHA})
    return made.model_copy(update={"evidence": evidence})


# ---- how many of a run's claims are expected to be falsely reproduced


def test_a_claim_counts_with_its_evidence_at_the_verdict_and_not_with_what_came_later():
    assert level([claim(part(2.0, 25.0, 5.0))]) == pytest.approx(1 / 25)
    assert level([claim(part(2.0, 25.0, 500.0))]) == pytest.approx(1 / 25)
    assert level([claim(part(2.0, 20.0))]) == pytest.approx(1 / 20)


def test_a_conjunction_counts_with_the_least_of_what_its_parts_had_when_each_was_decided():
    early, late = part(30.0, 4.0, 4.0), part(2.0, 3.0, 40.0)
    assert level([claim(early, late)]) == level([claim(late, early)]) == pytest.approx(1 / 30)
    assert level([claim(early, part(holds=True))]) == pytest.approx(1 / 30)


def test_what_is_not_reproduced_counts_among_all_that_were_tried_with_the_last_evidence_for_it():
    held, tried = claim(part(25.0)), [claim(part(9.0, 0.5), verdict=v) for v in ("refuted", "undecided")]
    assert level([held, *tried]) == pytest.approx(3 / 25)
    assert level(tried) == level([]) == 0.0


def test_a_claim_that_needs_no_seeds_counts_for_nothing():
    sized = claim(part(holds=True))
    assert level([sized]) == level([]) and level([sized, claim(part(25.0))]) == pytest.approx(1 / 25)


# ---- units and directions


def test_what_a_result_measured_is_declared_in_it_or_else_by_what_is_installed():
    old, new = result(), result(quantities={"test_error": Declaration(unit="%", better="higher")})
    assert old.declared("test_error") == Declaration(unit="share", better="lower")
    assert new.declared("test_error") == Declaration(unit="%", better="higher")
    assert old.declared("latency") == Declaration(unit="ms", better="lower")
    assert old.declared("oddity") == Declaration()
    assert (old.units["test_error"], new.units["test_error"], old.units["latency"]) == ("share", "%", "ms")


def test_a_result_of_a_task_that_is_not_installed_is_read_all_the_same():
    gone = result([trial()], task="gone", quantities={"miss_rate": Declaration(better="lower")})
    assert gone.declared("miss_rate").better == "lower" and "test_error" not in gone.units


# ---- tables


def test_the_verdict_table_has_a_row_a_claim_and_marks_what_is_not_as_expected():
    claims = {"held": any_claim(), "broken": any_claim("refuted"), "known": any_claim("refuted", "refuted")}
    head, *rows = verdict_rows(claims)
    assert head[:3] == ("claim", "verdict", "seeds")
    assert [row[0] for row in rows] == ["held", "! broken", "known"]
    assert [row[1] for row in rows] == ["reproduced", "refuted, expected reproduced", "refuted (as known)"]
    assert rows[0][2:] == ("5", "0.1", "[0.05, ∞]", "25", "0:10")
    assert rows[1][5] == "0.1"  # the evidence against it


def test_in_a_notebook_text_is_escaped():
    odd = any_claim().model_copy(update={"says": "a < b & <script>alert(1)</script>"})
    values = {"error(<b>)": (0.25, math.inf, None, 0.5, 0.75)}
    shown = odd.model_copy(update={"values": values})._repr_html_()
    assert "<script>" not in shown and "a &lt; b &amp; &lt;script&gt;" in shown
    assert "error(&lt;b&gt;)" in shown and "0.25" in shown
    whole = result(claims={"odd": odd})._repr_html_()
    assert "<td" in whole and whole.startswith("<p>made-up at profile cpu, ")


def test_a_claim_without_seeds_shows_its_one_value_and_one_with_seeds_a_row_each():
    made = any_claim().model_copy(
        update={"values": {"error(a)": (0.1, 0.2, 0.3, 0.4, 0.5), "params(a)": (7,)}}
    )
    assert made._repr_html_().count("<tr>") == 6 and made._repr_html_().count(">7<") == 5
    static = made.evidence.model_copy(update={"seeds": ()})
    sized = made.model_copy(update={"evidence": static, "values": {"params(a)": (7,)}})
    assert sized._repr_html_().count("<tr>") == 2 and ">7<" in sized._repr_html_()


@pytest.mark.parametrize(
    ("found", "expected", "why", "loose", "strict"),
    [
        ("reproduced", "reproduced", None, True, True),
        ("refuted", "refuted", None, True, True),
        ("refuted", "reproduced", None, False, False),
        ("undecided", "reproduced", None, True, False),
        ("undecided", "undecided", None, True, True),
        ("undecided", "reproduced", "log(a) has no value", False, False),
    ],
)
def test_a_run_tolerates_what_is_as_expected_and_unless_it_is_strict_what_is_undecided(
    found, expected, why, loose, strict
):
    made = any_claim(found, expected).model_copy(update={"why": why})
    assert (made.is_tolerated(strict=False), made.is_tolerated(strict=True)) == (loose, strict)
    assert ("no value" in verdict(made)) == bool(why)


def test_what_killed_processes_left_among_results_is_swept_with_the_next_one(tmp_path):
    made = result()
    beside = tmp_path / made.path.parent
    (beside / "older").mkdir(parents=True)
    for left in (beside / ".x.json.0123.part", beside / "older" / ".y.png.0123.part"):
        left.write_text("{")
    write(made, tmp_path)
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == [made.path.name]
