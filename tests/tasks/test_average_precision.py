"""Average precision, by hand and against COCO's own code."""

from math import isnan, nan

import numpy as np
import pytest
from pytest import approx

from repro.tasks.average_precision import (
    Found,
    Items,
    Kind,
    Ranked,
    area,
    box_ious,
    coco,
    coco_ap,
    eleven_point,
    error_kinds,
    interpolated,
    kinds_of,
    voc,
)

BOX, HALF, FAR = (0, 0, 10, 10), (0, 0, 5, 10), (50, 50, 60, 60)  # HALF is half of BOX: an IoU of .5


def found(*rows: tuple[tuple[float, ...], float, int]) -> Found:
    corners, scores, labels = zip(*rows, strict=True) if rows else ((), (), ())
    return Found(np.array(corners, float).reshape(-1, 4), np.array(scores, float), np.array(labels, int))


def items(*rows: tuple[tuple[float, ...], int], ignored: tuple[int, ...] = ()) -> Items:
    corners, labels = zip(*rows, strict=True) if rows else ((), ())
    flags = np.isin(np.arange(len(rows)), ignored)
    return Items(np.array(corners, float).reshape(-1, 4), np.array(labels, int), flags)


def ranked(right: str, count: int) -> Ranked:
    return Ranked(np.array([letter == "+" for letter in right], bool), count)


def test_ious_by_hand():
    boxes = np.array([BOX, HALF, FAR, (3, 3, 3, 3)], float)
    assert box_ious(boxes, boxes[:2]) == approx(np.array([[1, 0.5], [0.5, 1], [0, 0], [0, 0]]))


@pytest.mark.parametrize(
    ("right", "count", "under_it", "eleven"),
    [
        ("+", 1, 1.0, 1.0),
        ("-", 1, 0.0, 0.0),
        ("", 1, 0.0, 0.0),
        ("+-", 2, 1 / 2, 6 / 11),  # recalls 0 to .5 are reached: six points
        ("-+", 1, 1 / 2, 1 / 2),
        ("+-+", 2, (1 + 2 / 3) / 2, (6 + 5 * 2 / 3) / 11),
        ("+--+++", 4, (1 + 3 * 4 / 6) / 4, (3 + 8 * 4 / 6) / 11),  # precision never rises: 2/4, 3/5, 4/6
        ("+++", 10, 0.3, 4 / 11),  # a recall of .3 is reached, by whole numbers
    ],
)
def test_precision_over_recall_by_hand(right, count, under_it, eleven):
    assert area(ranked(right, count)) == approx(under_it)
    assert eleven_point(ranked(right, count)) == approx(eleven)


def test_without_items_there_is_no_precision():
    assert (
        isnan(area(ranked("-", 0)))
        and isnan(eleven_point(ranked("", 0)))
        and isnan(interpolated(ranked("", 0)))
    )


def test_a_second_detection_of_an_item_is_wrong():
    judged = voc([found((BOX, 0.9, 0), (BOX, 0.8, 0), (BOX, 0.95, 1))], [items((BOX, 0))], 0)
    assert judged.right.tolist() == [True, False] and judged.items == 1


def test_an_iou_of_one_half_is_enough():
    for judge in (voc, coco):
        assert judge([found((HALF, 0.9, 0))], [items((BOX, 0))], 0).right.tolist() == [True]
        assert judge([found(((0, 0, 4.9, 10), 0.9, 0))], [items((BOX, 0))], 0).right.tolist() == [False]


def test_equal_scores_are_in_the_order_of_images_and_boxes():
    judged = voc([found((FAR, 0.5, 0), (BOX, 0.5, 0)), found((BOX, 0.5, 0))], [items((BOX, 0))] * 2, 0)
    assert judged.right.tolist() == [False, True, True]


def test_what_is_difficult_is_neither_found_nor_missed():
    there = [items((BOX, 0), (FAR, 0), ignored=(1,))]
    answers = [found((FAR, 0.9, 0), (FAR, 0.8, 0), (BOX, 0.7, 0))]
    for judge in (voc, coco):
        judged = judge(answers, there, 0)
        assert (judged.right.tolist(), judged.items) == ([True], 1)


def test_voc_asks_for_the_item_that_is_overlapped_most_and_coco_for_a_free_one():
    near = (0, 0, 10, 11)
    there, answers = [items((BOX, 0), (near, 0))], [found((BOX, 0.9, 0), (BOX, 0.8, 0))]
    assert voc(answers, there, 0).right.tolist() == [True, False]
    assert coco(answers, there, 0).right.tolist() == [True, True]


def test_a_crowd_is_found_by_the_part_of_a_detection_that_is_in_it():
    crowd = [items((BOX, 0), ((0, 0, 100, 100), 0), ignored=(1,))]
    inside = found(((30, 30, 40, 40), 0.9, 0), ((40, 40, 50, 50), 0.8, 0), (BOX, 0.7, 0))
    assert coco([inside], crowd, 0).right.tolist() == [True]
    assert voc([inside], crowd, 0).right.tolist() == [False, False, True]


