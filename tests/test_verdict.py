"""From numbers to a verdict: conjunctions and equivalences, held against simulation."""

import math

import numpy as np
import pytest

from repro import evidence
from repro.expectation import parse
from repro.verdict import Judgement, Part, combine, decide, without_seeds

ALPHA = 0.05
RUNS = 500
LOOKS = 10
STATIC = {"params"}


def verdict(text, seeds=LOOKS, alpha=ALPHA, **arms) -> Judgement:
    """Of an expectation whose arms have a value per seed, or one number for all."""

    def value(measurement, seed):
        numbers = arms[measurement.arm]
        return float(numbers if np.isscalar(numbers) else numbers[seed])

    return decide(parse(text), range(seeds), value, lambda m: m.name in STATIC, alpha)


def of(*rows, alpha=ALPHA) -> Judgement:
    """Of a conjunction with these margins, part by part."""
    return combine([Part(f"part {n}", tuple(row)) for n, row in enumerate(rows)], alpha)


def verdicts(margins, alpha=ALPHA):
    """The verdict of each run's conjunction. margins: [runs, parts, seeds]"""
    return [of(*run.tolist(), alpha=alpha).verdict for run in margins]


def share(wanted, margins):
    return sum(verdict == wanted for verdict in verdicts(margins)) / len(margins)


def noise(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape)


# ---- one part


def test_the_rounding_of_single_precision_is_no_evidence():
    single = 0.8999999761581421  # what a metric has for 0.9
    found = verdict("test_error(a) < 0.9", seeds=5, a=[single] * 5)
    assert found.verdict == "undecided" and found.parts[0].margins == (0.0,) * 5
    assert verdict("test_error(a) < 0.9", seeds=5, a=[0.8999] * 5).verdict == "reproduced"


@pytest.mark.parametrize("shift", [-2.0, -0.5, 0.0, 0.5, 2.0])
def test_of_one_comparison_it_is_the_verdict_over_the_differences(shift):
    a, b = noise(1, LOOKS), noise(2, LOOKS) + shift
    for seeds in range(LOOKS + 1):
        found = verdict("err(a) < err(b)", seeds, a=a, b=b)
        expected = evidence.decide((b - a)[:seeds], ALPHA)
        assert (found.verdict, found.decided_at) == (expected.verdict, expected.decided_at)
        assert found.weakest.decision == expected
        assert found.weakest.text == "err(a) < err(b)"


def test_arms_are_compared_on_the_same_seeds_in_whatever_sum_they_stand():
    base = 100 * noise(3, LOOKS)  # common to all arms of a seed
    arms = {"a": base, "b": base + 1, "c": 2 * base, "d": 2 * base + 4}
    found = verdict("err(d) - err(c) > 2 * (err(b) - err(a))", **arms)
    assert found.verdict == "reproduced"
    assert found.weakest.margins == pytest.approx([2] * LOOKS)
    assert verdict("(err(a) + err(b)) / 2 > err(b)", **arms).verdict == "refuted"


def test_a_run_that_diverged_is_the_worst_and_two_that_did_cannot_be_told_apart():
    worst = np.full(LOOKS, math.inf)
    assert verdict("err(a) < err(b)", a=noise(4, LOOKS), b=worst).verdict == "reproduced"
    both = verdict("err(a) < err(b)", a=worst, b=worst)
    assert (both.verdict, both.decided_at) == ("undecided", None)
    assert both.why == "err(b) - err(a) has no value, with err(b) = inf, err(a) = inf (seed 0)"


@pytest.mark.parametrize("expect", ["err(a) < err(b)", "err(a) > err(b)", "err(a) == approx(err(b), abs=9)"])
def test_a_value_that_is_missing_for_one_seed_is_evidence_neither_for_a_claim_nor_against_it(expect):
    clear = np.zeros(LOOKS), np.full(LOOKS, 1.0)
    gone = clear[1].copy()
    gone[3] = math.nan
    assert verdict(expect, a=clear[0], b=clear[1]).verdict != "undecided"
    found = verdict(expect, a=clear[0], b=gone)
    assert (found.verdict, found.decided_at) == ("undecided", None)
    assert found.why == "err(b) has no value (seed 3)" and found.weakest.why == found.why


