"""Arms: options of their models, what they change, and the profiles where claims use them."""

import pytest

CHANGES = "recipe: {optimizer: {lr: 0.2}}"  # of the arm resnet20


@pytest.mark.parametrize(
    "old, new, expected",
    [
        pytest.param(
            "20, residual",
            "20, colour",
            "5:45: model 'cifar_resnet' has no option 'colour'; known: classes, data, ",
            id="unknown",
        ),
        pytest.param(
            "residual: false",
            "residual: 1",
            "5:55: residual: expected true or false, not 1",
            id="of another type",
        ),
        pytest.param(
            "residual: false",
            "shortcut: D",
            "5:55: shortcut: must be 'A', 'B' or 'C', not 'D'",
            id="of other values",
        ),
        pytest.param(
            "depth: 20, res", "res", "5:3: model 'cifar_resnet' needs the option 'depth'", id="missing"
        ),
        pytest.param(
            "residual: false",
            "name: x",
            "5:45: model 'cifar_resnet' has no option 'name'; ",
            id="called name",
        ),
        pytest.param(
            "    recipe: {steps: 20",
            "    model: {widht: 8}\n    recipe: {steps: 20",
            "20:13: model 'cifar_resnet' has no option 'widht'; did you mean 'width'? (at gpu)",
            id="in a profile",
        ),
        pytest.param(
            "    recipe: {steps: 20",
            "    model: {depth: x}\n    recipe: {steps: 20",
            "20:20: depth: expected a whole number, not 'x' (at gpu)",
            id="in a profile, where the arm's own is right",
        ),
        pytest.param(
            "    recipe: {steps: 20",
            "    arms: {plain20: {depth: x}}\n    recipe: {steps: 20",
            "20:29: depth: expected a whole number, not 'x' (at gpu)",
            id="of an arm in a profile",
        ),
        pytest.param(
            "name: sgd, lr: 0.1}, e",
            "name: adamw, lr: 0.1, betas: [0.9, x]}, e",
            "20:89: betas[1]: expected a number, not 'x'",
            id="an item of an option",
        ),
    ],
)
def test_an_option_that_does_not_fit(errors, old, new, expected):
    (found,) = errors((old, new))
    assert found.startswith(expected)


def test_a_profile_may_give_the_option_that_an_arm_lacks(errors):
    for_one = ("    device: cuda", "    device: cuda\n    arms: {plain20: {depth: 20}}")
    assert errors(
        ("depth: 20, res", "res"), ("    device: cuda", "    device: cuda\n    model: {depth: 20}")
    ) == ["5:3: model 'cifar_resnet' needs the option 'depth' (at cpu)"]
    assert errors(("depth: 20, res", "res"), for_one, ("width: 8", "width: 8, depth: 20")) == []


@pytest.mark.parametrize(
    "changes, expected",
    [
        pytest.param(
            "recipe: {optimizer: {lr: x}}",
            ["6:71: lr: expected a number, not 'x'"],
            id="an option of another type",
        ),
        pytest.param(
            "recipe: {optimizer: {lrr: 1}}",
            ["6:67: optimizer 'sgd' has no option 'lrr'; did you mean 'lr'?"],
            id="an unknown option",
        ),
        pytest.param(
            "recipe: {optimizer: adamw}",
            ["6:55: optimizer 'adamw' needs the option 'lr'"],
            id="another choice without its options",
        ),
        pytest.param(
            "recipe: {optimizer: {name: sdg}}",
            ["6:73: unknown optimizer 'sdg'; did you mean 'sgd'?"],
            id="an unknown choice",
        ),
        pytest.param(
            "recipe: {shedule: cosine}",
            ["6:55: unknown key 'shedule'; did you mean 'schedule'?"],
            id="an unknown key",
        ),
        pytest.param(
            "recipe: {steps: x}", ["6:62: steps: expected a whole number, not 'x'"], id="a wrong value"
        ),
        pytest.param(
            "recipe: {augment: [flop]}",
            ["6:65: unknown augmentation 'flop'; did you mean 'flip'?"],
            id="in a list",
        ),
        pytest.param("recipe: [1]", ["6:54: recipe: expected a mapping"], id="no mapping"),
        pytest.param("data: {size: x}", ["6:59: size: expected a whole number, not 'x'"], id="data"),
        pytest.param(
            "data: {name: 5}",
            ["6:59: name: expected text; put quotes around it"],
            id="a data set that is no name",
        ),
        pytest.param(
            "data: {name: mnist}",
            ["6:59: unknown data set 'mnist'; did you mean 'fashion-mnist' or "],
            id="an unknown data set",
        ),
        pytest.param(
            "recipe: {schedule: {at: [5]}}",
            [
                "6:55: 'name' is missing (at gpu)",
                "6:66: schedule 'cosine' has no option 'at', which 'step' has (at cpu)",
            ],
            id="what fits no profile's choice",
        ),
        pytest.param(
            "recipe: {steps: x}, data: {size: y}",
            ["6:62: steps: expected a whole number, not 'x'", "6:79: size: expected a whole number, not 'y'"],
            id="both",
        ),
    ],
)
def test_changes_of_an_arm_that_do_not_fit(errors, changes, expected):
    found = errors((CHANGES, changes))
    assert len(found) == len(expected)
    for line, start in zip(found, expected, strict=True):
        assert line.startswith(start)


def test_changes_of_a_profile_for_one_arm_that_do_not_fit(errors):
    def of(arm, recipe):
        return ("    device: cuda", f"    arms: {{{arm}: {{recipe: {recipe}}}}}\n    device: cuda")

    assert errors(of("plain20", "{optimizer: {momentum: 0.5}}")) == []
    assert errors(of("plain20", "{optimizer: {lrr: 1}, steps: x}")) == [
        "18:59: steps: expected a whole number, not 'x' (at gpu)"
    ]
    (found,) = errors(of("plain20", "{optimizer: {lrr: 1}}"))
    assert found == "18:43: optimizer 'sgd' has no option 'lrr'; did you mean 'lr'? (at gpu)"
    assert errors(of("plain20", "[1]")) == ["18:30: recipe: expected a mapping"]
    twice = of("resnet20", "{steps: 5}"), (CHANGES, "recipe: {optimizer: {lrr: 1}}")
    assert errors(*twice) == ["6:67: optimizer 'sgd' has no option 'lrr'; did you mean 'lr'?"]


def test_what_a_profile_tunes_it_gives_no_arm(errors):
    tune = "    tune: {by: test_error, optimizer.lr: [0.1, 0.2]}\n"
    own = "    arms: {plain20: {recipe: {optimizer: {lr: 1}}}}\n"
    (found,) = errors(("    device: cuda\n", f"    device: cuda\n{tune}{own}"), (f", {CHANGES}", ""))
    assert found.startswith("20:43: optimizer.lr is tuned by the profile, from the same values for all arms")


def test_a_mistake_in_a_profile_is_not_told_again_for_an_arm_that_changes_its_recipe(errors):
    change = (CHANGES, "recipe: {steps: 5}, data: {size: 28}")
    assert errors(change, ("{name: sgd, lr", "{name: sgdd, lr")) == [
        "14:25: unknown optimizer 'sgdd'; did you mean 'sgd'?"
    ]
    assert errors(change, ("batch_size: 32", "batch_size: x")) == [
        "13:19: batch_size: expected a whole number, not 'x'"
    ]
    assert errors(change, ("mnist-small", "mnist-smal"))[0].startswith("9:18: unknown data set")
    assert len(errors(change, ("mnist-small", "mnist-smal"))) == 1
