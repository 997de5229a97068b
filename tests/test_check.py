"""What a suite can get wrong beyond its form: the texts that a user sees, each with its place."""

import json
import re
import time

import pytest

from repro.check import load
from repro.document import DocumentError
from repro.errors import ReproError

SUITE = """\
suite: small
task: classification
arms:
  plain20: {model: cifar_resnet, depth: 20, residual: false}
  resnet20: {model: cifar_resnet, depth: 20}
profiles:
  cpu:
    data: {name: fashion-mnist-small, size: 14}
    recipe: {steps: 10, batch_size: 32, optimizer: {name: sgd, lr: 0.1}, schedule: cosine, augment: [flip]}
  gpu:
    data: cifar10
    recipe: {steps: 20, batch_size: 128, optimizer: {name: sgd, lr: 0.1}}
claims:
  worse:
    ledger: [A1]
    says: The plain net is worse.
    expect: train_error(plain20) > train_error(resnet20)
"""


@pytest.fixture
def errors(tmp_path):
    """The errors of the small suite with pieces replaced, as `LINE:COL: message`."""
    (tmp_path / "ledger.json").write_text(json.dumps([{"id": "A1"}, {"id": "B2"}]))
    path = tmp_path / "deep" / "down" / "x.yaml"
    path.parent.mkdir(parents=True)

    def errors(*changes):
        text = SUITE
        for old, new in changes:
            assert old in text, old
            text = text.replace(old, new, 1)
        path.write_text(text)
        try:
            load(path)
        except DocumentError as error:
            return [line.removeprefix(f"{path}:") for line in str(error).split("\n")]
        return []

    return errors


def test_the_small_suite_is_sound(errors):
    assert errors() == []


@pytest.mark.parametrize(
    "old, new, expected",
    [
        (
            "classification",
            "clasification",
            "2:7: unknown task 'clasification'; did you mean 'classification'?",
        ),
        (
            "cifar_resnet, depth: 20, r",
            "cifar_resnt, depth: 20, r",
            "4:20: unknown model 'cifar_resnt'; did you mean 'cifar_resnet'?",
        ),
        (
            "mnist-small",
            "mnist-smal",
            "8:18: unknown data set 'fashion-mnist-smal'; did you mean 'fashion-mnist-small'?",
        ),
        ("data: cifar10", "data: cifar11", "11:11: unknown data set 'cifar11'; did you mean 'cifar10'?"),
        ("name: sgd", "name: sgdm", "9:59: unknown optimizer 'sgdm'; did you mean 'sgd'?"),
        ("cosine", "cosin", "9:84: unknown schedule 'cosin'; did you mean 'cosine'?"),
        ("[flip]", "[flip, padcrop]", "9:108: unknown augmentation 'padcrop'; did you mean 'pad_crop'?"),
        ("r(plain20) >", "r(plain02) >", "17:13: unknown arm 'plain02'; did you mean 'plain20'?"),
        (
            "> train_error",
            "> training_error",
            "17:36: unknown measurement 'training_error'; did you mean 'train_error'?",
        ),
        (
            "    ledger",
            "    profiles: [cpuu]\n    ledger",
            "15:16: unknown profile 'cpuu'; did you mean 'cpu'?",
        ),
        (
            "    ledger",
            "    at: {gpuu: {verdict: refuted, because: x}}\n    ledger",
            "15:10: the claim is not asked at a profile 'gpuu'; did you mean 'gpu'?",
        ),
        (
            "    ledger",
            "    profiles: [cpu]\n    at: {gpu: {verdict: refuted, because: x}}\n    ledger",
            "16:10: the claim is not asked at a profile 'gpu'; did you mean 'cpu'?",
        ),
        ("[A1]", "[A1, A2]", "15:18: unknown ledger id 'A2'; known: A1, B2"),
        (
            "claims:",
            "not_measurable: {B3: It is history.}\nclaims:",
            "13:18: unknown ledger id 'B3'; known: A1, B2",
        ),
        (
            "    says",
            "    reported: {test_error(plain20): 0.1}\n    says",
            "16:16: the claim does not measure 'test_error(plain20)'; did you mean 'train_error(plain20)'?",
        ),
        (
            "    data: cifar10",
            "    weights: imagnet\n    data: cifar10",
            "11:14: unknown set of weights 'imagnet'; did you mean 'imagenet'?",
        ),
        (
            "depth: 20}\n",
            "depth: 20, weights: {name: imagenet, download: 1}}\n",
            "5:82: download: expected true or false, not 1",
        ),
        (
            "claims:",
            "pictures:\n  p: {picture: predicitons, arms: [plain20], says: x}\nclaims:",
            "14:16: unknown picture 'predicitons'; did you mean 'predictions'?",
        ),
        (
            "claims:",
            "pictures:\n  p: {picture: predictions, arms: [plain2], says: x}\nclaims:",
            "14:36: unknown arm 'plain2'; did you mean 'plain20'?",
        ),
        (
            "claims:",
            "pictures:\n  p: {picture: predictions, arms: [plain20], says: x, image: 2}\nclaims:",
            "14:55: picture 'predictions' has no option 'image'; did you mean 'images'?",
        ),
        (
            "    recipe: {steps: 20",
            "    arms: {plain2O: {width: 8}}\n    recipe: {steps: 20",
            "12:12: unknown arm 'plain2O'; did you mean 'plain20'?",
        ),
    ],
    ids=lambda value: value if ":" in value and value[0].isdigit() else "",
)
def test_a_name_that_does_not_exist(errors, old, new, expected):
    assert errors((old, new)) == [expected]


