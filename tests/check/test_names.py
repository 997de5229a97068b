"""Names that no catalogue, ledger or section of the suite has."""

import pytest

AT = "    at:\n      gpu: {verdict: undecided, because: it is not known}\n"


@pytest.mark.parametrize(
    "old, new, expected",
    [
        (
            "classification",
            "clasification",
            "3:7: unknown task 'clasification'; did you mean 'classification'?",
        ),
        (
            "cifar_resnet, depth: 20, r",
            "cifar_resnt, depth: 20, r",
            "5:20: unknown model 'cifar_resnt'; did you mean 'cifar_resnet'?",
        ),
        (
            "mnist-small",
            "mnist-smal",
            "9:18: unknown data set 'fashion-mnist-smal'; did you mean 'fashion-mnist-small'?",
        ),
        (
            "data: {name: cifar10}",
            "data: cifar11",
            "19:11: unknown data set 'cifar11'; did you mean 'cifar10'?",
        ),
        ("name: sgd", "name: sgdm", "14:25: unknown optimizer 'sgdm'; did you mean 'sgd'?"),
        ("cosine", "cosin", "15:17: unknown schedule 'cosin'; did you mean 'cosine'?"),
        ("[flip]", "[flip, padcrop]", "16:23: unknown augmentation 'padcrop'; did you mean 'pad_crop'?"),
        ("r(plain20) >", "r(plain02) >", "24:13: unknown arm 'plain02'; did you mean 'plain20'?"),
        (
            "> train_error",
            "> miou",
            "24:36: unknown measurement 'miou'; it is one of task 'segmentation'",
        ),
        (
            "> train_error",
            "> training_error",
            "24:36: unknown measurement 'training_error'; did you mean 'train_error'?",
        ),
        (
            AT,
            "    profiles: [cpuu]\n",
            "25:16: unknown profile 'cpuu'; did you mean 'cpu'?",
        ),
        (
            "      gpu: {verdict",
            "      gpuu: {verdict",
            "26:7: the claim is not asked at a profile 'gpuu'; did you mean 'gpu'?",
        ),
        (
            "    ledger",
            "    profiles: [cpu]\n    ledger",
            "26:7: the claim is not asked at a profile 'gpu'; did you mean 'cpu'?",
        ),
        ("[A1]", "[A1, A2]", "27:18: unknown ledger id 'A2'; known: A1, B2"),
        (
            "claims:",
            "not_measurable: {B3: It is history.}\nclaims:",
            "21:18: unknown ledger id 'B3'; known: A1, B2",
        ),
        (
            "    says",
            "    reported: {test_error(plain20): 0.1}\n    says",
            "23:16: the claim does not measure 'test_error(plain20)'; did you mean 'train_error(plain20)'?",
        ),
        (
            "    data: {name: cifar10}",
            "    weights: imagnet\n    data: {name: cifar10}",
            "19:14: unknown set of weights 'imagnet'; did you mean 'imagenet'?",
        ),
        (
            "depth: 20, recipe",
            "depth: 20, weights: {name: imagenet, download: 1}, recipe",
            "6:82: download: expected true or false, not 1",
        ),
        (
            "claims:",
            "pictures:\n  p: {picture: predicitons, arms: [plain20], says: x}\nclaims:",
            "22:16: unknown picture 'predicitons'; did you mean 'predictions'?",
        ),
        (
            "claims:",
            "pictures:\n  p: {picture: predictions, arms: [plain2], says: x}\nclaims:",
            "22:36: unknown arm 'plain2'; did you mean 'plain20'?",
        ),
        (
            "claims:",
            "pictures:\n  p: {picture: predictions, arms: [plain20], says: x, image: 2}\nclaims:",
            "22:55: picture 'predictions' has no option 'image'; did you mean 'images'?",
        ),
        (
            "    recipe: {steps: 20",
            "    arms: {plain2O: {width: 8}}\n    recipe: {steps: 20",
            "20:12: unknown arm 'plain2O'; did you mean 'plain20'?",
        ),
    ],
    ids=lambda value: value if ":" in value and value[0].isdigit() else "",
)
def test_a_name_that_does_not_exist(errors, old, new, expected):
    assert errors((old, new)) == [expected]