def test_a_part_without_a_value_holds_up_what_else_is_clear_but_not_what_is_false_without_seeds():
    nothing, small, large = np.full(LOOKS, math.nan), np.zeros(LOOKS), np.ones(LOOKS)
    found = verdict("err(a) < err(b) and err(a) < err(c)", a=small, b=large, c=nothing)
    assert (found.verdict, found.weakest.text) == ("undecided", "err(a) < err(c)")
    assert verdict("err(a) < err(b) and err(c) < 2", a=large, b=small, c=nothing).verdict == "undecided"


def test_a_count_without_a_value_is_undecided_and_a_false_one_beside_it_refutes():
    values = {"params(a)": math.nan, "params(b)": 5.0}

    def static(expect):
        return decide(parse(expect), (), lambda m, _: values[str(m)], lambda _: True)

    assert static("params(a) < 9").verdict == "undecided"
    assert static("params(a) < 9").why == "params(a) has no value"
    assert static("params(a) < 9 and params(b) > 9").verdict == "refuted"


# ---- numbers without noise


@pytest.mark.parametrize(
    "text, a, b, expected",
    [
        ("params(a) == params(b)", 5, 5, "reproduced"),
        ("params(a) == params(b)", 5, 6, "refuted"),
        ("params(a) < params(b)", 5, 5, "refuted"),
        ("params(a) == approx(params(b), abs=1)", 5, 6, "reproduced"),
        ("abs(params(a) - params(b)) < 1", 5, 6, "refuted"),
        ("params(a) < params(b) < 7", 5, 6, "reproduced"),
        ("params(a) < params(b) < 6", 5, 6, "refuted"),
    ],
)
def test_numbers_without_noise_hold_or_do_not_and_need_no_seeds(text, a, b, expected):
    found = verdict(text, 0, a=a, b=b)
    assert (found.verdict, found.decided_at) == (expected, 0)
    assert found.weakest.holds is (expected == "reproduced")


def test_of_a_tolerance_without_noise_the_smaller_margin_is_kept():
    assert verdict("params(a) == approx(params(b), abs=5)", 0, a=6, b=9).weakest.margins == (2.0,)


@pytest.mark.parametrize("seeds", [0, 1, 10])
def test_one_that_does_not_hold_refutes_the_whole_whatever_the_trained_part_says(seeds):
    found = verdict("err(a) < err(b) and params(c) == 8", seeds, a=np.zeros(LOOKS), b=np.ones(LOOKS), c=9)
    assert (found.verdict, found.decided_at, found.weakest.text) == ("refuted", 0, "params(c) == 8")


@pytest.mark.parametrize("shift, expected", [(3.0, "reproduced"), (-3.0, "refuted"), (0.0, "undecided")])
def test_one_that_holds_leaves_the_verdict_to_the_trained_part(shift, expected):
    a, b = noise(5, LOOKS), noise(6, LOOKS) + shift
    alone = verdict("err(a) < err(b)", a=a, b=b)
    with_it = verdict("err(a) < err(b) and params(c) == 9", a=a, b=b, c=9)
    assert with_it.verdict == alone.verdict == expected
    assert (with_it.decided_at, with_it.weakest) == (alone.decided_at, alone.weakest)


def test_before_any_seed_a_false_part_refutes_and_a_true_one_says_nothing_of_the_rest():
    def value(measurement, _):
        assert measurement.name in STATIC, "asked for what would have to be trained"
        return 9.0

    def early(text):
        return without_seeds(parse(text), value, lambda m: m.name in STATIC)

    assert early("err(a) < err(b) and params(c) == 8").verdict == "refuted"
    assert early("err(a) < err(b) and params(c) == 9").verdict == "undecided"
    assert early("params(a) == 9 and params(c) == 9").verdict == "reproduced"
    assert (early("err(a) < 1").verdict, early("err(a) < 1").decided_at) == ("undecided", None)


# ---- conjunctions


CLEAR = (1.0, 1.1, 0.9, 1.2, 1.05, 1.0, 0.95, 1.1, 1.0, 1.1)
LATE = (1.0, 1.1, -0.05, 1.2, 1.05, 1.0, 0.95, 1.1, 1.0, 1.1)  # decided at the second look


def test_a_conjunction_is_reproduced_when_the_last_of_its_parts_is():
    assert (of(CLEAR).decided_at, of(LATE).decided_at) == (5, 7)
    assert of(CLEAR[:5], LATE[:5]).verdict == "undecided"
    found = of(CLEAR, LATE)
    assert (found.verdict, found.decided_at) == ("reproduced", 7)


