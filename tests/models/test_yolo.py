import pytest
import torch
from models.detectors import learns, scenes
from pytest import approx

from repro.data.targets import NONE, Boxes
from repro.measures.operations import OperationCounter
from repro.measures.static import layers, params
from repro.models.yolo import Grid, GridAnswers, Yolo

SMALL = {
    "trunk": "vgg16",
    "widths": (4, 8),
    "depths": (1, 1),
    "cells": 4,
    "fc": 32,
    "dropout": 0.0,
    "classes": 3,
}


def answers(cells: torch.Tensor, boxes: int = 2, width: int = 40, height: int = 20) -> GridAnswers:
    return GridAnswers(cells, Grid(boxes, width, height))


def truth(*items: tuple[tuple[float, ...], int], of: int = 4) -> Boxes:
    corners = torch.zeros(1, of, 4)
    labels = torch.full((1, of), NONE)
    for number, (ends, label) in enumerate(items):
        corners[0, number], labels[0, number] = torch.tensor(ends), label
    return Boxes(corners, labels)


def test_the_papers_net_has_24_convolutions_and_gives_7_by_7_by_30():
    with torch.device("meta"):
        net = Yolo(classes=20)
        out = net(torch.empty(2, 3, 448, 448))
    assert out.cells.shape == (2, 7, 7, 30) and out.classes == 20
    assert (layers(net, "Conv2d"), layers(net, "Linear")) == (24, 2)
    assert net.trunk(torch.empty(1, 3, 448, 448, device="meta"))[-1].shape == (1, 1024, 7, 7)
    linear = 1024 * 49 * 4096 + 4096 + 4096 * 1470 + 1470
    assert params(net) - linear == sum(p.numel() for p in net.trunk.parameters())


def test_cells_are_those_of_the_centres_row_by_row():
    cells = answers(torch.zeros(1, 4, 4, 13)).cells_of(
        torch.tensor([[[0.0, 0, 8, 4], [14, 2, 18, 6], [30, 15, 40, 20], [36, 16, 44, 24]]])
    )
    # centres (4, 2), (16, 4), (35, 17.5) and, on the last corner, (40, 20), in cells of 10×5
    assert cells.tolist() == [[0, 1, 15, 15]]


def test_numbers_of_a_cell_are_read_as_place_root_of_size_confidence_and_classes():
    cells = torch.zeros(1, 4, 4, 13)
    cells[0, 1, 2, 5:10] = torch.tensor([0.5, 0.2, 0.6, 0.8, 0.7])  # the second box, in row 1 and column 2
    cells[0, 1, 2, 10:] = torch.tensor([0.1, 0.9, 0.0])
    made = answers(cells)
    x, y, w, h = 25.0, 6.0, 0.36 * 40, 0.64 * 20
    ends = [x - w / 2, y - h / 2, x + w / 2, y + h / 2]
    assert made.corners()[0, 1, 2, 1].tolist() == approx(ends)
    found = made.detections()
    assert found.labels[0, :3].tolist() == [1, 0, -1]
    assert found.scores[0, :2].tolist() == approx([0.63, 0.07])
    assert found.corners[0, 0].tolist() == approx([ends[0], 0, ends[2], ends[3]])  # ends at the image


def test_the_loss_by_hand():
    cells = torch.zeros(1, 2, 2, 12)
    cells[0, :, :, 4] = cells[0, :, :, 9] = 0.2  # confidences
    cells[0, 0, 1, :4] = torch.tensor([0.5, 0.5, 0.1, 0.1])  # a speck of 0.4 by 0.2 pixels
    cells[0, 0, 1, 5:9] = torch.tensor([0.5, 0.5, 0.5, 1.0])  # 10×20 around (30, 5): from y = -5
    cells[0, 0, 1, 10:] = torch.tensor([0.3, 0.6])
    item = truth(((25.0, 0.0, 35.0, 10.0), 1))  # its centre is (30, 5), its roots are .5 and √.5
    iou = 100 / 200
    expected = (
        5 * (1 - 0.5**0.5) ** 2  # of the second box, which overlaps more
        + (0.2 - iou) ** 2
        + 0.5 * 7 * 0.2**2  # of all other boxes
        + (0.3**2 + 0.4**2)
    )
    assert answers(cells).loss(item)[0] == approx(expected, rel=1e-5)


def test_without_items_only_confidences_count():
    cells = torch.full((1, 2, 2, 12), 0.4)
    assert answers(cells).loss(truth())[0] == approx(0.5 * 8 * 0.16, rel=1e-5)
    wrong, count = answers(cells).errors(truth())
    assert (int(wrong), int(count)) == (0, 0)


def test_the_first_item_of_a_cell_has_it():
    cells = torch.rand(1, 2, 2, 12, generator=torch.Generator().manual_seed(0))
    first, second = ((21.0, 1.0, 35.0, 9.0), 1), ((24.0, 2.0, 30.0, 8.0), 0)
    alone = answers(cells).loss(truth(first))
    assert torch.equal(answers(cells).loss(truth(first, second)), alone)
    assert not torch.equal(answers(cells).loss(truth(second, first)), alone)


def test_the_confidence_that_is_wanted_is_no_way_for_the_box_to_learn():
    cells = torch.zeros(1, 1, 1, 6)
    cells[..., :4] = torch.tensor([0.5, 0.5, 0.5, 0.5])
    cells.requires_grad_()
    answers(cells, boxes=1, width=16, height=16).loss(truth(((6.0, 6.0, 10.0, 10.0), 0))).sum().backward()
    assert cells.grad[0, 0, 0, :4].tolist() == approx([0, 0, 0, 0])  # it is right but for its confidence
    assert cells.grad[0, 0, 0, 4] == approx(-2)


def test_a_step_is_counted_on_the_meta_device_where_no_number_is_known():
    with torch.device("meta"):
        net, images = Yolo(**SMALL), torch.empty(2, 3, 16, 16)
        items = Boxes(torch.empty(2, 3, 4), torch.empty(2, 3, dtype=torch.int64))
        with OperationCounter() as forward:
            out = net(images)
        with OperationCounter() as backward:
            out.loss(items).sum().backward()
    first = 2 * (27 * 4 * 16 * 16) * 2  # of the first layer, whose inputs want no gradient
    assert backward.get_total_flops() == 2 * forward.get_total_flops() - first


def test_errors_count_the_cells_that_take_an_item_for_another_class():
    cells = torch.zeros(1, 2, 2, 12)
    cells[0, 0, 1, 10], cells[0, 1, 1, 11] = 1.0, 1.0
    wrong, count = answers(cells).errors(truth(((25.0, 0, 35, 9), 0), ((25.0, 12, 35, 18), 0)))
    assert (int(wrong), int(count)) == (1, 2)


@pytest.mark.parametrize("options", [{}, {"convolutional": True, "batch_norm": True}])
def test_it_learns(options):
    learns(Yolo(**SMALL, **options), *scenes(), lr=0.005)


def test_what_cannot_be_is_refused():
    with pytest.raises(ValueError, match="boxes must be at least 1, not 0"):
        Yolo(boxes=0)
    with pytest.raises(ValueError, match="options of the trunk 'vgg16'"):
        Yolo(widths=(4,))
