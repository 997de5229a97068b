"""Keys that are unknown, missing or given twice, and sections that are none."""

import pytest

from repro.document import DocumentError
from repro.reading import load


@pytest.mark.parametrize(
    "old, new, expected",
    [
        pytest.param(
            "task:", "seed: {}\ntask:", "3:1: unknown key 'seed'; did you mean 'seeds'?", id="of the suite"
        ),
        pytest.param(
            "title: A",
            "titel: B, title: A",
            "2:9: unknown key 'titel'; did you mean 'title'?",
            id="of the paper",
        ),
        pytest.param(
            "depth: 20, residual",
            "depth: 20, residul",
            "5:45: model 'cifar_resnet' has no option 'residul'; did you mean 'residual'?",
            id="of a model",
        ),
        pytest.param(
            "recipe: {opt",
            "recpe: {opt",
            "6:46: model 'cifar_resnet' has no option 'recpe'; did you mean 'recipe'?",
            id="of an arm",
        ),
        pytest.param(
            "device:", "devise:", "18:5: unknown key 'devise'; did you mean 'device'?", id="of a profile"
        ),
        pytest.param(
            "size: 14",
            "sise: 14",
            "9:39: data set 'fashion-mnist-small' has no option 'sise'; did you mean 'size'?",
            id="of a data set",
        ),
        pytest.param(
            "schedule:", "shedule:", "15:7: unknown key 'shedule'; did you mean 'schedule'?", id="of a recipe"
        ),
        pytest.param(
            "momentum:",
            "momentun:",
            "14:39: optimizer 'sgd' has no option 'momentun'; did you mean 'momentum'?",
            id="of an optimizer",
        ),
        pytest.param(
            "schedule: cosine",
            "schedule: {name: cosine, at: 5}",
            "15:32: schedule 'cosine' has no option 'at', which 'step' has",
            id="of a schedule",
        ),
        pytest.param(
            "[flip]",
            "[flip, {name: pad_crop, pat: 4}]",
            "16:40: augmentation 'pad_crop' has no option 'pat'; did you mean 'pad'?",
            id="of an augmentation",
        ),
        pytest.param(
            "every:", "evry:", "20:86: unknown key 'evry'; did you mean 'every'?", id="of an evaluation"
        ),
        pytest.param(
            "    at:",
            "    spec: x\n    at:",
            "25:5: unknown key 'spec'; did you mean 'expect'?",
            id="of a claim",
        ),
        pytest.param(
            "verdict:",
            "because: x, verdit:",
            "26:25: unknown key 'verdit'; did you mean 'verdict'?",
            id="of a known verdict",
        ),
        pytest.param(
            "task:", "seeds: {min: 1}\ntask:", "3:9: unknown key 'min'; known: first, max", id="of the seeds"
        ),
        pytest.param(
            "task:",
            "evidence: {alfa: 1}\ntask:",
            "3:12: unknown key 'alfa'; did you mean 'alpha'?",
            id="of the evidence",
        ),
    ],
)
def test_an_unknown_key(errors, old, new, expected):
    found = errors((old, new))
    assert [line for line in found if "duplicate" not in line] == [expected]


@pytest.mark.parametrize(
    "old, new, expected",
    [
        pytest.param("suite: small\n", "", "1:1: 'suite' is missing", id="the suite's name"),
        pytest.param("title: A paper, ", "", "2:1: 'title' is missing", id="the title of a paper"),
        pytest.param(
            "{model: cifar_resnet, depth: 20, res", "{depth: 20, res", "5:3: 'model' is missing", id="a model"
        ),
        pytest.param(
            "depth: 20, res",
            "res",
            "5:3: model 'cifar_resnet' needs the option 'depth'",
            id="an option of a model",
        ),
        pytest.param("      batch_size: 32\n", "", "11:5: 'batch_size' is missing", id="of a recipe"),
        pytest.param(
            "lr: 0.1, mom",
            "mom",
            "14:7: optimizer 'sgd' needs the option 'lr'",
            id="an option of an optimizer",
        ),
        pytest.param(
            "schedule: cosine",
            "schedule: step",
            "15:7: schedule 'step' needs the option 'at'",
            id="of a name alone",
        ),
        pytest.param(
            "    says: The plain net is worse.\n", "", "22:3: 'says' is missing", id="what a claim says"
        ),
        pytest.param(
            "    expect: train_error(plain20) > train_error(resnet20)\n",
            "",
            "22:3: 'expect' is missing",
            id="what it expects",
        ),
        pytest.param(
            ", because: it is not known", "", "26:7: 'because' is missing", id="why a verdict is known"
        ),
    ],
)
def test_a_missing_key(errors, old, new, expected):
    assert errors((old, new)) == [expected]