def test_it_is_refuted_when_one_part_is_at_its_share_of_the_level():
    against = [-margin for margin in CLEAR]
    assert of(against[:5]).verdict == "refuted"
    assert of(CLEAR[:5], against[:5]).verdict == "undecided"  # 1 of 32 is more than half of .05
    found = of(CLEAR, against)
    assert (found.verdict, found.decided_at, found.weakest.text) == ("refuted", 7, "part 1")
    assert of(CLEAR, CLEAR, CLEAR, CLEAR, CLEAR, CLEAR, against).decided_at == 10
    late = (1.0, *against[1:])  # at the third look
    assert of(CLEAR, against, late).decided_at == of(CLEAR, late, against).decided_at == 7


def test_parts_that_need_no_seeds_have_no_share_of_the_level():
    static = Part("", (1.0,), holds=True)
    against = Part("", tuple(-margin for margin in CLEAR[:5]))
    assert combine([static, static, against]).verdict == "refuted"


def test_the_part_that_is_least_supported_is_the_one_to_look_at():
    assert of(CLEAR, LATE).weakest.text == "part 1"
    assert of(LATE, CLEAR).weakest.text == "part 0"


# ---- futility


def test_it_can_be_decided_as_long_as_each_part_can_hold_or_one_can_fail():
    hopeless = (-1.0, -1.0, 1.0, -1.0, 1.0)
    assert of(LATE[:5]).can_be_decided(10, ALPHA)
    assert not of(LATE[:5]).can_be_decided(5, ALPHA)
    assert not of(CLEAR).can_be_decided(10, ALPHA)  # it is
    assert not of((1.0, -1.0, 0.9, -0.9, 0.1)).can_be_decided(7, ALPHA)
    assert of(hopeless).can_be_decided(10, ALPHA) == of(CLEAR[:5], hopeless).can_be_decided(10, ALPHA)


def test_only_parts_that_seeds_decide_share_the_level_of_what_can_still_come():
    nearly = (-1.0, -1.0, -1.0, -1.0)  # against it, so that a fifth could refute it at .05 and not at .025
    static = Part("", (1.0,), holds=True)
    assert of(nearly).can_be_decided(5, ALPHA)
    assert combine([static, Part("", nearly)]).can_be_decided(5, ALPHA)
    assert not of(nearly, nearly).can_be_decided(5, ALPHA)


def test_what_has_no_value_cannot_be_decided_however_many_seeds_there_are():
    assert not combine([Part("", (1.0,) * 5, why="gone"), Part("", LATE[:5])]).can_be_decided(10, ALPHA)


# ---- contested


def test_a_verdict_that_all_seeds_together_would_not_give_is_contested():
    later = (*CLEAR[:5], -3.0, -4.0, -3.5)
    assert (of(later).verdict, of(later).is_contested(ALPHA)) == ("reproduced", True)
    against = [-margin for margin in later]
    assert (of(against).verdict, of(against).is_contested(ALPHA)) == ("refuted", True)
    assert not of(CLEAR).is_contested(ALPHA)
    assert not of(CLEAR[:5]).is_contested(ALPHA)
    assert not of(later[:5]).is_contested(ALPHA)
    assert not of((1.0, -1.0, 1.0, -1.0, 1.0)).is_contested(ALPHA)  # nothing to contest


def test_of_a_conjunction_each_part_has_to_stand():
    assert of(CLEAR[:8], (*CLEAR[:5], -3.0, -4.0, -3.5)).is_contested(ALPHA)


def test_a_refuted_one_is_not_contested_as_long_as_one_part_is_refuted_at_its_share_by_all_seeds():
    against = tuple(-margin for margin in CLEAR)
    assert not of(against).is_contested(ALPHA)
    assert not of(CLEAR, against).is_contested(ALPHA)
    turned = (*against[:7], 1.1)  # all eight: 8 of 256 patterns, which is less than .05, and more than half
    assert (of(turned).verdict, of(turned).is_contested(ALPHA)) == ("refuted", False)
    both = of(CLEAR[:8], turned)
    assert (both.verdict, both.is_contested(ALPHA)) == ("refuted", True)


def test_a_verdict_that_all_seeds_just_give_stands():
    found = of((1.0, 2.0, 3.0, 4.0, 5.0, -2.0), alpha=1 / 16)  # all six: 4 of 64 patterns
    assert (found.decided_at, found.is_contested(1 / 16), found.is_contested(1 / 17)) == (5, False, True)


