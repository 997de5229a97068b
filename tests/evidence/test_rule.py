"""The rule is the one that is described, holds its level exactly, and is monotone."""

import itertools
from fractions import Fraction

import numpy as np
import pytest
from kit.differences import is_decided, random_differences

from repro.evidence import LOOKS, SPENT, decide, first_look, share

SIGNS = {n: list(itertools.product((1, -1), repeat=n)) for n in (5, 7, 10)}


def crossed_patterns(sizes, alpha):
    """By look the patterns of signs that have crossed, in the words of the rule: slow, and without NumPy.

    Of equal sums the one whose last minus that the other has not is earlier comes first.
    """
    found = {}
    for look in (look for look in LOOKS if look <= len(sizes)):
        sums = {p: sum(sign * size for sign, size in zip(p, sizes, strict=False)) for p in SIGNS[look]}
        old = {p for p in SIGNS[look] if any(p[:before] in earlier for before, earlier in found.items())}
        free = sorted(
            (p for p in SIGNS[look] if p not in old), key=lambda p: (-sums[p], [-s for s in p[::-1]])
        )
        room = int(SPENT[look] * alpha * 2**look) - len(old)
        found[look] = old | set(free[:room])
    return found


def decided_at(differences, alpha):
    """The look at which differences cross, by the slow way."""
    signs = tuple(1 if d > 0 else -1 for d in differences)
    found = crossed_patterns([abs(d) for d in differences], alpha)
    return next((look for look, crossed in found.items() if signs[:look] in crossed), None)


@pytest.mark.slow
@pytest.mark.parametrize("alpha", [Fraction(1, 20), Fraction(1, 100), Fraction(1, 5)], ids=str)
def test_it_is_the_rule_that_is_described(alpha):
    rng = np.random.default_rng(1)
    for differences in [*random_differences(rng, 28, (5, 11)), *rng.integers(-2, 6, size=(12, 10))]:
        whole = [round(d * 2**20) for d in differences]  # the slow way's sums are exact, then
        found = decide(whole, alpha)
        up, down = decided_at(whole, alpha), decided_at([-d for d in whole], alpha)
        assert found.decided_at == min((look for look in (up, down) if look), default=None)
        assert found.verdict == ("reproduced" if up else "refuted" if down else "undecided")


@pytest.mark.slow
@pytest.mark.parametrize(
    "sizes",
    [[1] * 10, list(range(1, 11)), [2**n for n in range(10)], [0, 0, 1, 1, 1, 2, 2, 3, 5, 8]],
    ids=["equal", "rising", "doubling", "tied"],
)
@pytest.mark.parametrize("alpha", [0.05, 0.02])
def test_of_all_signs_that_given_sizes_can_have_no_more_than_alpha_lead_to_a_verdict(sizes, alpha):
    for look in (5, 7, 10):
        rows = np.array(SIGNS[look]) * np.array(sizes, dtype=float)[:look]
        allowed = SPENT[look] * Fraction(str(alpha)) * 2**look
        for verdict in ("reproduced", "refuted"):
            assert sum(is_decided(verdict, row, alpha) for row in rows) <= allowed


@pytest.mark.parametrize(
    "sizes", [np.random.default_rng(2).normal(size=10), np.ones(10)], ids=["all differ", "equal"]
)
def test_the_level_is_used_up(sizes):
    rows = np.array(SIGNS[10]) * sizes
    assert sum(is_decided("reproduced", row) for row in rows) == 46  # of 1,024, at alpha .05


@pytest.mark.slow
def test_raising_differences_never_loses_a_verdict():
    rng = np.random.default_rng(3)
    held = 0
    for differences in random_differences(rng, 1500, (5, 15)):
        up = np.where(rng.random(differences.size) < 0.4, np.abs(rng.standard_t(2, differences.size)), 0)
        if is_decided("reproduced", differences):
            held += 1
            assert is_decided("reproduced", differences + up)
        if is_decided("refuted", differences + up):
            assert is_decided("refuted", differences)
    assert held > 300


@pytest.mark.slow
def test_raising_any_one_of_small_whole_numbers_never_loses_a_verdict():
    """Where sums tie most."""
    held = 0
    for differences in np.random.default_rng(4).integers(-1, 4, size=(100, 10)):
        if is_decided("reproduced", differences):
            held += 1
            for place, up in itertools.product(range(10), (1, 2)):
                higher = differences.copy()
                higher[place] += up
                assert is_decided("reproduced", higher), (differences, place, up)
    assert held > 30


@pytest.mark.parametrize(
    "alpha, look", [(0.05, 5), (0.2, 5), (0.04, 7), (0.01, 7), (0.005, 10), (1e-4, 14), (1e-6, 20)]
)
def test_no_verdict_comes_before_the_first_look(alpha, look):
    assert first_look(alpha) == look
    clear = np.arange(1.0, 21.0)
    assert decide(clear, alpha).decided_at == look
    assert decide(clear[: look - 1], alpha).verdict == "undecided"


def test_the_looks_share_alpha_as_the_table_says():
    assert {look: float(spent) for look, spent in SPENT.items()} == {
        5: 0.625,
        7: 0.78125,
        10: 0.9,
        14: 0.95,
        20: 1,
    }


def test_there_are_levels_for_which_no_number_of_seeds_is_enough():
    assert first_look(9e-7) is None


def test_a_share_is_that_of_the_patterns_that_speak_no_less_for_it():
    for differences in random_differences(np.random.default_rng(5), 21, (1, 9)):
        sums = np.array(list(itertools.product((1, -1), repeat=differences.size))) @ np.abs(differences)
        assert share(differences) == (sums >= differences.sum() - 1e-9 * np.abs(differences).max()).mean()


def test_the_share_of_none_is_all_and_of_twenty_can_be_small():
    assert share([]) == 1
    assert share(np.ones(20)) == 2.0**-20
    assert share([1.0] * 19 + [-1.0]) == 21 / 2**20
    assert share([-np.inf] + [1.0] * 19) == (2**19 + 1) / 2**20
