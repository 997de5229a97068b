"""Which arms a profile concerns: those that the claims asked there use, and no others."""

import pytest

ARM = "profiles:\n"
CLAIM = "claims:\n"
OTHER = [  # an arm of another model, which has no `width`, and which a claim uses at gpu alone
    (ARM, f"  other: {{model: densenet, depth: 121}}\n{ARM}"),
    (CLAIM, f"{CLAIM}  large: {{says: It is large., expect: params(other) > 1, profiles: [gpu]}}\n"),
]
ENTRY = ("    model: {width: 8}\n", "    arms: {plain20: {width: 8}, other: {growth_rate: 8}}\n")  # at cpu
ALSO_AT_CPU = (", profiles: [gpu]", "")


def test_options_of_a_profile_need_to_fit_the_arms_that_are_used_there_and_no_others(errors):
    assert errors(*OTHER) == []
    (found,) = errors(*OTHER, ALSO_AT_CPU)
    assert found.startswith("11:13: model 'densenet' has no option 'width'; ") and found.endswith(" (at cpu)")


def test_what_an_arm_changes_needs_to_fit_the_profiles_where_it_is_used(errors):
    change = ("depth: 121", "depth: 121, recipe: {schedule: {at: [5]}}")
    step_at_gpu = ("recipe: {steps: 20", "recipe: {schedule: {name: step, at: [1]}, steps: 20")
    assert errors(*OTHER, change, step_at_gpu) == []
    assert errors(*OTHER, change) == ["7:49: 'name' is missing (at gpu)"]


def test_a_profile_has_no_options_for_an_arm_that_is_not_used_there(errors):
    assert errors(*OTHER, ENTRY, ALSO_AT_CPU) == []
    assert errors(*OTHER, ENTRY) == [
        "11:33: no claim that is asked at profile 'cpu' uses the arm 'other'",
    ]


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(("(plain20) >", "(plain20 >"), id="a claim that cannot be read"),
        pytest.param(("profiles: [gpu]", "profiles: [gpuu]"), id="a typing mistake in its profiles"),
        pytest.param(("profiles: [gpu]", "profiles: [5]"), id="profiles that are none"),
    ],
)
def test_where_it_is_not_known_what_claims_use_a_profile_may_have_options_for_any_arm(errors, change):
    assert len(errors(*OTHER, ENTRY, change)) == 1


def test_of_an_arm_whose_claim_cannot_be_read_what_is_wrong_at_all_profiles_is_told(errors):
    unreadable = ("params(other) > 1", "params(other > 1")
    assert len(errors(*OTHER, unreadable)) == 1
    found = errors(*OTHER, unreadable, ("depth: 121", "depth: many"))
    assert len(found) == 2 and found[0] == "7:35: depth: expected a whole number, not 'many'"


def test_an_arm_that_no_claim_uses(errors):
    assert errors(("profiles:", "  spare: {model: cifar_resnet, depth: 8}\nprofiles:")) == [
        "7:3: no claim uses the arm 'spare'"
    ]


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(("(plain20) >", "(plain20 >"), id="a claim that cannot be read"),
        pytest.param(("(plain20) >", "(plainn20) >"), id="a typing mistake in a claim"),
        pytest.param(("    expect:", "    expects:"), id="a claim without an expectation"),
        pytest.param(("says: The", "say: The"), id="a claim of a wrong form"),
        pytest.param(("claims:", "claim:"), id="no claims"),
    ],
)
def test_where_a_claim_cannot_be_read_no_arm_is_called_unused(errors, change):
    assert len(errors(change)) == 1
