"""What a profile lets its arms tune, and what arms may then not say themselves."""

import pytest

TUNE = (
    "    recipe: {steps: 20",
    "    tune: {by: test_error, optimizer.momentum: [0, 0.9]}\n    recipe: {steps: 20",
)
OWN = ("residual: false", "residual: false, recipe: {optimizer: {lr: 0}}")


def test_a_profile_that_tunes_is_sound(errors):
    assert errors(TUNE) == []


def test_an_arm_has_no_value_of_its_own_for_what_is_tuned(errors):
    own = ("residual: false", "residual: false, recipe: {optimizer: {momentum: 0.5}}")
    (found,) = errors(TUNE, own)
    assert "optimizer.momentum is tuned by the profile, from the same values for all arms" in found


@pytest.mark.parametrize(
    ("grid", "said"),
    [
        ("by: test_error, optimizer.momentum: [0, 0]", "optimizer.momentum: a value is there twice"),
        ("by: test_eror, optimizer.momentum: [0, 0.9]", "'classification' has no metric 'test_eror'"),
        (
            "by: test_error, optimizer.momentum: [0]",
            "optimizer.momentum: expected a list of two or more values",
        ),
        ("by: test_error", "nothing to try"),
    ],
)
def test_what_cannot_be_tuned_is_told(errors, grid, said):
    old, new = TUNE
    (found,) = errors((old, new.replace("by: test_error, optimizer.momentum: [0, 0.9]", grid)))
    assert said in found


@pytest.mark.parametrize("measurement", ["params(treated)", "latency(treated)"])
def test_counts_and_clocks_are_not_asked_of_treated_arms(errors, measurement):
    arm = ("profiles:\n", "  treated: {of: plain20, after: {name: lesion, block: 1}}\nprofiles:\n")
    claim = f"claims:\n  cost: {{says: It costs., expect: {measurement} > 1}}\n"
    (found,) = errors(arm, ("claims:\n", claim))
    name = measurement.partition("(")[0]
    assert found.endswith(f"'{name}' does not depend on a treatment: ask it of arm 'plain20'")


def test_an_unknown_arm_that_is_treated_is_told_though_a_claim_uses_it(errors):
    arm = ("profiles:\n", "  treated: {of: zz, after: {name: lesion, block: 1}}\nprofiles:\n")
    claim = "claims:\n  cost: {says: It costs., expect: test_error(treated) > test_error(plain20)}\n"
    assert any("unknown arm 'zz'" in found for found in errors(arm, ("claims:\n", claim)))
