"""What is said of one claim, and of a whole run: every sentence is true of the numbers beside it."""

import pytest
from kit.judged_results import claim

from repro.report.text import claim_details, promise
from repro.result import Formulation

CLEAR = [0.3, 0.2, 0.25, 0.4, 0.1]


def said(expect, **changes):
    """Of an expectation on loss(a) alone, or on loss(b) too."""
    values = {f"loss({arm})": numbers for arm, numbers in changes.pop("values").items()}
    return claim_details(claim(expect, values).model_copy(update=changes))


def test_a_verdict_says_what_it_takes_and_what_is_assumed():
    text = said("loss(a) > 0", values={"a": CLEAR})
    assert "among the 5 % that speak most for the claim, or among as many that speak most against it" in text
    assert "margins are independent, and symmetric about their centre" in text
    assert "margin 0.25 on average (positive where it holds), interval [0.1, 0.4]" in text
    assert "enough" not in text and "!!" not in text and "register" not in text


def test_with_too_few_seeds_it_says_how_many_it_takes():
    text = said("loss(a) > 0", values={"a": CLEAR[:4]})
    assert "4 seeds are too few: no verdict is possible before there are 5; --seeds-max allows more." in text


@pytest.mark.parametrize(
    ("margins", "more"),
    [
        ([1.0, 1.1, -0.1, 1.2, 1.0], "the next look that can is after 7 (--seeds-max 7)"),
        ([1.0, -1.0, 0.9, -0.9, 0.1], "the next look that can is after 14 (--seeds-max 14)"),
        ([1.0, -1.0, 0.9, -0.9, 0.1, 0.2, -0.2], "the next look that can is after 20 (--seeds-max 20)"),
        ([1.0, -1.0] * 10, "20, the most there can be, would not be enough either"),
    ],
)
def test_what_is_open_says_after_how_many_seeds_it_may_be_told(margins, more):
    text = said("loss(a) > 0", values={"a": margins})
    above = sum(margin > 0 for margin in margins)
    assert f"{len(margins)} seeds were not enough to tell; {more}" in text
    assert f"The margin is above 0 on {above} of {len(margins)} seeds; margins in [" in text
    assert "settled" not in text


@pytest.mark.parametrize(
    ("margins", "look"),
    [
        ([[1.0, 1.1, -0.1, 1.2, 1.0], [1.0, -1.0, 0.9, -0.9, 0.1]], 14),  # 7 and 14 by themselves
        ([CLEAR, CLEAR, [-1.0, -1.1, 0.05, -1.2, -1.0]], 10),  # refuted at 7 by itself
    ],
)
def test_of_a_conjunction_all_parts_have_to_hold_or_one_to_fail_at_its_share_of_the_level(margins, look):
    values = dict(zip("abc", margins, strict=False))
    text = said(" and ".join(f"loss({arm}) > 0" for arm in values), values=values)
    assert f"the next look that can is after {look} " in text


def test_of_sides_that_are_the_same_number_on_every_seed_no_more_seeds_are_advised():
    text = said("loss(a) > 0 and loss(b) > 0", values={"a": [0.0] * 5, "b": CLEAR})
    assert "loss(a) > 0: every margin is exactly 0, and more seeds will hardly change that" in text
    assert "--seeds-max" not in text and "1 of its 2 parts held" in text
    assert "--seeds-max" in said("loss(a) > 0", values={"a": [0.0] * 4 + [0.1]})


def test_of_a_conjunction_it_says_which_part_holds_it_up():
    text = said("loss(a) > 0 and loss(b) > 0", values={"a": CLEAR, "b": [1.0, 1.1, -0.1, 1.2, 0.0]})
    assert "loss(b) > 0: the margin is above 0 on 3 of 5 seeds" in text
    assert "loss(a) > 0: the margin" not in text
    assert "What the claim says beside this is settled: 1 of its 2 parts held." in text


def test_what_speaks_against_a_verdict_is_said():
    text = said(
        "loss(a) > 0",
        values={"a": [*CLEAR, -3.0, -2.0]},
        contested=True,
        trivial=("a",),
        formulation=Formulation(digest="d", number=2, thresholds=1),
    )
    assert "CONTESTED: the first 5 seeds gave the verdict, and all 7 together would not." in text
    assert "TRIVIAL: 'a' does no better than" in text
    assert "it is the 2nd formulation: results/register.jsonl has those before" in text


def test_a_run_promises_no_more_than_alpha_for_each_claim_that_seeds_decide():
    tried = [claim("loss(a) > 0", {"loss(a)": CLEAR}), claim("loss(a) < 0", {"loss(a)": CLEAR})]
    static = claim("params(a) > 0", {"params(a)": [5.0]})
    assert promise([*tried, static], 0.1) == (
        "1 of 2 claims that seeds decide are reproduced; "
        "were there nothing to any of them, at most 0.1 would be expected to be (0.05 each)"
    )
    strict = tried[0].evidence.model_copy(update={"alpha": 0.01})
    several = [*tried, tried[0].model_copy(update={"evidence": strict})]
    assert "(the sum of their levels)" in promise(several, 0.11)
    assert promise([static], 0) == ""
