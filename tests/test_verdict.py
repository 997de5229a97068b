"""From numbers to a verdict: conjunctions and equivalences, held against simulation."""

import math
from itertools import pairwise

import numpy as np
import pytest

from repro import evidence
from repro.evidence import Decision, log_e
from repro.expectation import parse
from repro.verdict import Judgement, Part, combine, decide

ALPHA = 0.05
RUNS = 4000
LOOKS = 10
STATIC = {"params"}


def verdict(text, seeds=LOOKS, alpha=ALPHA, assume="symmetric", **arms) -> Judgement:
    """Of an expectation whose arms have a value per seed, or one number for all."""

    def value(measurement, seed):
        numbers = arms[measurement.arm]
        return float(numbers if np.isscalar(numbers) else numbers[seed])

    return decide(parse(text), range(seeds), value, lambda m: m.name in STATIC, alpha, assume)


def part(path, alpha=ALPHA) -> Part:
    """A part of which nothing but its e-values matters."""
    decision = Decision("undecided", *path[-1], 0.0, (0.0, 0.0), None, None, tuple(path), alpha, "symmetric")
    return Part("", (), decision)


def verdicts(margins, alpha=ALPHA):
    """The verdict of each run's conjunction. margins: [runs, parts, seeds]"""
    e_for, e_against = np.exp(log_e(margins, "symmetric")), np.exp(log_e(-margins, "symmetric"))
    paths = np.stack([e_for, e_against], axis=-1).tolist()
    return [combine([part([tuple(e) for e in path], alpha) for path in run], alpha).verdict for run in paths]


def share(wanted, margins):
    return sum(verdict == wanted for verdict in verdicts(margins)) / len(margins)


def noise(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape)


# ---- one part


@pytest.mark.parametrize("assume", ["symmetric", "normal"])
@pytest.mark.parametrize("shift", [-2.0, -0.5, 0.0, 0.5, 2.0])
def test_of_one_comparison_it_is_the_verdict_over_the_differences(shift, assume):
    a, b = noise(1, LOOKS), noise(2, LOOKS) + shift
    for seeds in range(LOOKS + 1):
        found = verdict("err(a) < err(b)", seeds, assume=assume, a=a, b=b)
        expected = evidence.decide((b - a)[:seeds], ALPHA, assume)
        assert (found.verdict, found.decided_at, found.reversed_at) == (
            expected.verdict,
            expected.decided_at,
            expected.reversed_at,
        )
        assert (found.e_for, found.e_against, found.path) == (
            expected.e_for,
            expected.e_against,
            expected.path,
        )
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
    assert (both.verdict, both.e_for, both.e_against) == ("undecided", None, None)
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
    assert verdict("err(a) < err(b) and err(a) < err(c)", a=small, b=large, c=nothing).verdict == "undecided"
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
    assert (found.verdict, found.decided_at, found.e_for, found.path) == (expected, 0, None, ())
    assert found.weakest.holds is (expected == "reproduced")


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
    assert (with_it.path, with_it.decided_at, with_it.weakest) == (
        alone.path,
        alone.decided_at,
        alone.weakest,
    )


# ---- conjunctions


def test_a_conjunction_is_reproduced_when_the_last_of_its_parts_is_though_another_one_has_fallen_since():
    first = [(1.0, 1.0), (25.0, 0.1), (15.0, 0.1), (15.0, 0.1)]
    last = [(1.0, 1.0), (2.0, 0.5), (19.0, 0.1), (20.0, 0.1)]
    found = combine([part(first), part(last)])
    assert (found.verdict, found.decided_at, found.e_for) == ("reproduced", 4, 15.0)
    assert combine([part(first[:3]), part(last[:3])]).verdict == "undecided"


