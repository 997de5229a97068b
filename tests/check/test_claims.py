"""What claims expect: measurements that there are, of arms that can be measured, within the seeds allowed."""

import re

import pytest

RECIPE = "    recipe: {steps: 20, batch_size: 128, optimizer: {name: sgd, lr: 0.1}, evaluate: {every: 5}}\n"
AT = "    at:\n      gpu: {verdict: undecided, because: it is not known}\n"


SWAP = "train_error(plain20) > train_error(resnet20)"
NOT_EXACT = "a trained or measured number is never exactly equal; use approx(…, abs=…)"


@pytest.mark.parametrize(
    "expect, expected",
    [
        (
            "train_error(plain20) == train_error(resnet20)",
            "24:13: 'train_error(plain20) == train_error(resnet20)': " + NOT_EXACT,
        ),
        (
            "params(plain20) == params(resnet20) == train_error(plain20)",
            "24:32: 'params(resnet20) == train_error(plain20)': " + NOT_EXACT,
        ),
        (
            "gradient_norm(plain20) == gradient_norm(resnet20, at=start)",
            "24:13: 'gradient_norm(plain20) == gradient_norm(resnet20, at=start)': " + NOT_EXACT,
        ),
        (
            "train_error(plain20, x=1) > train_error(resnet20)",
            "24:13: metric 'train_error' has no option 'x'; known: images",
        ),
        (
            "params(plain20) < params(resnet20, x=1)",
            "24:31: count 'params' has no option 'x'; known: layer",
        ),
        (
            "params(plain20) < params(resnet20, name=1)",
            "24:31: count 'params' has no option 'name'; known: layer",
        ),
        (
            "gradient_norm(plain20, layr=1) < gradient_norm(resnet20)",
            "24:13: probe 'gradient_norm' has no option 'layr'; did you mean 'layer'?",
        ),
        (
            "gradient_norm(plain20, layer=1) < gradient_norm(resnet20)",
            "24:13: layer: expected text; put quotes around it",
        ),
        ("gradient_norm(plain20, at=begin) < gradient_norm(resnet20)", "24:13: 'at' is one of start, end"),
        (
            "train_error(plain20) > train_error(resnet20) or params(plain20) > 1",
            "24:13: 'or' is not supported: a claim says one thing",
        ),
        ("train_error(plain20) > train_error(resnet20", "24:47: not an expectation: '(' was never closed"),
        (
            "'train_error(plain20) > train_error(resnet02)'",
            "24:37: unknown arm 'resnet02'; did you mean 'resnet20'?",
        ),
        (
            ">\n      train_error(plain20) > x",
            "24:13: 'x' alone is not a number; measure it: train_error(x), say",
        ),
    ],
    ids=lambda value: value if "(" in value and not value.startswith("17") else "",
)
def test_an_expectation_that_asks_for_what_there_is_not(errors, expect, expected):
    assert errors(("train_error(plain20) > train_error(resnet20)", expect)) == [expected]


@pytest.mark.parametrize("measure", ["params({})", "stride_upper_bound_miou({}, at=start)"])
def test_equality_is_for_numbers_without_noise(errors, measure):
    assert errors((SWAP, f"{measure.format('plain20')} == {measure.format('resnet20')}")) == []


PLAIN, RESIDUAL, START = (
    "train_error(plain20)",
    "train_error(resnet20)",
    "gradient_norm(plain20, at=start)",
)


@pytest.mark.parametrize(
    "expect, choice",
    [
        (f"{START} > min({PLAIN}, {RESIDUAL})", "min"),
        (f"max({PLAIN}, {RESIDUAL}) > {START}", "max"),
        (f"{START} - max({PLAIN}, {RESIDUAL}) < 0.1", "max"),
        (f"2 / min({PLAIN}, {RESIDUAL}) > {START}", "min"),
        (f"-2 * min({PLAIN}, {RESIDUAL}) > {START}", "min"),
        (f"log(max({PLAIN}, {RESIDUAL})) > 0", "max"),
        (f"min({PLAIN}, {RESIDUAL}) ** -1 > {START}", "min"),
        (f"{START} == approx(max({PLAIN}, {RESIDUAL}), abs=0.1)", "max"),
        (f"{START} == approx({PLAIN}, abs=abs({RESIDUAL}))", "abs"),
    ],
)
def test_the_data_do_not_choose_the_side_that_suits_a_claim(errors, expect, choice):
    (found,) = errors((SWAP, f"'{expect}'"))
    assert re.search(rf"the data would choose what suits the claim in {choice}\(.+; ", found)


def test_a_claim_whose_side_the_data_would_choose_is_told_what_to_write(errors):
    assert errors((SWAP, f"{START} > min({PLAIN}, {RESIDUAL})")) == [
        "24:13: 'gradient_norm(plain20, at=start) > min(train_error(plain20), train_error(resnet20))': "
        "the data would choose what suits the claim in min(train_error(plain20), train_error(resnet20)); "
        "compare with each, 'c > a and c > b', or name the arm"
    ]
    (found,) = errors((SWAP, f"abs({PLAIN} - {RESIDUAL}) > 0.1"))
    assert found.endswith("in abs(train_error(plain20) - train_error(resnet20)); say which way: 'a - b > x'")


