import json
import math

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn import functional as F

from repro.catalogue import DATASETS, MODELS, TASKS
from repro.data.scenes import Scenes
from repro.data.targets import IGNORE
from repro.errors import ReproError
from repro.state import devices
from repro.store import Store
from repro.suite import Suite
from repro.tasks.reconstruction import Reconstruction
from repro.tasks.segmentation import Segmentation, confusion, crop
from repro.trial import specify
from repro.work.execute import execute

task = Segmentation()

# Ten pixels, three of four classes in the truth, one without label:
TRUTH = [[0, 0, 0, 0, 1], [1, 1, 2, 2, 255]]
GUESS = [[0, 0, 0, 1, 1], [1, 0, 2, 1, 3]]
# n[0] = 3 1 0 0   n[1] = 1 2 0 0   n[2] = 0 1 1 0: intersections 3, 2, 1; unions 5, 5, 2; there 4, 3, 2
BY_HAND = {
    "miou": (3 / 5 + 2 / 5 + 1 / 2) / 3,  # class 3 is predicted on the pixel without label only
    "pixel_accuracy": 6 / 9,
    "mean_accuracy": (3 / 4 + 2 / 3 + 1 / 2) / 3,
    "frequency_weighted_iou": (4 * 3 / 5 + 3 * 2 / 5 + 2 * 1 / 2) / 9,
}


def logits(classes: torch.Tensor, number: int, margin: float = 4.0) -> torch.Tensor:
    """Outputs [N, number, H, W] that predict classes [N, H, W]."""
    return margin * F.one_hot(classes, number).movedim(-1, 1).float()


def random_case(classes: int = 5, images: int = 6, side: int = 12) -> tuple[torch.Tensor, torch.Tensor]:
    random = torch.Generator().manual_seed(3)
    # The last class is not there
    targets = torch.randint(classes - 1, (images, side, side), generator=random)
    targets[torch.rand(targets.shape, generator=random) < 0.2] = IGNORE
    return torch.randn(images, classes, side, side, generator=random), targets


def test_metrics_are_those_computed_by_hand():
    measured = task.evaluate([(logits(torch.tensor([GUESS]), 4), torch.tensor([TRUTH]))], "test")
    assert {name: float(measured[name]) for name in BY_HAND} == pytest.approx(BY_HAND)
    right, wrong = (math.log(math.exp(4) + 3) - score for score in (4, 0))
    assert float(measured["test_loss"]) == pytest.approx((6 * right + 3 * wrong) / 9)


@pytest.mark.parametrize("split", ["test", "train"])
def test_the_trivial_answer_is_measured_as_a_net_that_gives_it(split):
    outputs, targets = random_case()
    targets[:, :6] = torch.where(targets[:, :6] == IGNORE, IGNORE, 2)  # the most frequent, in three batches
    constant = logits(torch.full_like(targets, 2), outputs.shape[1])
    batches = zip(outputs.split(2), targets.split(2), strict=True)
    expected = task.evaluate([(constant, targets)], split)
    found = task.trivial(batches, split)
    assert {name: float(value) for name, value in found.items()} == pytest.approx(
        {name: float(expected[name]) for name in expected if "loss" not in name}
    )


def test_the_trivial_answer_is_that_of_what_the_outputs_are_of():
    outputs, targets = torch.zeros(1, 2, 1, 1), torch.tensor([[[0, 0, 0], [0, 1, 0], [0, 0, 0]]])
    assert float(task.trivial([(outputs, targets)], "test")["pixel_accuracy"]) == 1.0


@pytest.mark.parametrize("cut", [1, 2, 5, 6])
def test_a_split_is_measured_as_one_however_it_is_cut_into_batches(cut):
    outputs, targets = random_case()
    whole = task.evaluate([(outputs, targets)], "test")
    batches = task.evaluate(zip(outputs.split(cut), targets.split(cut), strict=True), "test")
    assert {k: float(v) for k, v in batches.items()} == pytest.approx(
        {k: float(v) for k, v in whole.items()}, rel=1e-5
    )


@pytest.mark.slow
def test_miou_is_that_of_torchmetrics():
    classification = pytest.importorskip(
        "torchmetrics.classification", reason="torchmetrics is a reference for this test only"
    )
    outputs, targets = random_case()
    guess = outputs.argmax(1)
    guess[guess == 4] = 0  # class 4 is neither there nor predicted
    for predicted in (outputs.argmax(1), guess):
        reference = classification.MulticlassJaccardIndex(5, ignore_index=IGNORE)
        measured = task.evaluate([(logits(predicted, 5), targets)], "test")
        assert float(measured["miou"]) == pytest.approx(float(reference(predicted, targets)), rel=1e-6)