@pytest.mark.slow
@pytest.mark.parametrize("parts", [1, 2, 3])
def test_with_one_part_that_is_not_so_the_whole_is_seldom_reproduced(parts):
    margins = noise(parts, RUNS, parts, LOOKS)
    margins[:, 1:] += 4
    assert share("reproduced", margins) <= ALPHA + 0.03


@pytest.mark.slow
@pytest.mark.parametrize("common", [0.0, 0.9], ids=["independent", "correlated"])
@pytest.mark.parametrize("parts", [1, 2, 3])
def test_with_parts_that_are_all_just_so_the_whole_is_seldom_refuted(parts, common):
    margins = (1 - common) ** 0.5 * noise(parts, RUNS, parts, LOOKS) + common**0.5 * noise(9, RUNS, 1, LOOKS)
    assert share("refuted", margins) <= ALPHA + 0.03


@pytest.mark.slow
@pytest.mark.parametrize("parts", [1, 2, 3])
def test_what_is_clearly_so_or_clearly_not_is_nearly_always_decided(parts):
    margins = noise(parts, 200, parts, LOOKS) + 3
    assert share("reproduced", margins) > 0.95
    margins[:, 0] -= 6
    assert share("refuted", margins) > 0.95


# ---- equivalence


def equivalence(true_difference, runs, sd=1.0, tolerance=2.0):
    """[runs, 2, seeds]: the margins of `a == approx(b, abs=tolerance)`."""
    differences = true_difference + sd * noise(11, runs, LOOKS)
    (link,) = parse(f"err(a) == approx(err(b), abs={tolerance:g})").links
    assert [str(margin) for margin in link.margins] == ["2 - (err(a) - err(b))", "2 + (err(a) - err(b))"]
    return np.stack([tolerance - differences, tolerance + differences], axis=1)


@pytest.mark.slow
def test_arms_that_are_equal_are_found_to_be_and_those_that_are_not_are_not():
    assert share("reproduced", equivalence(0.0, 200)) > 0.9
    assert share("refuted", equivalence(5.0, 200)) > 0.9
    assert share("refuted", equivalence(-5.0, 200)) > 0.9


@pytest.mark.slow
@pytest.mark.parametrize("sd", [0.2, 1.0, 5.0])
def test_arms_that_differ_by_the_tolerance_are_seldom_decided_either_way(sd):
    found = verdicts(equivalence(2.0, RUNS, sd))
    assert found.count("reproduced") <= (ALPHA + 0.03) * RUNS
    assert found.count("refuted") <= (ALPHA + 0.03) * RUNS


def test_an_equivalence_has_two_parts_that_say_what_they_are():
    found = verdict("err(a) == approx(err(b), abs=1)", a=np.zeros(LOOKS), b=np.full(LOOKS, 0.25))
    assert [(p.text, p.margins[0]) for p in found.parts] == [
        ("err(a) - err(b) < 1", 1.25),
        ("err(a) - err(b) > -(1)", 0.75),
    ]
    assert found.verdict == "reproduced"
    found = verdict("abs(err(a)) < 1", a=np.full(LOOKS, -3.0))
    assert [p.text for p in found.parts] == ["err(a) < 1", "err(a) > -(1)"]
    assert (found.verdict, found.weakest.text) == ("refuted", "err(a) > -(1)")


def test_the_simulation_combines_what_decide_does():
    differences = noise(12, 20, LOOKS) + 1
    simulated = verdicts(np.stack([2 - differences, 2 + differences], axis=1))
    assert simulated == [verdict("err(a) == approx(0, abs=2)", a=d).verdict for d in differences]


def test_of_parts_for_which_signs_speak_alike_the_weakest_is_the_least_in_units_of_its_spread():
    clear, less_clear = [1.0, 1.1, 0.9, 1.0, 1.0], [9.0, 1.0, 5.0, 2.0, 8.0]
    assert of(clear, less_clear).weakest.text == "part 1" and of(less_clear, clear).weakest.text == "part 0"
    against = [[-margin for margin in margins] for margins in (clear, less_clear)]
    assert of(*against).weakest.text == "part 0" and of(*reversed(against)).weakest.text == "part 1"
    assert of([1.0] * 5, less_clear).weakest.text == "part 1"
    assert of([math.inf] * 5, less_clear).weakest.text == "part 1"