@pytest.mark.parametrize(
    "old, new, expected",
    [
        pytest.param(
            "20, residual",
            "20, colour",
            "4:45: model 'cifar_resnet' has no option 'colour'; known: classes, data, ",
            id="unknown",
        ),
        pytest.param(
            "residual: false",
            "residual: 1",
            "4:55: residual: expected true or false, not 1",
            id="of another type",
        ),
        pytest.param(
            "residual: false",
            "shortcut: C",
            "4:55: shortcut: must be 'A' or 'B', not 'C'",
            id="of other values",
        ),
        pytest.param(
            "depth: 20, res", "res", "4:3: model 'cifar_resnet' needs the option 'depth'", id="missing"
        ),
        pytest.param(
            "residual: false",
            "name: x",
            "4:45: model 'cifar_resnet' has no option 'name'; ",
            id="called name",
        ),
        pytest.param(
            "    recipe: {steps: 20",
            "    model: {widht: 8}\n    recipe: {steps: 20",
            "12:13: model 'cifar_resnet' has no option 'widht'; did you mean 'width'? (at gpu)",
            id="in a profile",
        ),
        pytest.param(
            "    recipe: {steps: 20",
            "    model: {depth: x}\n    recipe: {steps: 20",
            "12:20: depth: expected a whole number, not 'x' (at gpu)",
            id="in a profile, where the arm's own is right",
        ),
        pytest.param(
            "    recipe: {steps: 20",
            "    arms: {plain20: {depth: x}}\n    recipe: {steps: 20",
            "12:29: depth: expected a whole number, not 'x' (at gpu)",
            id="of an arm in a profile",
        ),
        pytest.param(
            "name: sgd, lr: 0.1}, s",
            "name: adamw, lr: 0.1, betas: [0.9, x]}, s",
            "9:88: betas[1]: expected a number, not 'x'",
            id="an item of an option",
        ),
    ],
)
def test_an_option_that_does_not_fit(errors, old, new, expected):
    (found,) = errors((old, new))
    assert found.startswith(expected)


def test_a_profile_may_give_the_option_that_an_arm_lacks(errors):
    for_one = ("    data: cifar10", "    data: cifar10\n    arms: {plain20: {depth: 20}}")
    assert errors(
        ("depth: 20, res", "res"), ("    data: cifar10", "    data: cifar10\n    model: {depth: 20}")
    ) == ["4:3: model 'cifar_resnet' needs the option 'depth' (at cpu)"]
    assert (
        errors(
            ("depth: 20, res", "res"), for_one, ("    data: {name", "    model: {depth: 20}\n    data: {name")
        )
        == []
    )