def test_errors_are_of_hoiems_kinds():
    quarter = (0, 0, 5, 5)
    answers = [
        found((BOX, 0.9, 0), (BOX, 0.8, 0), (quarter, 0.7, 0), (FAR, 0.6, 0), (BOX, 0.1, 0)),
        found((BOX, 0.9, 1), (FAR, 0.8, 1)),
    ]
    there = [items((BOX, 0)), items((BOX, 0), ((20, 20, 30, 30), 0), (FAR, 0), (FAR, 1))]
    # of class 0 the best four: right, a second one, a quarter, nothing; of class 1, of one item, the best
    # alone, which is on one of class 0
    assert error_kinds(answers, there, 2) == (1, 2, 1, 1)


def test_each_detection_of_an_image_has_its_kind_and_a_second_one_of_an_item_one_of_its_own():
    answers = found((BOX, 0.5, 1), (BOX, 0.7, 0), (HALF, 0.6, 0), (FAR, 0.9, 0), (BOX, 0.8, 0))
    there = items((BOX, 0), (FAR, 0), ignored=(1,))
    assert kinds_of(answers, there) == [Kind.OTHER, Kind.DUPLICATE, Kind.DUPLICATE, None, Kind.CORRECT]
    assert kinds_of(answers, items()) == [Kind.BACKGROUND] * 5


def test_errors_are_not_looked_for_where_an_item_does_not_count():
    there = [items((BOX, 0), (FAR, 0), ignored=(1,))]
    assert error_kinds([found((FAR, 0.9, 0), (BOX, 0.8, 0), (HALF, 0.7, 0))], there, 1) == (1, 0, 0, 0)


def made_up(seed: int) -> tuple[list[Found], list[Items]]:
    """Images with none to six items, crowds among them, and detections near them, with equal scores."""
    random = np.random.default_rng(seed)
    answers, there = [], []
    for _ in range(40):
        count, more = random.integers(0, 7), random.integers(0, 6)
        starts = random.integers(0, 40, (count, 2))
        corners = np.concatenate([starts, starts + random.integers(4, 25, (count, 2))], 1).astype(float)
        labels = random.integers(0, 3, count)
        there.append(Items(corners, labels, random.random(count) < 0.2))
        near = np.concatenate([np.repeat(corners, 2, 0), random.integers(0, 40, (more, 4)).astype(float)])
        near += random.integers(-2, 3, near.shape)
        near[:, 2:] = np.maximum(near[:, 2:], near[:, :2] + 1)
        guesses = np.concatenate([np.repeat(labels, 2), random.integers(0, 3, more)])
        guesses = np.where(random.random(len(guesses)) < 0.8, guesses, random.integers(0, 3, len(guesses)))
        answers.append(Found(near, random.integers(1, 10, len(near)) / 10, guesses))
    return answers, there


def measured_by_coco(answers: list[Found], there: list[Items], classes: int) -> np.ndarray:
    """Average precision by COCO's own code, of IoUs and classes; -1 where there are no items."""
    coco_api = pytest.importorskip("pycocotools.coco", reason="COCO's own code measures by it")
    from pycocotools.cocoeval import COCOeval

    def index(rows):
        made = coco_api.COCO()
        made.dataset = {
            "images": [{"id": image} for image in range(len(there))],
            "categories": [{"id": label} for label in range(classes)],
            "annotations": [
                {"iscrowd": 0, **row, "id": number, "area": row["bbox"][2] * row["bbox"][3]}
                for number, row in enumerate(rows, start=1)
            ],
        }
        made.createIndex()
        return made

    truth = [
        {"image_id": image, "category_id": int(label), "iscrowd": int(flag), "bbox": _bbox(corners)}
        for image, one in enumerate(there)
        for corners, label, flag in zip(*one, strict=True)
    ]
    boxes = [
        {"image_id": image, "category_id": int(label), "score": float(score), "bbox": _bbox(corners)}
        for image, one in enumerate(answers)
        for corners, score, label in zip(*one, strict=True)
    ]
    judge = COCOeval(index(truth), index(boxes), "bbox")
    judge.evaluate()
    judge.accumulate()
    return judge.eval["precision"][..., 0, 2].mean(1)  # over recalls; of any size, 100 an image


@pytest.mark.parametrize("seed", range(3))
def test_coco_measures_the_same(seed):
    answers, there = made_up(seed)
    measured = measured_by_coco(answers, there, 3)
    assert measured.mean(0).min() > 0.1 and measured.mean(0).max() < 0.9
    assert [coco_ap(answers, there, label) for label in range(3)] == approx(measured.mean(0), abs=1e-9)
    at_one_half = [interpolated(coco(answers, there, label)) for label in range(3)]
    assert at_one_half == approx(measured[0], abs=1e-9)


