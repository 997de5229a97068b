"""Pictures of detectors: which box has which colour, in pixels."""

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from repro.conformance import fakes
from repro.data.difficult import DifficultBoxes
from repro.data.images import ImageSet
from repro.data.split import InMemory
from repro.data.targets import NONE, Boxes
from repro.errors import ReproError
from repro.models.layers.boxes import Detections
from repro.models.yolo import Grid, GridAnswers
from repro.pictures.boxes import INSIDE, ITEM, WIDTH, sure
from repro.pictures.detection_errors import COLOURS as OF_KINDS
from repro.pictures.detection_errors import detection_errors
from repro.pictures.detections import COLOURS, MORE, detections
from repro.pictures.proposals import HIT, MISS, proposals
from repro.pictures.sheet import GAP, HEADING, sheet
from repro.tasks.average_precision import Found, Items, Kind

SIDE, FACTOR = 16, 16  # of the image, and by what it is enlarged


class Sees(nn.Module):
    """The left half, as class 1, with a confidence."""

    def __init__(self, confidence: float):
        super().__init__()
        self.confidence = confidence

    def forward(self, x: Tensor) -> GridAnswers:
        cell = torch.tensor([0.25, 0.5, 0.5**0.5, 1.0, self.confidence, 0, 1])
        return GridAnswers(cell.expand(len(x), 1, 1, 7), Grid(1, SIDE, SIDE))


class Said(NamedTuple):
    """The answers of a detector that is told them: regions [R, 4], or boxes with scores and labels."""

    corners: Tensor
    scores: Tensor = torch.zeros(1)
    labels: Tensor = torch.zeros(1)
    classes: int = 2

    @property
    def regions(self) -> Tensor:
        return self.corners[None]

    def detections(self) -> Detections:
        return Detections(*(part[None] for part in self[:3]))

    def loss(self, truth): ...

    def errors(self, truth): ...


class Says(nn.Module):
    def __init__(self, *said: object):
        super().__init__()
        self.said = Said(*map(torch.tensor, said))

    def forward(self, x: Tensor) -> Said:  # noqa: ARG002
        return self.said


def state(model: nn.Module, targets: object = None):
    boxes = Boxes(torch.tensor([[[8.0, 0, 16, 8], [0, 0, 0, 0]]]), torch.tensor([[0, NONE]]))
    split = InMemory(
        torch.full((1, 3, SIDE, SIDE), 90, dtype=torch.uint8), boxes if targets is None else targets
    )
    return replace(fakes.state(model), data=ImageSet(split, split, ("a", "b"), (0.5,) * 3, (0.5,) * 3))


def cell(page: np.ndarray, column: int) -> np.ndarray:
    start = GAP + column * (SIDE * FACTOR + GAP)
    return page[HEADING : HEADING + SIDE * FACTOR, start : start + SIDE * FACTOR]


def test_boxes_are_framed_in_the_colour_of_their_class_where_they_are_sure_enough():
    nets = {"sure": state(Sees(0.9)), "unsure": state(Sees(0.2))}
    page = np.asarray(detections(nets, least=0.3))
    truth, sure, unsure = (cell(page, column) for column in range(3))
    assert (truth[0, 8 * FACTOR :] == COLOURS[0]).all() and (truth[: 8 * FACTOR, -1] == COLOURS[0]).all()
    assert (truth[:, : 8 * FACTOR] == 90).all()
    assert (sure[:, 0] == COLOURS[1]).all() and (sure[-1, : 8 * FACTOR] == COLOURS[1]).all()
    assert (sure[WIDTH:-WIDTH, WIDTH] == INSIDE).all()
    assert (sure[:, 8 * FACTOR :] == 90).all() and (unsure == 90).all()


def test_the_legend_names_the_classes_there_are_and_those_without_a_colour_of_their_own():
    found = Says([[0.0, 0, 8, 8]] * 9, [0.9] * 9, [*range(9)])
    names = ("a", "b", *"cdefghi")
    net = state(found)
    page = detections({"net": replace(net, data=replace(net.data, class_names=names))}, least=0.3)
    legend = [np.asarray(page)[page.height - HEADING * row + 5, GAP + 5].tolist() for row in range(8, 0, -1)]
    assert legend == [*map(list, (*COLOURS, MORE))]
    assert len(set(COLOURS)) == 7


def test_without_a_score_as_many_boxes_are_shown_as_there_are_items_the_surest_of_all_images():
    def sure_of(*scores):
        return Found(np.zeros((len(scores), 4)), np.array(scores), np.zeros(len(scores), int))

    def scores(items, least=None):
        there = [Items(np.zeros((3, 4)), np.zeros(3, int), np.arange(3) >= count) for count in items]
        return [one.scores.tolist() for one in sure([sure_of(0.9, 0.1), sure_of(0.5, 0.4)], there, least)]

    assert scores((1, 1)) == [[0.9], [0.5]] and scores((0, 3)) == [[0.9], [0.5, 0.4]]
    assert scores((3, 3)) == [[0.9, 0.1], [0.5, 0.4]] and scores((0, 0)) == [[], []]
    assert scores((3, 3), 0.45) == [[0.9], [0.5]]
    assert sure([sure_of()], [Items(np.zeros((1, 4)), np.zeros(1, int), np.zeros(1, bool))], None)