@pytest.mark.parametrize(
    "changes, expected",
    [
        pytest.param(
            "recipe: {optimizer: {lr: x}}",
            ["5:71: lr: expected a number, not 'x'"],
            id="an option of another type",
        ),
        pytest.param(
            "recipe: {optimizer: {lrr: 1}}",
            ["5:67: optimizer 'sgd' has no option 'lrr'; did you mean 'lr'?"],
            id="an unknown option",
        ),
        pytest.param(
            "recipe: {optimizer: adamw}",
            ["5:55: optimizer 'adamw' needs the option 'lr'"],
            id="another choice without its options",
        ),
        pytest.param(
            "recipe: {optimizer: {name: sdg}}",
            ["5:73: unknown optimizer 'sdg'; did you mean 'sgd'?"],
            id="an unknown choice",
        ),
        pytest.param(
            "recipe: {shedule: cosine}",
            ["5:55: unknown key 'shedule'; did you mean 'schedule'?"],
            id="an unknown key",
        ),
        pytest.param(
            "recipe: {steps: x}", ["5:62: steps: expected a whole number, not 'x'"], id="a wrong value"
        ),
        pytest.param(
            "recipe: {augment: [flop]}",
            ["5:65: unknown augmentation 'flop'; did you mean 'flip'?"],
            id="in a list",
        ),
        pytest.param("recipe: [1]", ["5:54: recipe: expected a mapping"], id="no mapping"),
        pytest.param("data: {size: x}", ["5:58: size: expected a whole number, not 'x'"], id="data"),
        pytest.param(
            "data: {name: 5}",
            ["5:58: name: expected text; put quotes around it"],
            id="a data set that is no name",
        ),
        pytest.param(
            "data: {name: mnist}",
            ["5:58: unknown data set 'mnist'; known: cifar10, "],
            id="an unknown data set",
        ),
        pytest.param(
            "recipe: {schedule: {at: [5]}}",
            ["5:66: schedule 'cosine' has no option 'at' (at cpu)", "5:66: 'name' is missing (at gpu)"],
            id="what fits no profile's choice",
        ),
        pytest.param(
            "recipe: {steps: x}, data: {size: y}",
            ["5:62: steps: expected a whole number, not 'x'", "5:79: size: expected a whole number, not 'y'"],
            id="both",
        ),
    ],
)
def test_changes_of_an_arm_that_do_not_fit(errors, changes, expected):
    found = errors(
        (
            "resnet20: {model: cifar_resnet, depth: 20",
            f"resnet20: {{model: cifar_resnet, depth: 20, {changes}",
        )
    )
    assert [line.partition(":")[0] for line in found] == ["5"] * len(expected)
    for line, start in zip(sorted(found), sorted(expected), strict=True):
        assert line.partition(": ")[2].startswith(start.partition(": ")[2])


def test_changes_of_an_arm_have_their_place(errors):
    change = (
        "resnet20: {model: cifar_resnet, depth: 20",
        "resnet20: {model: cifar_resnet, depth: 20, recipe: {optimizer: {lrr: 1}}",
    )
    (found,) = errors(change)
    line = SUITE.replace(*change).split("\n")[4]
    assert found.startswith(f"5:{line.index('lrr') + 1}: ")


def test_a_mistake_in_a_profile_is_not_told_again_for_an_arm_that_changes_its_recipe(errors):
    change = ("depth: 20}", "depth: 20, recipe: {steps: 5}, data: {size: 28}}")
    assert errors(change, ("{name: sgd, lr", "{name: sgdd, lr")) == [
        "9:59: unknown optimizer 'sgdd'; did you mean 'sgd'?"
    ]
    assert errors(change, ("batch_size: 32", "batch_size: x")) == [
        "9:37: batch_size: expected a whole number, not 'x'"
    ]
    assert errors(change, ("mnist-small", "mnist-smal"))[0].startswith("8:18: unknown data set")
    assert len(errors(change, ("mnist-small", "mnist-smal"))) == 1


NOT_EXACT = "a trained or measured number is never exactly equal; use approx(…, abs=…)"


