"""What a result says of itself: how sure all of it is together, units, directions, tables for notebooks."""

import math

import pytest
from kit.results import claim as any_claim
from kit.results import result, trial
from pydantic import ValidationError

from repro.declaration import Declaration
from repro.result import (
    Evidence,
    Formulation,
    PartResult,
    evidence_of,
    falsely_reproduced,
    verdict,
    verdict_rows,
    write,
)
from repro.suite import Rules
from repro.verdict import Part, combine


def part(holds=None):
    return PartResult(text="a > b", margins=(1.0,), holds=holds, estimate=1.0, interval=None)


def claim(*parts, verdict="reproduced", **evidence):
    made = any_claim(verdict)
    return made.model_copy(update={"evidence": made.evidence.model_copy(update={"parts": parts, **evidence})})


# ---- how many of a run's claims are expected to be falsely reproduced


def test_each_claim_that_seeds_decide_counts_with_its_level_whatever_its_verdict():
    tried = [claim(part(), verdict=verdict) for verdict in ("reproduced", "refuted", "undecided")]
    assert falsely_reproduced(tried) == pytest.approx(0.15)
    assert falsely_reproduced([*tried, claim(part(), alpha=0.01)]) == pytest.approx(0.16)
    assert falsely_reproduced([]) == 0


def test_a_claim_that_needs_no_seeds_counts_for_nothing():
    assert falsely_reproduced([claim(part(holds=True)), claim(part(), seeds=())]) == 0


def test_one_with_a_part_that_needs_no_seeds_is_decided_by_seeds_all_the_same():
    assert claim(part(holds=True), part()).evidence.is_tried


# ---- evidence


def evidence(*margins, holds=None, **changes):
    """Of five seeds, with a part for each row of margins."""
    parts = tuple({**part(holds).model_dump(), "margins": row} for row in margins)
    given = {"seeds": range(5), "estimate": 1, "interval": None, "alpha": 0.05, "decided_at": 5}
    return Evidence.model_validate({**given, "parts": parts, **changes})


def test_it_has_a_margin_for_each_seed_or_one_where_it_needs_none():
    assert len(evidence([1.0] * 5).parts[0].margins) == 5
    assert len(evidence([1.0], holds=True).parts[0].margins) == 1
    for margins, holds in [([1.0] * 4, None), ([1.0], None), ([1.0] * 2, True)]:
        with pytest.raises(ValidationError, match="not as many numbers as seeds"):
            evidence(margins, holds=holds)


def test_it_is_not_decided_at_a_seed_that_is_not_there():
    with pytest.raises(ValidationError, match="decided at a seed that is not there"):
        evidence([1.0] * 5, decided_at=6)


def test_it_shows_the_numbers_of_the_weakest_part():
    strong, weak = (1.0, 1.1, 0.9, 1.2, 1.05), (0.1, 0.2, -0.3, 0.1, 0.2)
    shown = evidence_of(combine([Part("strong", strong), Part("weak", weak)]), range(5), Rules())
    assert shown.estimate == pytest.approx(0.06)
    assert shown.interval == shown.parts[1].interval != shown.parts[0].interval


# ---- formulations


@pytest.mark.parametrize(
    ("number", "thresholds", "said"),
    [
        (1, 1, ""),
        (2, 1, "2nd formulation"),
        (3, 2, "3rd formulation, 2nd threshold"),
        (1, 11, "11th threshold"),
    ],
)
def test_a_formulation_that_is_not_the_first_is_told(number, thresholds, said):
    assert str(Formulation(digest="d", number=number, thresholds=thresholds)) == said


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
    assert rows[0][2:] == ("5", "0.1", "[0.05, ∞]", "0:10")


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
        ("reproduced", "undecided", None, True, False),
        ("refuted", "undecided", None, True, False),
        ("undecided", "reproduced", "log(a) has no value", False, False),
    ],
)
def test_a_run_tolerates_what_is_as_expected_and_unless_it_is_strict_what_is_undecided_or_was_to_be(
    found, expected, why, loose, strict
):
    made = any_claim(found, expected).model_copy(update={"why": why})
    assert (made.is_tolerated(strict=False), made.is_tolerated(strict=True)) == (loose, strict)
    assert ("no value" in verdict(made)) == bool(why)


def test_a_verdict_says_which_formulation_it_is_of():
    third = Formulation(digest="d", number=3, thresholds=1)
    made = any_claim().model_copy(update={"formulation": third})
    assert verdict(made) == "reproduced (3rd formulation)"
    other = made.model_copy(update={"expected": "refuted", "as_expected": False})
    assert verdict(other) == "reproduced, expected refuted (3rd formulation)"
    assert verdict_rows({"a": made})[1][1] == verdict(made)


def test_a_contested_verdict_is_not_tolerated_and_is_told():
    contested = any_claim().model_copy(update={"contested": True, "as_expected": False})
    assert not contested.is_tolerated(strict=False)
    assert not contested.model_copy(update={"expected": "undecided"}).is_news
    assert verdict(contested) == "reproduced (contested), expected reproduced"


def test_what_killed_processes_left_among_results_is_swept_with_the_next_one(tmp_path):
    made = result()
    beside = tmp_path / made.path.parent
    (beside / "older").mkdir(parents=True)
    for left in (beside / ".x.json.0123.part", beside / "older" / ".y.png.0123.part"):
        left.write_text("{")
    write(made, tmp_path)
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == [made.path.name]