def test_it_is_refuted_when_the_mean_of_the_e_values_against_its_parts_says_so():
    one, other = [(0.5, 10.0), (0.1, 39.0), (0.1, 39.9)], [(2.0, 0.5), (15.0, 0.5), (25.0, 0.1)]
    found = combine([part(one), part(other)])
    assert (found.verdict, found.decided_at) == ("refuted", 3)
    assert [e_against for _, e_against in found.path] == pytest.approx([5.25, 19.75, 20.0])
    assert found.weakest.path == tuple(one)


def test_the_part_that_is_least_supported_is_the_one_to_look_at():
    weak, strong = [(3.0, 0.1)], [(30.0, 0.1)]
    assert combine([part(strong), part(weak)]).weakest.path == tuple(weak)


def test_the_first_verdict_stays_and_a_crossing_the_other_way_is_noted():
    found = combine([part([(20.0, 0.1), (1.0, 1.0), (0.1, 20.0)])])
    assert (found.verdict, found.decided_at, found.reversed_at) == ("reproduced", 1, 3)
    found = combine([part([(0.1, 20.0), (1.0, 1.0), (20.0, 0.1)])])
    assert (found.verdict, found.decided_at, found.reversed_at) == ("refuted", 1, 3)


@pytest.mark.parametrize("parts", [1, 2, 3])
def test_more_evidence_never_loses_a_verdict(parts):
    rng = np.random.default_rng(7)
    turn = np.repeat([-1.0, 50.0], [7, 43])
    seen = set()
    for _ in range(60):
        start, slope = rng.choice([-3.0, -1.0, 0.0, 1.0, 3.0], size=(2, 1, 1))
        run = start + slope * turn + rng.normal(size=(parts, 50))
        e_values = np.exp(np.stack([log_e(run, "symmetric"), log_e(-run, "symmetric")], axis=-1)).tolist()
        found = [
            combine([part([tuple(e) for e in path[:seeds]]) for path in e_values]) for seeds in range(1, 51)
        ]
        for before, after in pairwise(found):
            if before.verdict != "undecided":
                assert (after.verdict, after.decided_at) == (before.verdict, before.decided_at)
            if before.reversed_at is not None:
                assert after.reversed_at == before.reversed_at
        seen |= {found[-1].verdict, "reversed" if found[-1].reversed_at else "stayed"}
    assert seen == {"reproduced", "refuted", "undecided", "reversed", "stayed"}


@pytest.mark.slow
@pytest.mark.parametrize("parts", [1, 2, 3])
def test_with_one_part_that_is_not_so_the_whole_is_seldom_reproduced(parts):
    margins = noise(parts, RUNS, parts, LOOKS)
    margins[:, 1:] += 4
    assert share("reproduced", margins) <= ALPHA


@pytest.mark.slow
@pytest.mark.parametrize("common", [0.0, 0.9], ids=["independent", "correlated"])
@pytest.mark.parametrize("parts", [1, 2, 3])
def test_with_parts_that_are_all_just_so_the_whole_is_seldom_refuted(parts, common):
    margins = (1 - common) ** 0.5 * noise(parts, RUNS, parts, LOOKS) + common**0.5 * noise(9, RUNS, 1, LOOKS)
    assert share("refuted", margins) <= ALPHA


@pytest.mark.slow
@pytest.mark.parametrize("parts", [1, 2, 3])
def test_what_is_clearly_so_or_clearly_not_is_nearly_always_decided(parts):
    margins = noise(parts, 500, parts, LOOKS) + 3
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
    assert share("reproduced", equivalence(0.0, 500)) > 0.9
    assert share("refuted", equivalence(5.0, 500)) > 0.9
    assert share("refuted", equivalence(-5.0, 500)) > 0.9


@pytest.mark.slow
@pytest.mark.parametrize("sd", [0.2, 1.0, 5.0])
def test_arms_that_differ_by_the_tolerance_are_seldom_decided_either_way(sd):
    found = verdicts(equivalence(2.0, RUNS, sd))
    assert found.count("reproduced") <= ALPHA * RUNS
    assert found.count("refuted") <= ALPHA * RUNS


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
