"""Everything that is wrong with a suite is told at once, each mistake once, in the order of the file."""

import time

import pytest
from kit.small_suite import SUITE

from repro import form, recipe, suite
from repro.reading import load


def test_the_small_suite_is_sound(errors):
    assert errors() == []


def test_all_errors_of_a_file_come_at_once_each_once_and_in_their_order(errors):
    found = errors(
        ("suite: small", "suite: 5"),
        ("task: classification", "task: clasification"),
        ("depth: 20, residual", "depht: 20, residual"),
        ("size: 14", "size: x"),
        ("steps: 10", "steps: x"),
        ("{name: sgd, lr: 0.1, momentum", "{name: sdg, lr: 0.1, momentum"),
        ("[flip]", "[flop]"),
        ("says: The", "sayz: The"),
        ("(resnet20)", "(resnet02)"),
        ("undecided", "unclear"),
    )
    assert found == [
        "1:8: suite: expected text; put quotes around it",
        "3:7: unknown task 'clasification'; did you mean 'classification'?",
        "5:3: model 'cifar_resnet' needs the option 'depth'",
        "5:34: model 'cifar_resnet' has no option 'depht'; did you mean 'depth'?",
        "9:45: size: expected a whole number, not 'x'",
        "12:14: steps: expected a whole number, not 'x'",
        "14:25: unknown optimizer 'sdg'; did you mean 'sgd'?",
        "16:17: unknown augmentation 'flop'; did you mean 'flip'?",
        "23:5: unknown key 'sayz'; did you mean 'says'?",
        "24:36: unknown arm 'resnet02'; did you mean 'resnet20'?",
        "26:22: verdict: must be 'reproduced', 'refuted' or 'undecided', not 'unclear'",
    ]


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
        "5:20: unknown model 'cifar_resnt'; did you mean 'cifar_resnet'?",
        "22:28: unknown measurement 'parms'; did you mean 'params'?",
        "22:46: unknown arm 'resnet21'; did you mean 'resnet20'?",
        "22:75: unknown profile 'tpu'; did you mean 'gpu'?",
        "25:13: expected a comparison such as 'train_error(a) < train_error(b)'",
        "28:14: unknown ledger id 'A9'; known: A1, B2",
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


def test_everything_that_a_suite_requires_has_something_to_stand_in_for_it_while_the_rest_is_checked():
    classes = [
        c
        for module in (recipe, suite)
        for c in vars(module).values()
        if isinstance(c, type) and hasattr(c, "model_fields")
    ]
    required = {name for c in classes for name, field in c.model_fields.items() if field.is_required()}
    assert required == {name for name in form.STAND_INS if "." not in name}


@pytest.mark.slow
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
