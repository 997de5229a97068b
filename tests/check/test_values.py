"""Values of a wrong type, or out of range."""

import pytest


@pytest.mark.parametrize(
    "old, new, expected",
    [
        pytest.param(
            "suite: small",
            "suite: 5",
            "1:8: suite: expected text; put quotes around it",
            id="a number for text",
        ),
        pytest.param(
            "suite: small",
            "suite: a b",
            "1:8: 'a b' does not fit here (pattern ^[A-Za-z0-9][A-Za-z0-9_.-]*$)",
            id="a name",
        ),
        pytest.param(
            '"1512.03385"',
            "1512.03380",
            "2:32: arxiv: expected text; put quotes around it",
            id="an arXiv number",
        ),
        pytest.param(
            "size: 14",
            "size: big",
            "9:45: size: expected a whole number, not 'big'",
            id="a text for a number",
        ),
        pytest.param(
            "size: 14", "size: 14.5", "9:45: size: expected a whole number, not 14.5", id="a fraction"
        ),
        pytest.param(
            "size: 14",
            "size: true",
            "9:45: size: expected a whole number, not true",
            id="a truth for a number",
        ),
        pytest.param(
            "depth: 20, resi",
            "depth: '20', resi",
            "5:41: depth: expected a whole number, not '20'",
            id="an option of a model",
        ),
        pytest.param(
            "residual: false",
            "residual: no",
            "5:55: residual: expected true or false, not 'no'",
            id="no is text",
        ),
        pytest.param("lr: 0.1, mom", "lr: [], mom", "14:34: lr: expected a number", id="a list for a number"),
        pytest.param(
            "steps: 10", "steps: 10.5", "12:14: steps: expected a whole number, not 10.5", id="half a step"
        ),
        pytest.param(
            "steps: 10", "steps:", "12:13: steps: expected a whole number, not nothing", id="nothing"
        ),
        pytest.param(
            "steps: 10",
            "steps: -1",
            "12:14: steps: must be at least 0, not -1",
            id="out of range",
        ),
        pytest.param(
            "device: cuda",
            "device: gpu",
            "18:13: device: must be 'cpu', 'cuda' or 'mps', not 'gpu'",
            id="a choice",
        ),
        pytest.param(
            "augment: [flip]",
            "augment: flip",
            "16:16: augment: expected a list, not 'flip'",
            id="a text for a list",
        ),
        pytest.param(
            "augment: [flip]", "augment: [5]", "16:17: augment[0]: expected a mapping, not 5", id="in a list"
        ),
        pytest.param(
            "schedule: cosine", "schedule: {}", "15:7: 'name' is missing", id="a choice without a name"
        ),
        pytest.param(
            "[A1]",
            "[5]",
            "27:14: ledger[0]: expected text; put quotes around it",
            id="a ledger id",
        ),
        pytest.param(
            "says: The plain net is worse.", "says: ''", "23:11: says: nothing is in it", id="an empty text"
        ),
        pytest.param(
            "undecided",
            "unclear",
            "26:22: verdict: must be 'reproduced', 'refuted' or 'undecided', not 'unclear'",
            id="verdict",
        ),
        pytest.param(
            "recipe: {opt", "data: 5, recipe: {opt", "6:52: data: expected a mapping, not 5", id="of an arm"
        ),
        pytest.param(
            "task:",
            "seeds:\ntask:",
            "3:7: seeds: expected a mapping, not nothing",
            id="a section without content",
        ),
        pytest.param(
            "task:",
            "seeds: {max: 0}\ntask:",
            "3:14: max: must be above 0, not 0",
            id="no seeds",
        ),
        pytest.param(
            "task:",
            "evidence: {alpha: 5e-324}\ntask:",
            "3:19: alpha: must be at least 1e-06, not 5e-324",
            id="too small an alpha",
        ),
    ],
)
def test_a_wrong_value(errors, old, new, expected):
    assert errors((old, new)) == [expected]


def test_a_wrong_item_of_a_list_does_not_hide_a_missing_key_in_another(errors):
    assert errors(("[flip]", "[{pad: 4}, 5]")) == [
        "16:17: 'name' is missing",
        "16:27: augment[1]: expected a mapping, not 5",
    ]
