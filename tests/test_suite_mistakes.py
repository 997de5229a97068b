"""Reading a suite: what a user sees of mistakes in its form."""

import pytest
from kit.small_suite import SUITE

from repro.check import load
from repro.document import DocumentError


@pytest.fixture
def errors(tmp_path):
    """The errors of the small suite with pieces replaced, as `LINE:COL: message`."""

    def errors(*changes):
        text, path = SUITE, tmp_path / "x.yaml"
        for old, new in changes:
            assert text.count(old) >= 1, old
            text = text.replace(old, new, 1)
        path.write_text(text)
        with pytest.raises(DocumentError) as caught:
            load(path)
        return [line.removeprefix(f"{path}:") for line in str(caught.value).split("\n")]

    return errors


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
            "15:32: schedule 'cosine' has no option 'at'",
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
            "task:", "seeds: {min: 1}\ntask:", "3:9: unknown key 'min'; known: max", id="of the seeds"
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
            "expect: t",
            "ledger: [5]\n    expect: t",
            "24:14: ledger[0]: expected text; put quotes around it",
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
            "3:19: alpha: must be at least 1e-09, not 5e-324",
            id="too small an alpha",
        ),
    ],
)
def test_a_wrong_value(errors, old, new, expected):
    assert errors((old, new)) == [expected]


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
        "6:3: duplicate key 'plain20' (first on line 5)"
    ]


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


def test_a_wrong_item_of_a_list_does_not_hide_a_missing_key_in_another(errors):
    assert errors(("[flip]", "[{pad: 4}, 5]")) == [
        "16:17: 'name' is missing",
        "16:27: augment[1]: expected a mapping, not 5",
    ]


def test_a_wrong_list_of_profiles_does_not_make_the_claim_one_of_all_profiles(errors):
    changes = ("expect: t", "profiles: [5]\n    expect: t"), ("    data: {name: cifar10}\n", "")
    assert errors(*changes) == ["23:16: profiles[0]: expected text; put quotes around it"]


def test_everything_that_a_suite_requires_has_something_to_stand_in_for_it_while_the_rest_is_checked():
    import repro.form
    from repro import recipe, suite

    classes = [
        c
        for module in (recipe, suite)
        for c in vars(module).values()
        if isinstance(c, type) and hasattr(c, "model_fields")
    ]
    required = {name for c in classes for name, field in c.model_fields.items() if field.is_required()}
    assert required == {name for name in repro.form.STAND_INS if "." not in name}


def test_a_picture_without_its_arms_is_one_error(errors):
    change = ("claims:", "pictures:\n  p: {picture: predictions, says: x}\nclaims:")
    assert errors(change) == ["22:3: 'arms' is missing"]