def test_other_data_and_nets_that_find_nothing_are_refused():
    with pytest.raises(ReproError, match="wants data with boxes"):
        detections({"net": state(Sees(1.0), torch.zeros(1, dtype=torch.int64))})
    for picture in (detections, detection_errors, proposals):
        with pytest.raises(ReproError, match="wants detectors; model 'made-up' finds no boxes"):
            picture({"net": state(nn.Flatten())})
    with pytest.raises(ReproError, match="wants detectors with regions; model 'made-up' looks at none"):
        proposals({"net": state(Sees(1.0))})


REGIONS = [[8.0, 0, 16, 8], [0, 8, 8, 16], [8, 0, 16, 4], [8, 1, 15, 5], [0, 0, 4, 4]]  # IoU 1, 0, .5, .4, 0


def test_the_first_regions_of_an_image_are_drawn_and_those_of_items_in_a_colour_of_their_own():
    page = np.asarray(proposals({"net": state(Says(REGIONS))}, proposals=4))
    truth, drawn = cell(page, 0), cell(page, 1)
    assert (truth[0, 8 * FACTOR :] == ITEM).all() and (truth[:, : 8 * FACTOR] == 90).all()
    assert (drawn[0, 8 * FACTOR :] == HIT).all()
    assert (
        drawn[4 * FACTOR - 1, 8 * FACTOR + WIDTH + 1 : -WIDTH - 1] == HIT
    ).all()  # the third, of which half is in the item
    assert (drawn[5 * FACTOR - 1, 8 * FACTOR + WIDTH + 1 : 14 * FACTOR - 1] == MISS).all()
    assert (drawn[-1, : 8 * FACTOR] == MISS).all()
    assert (drawn[: 8 * FACTOR, : 8 * FACTOR] == 90).all()  # the fifth is not among them


def test_what_a_region_of_an_item_is_can_be_asked_more_of():
    closer = cell(np.asarray(proposals({"net": state(Says(REGIONS))}, iou=0.6)), 1)
    assert (closer[4 * FACTOR - 1, 8 * FACTOR + WIDTH + 1 : 14 * FACTOR - 1] == MISS).all()
    assert (closer[0, 8 * FACTOR :] == HIT).all()  # over the third, whose upper side is the same
    assert (closer[0, : 4 * FACTOR] == MISS).all()


FOUND = {  # of an item of class 0 in the upper right quarter: box, score, class
    Kind.CORRECT: ([8.0, 0, 16, 8], 0.9, 0),
    Kind.DUPLICATE: ([8.0, 0, 16, 7], 0.8, 0),
    Kind.LOCALISATION: ([8.0, 4, 16, 12], 0.7, 0),  # IoU 1/3
    Kind.OTHER: ([9.0, 1, 15, 6], 0.6, 1),
    Kind.BACKGROUND: ([0.0, 8, 6, 16], 0.5, 1),
}
UNSURE = ([0.0, 0, 5, 5], 0.25, 1)


def test_each_detection_has_the_colour_of_what_is_wrong_with_it():
    found = Says(*zip(*reversed(FOUND.values()), UNSURE, strict=True))
    page = np.asarray(detection_errors({"net": state(found)}, least=0.3))
    truth, drawn = cell(page, 0), cell(page, 1)
    across = slice(10 * FACTOR, 14 * FACTOR)
    sides = {  # a row of pixels of each that no other has
        Kind.CORRECT: drawn[8 * FACTOR - 1, across],
        Kind.DUPLICATE: drawn[7 * FACTOR - 1, across],
        Kind.LOCALISATION: drawn[12 * FACTOR - 1, across],
        Kind.OTHER: drawn[6 * FACTOR - 1, across],
        Kind.BACKGROUND: drawn[8 * FACTOR, : 6 * FACTOR],
    }
    for kind, pixels in sides.items():
        assert (pixels == OF_KINDS[kind][1]).all(), kind
    assert (
        drawn[2 * FACTOR : 3 * FACTOR, 8 * FACTOR] == OF_KINDS[Kind.CORRECT][1]
    ).all()  # the surest on top
    assert (drawn[: 8 * FACTOR, : 8 * FACTOR] == 90).all() and (truth[0, 8 * FACTOR :] == ITEM).all()
    assert len({colour for _, colour in OF_KINDS.values()} | {ITEM}) == 1 + len(Kind)


def test_what_finds_an_item_that_does_not_count_is_not_drawn():
    items, difficult = (Boxes(torch.tensor([[corners]]), torch.tensor([[0]])) for corners in REGIONS[:2])
    net = state(Says(REGIONS[:2], [0.9, 0.8], [0, 0]), DifficultBoxes(items, difficult))
    truth, drawn = (cell(np.asarray(detection_errors({"net": net}, least=0.3)), column) for column in (0, 1))
    assert (drawn[0, 8 * FACTOR :] == OF_KINDS[Kind.CORRECT][1]).all()
    assert (drawn[8 * FACTOR :, : 8 * FACTOR] == 90).all() and (truth[8 * FACTOR :] == 90).all()


def test_a_legend_says_below_the_images_what_colours_mean():
    image = np.zeros((SIDE, SIDE, 3), np.uint8)
    plain, page = sheet({"a": [image]}), sheet({"a": [image]}, {"found": HIT, "a longer explanation": MISS})
    pixels, above = np.asarray(page), plain.height
    assert np.array_equal(pixels[:above, : plain.width], np.asarray(plain)) and page.width >= plain.width
    for row, colour in enumerate((HIT, MISS)):
        top = above + row * HEADING
        assert (pixels[top + 1 : top + 11, GAP + 1 : GAP + 11] == colour).all()
        assert (pixels[top : top + HEADING, GAP + HEADING :] < 128).any()
    assert page.height == above + 2 * HEADING