@pytest.mark.parametrize(
    "expect",
    [
        f"{START} > max({PLAIN}, {RESIDUAL})",
        f"{START} < min({PLAIN}, {RESIDUAL})",
        f"abs({PLAIN} - {RESIDUAL}) < 0.1",
        f"{PLAIN} == approx({RESIDUAL}, rel=0.1)",
        "params(plain20) > min(params(plain20), params(resnet20)) - 1",
        f"{PLAIN} < 2 * max(params(plain20), params(resnet20))",
    ],
)
def test_a_choice_against_the_claim_or_of_counts_is_none_that_suits_it(errors, expect):
    assert errors((SWAP, f"'{expect}'")) == []


@pytest.mark.parametrize(
    "old, new, expected",
    [
        ("    data: {name: cifar10}\n", "", "data and a recipe, which profile 'gpu' does"),
        (
            RECIPE,
            "",
            "data and a recipe, which profile 'gpu' does",
        ),
    ],
    ids=["no data", "no recipe"],
)
def test_what_is_measured_of_a_trained_net_needs_data_and_a_recipe(errors, old, new, expected):
    assert errors((old, new)) == [
        f"23:{column}: 'train_error' needs {expected} not give" for column in (13, 36)
    ]
    assert errors((old, new), (AT, "    profiles: [cpu]\n")) == []
    assert (
        errors(
            (old, new),
            ("train_error(plain20) > train_error(resnet20)", "params(plain20) == params(resnet20)"),
        )
        == []
    )


def test_a_probe_at_the_start_needs_data_alone(errors):
    start = "gradient_norm(plain20, at=start) > gradient_norm(resnet20, at=start)"
    change = ("train_error(plain20) > train_error(resnet20)", start)
    assert errors(change, (RECIPE, "")) == []
    assert errors(change, ("    data: {name: cifar10}\n", "")) == [
        f"23:{column}: 'gradient_norm' needs data, which profile 'gpu' does not give" for column in (13, 48)
    ]


@pytest.mark.parametrize(
    "rules, expected",
    [
        ("seeds: {max: 4}", "3:14: with 4 seeds no claim can be decided; alpha 0.05 needs at least 5"),
        (
            "seeds: {max: 8}\nevidence: {alpha: 0.001}",
            "3:14: with 8 seeds no claim can be decided; alpha 0.001 needs at least 14",
        ),
        (
            "evidence: {alpha: 0.0001}",
            "3:19: with 10 seeds no claim can be decided; alpha 0.0001 needs at least 14",
        ),
        ("seeds: {max: 8}", "3:14: verdicts come after 5, 7, 10, 14 and 20 seeds: max is one of these"),
        (
            "seeds: {first: 991}",
            "3:16: seeds from 1000 up are for pilots and never judge; begin at 990 at most",
        ),
        ("seeds: {max: 2}\nevidence: {alpha: x}", "4:19: alpha: expected a number, not 'x'"),
    ],
    ids=[
        "few seeds",
        "few for a small alpha",
        "few, though not said how many",
        "as many as are not looked at",
        "those of pilots",
        "an alpha that is none",
    ],
)
def test_seeds_that_can_decide_nothing(errors, rules, expected):
    (found,) = errors(("task:", f"{rules}\ntask:"))
    assert found == expected


@pytest.mark.parametrize("rules", ["seeds: {max: 5}", "seeds: {first: 990}", "seeds: {first: 980, max: 20}"])
def test_as_many_seeds_as_just_can_decide_and_the_last_that_may_judge_are_in_order(errors, rules):
    assert errors(("task:", f"{rules}\ntask:")) == []


def test_a_wrong_list_of_profiles_does_not_make_the_claim_one_of_all_profiles(errors):
    changes = ("expect: t", "profiles: [5]\n    expect: t"), ("    data: {name: cifar10}\n", "")
    assert errors(*changes) == ["23:16: profiles[0]: expected text; put quotes around it"]


def test_a_suite_without_a_task_may_count_but_not_train(errors):
    without = ("task: classification\n", "")
    assert (
        errors(
            without, ("train_error(plain20) > train_error(resnet20)", "params(plain20) == params(resnet20)")
        )
        == []
    )
    (first, second) = errors(without)
    assert first.startswith("23:13: unknown measurement 'train_error'") and second.startswith("23:36: ")
    probed = (
        "train_error(plain20) > train_error(resnet20)",
        "gradient_norm(plain20) > gradient_norm(resnet20)",
    )
    assert "23:13: 'gradient_norm' needs a task, which the suite does not give" in errors(without, probed)