def test_confusion_is_that_of_a_loop_over_pixels():
    outputs, targets = random_case()
    expected = torch.zeros(5, 5, dtype=torch.int64)
    for true, guess in zip(targets.flatten().tolist(), outputs.argmax(1).flatten().tolist(), strict=True):
        if true != IGNORE:
            expected[true, guess] += 1
    assert torch.equal(confusion(outputs, targets), expected)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int16, torch.int64])
def test_labels_may_be_of_any_integer_type(dtype):
    outputs, targets = random_case()
    expected = F.cross_entropy(outputs, targets, ignore_index=IGNORE)
    assert float(task.loss(outputs, targets.to(dtype))) == pytest.approx(float(expected), rel=1e-6)
    assert torch.equal(confusion(outputs, targets.to(dtype)), confusion(outputs, targets))


def test_the_loss_has_the_gradient_of_the_mean_over_labelled_pixels_in_fp32():
    outputs, targets = random_case()
    ours, reference = (outputs.bfloat16().requires_grad_() for _ in range(2))
    loss = task.loss(ours, targets)
    loss.backward()
    F.cross_entropy(reference.float(), targets, ignore_index=IGNORE).backward()
    torch.testing.assert_close(ours.grad, reference.grad)
    assert loss.dtype == torch.float32


def test_what_is_predicted_where_there_is_no_label_does_not_count():
    outputs, targets = random_case()
    other = torch.where((targets == IGNORE)[:, None], -outputs, outputs)
    assert not torch.equal(outputs.argmax(1), other.argmax(1))
    assert task.evaluate([(outputs, targets)], "test") == task.evaluate([(other, targets)], "test")
    assert float(task.error(outputs, targets)) == float(task.error(other, targets))
    assert float(task.error(outputs, targets)) == pytest.approx(
        float((outputs.argmax(1) != targets)[targets != IGNORE].float().mean())
    )


def test_a_batch_without_labels_has_no_loss_no_error_and_no_gradient():
    outputs, targets = torch.randn(2, 3, 4, 4, requires_grad=True), torch.full((2, 4, 4), IGNORE)
    loss = task.loss(outputs, targets)
    loss.backward()
    assert outputs.grad.abs().max() == float(loss.detach()) == 0
    assert task.error(outputs.detach(), targets).isnan()
    assert all(math.isnan(value) for value in task.evaluate([(outputs.detach(), targets)], "test").values())


def test_a_perfect_prediction_scores_1():
    _, targets = random_case()
    measured = task.evaluate(
        [(logits(targets.masked_fill(targets == IGNORE, 0), 5, 100.0), targets)], "train"
    )
    assert measured.pop("train_loss") == 0
    assert set(map(float, measured.values())) == {1.0}


def test_a_constant_prediction_has_the_iou_of_its_class_and_0_for_the_others():
    targets = torch.tensor([[[0, 0, 0, 1], [1, 2, 2, 2]]])
    measured = task.evaluate([(logits(torch.zeros_like(targets), 3), targets)], "test")
    expected = {
        "miou": 1 / 8,
        "pixel_accuracy": 3 / 8,
        "mean_accuracy": 1 / 3,
        "frequency_weighted_iou": 9 / 64,
    }
    assert {name: float(measured[name]) for name in expected} == pytest.approx(expected)


def test_a_net_whose_outputs_are_not_numbers_predicts_class_0():
    targets = torch.tensor([[[0, 1], [2, 0]]])
    measured = task.evaluate([(torch.full((1, 3, 2, 2), math.nan), targets)], "test")
    assert float(measured["pixel_accuracy"]) == 0.5 and math.isinf(measured["test_loss"])
    assert float(task.error(torch.full((1, 3, 2, 2), math.nan), targets)) == 0.5


@pytest.mark.parametrize(("tall", "height", "top"), [(7, 3, 2), (8, 3, 2), (8, 4, 2), (5, 5, 0)])
def test_smaller_outputs_are_of_the_middle_of_the_image(tall, height, top):
    targets = torch.arange(tall * 9).view(1, tall, 9) % 7
    middle = targets[:, top : top + height, 2:7]
    outputs = torch.randn(1, 7, height, 5)
    assert torch.equal(crop(targets, outputs), middle)
    assert float(task.loss(outputs, targets)) == pytest.approx(float(F.cross_entropy(outputs, middle)))
    assert float(task.error(logits(middle, 7), targets)) == 0
    assert float(task.evaluate([(logits(middle, 7), targets)], "test")["pixel_accuracy"]) == 1


def test_outputs_that_are_larger_than_the_targets_are_an_error():
    with pytest.raises(ReproError, match="outputs of 4×9 pixels are larger than the targets, 4×8"):
        task.loss(torch.zeros(1, 2, 4, 9), torch.zeros(1, 4, 8))