@pytest.mark.parametrize(
    "expect, expected",
    [
        (
            "train_error(plain20) == train_error(resnet20)",
            "17:13: 'train_error(plain20) == train_error(resnet20)': " + NOT_EXACT,
        ),
        (
            "params(plain20) == params(resnet20) == train_error(plain20)",
            "17:32: 'params(resnet20) == train_error(plain20)': " + NOT_EXACT,
        ),
        (
            "gradient_norm(plain20) == gradient_norm(resnet20, at=start)",
            "17:13: 'gradient_norm(plain20) == gradient_norm(resnet20, at=start)': " + NOT_EXACT,
        ),
        ("train_error(plain20, x=1) > train_error(resnet20)", "17:13: 'train_error' has no options"),
        (
            "params(plain20) < params(resnet20, x=1)",
            "17:31: measure 'params' has no option 'x'; known: layer",
        ),
        (
            "params(plain20) < params(resnet20, name=1)",
            "17:31: measure 'params' has no option 'name'; known: layer",
        ),
        (
            "gradient_norm(plain20, layr=1) < gradient_norm(resnet20)",
            "17:13: measure 'gradient_norm' has no option 'layr'; did you mean 'layer'?",
        ),
        (
            "gradient_norm(plain20, layer=1) < gradient_norm(resnet20)",
            "17:13: layer: expected text; put quotes around it",
        ),
        ("gradient_norm(plain20, at=begin) < gradient_norm(resnet20)", "17:13: 'at' is one of start, end"),
        (
            "train_error(plain20) > train_error(resnet20) or params(plain20) > 1",
            "17:13: 'or' is not supported: a claim says one thing",
        ),
        ("train_error(plain20) > train_error(resnet20", "17:47: not an expectation: '(' was never closed"),
        (
            "'train_error(plain20) > train_error(resnet02)'",
            "17:37: unknown arm 'resnet02'; did you mean 'resnet20'?",
        ),
        (
            ">\n      train_error(plain20) > x",
            "17:13: 'x' alone is not a number; measure it: train_error(x), say",
        ),
    ],
    ids=lambda value: value if "(" in value and not value.startswith("17") else "",
)
def test_an_expectation_that_asks_for_what_there_is_not(errors, expect, expected):
    assert errors(("train_error(plain20) > train_error(resnet20)", expect)) == [expected]


def test_equality_is_for_numbers_without_noise(errors):
    assert (
        errors(("train_error(plain20) > train_error(resnet20)", "params(plain20) == params(resnet20)")) == []
    )