CROWD, PART = (0, 0, 100, 100), (95, 0, 105, 10)  # half of PART is in CROWD
LEFT, RIGHT, MIDDLE = (0, 0, 10, 10), (2, 0, 12, 10), (1, 0, 11, 10)  # IoUs with MIDDLE: 9/11 each
HARD = {  # detections, items, and the mean average precision over COCO's IoUs, worked by hand
    "equal scores, the right one in a later image": (
        [found((FAR, 0.5, 0)), found((BOX, 0.5, 0))],
        [items(), items((BOX, 0))],
        1 / 2,
    ),
    "equal scores, the right one in an earlier image": (
        [found((BOX, 0.5, 0)), found((FAR, 0.5, 0))],
        [items((BOX, 0)), items()],
        1.0,
    ),
    "equal scores in one image": ([found((FAR, 0.5, 0), (BOX, 0.5, 0))], [items((BOX, 0))], 1 / 2),
    "equal overlaps: the last item is taken, and the first is left for LEFT": (
        [found((MIDDLE, 0.9, 0), (LEFT, 0.8, 0))],
        [items((LEFT, 0), (RIGHT, 0))],
        # up to .8 both are found, from .85 on LEFT alone, which is second
        (7 * 1 + 3 * 51 / 101 / 2) / 10,
    ),
    "equal overlaps: the last item is taken, and LEFT finds it gone": (
        [found((MIDDLE, 0.9, 0), (LEFT, 0.8, 0))],
        [items((RIGHT, 0), (LEFT, 0))],
        # up to .65 LEFT finds RIGHT, by 2/3; up to .8 nothing; from .85 on LEFT, and MIDDLE nothing
        (4 * 1 + 3 * 51 / 101 + 3 * 51 / 101 / 2) / 10,
    ),
    "a crowd takes what is in it, at .5 what is half in it": (
        [found((PART, 0.99, 0), ((40, 40, 50, 50), 0.98, 0), ((40, 40, 50, 50), 0.97, 0), (BOX, 0.9, 0))],
        [items((CROWD, 0), (BOX, 0), ignored=(0,))],
        (1 + 9 / 2) / 10,
    ),
    "a crowd and no other item": ([found((BOX, 0.9, 0))], [items((CROWD, 0), ignored=(0,))], nan),
    "no item of the class": ([found((BOX, 0.9, 0), (BOX, 0.8, 1))], [items((BOX, 1))], nan),
    "no item at all": ([found((BOX, 0.9, 0))], [items()], nan),
    "no detection of the class": ([found((BOX, 0.9, 1))], [items((BOX, 0), (BOX, 1))], 0.0),
    "no detection at all": ([found()], [items((BOX, 0))], 0.0),
    "an image without items, whose detection is surer": (
        [found((BOX, 0.9, 0)), found((BOX, 0.8, 0))],
        [items(), items((BOX, 0))],
        1 / 2,
    ),
    "the right one is the hundredth": (
        [found(*[(FAR, 0.9, 0)] * 99, (BOX, 0.5, 0))],
        [items((BOX, 0))],
        1 / 100,
    ),
    "the right one is the hundred and first": (
        [found(*[(FAR, 0.9, 0)] * 100, (BOX, 0.5, 0))],
        [items((BOX, 0))],
        0.0,
    ),
    "boxes without an area": (
        [found(((3, 3, 3, 9), 0.9, 0), (BOX, 0.8, 0))],
        [items(((3, 3, 3, 9), 0), (BOX, 0))],
        51 / 101 / 2,
    ),
}


@pytest.mark.parametrize("case", HARD)
def test_hard_cases_by_hand(case):
    answers, there, expected = HARD[case]
    assert coco_ap(answers, there, 0) == approx(expected, abs=1e-9, nan_ok=True)


@pytest.mark.parametrize("case", HARD)
def test_coco_measures_hard_cases_the_same(case):
    answers, there, expected = HARD[case]
    measured = measured_by_coco(answers, there, 2).mean(0)[0]
    assert measured == approx(-1 if isnan(expected) else expected, abs=1e-9)


@pytest.mark.parametrize(
    ("seed", "measured"),
    [
        (0, (0.17314954335441476, 0.23317861038889234, 0.1423557444067219)),
        (1, (0.14337973580542554, 0.18352111067097734, 0.20554508824753673)),
        (2, (0.21268431506044913, 0.18272083693558389, 0.25041743575004016)),
    ],
)
def test_coco_has_measured_so(seed, measured):
    """By pycocotools 2.0.11, for where it is not installed."""
    answers, there = made_up(seed)
    assert [coco_ap(answers, there, label) for label in range(3)] == approx(measured, abs=1e-9)


def _bbox(corners: np.ndarray) -> list[float]:
    x1, y1, x2, y2 = map(float, corners)
    return [x1, y1, x2 - x1, y2 - y1]
