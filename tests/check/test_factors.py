"""Factors of an optimizer's groups: on options that are numbers, and numbers themselves."""

import pytest

OPTIMIZER = "lr: 0.1, momentum: 0.9"


@pytest.mark.parametrize(
    "groups, expected",
    [
        ("{bias: {lr: 2, weight_decay: 0}}", []),
        ("{bias: {lrr: 2}}", ["14:70: optimizer 'sgd' has no numeric option 'lrr'; did you mean 'lr'?"]),
        (
            "{bias: {nesterov: 2}}",
            ["14:70: optimizer 'sgd' has no numeric option 'nesterov'; known: lr, momentum, weight_decay"],
        ),
        ("{bias: {lr: -1}}", ["14:74: lr: must be at least 0, not -1"]),
        ("{bias: {lr: .inf}}", ["14:74: lr: expected a number, not '.inf'"]),
        ("{bias: {lr: x}}", ["14:74: lr: expected a number, not 'x'"]),
        ("{bias: 2}", ["14:69: bias: expected a mapping, not 2"]),
        ("{'': {lr: 2}}", ["14:63: '' does not fit here (pattern ^[A-Za-z0-9_.]+$)"]),
        ("[bias]", ["14:62: groups: expected a mapping"]),
    ],
    ids=[
        "right",
        "an unknown option",
        "no number",
        "below 0",
        "infinite",
        "text",
        "no factors",
        "no word",
        "a list",
    ],
)
def test_factors_that_do_not_fit(errors, groups, expected):
    assert errors((OPTIMIZER, f"{OPTIMIZER}, groups: {groups}")) == expected


def test_a_typing_mistake_in_groups_is_told_as_one(errors):
    assert errors((OPTIMIZER, f"{OPTIMIZER}, group: {{bias: {{lr: 2}}}}")) == [
        "14:54: optimizer 'sgd' has no option 'group'; did you mean 'groups'?"
    ]


def test_of_an_unknown_optimizer_nothing_is_said_of_its_groups(errors):
    assert errors(("name: sgd", "name: sgdd"), (OPTIMIZER, f"{OPTIMIZER}, groups: {{bias: {{lrr: 2}}}}")) == [
        "14:25: unknown optimizer 'sgdd'; did you mean 'sgd'?"
    ]
