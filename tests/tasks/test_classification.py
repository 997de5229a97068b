import math

import pytest
import torch

from repro.models.layers.auxiliary import WithAuxiliary
from repro.tasks.classification import Classification

LOGITS = [[2.0, 0.0, 1.0], [0.0, 3.0, 0.0], [1.0, 1.5, -1.0], [0.0, 0.0, 5.0], [9.0, 8.0, 0.0]]
LABELS = [0, 1, 0, 2, 1]  # right, right, wrong, right, wrong
task = Classification()


def losses_by_hand() -> list[float]:
    return [
        -math.log(math.exp(row[label]) / sum(map(math.exp, row)))
        for row, label in zip(LOGITS, LABELS, strict=True)
    ]


def test_metrics_are_those_computed_by_hand_however_the_split_is_cut_into_batches():
    logits, labels = torch.tensor(LOGITS), torch.tensor(LABELS)
    for cut in (1, 2, 3, 5):
        measured = task.evaluate(zip(logits.split(cut), labels.split(cut), strict=True), "test")
        assert set(measured) == {"test_error", "test_loss"}
        assert float(measured["test_error"]) == pytest.approx(2 / 5)
        assert float(measured["test_loss"]) == pytest.approx(sum(losses_by_hand()) / 5, rel=1e-6)


def test_the_loss_of_a_batch_is_the_mean_in_nats_and_the_error_a_share():
    logits, labels = torch.tensor(LOGITS), torch.tensor(LABELS)
    assert float(task.loss(logits, labels)) == pytest.approx(sum(losses_by_hand()) / 5, rel=1e-6)
    assert float(task.error(logits, labels)) == pytest.approx(0.4)


def test_the_loss_is_computed_in_fp32_whatever_the_outputs_are():
    logits, labels = torch.tensor(LOGITS), torch.tensor(LABELS)
    loss = task.loss(logits.bfloat16(), labels)
    assert loss.dtype == torch.float32
    assert float(loss) == pytest.approx(float(task.loss(logits.bfloat16().float(), labels)), rel=1e-6)


def test_a_net_whose_outputs_are_not_numbers_predicts_the_first_class_and_has_an_infinite_loss():
    outputs = torch.full((4, 3), math.nan)
    measured = task.evaluate([(outputs, torch.tensor([0, 1, 2, 0]))], "train")
    assert float(measured["train_error"]) == 0.5 and math.isinf(measured["train_loss"])


def test_auxiliary_classifiers_count_for_three_tenths_in_the_loss_and_not_at_all_in_the_error():
    logits, labels = torch.tensor(LOGITS), torch.tensor(LABELS)
    outputs = torch.stack([logits, 2 * logits, -logits], dim=1)
    expected = task.loss(logits, labels) + 0.3 * (task.loss(2 * logits, labels) + task.loss(-logits, labels))
    assert float(task.loss(outputs, labels)) == pytest.approx(float(expected), rel=1e-6)
    assert float(task.error(outputs, labels)) == pytest.approx(0.4)


def test_a_net_may_give_its_auxiliary_classifiers_another_weight():
    logits, labels = torch.tensor(LOGITS), torch.tensor(LABELS)
    outputs = WithAuxiliary(torch.stack([logits, -logits], dim=1), 0.4)
    expected = task.loss(logits, labels) + 0.4 * task.loss(-logits, labels)
    assert float(task.loss(outputs, labels)) == pytest.approx(float(expected), rel=1e-6)
    assert float(task.error(outputs, labels)) == pytest.approx(0.4)


def test_what_is_measured_is_what_the_task_says_it_is():
    batch = (torch.zeros(1, 2), torch.zeros(1, dtype=torch.int64))
    assert {name for split in ("train", "test") for name in task.evaluate([batch], split)} == set(
        task.metrics
    )


def test_the_trivial_answer_is_wrong_for_all_but_the_most_frequent_class():
    labels = torch.tensor([3, 1, 3, 3, 0, 1, 2, 2])
    found = Classification().trivial([(torch.zeros(4, 4), part) for part in labels.split(4)], "test")
    assert {name: float(value) for name, value in found.items()} == {"test_error": 0.625}
