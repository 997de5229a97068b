"""Boxes around the items of an image, each with its class."""

from __future__ import annotations

from collections.abc import Iterable
from math import nan
from typing import ClassVar, Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor

from repro.contracts import Outputs, Targets, Task
from repro.data.difficult import DifficultBoxes
from repro.data.targets import NONE, Boxes
from repro.errors import ReproError
from repro.models.layers.boxes import Detections
from repro.tasks.average_precision import Found, Items, area, coco_ap, eleven_point, error_kinds, voc
from repro.tasks.form import check_classes, form
from repro.tasks.loss import diverged


@runtime_checkable
class Answers(Protocol):
    """What a detector puts out: a named tuple of tensors that knows its paper's loss, and what it means."""

    @property
    def classes(self) -> int:
        """How many it tells apart, the background not among them."""

    def loss(self, truth: Boxes) -> Tensor:
        """A number of each image, [N]."""

    def errors(self, truth: Boxes) -> tuple[Tensor, Tensor]:
        """How many items, or regions of items, get a wrong class, and of how many."""

    def detections(self) -> Detections:
        """Boxes in pixels."""


class Detection(Task):
    """Targets are `Boxes`, or `DifficultBoxes`; outputs are `Answers`, which bring the loss.

    Metrics without a prefix are of the test set, and of a whole set as one; means are over the classes that
    are there:

    - `map` is PASCAL VOC's mean average precision at an IoU of .5, by the area under the curve as from 2010
      on, `map_11_point` that of 2007; `coco_map` is COCO's, over IoUs from .5 to .95;
    - of the N best detections of each class, where N is the number of its items, `correct` is the share that
      is right, and `localisation_errors`, `other_errors` and `background_errors` are those that are wrong by
      Hoiem's kinds (`repro.tasks.average_precision`).

    Losses are means over images. Of a set without items all are NaN.
    """

    metrics: ClassVar = {
        "map": {"unit": "share", "better": "higher"},
        "map_11_point": {"unit": "share", "better": "higher"},
        "coco_map": {"unit": "share", "better": "higher"},
        "correct": {"unit": "share", "better": "higher"},
        "localisation_errors": {"unit": "share", "better": "lower"},
        "other_errors": {"unit": "share", "better": "lower"},
        "background_errors": {"unit": "share", "better": "lower"},
        "test_loss": {"better": "lower"},
        "train_map": {"unit": "share", "better": "higher"},
        "train_map_11_point": {"unit": "share", "better": "higher"},
        "train_coco_map": {"unit": "share", "better": "higher"},
        "train_correct": {"unit": "share", "better": "higher"},
        "train_localisation_errors": {"unit": "share", "better": "lower"},
        "train_other_errors": {"unit": "share", "better": "lower"},
        "train_background_errors": {"unit": "share", "better": "lower"},
        "train_loss": {"better": "lower"},
    }

    def targets(self, inputs: Tensor, targets: Targets) -> Targets:  # noqa: ARG002
        return targets

    def check(self, outputs: Outputs, targets: Targets, classes: int) -> None:
        if not isinstance(targets, Boxes | DifficultBoxes):
            raise ReproError(f"detection wants the boxes of each image, not {form(targets)}")
        if not isinstance(outputs, Answers):
            raise ReproError(f"detection wants the answers of a detector, not {form(outputs)}")
        check_classes(outputs.classes, classes)

    def loss(self, outputs: Answers, targets: Boxes | DifficultBoxes) -> Tensor:
        return outputs.loss(_items(targets)).mean()

    def error(self, outputs: Answers, targets: Boxes | DifficultBoxes) -> Tensor:
        """The share of a batch's items, or of the regions of its items, whose class is wrong."""
        wrong, count = outputs.errors(_items(targets))
        return wrong.float() / count

    def evaluate(
        self, batches: Iterable[tuple[Answers, Boxes | DifficultBoxes]], split: str
    ) -> dict[str, Tensor]:
        """The metrics of a split (`train` or `test`), from its batches of outputs and targets."""
        found, there, loss, classes = list[Found](), list[Items](), torch.zeros(()), 0
        for outputs, targets in batches:
            loss = loss.to(_items(targets).corners.device) + outputs.loss(_items(targets)).sum()
            found += found_in(outputs.detections())
            there += items_of(targets)
            classes = outputs.classes
        values = _scores(found, there, classes, split)
        of_items = loss / len(found) if any((~one.ignored).any() for one in there) else None
        values[f"{split}_loss"] = nan if of_items is None else float(diverged(of_items))
        return {name: torch.tensor(value) for name, value in values.items()}

    def trivial(
        self, batches: Iterable[tuple[Answers, Boxes | DifficultBoxes]], split: str
    ) -> dict[str, Tensor]:
        """The metrics of one answer to everything: the most frequent class, in the mean of its boxes."""
        there, classes = list[Items](), 0
        for outputs, targets in batches:
            there += items_of(targets)
            classes = outputs.classes
        labels = np.concatenate([one.labels for one in there])
        if not len(labels):
            return {}
        usual = int(np.bincount(labels).argmax())
        mean = np.concatenate([one.corners for one in there])[labels == usual].mean(0)
        answer = Found(mean[None], np.ones(1), np.array([usual]))
        values = _scores([answer] * len(there), there, classes, split)
        return {name: torch.tensor(value) for name, value in values.items()}


def _scores(found: list[Found], there: list[Items], classes: int, split: str) -> dict[str, float]:
    """The metrics but for the loss, with their prefix; NaN without items."""
    labels = sorted({int(label) for one in there for label in one.labels[~one.ignored]})
    ranked = [voc(found, there, label) for label in labels]
    kinds = error_kinds(found, there, classes)
    looked_at = sum(kinds)
    values = {
        "map": _mean(area(one) for one in ranked),
        "map_11_point": _mean(eleven_point(one) for one in ranked),
        "coco_map": _mean(coco_ap(found, there, label) for label in labels),
        "correct": kinds.correct / looked_at if looked_at else nan,
        "localisation_errors": kinds.localisation / looked_at if looked_at else nan,
        "other_errors": kinds.other / looked_at if looked_at else nan,
        "background_errors": kinds.background / looked_at if looked_at else nan,
    }
    prefix = "" if split == "test" else f"{split}_"
    return {f"{prefix}{name}": value for name, value in values.items()}


def _mean(values: Iterable[float]) -> float:
    return float(np.mean([*values] or nan))


def _items(targets: Boxes | DifficultBoxes) -> Boxes:
    return targets.items if isinstance(targets, DifficultBoxes) else targets


def found_in(detections: Detections) -> list[Found]:
    """Of each image."""
    corners, scores, labels = (part.cpu().numpy() for part in detections)
    return [
        Found(c[of >= 0], s[of >= 0], of[of >= 0]) for c, s, of in zip(corners, scores, labels, strict=True)
    ]


def items_of(targets: Boxes | DifficultBoxes) -> list[Items]:
    """Of each image, difficult ones among them."""
    parts = targets if isinstance(targets, DifficultBoxes) else (targets,)
    corners = torch.cat([part.corners for part in parts], dim=1).cpu().numpy()
    labels = torch.cat([part.labels for part in parts], dim=1).cpu().numpy()
    ignored = np.repeat([False, True][: len(parts)], [part.labels.shape[1] for part in parts])
    return [
        Items(c[of != NONE], of[of != NONE], ignored[of != NONE])
        for c, of in zip(corners, labels, strict=True)
    ]