def test_an_arm_that_no_claim_uses(errors):
    assert errors(("profiles:", "  spare: {model: cifar_resnet, depth: 8}\nprofiles:")) == [
        "6:3: no claim uses the arm 'spare'"
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


@pytest.mark.parametrize(
    "old, new, expected",
    [
        ("    data: cifar10\n", "", "data and a recipe, which profile 'gpu' does"),
        (
            "    recipe: {steps: 20, batch_size: 128, optimizer: {name: sgd, lr: 0.1}}\n",
            "",
            "data and a recipe, which profile 'gpu' does",
        ),
    ],
    ids=["no data", "no recipe"],
)
def test_what_is_measured_of_a_trained_net_needs_data_and_a_recipe(errors, old, new, expected):
    assert errors((old, new)) == [
        f"{15 + 1}:{column}: 'train_error' needs {expected} not give" for column in (13, 36)
    ]
    assert errors((old, new), ("    ledger", "    profiles: [cpu]\n    ledger")) == []
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
    assert (
        errors(change, ("    recipe: {steps: 20, batch_size: 128, optimizer: {name: sgd, lr: 0.1}}\n", ""))
        == []
    )
    assert errors(change, ("    data: cifar10\n", "")) == [
        f"16:{column}: 'gradient_norm' needs data, which profile 'gpu' does not give" for column in (13, 48)
    ]


@pytest.mark.parametrize(
    "rules, expected",
    [
        ("seeds: {max: 4}", "2:14: with 4 seeds no claim can be decided; alpha 0.05 needs 6 at least"),
        (
            "seeds: {max: 8}\nevidence: {alpha: 0.001}",
            "2:14: with 8 seeds no claim can be decided; alpha 0.001 needs 11 at least",
        ),
        (
            "evidence: {alpha: 0.0001}",
            "2:19: with 10 seeds no claim can be decided; alpha 0.0001 needs 14 at least",
        ),
        (
            "seeds: {max: 2}\nevidence: {assume: normal}",
            "2:14: with 2 seeds no claim can be decided; alpha 0.05 needs 3 at least",
        ),
        ("seeds: {max: 2}\nevidence: {alpha: x}", "3:19: alpha: expected a number, not 'x'"),
    ],
    ids=[
        "few seeds",
        "few for a small alpha",
        "few, though not said how many",
        "few for the normal",
        "an alpha that is none",
    ],
)
def test_seeds_that_can_decide_nothing(errors, rules, expected):
    (found,) = errors(("task:", f"{rules}\ntask:"))
    assert re.sub(r"needs \d+", "needs N", found) == re.sub(r"needs \d+", "needs N", expected)


def test_a_broken_claim_hides_no_errors_elsewhere_and_a_broken_arm_none_in_claims(errors):
    assert errors(
        ("cifar_resnet, depth: 20, r", "cifar_resnt, depth: 20, r"),
        ("ledger: [A1]", "ledger: [A9]"),
        ("(plain20) >", "(plain20) >>"),
        (
            "claims:",
            "claims:\n  other: {says: x, expect: parms(resnet20) > params(resnet21), profiles: [tpu]}",
        ),
    ) == [
        "4:20: unknown model 'cifar_resnt'; did you mean 'cifar_resnet'?",
        "14:28: unknown measurement 'parms'; did you mean 'params'?",
        "14:46: unknown arm 'resnet21'; did you mean 'resnet20'?",
        "14:75: unknown profile 'tpu'; did you mean 'gpu'?",
        "16:14: unknown ledger id 'A9'; known: A1, B2",
        "18:13: expected a comparison such as 'train_error(a) < train_error(b)'",
    ]


def test_errors_come_in_the_order_of_the_file_and_each_once(errors):
    found = errors(
        ("[flip]", "[flop]"),
        ("name: sgd", "name: sdg"),
        ("task: c", "task: k"),
        ("[A1]", "[A3]"),
        ("r(plain20)", "r(plain)"),
    )
    places = [tuple(map(int, line.split(":")[:2])) for line in found]
    assert places == sorted(set(places))
    assert len(found) == 5


def test_without_a_ledger_above_it_a_suite_may_name_any_id(tmp_path):
    (tmp_path / "x.yaml").write_text(SUITE.replace("A1", "Z99"))
    assert load(tmp_path / "x.yaml").claims["worse"].ledger == ("Z99",)


@pytest.mark.parametrize("text", ["{", "[5]", '[{"name": "A1"}]', "5"])
def test_a_ledger_that_is_none_is_named(tmp_path, text):
    (tmp_path / "x.yaml").write_text(SUITE)
    (tmp_path / "ledger.json").write_text(text)
    with pytest.raises(ReproError, match=r"ledger\.json: not a ledger: "):
        load(tmp_path / "x.yaml")


def test_a_suite_of_a_megabyte_is_checked_in_seconds(tmp_path):
    claim = (
        "  c{}:\n    says: The plain net is worse.\n    expect: train_error(a{}) > train_error(resnet20)\n"
    )
    arm = "  a{}: {{model: cifar_resnet, depth: 20, residual: false}}\n"
    text = SUITE.replace("profiles:", "".join(arm.format(n) for n in range(600)) + "profiles:")
    text += "".join(claim.format(n, n % 600) for n in range(10_000))
    assert len(text) > 1_000_000
    (tmp_path / "x.yaml").write_text(text)
    started = time.process_time()
    assert len(load(tmp_path / "x.yaml").claims) == 10_001
    assert time.process_time() - started < 20


def test_a_suite_without_a_task_may_count_but_not_train(errors):
    without = ("task: classification\n", "")
    assert (
        errors(
            without, ("train_error(plain20) > train_error(resnet20)", "params(plain20) == params(resnet20)")
        )
        == []
    )
    (first, second) = errors(without)
    assert first.startswith("16:13: unknown measurement 'train_error'") and second.startswith("16:36: ")
    probed = (
        "train_error(plain20) > train_error(resnet20)",
        "gradient_norm(plain20) > gradient_norm(resnet20)",
    )
    assert "16:13: 'gradient_norm' needs a task, which the suite does not give" in errors(without, probed)
