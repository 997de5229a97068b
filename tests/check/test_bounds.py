"""Numbers out of bounds, of whatever a suite names: found before anything is imported or trained."""

import json

import pytest
from jsonschema import Draft202012Validator

import repro
from repro.schema import of_suites

SGD = "{name: sgd, lr: 0.1, momentum: 0.9}"


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        pytest.param(SGD, "{name: sgd, lr: -0.1}", "14:34: lr: must be at least 0, not -0.1", id="lr"),
        pytest.param(
            SGD, "{name: sgd, lr: 1, momentum: -1}", "14:47: momentum: must be at least 0, not -1", id="below"
        ),
        pytest.param(
            SGD, "{name: sgd, lr: 1, momentum: 9}", "14:47: momentum: must be below 1, not 9", id="above"
        ),
        pytest.param(
            SGD,
            "{name: adamw, lr: 1, weight_decay: -0.01}",
            "14:53: weight_decay: must be at least 0, not -0.01",
            id="weight decay",
        ),
        pytest.param(
            SGD,
            "{name: adamw, lr: 1, betas: [0.9, 1]}",
            "14:52: betas[1]: must be below 1, not 1",
            id="in a pair",
        ),
        pytest.param(
            "cosine", "{name: poly, power: -1}", "15:37: power: must be at least 0, not -1", id="schedule"
        ),
        pytest.param(
            "[flip]", "[{name: pad_crop, pad: -1}]", "16:39: pad: must be at least 0, not -1", id="pad"
        ),
        pytest.param("size: 14", "size: -14", "9:45: size: must be above 0, not -14", id="data"),
        pytest.param(
            "recipe: {optimizer: {lr: 0.2}}",
            "recipe: {optimizer: {lr: -0.2}}",
            "6:71: lr: must be at least 0, not -0.2",
            id="of an arm",
        ),
    ],
)
def test_a_number_out_of_bounds_is_a_mistake_with_its_place(errors, old, new, expected):
    assert [error.removesuffix(" (at cpu)").removesuffix(" (at gpu)") for error in errors((old, new))] == [
        expected
    ]


DETECTORS = """\
suite: detectors
task: detection
arms:
  fast: {{model: fast_rcnn{fast}}}
  faster: {{model: faster_rcnn{faster}}}
profiles:
  cpu:
    data: {{name: detection-scenes{data}}}
    recipe: {{steps: 1, batch_size: 1, optimizer: {{name: sgd, lr: 0}}}}
claims:
  one:
    says: x
    expect: map(fast) > map(faster) and proposal_recall(faster, iou={iou}) > proposal_recall(fast)
"""


@pytest.mark.parametrize(
    ("part", "said", "expected"),
    [
        ("fast", "fc: 0", "4:32: fc: must be above 0, not 0"),
        ("fast", "regions: -1", "4:37: regions: must be above 0, not -1"),
        ("fast", "scales: [50, -1]", "4:41: scales[1]: must be above 0, not -1"),
        ("fast", "scales: [0]", "4:37: scales[0]: must be above 0, not 0"),
        ("fast", "levels: []", "4:36: levels: nothing is in it"),
        ("fast", "dropout: 1", "4:37: dropout: must be below 1, not 1"),
        ("fast", "background_from: -0.1", "4:45: background_from: must be at least 0, not -0.1"),
        ("fast", "box_loss: .nan", "4:38: box_loss: expected a number, not '.nan'"),
        ("fast", "depths: [1000000]", "4:37: depths[0]: must be at most 10000, not 1000000"),
        ("faster", "ratios: [-0.5]", "5:41: ratios[0]: must be above 0, not -0.5"),
        ("faster", "drawn_anchors: 0", "5:47: drawn_anchors: must be above 0, not 0"),
        ("data", "clutter: -1", "8:45: clutter: must be at least 0, not -1"),
        ("iou", "0", "13:41: iou: must be above 0, not 0"),
        ("iou", "1.5", "13:41: iou: must be at most 1, not 1.5"),
    ],
)
def test_detectors_and_what_measures_them_have_bounds(tmp_path, part, said, expected):
    filled = {"fast": "", "faster": "", "data": "", "iou": "0.5"}
    filled[part] = said if part == "iou" else f", {said}"
    (path := tmp_path / "suite.yaml").write_text(DETECTORS.format(**filled))
    assert [str(problem) for problem in repro.check(path)] == [f"{path}:{expected}"]


def test_an_option_of_a_measurement_has_bounds_too(errors):
    expect = "gradient_norm(plain20, images=0) > gradient_norm(resnet20, images=1)"
    found = errors(("train_error(plain20) > train_error(resnet20)", expect))
    assert found == ["24:13: images: must be above 0, not 0"]


def test_bounds_themselves_are_allowed(errors):
    zeros = "{name: adamw, lr: 0, weight_decay: 0, betas: [0, 0.999]}"
    assert errors((", recipe: {optimizer: {lr: 0.2}}", ""), (SGD, zeros)) == []


def test_a_value_that_is_to_be_tried_has_the_same_bounds(errors):
    tune = "tune: {by: test_error, optimizer.momentum: [0.1, -1]}\n    recipe:\n"
    assert errors(("recipe:\n", tune)) == ["11:48: optimizer.momentum: momentum: must be at least 0, not -1"]


def test_editors_know_the_bounds():
    schema = Draft202012Validator(of_suites())
    suite = {
        "suite": "s",
        "arms": {"a": {"model": "alexnet"}},
        "profiles": {"cpu": {"recipe": {"steps": 1, "batch_size": 1, "optimizer": {"name": "sgd", "lr": 0}}}},
        "claims": {"c": {"says": "x", "expect": "params(a) > 1"}},
    }
    assert schema.is_valid(suite)
    assert not schema.is_valid(json.loads(json.dumps(suite).replace('"lr": 0', '"lr": -1')))
