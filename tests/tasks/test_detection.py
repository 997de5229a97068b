"""Detection as a task, from made-up answers and through training."""

from dataclasses import replace

import pytest
import torch
from kit.tiny import state
from pytest import approx

from repro.catalogue import metrics
from repro.data.difficult import DifficultBoxes
from repro.data.images import ImageSet
from repro.data.split import InMemory
from repro.data.targets import NONE, Boxes
from repro.errors import ReproError
from repro.models.fast_rcnn import FastRCNN
from repro.models.faster_rcnn import FasterRCNN
from repro.models.yolo import Grid, GridAnswers, Yolo
from repro.state import devices, net
from repro.tasks.detection import Detection
from repro.training import cost
from repro.training.checkpoint import Checkpoint
from repro.training.fit import check_fit
from repro.training.loop import Progress, train

TASK, SIDE = Detection(), 32
SMALL = {"widths": (4, 8), "depths": (1, 1), "fc": 24, "dropout": 0.0, "in_channels": 1, "classes": 2}
NETS = {
    "yolo": lambda: Yolo("vgg16", cells=4, **SMALL),
    "fast": lambda: FastRCNN(regions=60, levels=(2,), **SMALL),
    "faster": lambda: FasterRCNN(regions=20, train_regions=30, scales=(8, 14), levels=(2,), **SMALL),
}


def boxes(*images: list[tuple[tuple[float, ...], int]]) -> Boxes:
    most = max(1, *map(len, images))
    corners, labels = torch.zeros(len(images), most, 4), torch.full((len(images), most), NONE)
    for image, items in enumerate(images):
        for number, (ends, label) in enumerate(items):
            corners[image, number], labels[image, number] = torch.tensor(ends), label
    return Boxes(corners, labels)


def answers(*images: list[tuple[tuple[int, int], tuple[float, ...], int]]) -> GridAnswers:
    """Of a grid of 4×4 on 32×32 pixels: cell, box in pixels, and class."""
    cells = torch.zeros(len(images), 4, 4, 7)
    for image, rows in enumerate(images):
        for (row, column), (x1, y1, x2, y2), label in rows:
            x, y = (x1 + x2) / 16 - column, (y1 + y2) / 16 - row
            roots = ((x2 - x1) / 32) ** 0.5, ((y2 - y1) / 32) ** 0.5
            cells[image, row, column, :5] = torch.tensor([x, y, *roots, 0.9])
            cells[image, row, column, 5 + label] = 1.0
    return GridAnswers(cells, Grid(1, SIDE, SIDE))


FIRST, SECOND = (2.0, 2.0, 12.0, 12.0), (18.0, 18.0, 30.0, 26.0)
SHIFTED = (6.0, 2.0, 16.0, 12.0)  # of FIRST: an IoU of 60 / 140


def test_what_is_found_is_measured_over_the_whole_set():
    truth = boxes([(FIRST, 0)], [(FIRST, 0), (SECOND, 1)])
    outputs = answers([((0, 0), FIRST, 0)], [((0, 1), SHIFTED, 0), ((2, 3), SECOND, 1)])
    found = {name: float(value) for name, value in TASK.evaluate([(outputs, truth)], "test").items()}
    assert found["map"] == approx((1 / 2 + 1) / 2) and found["map_11_point"] == approx((6 / 11 + 1) / 2)
    assert (found["correct"], found["localisation_errors"]) == approx((2 / 3, 1 / 3))
    assert (found["other_errors"], found["background_errors"]) == (0, 0)
    assert found["coco_map"] == approx((51 / 101 + 1) / 2)
    assert found["test_loss"] == approx(float(outputs.loss(truth).mean()))


def test_metrics_are_those_declared_and_are_the_same_however_a_set_is_cut():
    truth = boxes([(FIRST, 0)], [], [(SECOND, 1)])
    outputs = answers([((0, 1), SHIFTED, 0)], [((0, 0), FIRST, 1)], [((2, 3), SECOND, 1)])
    whole = {**TASK.evaluate([(outputs, truth)], "train"), **TASK.evaluate([(outputs, truth)], "test")}
    assert set(whole) == set(metrics("detection")) and all(value.shape == () for value in whole.values())
    parts = [
        (outputs._replace(cells=outputs.cells[i : i + 1]), Boxes(*(part[i : i + 1] for part in truth)))
        for i in range(3)
    ]
    for split in ("train", "test"):
        torch.testing.assert_close(TASK.evaluate(parts, split), TASK.evaluate([(outputs, truth)], split))