@pytest.mark.parametrize("measured", [Segmentation(), Reconstruction()])
def test_what_is_measured_is_what_the_task_says_it_is(measured):
    batch = (
        torch.rand(1, 3, 4, 4),
        torch.zeros(1, 4, 4) if isinstance(measured, Segmentation) else torch.rand(1, 3, 4, 4),
    )
    assert {name for split in ("train", "test") for name in measured.evaluate([batch], split)} == set(
        measured.metrics
    )


@pytest.mark.parametrize("measured", [Segmentation(), Reconstruction()])
def test_nothing_leaves_the_device_and_the_device_is_not_waited_for(measured):
    with FakeTensorMode():  # an operation whose result the host would have to look at raises
        outputs = torch.empty(2, 3, 8, 8, device="cuda", dtype=torch.bfloat16)
        targets = torch.empty(2, 10, 10, dtype=torch.uint8, device="cuda")
        if isinstance(measured, Reconstruction):
            targets = torch.empty(2, 3, 8, 8, device="cuda")
        values = [measured.loss(outputs, targets), measured.error(outputs, targets)]
        values += measured.evaluate([(outputs, targets)] * 2, "test").values()
        assert {(value.device.type, value.shape, value.dtype) for value in values} == {
            ("cuda", (), torch.float32)
        }


def test_a_reconstruction_is_held_against_the_inputs_in_units_of_their_variance():
    random, reconstruction = torch.Generator().manual_seed(1), Reconstruction()
    inputs, labels = torch.randn(6, 3, 8, 8, generator=random) * 2 + 1, torch.zeros(6)
    assert reconstruction.targets(inputs, labels) is inputs
    outputs = inputs.clone()
    outputs[4:] += 3
    assert float(reconstruction.loss(outputs, inputs)) == pytest.approx(9 * 2 / 6)
    for cut in (1, 4, 6):
        measured = reconstruction.evaluate(zip(outputs.split(cut), inputs.split(cut), strict=True), "test")
        assert float(measured["test_mse"]) == pytest.approx(9 * 2 / 6)
    assert float(reconstruction.error(inputs.mean().expand_as(inputs), inputs)) == pytest.approx(1)


NETS = '''
from torch import nn


class Dots(nn.Sequential):
    """Two convolutions, the second 1×1; without padding the first is of the middle of the image."""

    def __init__(self, *, width: int = 16, padding: int = 2, in_channels: int = 3, classes: int = 10):
        first = nn.Conv2d(in_channels, width, 5, padding=padding)
        super().__init__(first, nn.ReLU(), nn.Conv2d(width, classes, 1))
'''


@pytest.mark.slow
@pytest.mark.parametrize("padding", [2, 0])
def test_a_trial_of_two_convolutions_learns_more_than_how_frequent_the_classes_are(
    tmp_path, monkeypatch, padding
):
    (tmp_path / "dense").mkdir()
    (tmp_path / "dense" / "nets.py").write_text(NETS)
    (tmp_path / "dense" / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(MODELS.targets, "dots", "dense.nets:Dots")
    monkeypatch.setitem(DATASETS.targets, "scenes", "repro.data.scenes:Scenes")
    monkeypatch.setitem(TASKS.targets, "segmentation", "repro.tasks.segmentation:Segmentation")
    monkeypatch.setattr(devices, "matmul_peak", lambda *_: 1e9)
    data = {"size": 32, "train": 96, "test": 32, "items": [1, 2], "scale": [0.7, 0.9]}
    optimizer = {"name": "adamw", "lr": 0.01}
    recipe = {
        "steps": 100,
        "batch_size": 16,
        "optimizer": optimizer,
        "augment": ["flip", "pad_crop"],
        "precision": "bf16",
    }
    suite = {
        "suite": "dense",
        "task": "segmentation",
        "arms": {"dots": {"model": "dots", "padding": padding}},
        "profiles": {"cpu": {"data": {"name": "scenes", **data}, "recipe": recipe}},
        "claims": {"any": {"says": "Any.", "expect": "miou(dots) > 0"}},
    }
    store = Store(tmp_path / "store")
    arm = Suite.model_validate_json(json.dumps(suite)).resolve("dots", "cpu")
    trial = specify("segmentation", arm, 0, "cpu")
    execute(trial, store)
    record = store.read(trial)
    measurements = record["measurements"]
    assert set(measurements) == set(Segmentation.metrics)
    middle = slice(2 - padding, 30 + padding)
    labels = Scenes(**data).load().train.targets[:, middle, middle].flatten()
    shares = labels.bincount() / len(labels)
    assert measurements["train_loss"] < 0.96 * float(-(shares * shares.log()).sum())
    assert measurements["train_pixel_accuracy"] > float(shares.max())
    assert record["cost"]["flops"] > 0
    steps, errors = zip(*record["curves"]["batch_error"], strict=True)
    assert steps[-1] == 100 and 0 < errors[-1] < errors[0]
