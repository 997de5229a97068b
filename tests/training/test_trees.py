"""Outputs and targets that are trees of tensors: a net that finds boxes, from first batch to metrics."""

from collections.abc import Iterable
from dataclasses import replace
from typing import ClassVar

import pytest
import torch
from kit.tiny import state
from torch import Tensor, nn
from torch.nn import functional as F

from repro.contracts import Task
from repro.data.images import ImageSet
from repro.data.split import InMemory
from repro.data.targets import NONE, Boxes
from repro.errors import ReproError
from repro.state import devices, net
from repro.training import cost
from repro.training.checkpoint import Checkpoint
from repro.training.fit import check_fit
from repro.training.loop import Progress, train

SIDE, ITEMS = 8, 2


class Finder(nn.Module):
    """Scores and corners of each item, as an autoencoder would not put out."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Linear(SIDE * SIDE, ITEMS * 6)

    def forward(self, x: Tensor) -> dict[str, Tensor | tuple[Tensor]]:
        scores, corners = self.body(x.flatten(1)).view(-1, ITEMS, 6).split((2, 4), dim=2)
        return {"scores": scores, "of each": (corners,)}


class Finding(Task):
    """Items by their order."""

    metrics: ClassVar = {
        f"{split}_distance": {"unit": "px", "better": "lower"} for split in ("train", "test")
    }

    def targets(self, inputs: Tensor, targets: Boxes) -> Boxes:  # noqa: ARG002
        return targets

    def check(self, outputs: dict, targets: Boxes, classes: int) -> None:  # noqa: ARG002
        if not isinstance(targets, Boxes):
            raise ReproError("finding wants boxes")

    def loss(self, outputs: dict, targets: Boxes) -> Tensor:
        labels = F.cross_entropy(outputs["scores"].flatten(0, 1), targets.labels.flatten(), ignore_index=NONE)
        return labels + self.error(outputs, targets)

    def error(self, outputs: dict, targets: Boxes) -> Tensor:
        there = (targets.labels != NONE)[..., None]
        distances = (outputs["of each"][0] - targets.corners).abs() * there
        return distances.sum() / (4 * there.sum())

    def evaluate(self, batches: Iterable[tuple[dict, Boxes]], split: str) -> dict[str, Tensor]:
        errors = [self.error(outputs, targets) for outputs, targets in batches]
        return {f"{split}_distance": torch.stack(errors).mean()}


def data() -> ImageSet:
    """Two bright rectangles, the second in every other image alone."""
    random = torch.Generator().manual_seed(0)
    starts = torch.randint(0, SIDE - 3, (64, ITEMS, 2), generator=random)
    corners, labels = torch.cat([starts, starts + 3], dim=2).float(), torch.arange(ITEMS).repeat(64, 1)
    labels[::2, 1], corners[::2, 1] = NONE, 0
    images = torch.zeros(64, 1, SIDE, SIDE, dtype=torch.uint8)
    for image, boxes in zip(images, corners.long().tolist(), strict=True):
        for left, top, right, bottom in boxes:
            image[:, top:bottom, left:right] = 200
    split = InMemory(images, Boxes(corners, labels))
    return ImageSet(split, split, ("first", "second"), (0.2,), (0.3,))


def finder(**recipe: object) -> net.State:
    made = state(**{"steps": 60, "augment": ["flip"], "batch_size": 32, **recipe})
    return replace(made, model=Finder(), task=Finding(), data=data())


def test_a_net_of_trees_is_trained_on_boxes_that_move_with_their_images(monkeypatch):
    monkeypatch.setattr(devices, "matmul_peak", lambda *_: 1e9)
    monkeypatch.setattr(cost, "_counted", {})  # by what a suite says of an arm, which these nets are not of
    untrained, trained = finder().evaluate("test"), finder()
    check_fit(trained)
    record = train(trained, Checkpoint(None), Progress())
    assert set(record.measurements) == {"train_distance", "test_distance"}
    assert record.measurements["test_distance"] < 0.6 * untrained["test_distance"]
    assert record.cost["macs"] == SIDE * SIDE * ITEMS * 6


def test_parts_of_a_batch_are_put_together_leaf_by_leaf(monkeypatch):
    made = finder()
    images, _ = made.data.test.rows(torch.arange(10))
    whole = made.model(made.inputs(images))
    monkeypatch.setattr(net, "CPU_PIXELS", 3 * SIDE * SIDE)
    cut = made._outputs(made.inputs(images))
    assert cut.keys() == whole.keys() and isinstance(cut["of each"], tuple)
    torch.testing.assert_close(cut, whole)


def test_what_an_augmentation_cannot_move_is_said_before_the_first_step():
    with pytest.raises(ReproError, match="elastic moves labels and masks, no boxes"):
        check_fit(finder(augment=["elastic"]))