def test_what_is_difficult_counts_for_nothing_and_is_not_learnt():
    outputs = answers([((0, 0), FIRST, 0), ((2, 3), SECOND, 1)])
    targets = DifficultBoxes(boxes([(FIRST, 0)]), boxes([(SECOND, 1)]))
    found = TASK.evaluate([(outputs, targets)], "test")
    assert float(found["map"]) == float(found["coco_map"]) == float(found["correct"]) == 1
    assert TASK.loss(outputs, targets) == outputs.loss(targets.items).mean()


def test_of_a_set_without_items_nothing_is_measured():
    found = TASK.evaluate([(answers([((0, 0), FIRST, 0)]), boxes([]))], "test")
    assert all(value.isnan() for value in found.values())
    assert TASK.error(answers([((0, 0), FIRST, 0)]), boxes([])).isnan()


def test_a_loss_that_is_no_number_is_infinite_and_such_a_net_finds_nothing():
    outputs = answers([((0, 0), FIRST, 0)])
    outputs.cells[:] = torch.nan
    found = TASK.evaluate([(outputs, boxes([(FIRST, 0)]))], "test")
    assert found["test_loss"] == torch.inf and found["map"] == 0


def test_the_trivial_answer_is_the_most_frequent_class_in_the_mean_of_its_boxes():
    truth = boxes([(FIRST, 1)], [(FIRST, 1)], [(SECOND, 0)], [(SHIFTED, 1)])
    found = TASK.trivial([(answers([], [], [], []), truth)], "test")
    # the mean of class 1 is 4/3 pixels beside FIRST, and 8/3 beside SHIFTED: IoUs of .76 and .58
    assert float(found["map"]) == approx((3 / 4 * (2 + 3 / 4) / 3 + 0) / 2, abs=0.2)
    assert "test_loss" not in found and set(found) < set(metrics("detection"))
    assert TASK.trivial([(answers([]), boxes([]))], "test") == {}


def test_other_outputs_and_targets_are_refused():
    truth = boxes([(FIRST, 0)])
    with pytest.raises(ReproError, match="wants the boxes of each image, not"):
        TASK.check(answers([]), torch.zeros(1, dtype=torch.int64), 2)
    with pytest.raises(ReproError, match=r"wants the answers of a detector, not \[1, 2\]"):
        TASK.check(torch.zeros(1, 2), truth, 2)
    with pytest.raises(ReproError, match="outputs tell 2 classes apart, the data has 3"):
        TASK.check(answers([]), truth, 3)
    TASK.check(answers([]), truth, 2)


def data() -> ImageSet:
    """Bright squares and dark ones."""
    random = torch.Generator().manual_seed(0)
    images = torch.randint(100, 140, (40, 1, SIDE, SIDE), dtype=torch.uint8, generator=random)
    starts = torch.randint(0, SIDE - 12, (40, 2), generator=random)
    corners = torch.cat([starts, starts + 12], dim=1)
    labels = torch.arange(40) % 2
    for image, (left, top, right, bottom), label in zip(images, corners.tolist(), labels, strict=True):
        image[:, top:bottom, left:right] = 255 * label
    split = InMemory(images, Boxes(corners[:, None].float(), labels[:, None]))
    return ImageSet(split, split, ("dark", "bright"), (0.5,), (0.2,))


@pytest.mark.slow  # trains
@pytest.mark.parametrize("name", NETS)
def test_a_detector_is_trained_as_any_net_is(name, monkeypatch):
    monkeypatch.setattr(devices, "matmul_peak", lambda *_: 1e9)
    monkeypatch.setattr(cost, "_counted", {})
    monkeypatch.setattr(net, "CPU_PIXELS", 13 * SIDE * SIDE)  # answers are put together
    torch.manual_seed(0)
    recipe = {"steps": 8, "augment": ["flip", "pad_crop"], "batch_size": 20, "evaluate": {"train_images": 10}}
    made = replace(state(**recipe), model=NETS[name](), task=TASK, data=data())
    before = made.evaluate("test")
    check_fit(made)
    record = train(made, Checkpoint(None), Progress())
    assert set(record.measurements) == set(metrics("detection"))
    assert record.measurements["test_loss"] < before["test_loss"]
    assert 0 <= made.trivial()["map"] < 0.5