def test_a_typing_mistake_in_a_key_is_one_error_though_the_right_key_is_then_missing(errors):
    assert errors(("steps: 10", "step: 10")) == ["12:7: unknown key 'step'; did you mean 'steps'?"]
    assert errors(("arms:", "arm:")) == ["4:1: unknown key 'arm'; did you mean 'arms'?"]
    assert errors(("profiles:", "profile:")) == ["7:1: unknown key 'profile'; did you mean 'profiles'?"]
    assert errors(("claims:", "claim:")) == ["21:1: unknown key 'claim'; did you mean 'claims'?"]
    assert errors(("    recipe:\n", "    recipes:\n")) == [
        "11:5: unknown key 'recipes'; did you mean 'recipe'?"
    ]
    assert errors(("says:", "say:")) == ["23:5: unknown key 'say'; did you mean 'says'?"]


@pytest.mark.parametrize(
    "changes, expected",
    [
        pytest.param(
            [("arms:", "arms: {}\nx:")],
            ["4:7: arms: nothing is in it", "5:1: unknown key 'x'; known: "],
            id="no arms",
        ),
        pytest.param(
            [("arms:", "arms: [a]\nx:")],
            ["4:7: arms: expected a mapping", "5:1: unknown key 'x'; known: "],
            id="a list of arms",
        ),
        pytest.param(
            [("  plain20:", "  plain-20:")],
            ["5:3: 'plain-20' does not fit here", "24:13: unknown arm 'plain20'; did you mean 'plain-20'?"],
            id="a bad name",
        ),
        pytest.param(
            [("  worse:", "  'w e':")],
            ["22:3: 'w e' does not fit here (pattern "],
            id="a bad name of a claim",
        ),
    ],
)
def test_a_section_or_a_name_that_is_no_good(errors, changes, expected):
    found = errors(*changes)
    assert len(found) == len(expected)
    for line, start in zip(found, expected, strict=True):
        assert line.startswith(start)


@pytest.mark.parametrize("text", ["[a]\n", "5\n", "---\n"], ids=["a list", "a number", "nothing"])
def test_a_file_that_is_no_mapping(tmp_path, text):
    (tmp_path / "x.yaml").write_text(text)
    with pytest.raises(
        DocumentError, match=r"x\.yaml:\d:\d: a suite is a mapping: suite, task, arms, profiles, claims$"
    ):
        load(tmp_path / "x.yaml")


def test_a_duplicate_key_is_told_along_with_all_else_and_brings_no_errors_after_it(errors):
    assert errors(("  gpu:\n", "  cpu:\n"), ("[flip]", "[flop]")) == [
        "17:3: duplicate key 'cpu' (first on line 8)",
        "26:7: the claim is not asked at a profile 'gpu'; did you mean 'cpu'?",
    ]
    assert errors(("depth: 20", "depth: 20, depth: 14"), ("device: cuda", "device: gpu")) == [
        "5:45: duplicate key 'depth' (first on line 5)",
        "18:13: device: must be 'cpu', 'cuda' or 'mps', not 'gpu'",
    ]
    again = "claims:\n  worse: {says: x, expect: params(resnet20) > 1}\n"
    assert errors(("claims:\n", again + "claims:\n")) == ["23:1: duplicate key 'claims' (first on line 21)"]
    assert errors(("  resnet20:", "  plain20:"), ("r(resnet20)", "r(plain20)")) == [
        "6:3: duplicate key 'plain20' (first on line 5)",
        "24:13: 'train_error(plain20) > train_error(plain20)' has the same on both sides",
    ]


def test_a_picture_without_its_arms_is_one_error(errors):
    change = ("claims:", "pictures:\n  p: {picture: predictions, says: x}\nclaims:")
    assert errors(change) == ["22:3: 'arms' is missing"]
