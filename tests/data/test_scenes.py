import subprocess
import sys
import time

import numpy as np
import pytest
import torch

from repro.data import embedded, scenes
from repro.data.embedded import FashionMnistSmall
from repro.data.images import ImageSet
from repro.data.scenes import CHUNK, KINDS, Scenes
from repro.errors import ReproError

pytestmark = pytest.mark.slow  # draws thousands of canvases

FEW = {"train": 60, "test": 20}


@pytest.fixture(scope="module")
def canvases():
    return Scenes(train=300, test=1).canvases("train")


@pytest.fixture
def blocks(monkeypatch):
    """Call it to have one picture a kind, with nothing on it but a filled square of so many pixels."""

    def pictures(sides: list[int]) -> tuple[np.ndarray, np.ndarray]:
        found = np.zeros((10, 1, 28, 28), np.uint8)
        for picture, side in zip(found, sides, strict=True):
            picture[:, 14 - side // 2 : 14 + side // 2, 14 - side // 2 : 14 + side // 2] = 200
        return found, np.arange(10)

    def use(train: list[int], test: list[int]) -> None:
        made = ImageSet.of(pictures(train), pictures(test), tuple("0123456789"))
        monkeypatch.setattr(FashionMnistSmall, "load", lambda _: made)

    return use


def sides_of_uncut(boxes: np.ndarray, size: int = 64) -> np.ndarray:
    """Widths of the boxes [N, 4] that the canvas's border does not cut."""
    return (boxes[:, 2] - boxes[:, 0])[(boxes > 0).all(1) & (boxes < size).all(1)]


def test_the_set_is_of_coloured_canvases_with_a_class_for_each_pixel():
    images = Scenes(**FEW, size=48).load()
    assert images.train.images.shape == (60, 3, 48, 48) and images.test.images.shape == (20, 3, 48, 48)
    assert images.train.targets.shape == (60, 48, 48) and images.test.targets.shape == (20, 48, 48)
    assert images.train.images.dtype == images.test.images.dtype == torch.uint8
    assert images.train.targets.dtype == images.test.targets.dtype == torch.uint8
    assert images.train.targets.unique().tolist() == list(range(6)) == images.test.targets.unique().tolist()
    assert images.class_names == ("Background", "T-shirt/top", "Trouser", "Sandal", "Bag", "Ankle boot")
    pixels = images.train.images.double() / 255
    assert images.mean == pytest.approx(pixels.mean((0, 2, 3)).tolist())
    assert images.std == pytest.approx(pixels.std((0, 2, 3), correction=0).tolist())


def test_attributes_are_known_before_anything_is_drawn():
    data = Scenes(size=32)
    assert (data.channels, data.classes, data.size) == (3, 6, 32)


def test_the_same_options_draw_the_same_canvases_and_another_seed_others():
    first, again, other = (Scenes(**FEW, seed=seed).load() for seed in (3, 3, 4))
    for split in ("train", "test"):
        one, same, another = (getattr(data, split) for data in (first, again, other))
        assert torch.equal(one.images, same.images) and torch.equal(one.targets, same.targets)
        assert not torch.equal(one.images, another.images) and not torch.equal(one.targets, another.targets)


def test_a_smaller_set_is_the_beginning_of_a_larger_one():
    small, large = (Scenes(train=train, test=1).canvases("train") for train in (CHUNK - 5, CHUNK + 7))
    for few, many in zip(small, large, strict=True):
        assert len(many) == CHUNK + 7
        np.testing.assert_array_equal(few, many[: CHUNK - 5])


def test_no_canvas_is_drawn_twice(canvases):
    assert len({image.tobytes() for image in canvases.images}) == 300
    assert len({mask.tobytes() for mask in canvases.masks}) == 300


def test_training_canvases_have_training_pictures_only_and_test_canvases_test_pictures(blocks):
    blocks([20] * 10, [10] * 10)
    data = Scenes(train=100, test=100, items=(1, 1), scale=(1.0, 1.0))
    for split, side in (("train", 20), ("test", 10)):
        sides = sides_of_uncut(data.canvases(split).boxes[:, 0])
        assert len(sides) > 30 and set(sides.tolist()) <= {side - 1, side, side + 1}


def test_classes_are_of_the_five_kinds_in_their_order(blocks):
    by_kind = [6, 8, 0, 0, 0, 10, 0, 0, 12, 14]  # T-shirt, trouser, sandal, bag, ankle boot
    blocks(by_kind, by_kind)
    for context, expected in ((False, [6, 8, 10, 12, 14]), (True, [6, 8, 12, 14, 14])):
        drawn = Scenes(train=300, test=1, items=(1, 1), scale=(1.0, 1.0), context=context).canvases("train")
        assert [
            np.median(sides_of_uncut(drawn.boxes[drawn.labels[:, 0] == label, 0])) for label in range(1, 6)
        ] == expected


def test_kinds_are_classes_in_the_order_in_which_they_are_given(blocks):
    by_kind = [6, 6, 8, 6, 6, 6, 6, 10, 6, 6]
    blocks(by_kind, by_kind)
    data = Scenes(train=300, test=1, items=(1, 1), scale=(1.0, 1.0), kinds=[7, 2])
    drawn, images = data.canvases("train"), data.load()
    assert data.classes == len(images.class_names) == 3 and images.class_names[1:] == ("7", "2")
    assert [np.median(sides_of_uncut(drawn.boxes[drawn.labels[:, 0] == label, 0])) for label in (1, 2)] == [
        10,
        8,
    ]
    assert set(drawn.labels.ravel().tolist()) == set(drawn.masks.ravel().tolist()) - {0} == {1, 2}


def test_other_kinds_stand_at_the_same_places_on_the_same_backgrounds(blocks):
    blocks([20] * 10, [20] * 10)
    ours, theirs = (Scenes(**FEW, kinds=kinds).canvases("train") for kinds in (KINDS, (2, 3, 4, 6, 7)))
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(one, other)


def test_scales_are_those_of_the_option(blocks):
    blocks([20] * 10, [20] * 10)
    for scale, sides in (((1.5, 1.5), {29, 30, 31}), ((0.5, 2.0), set(range(9, 42)))):
        drawn = Scenes(train=500, test=1, items=(1, 1), scale=scale, size=96).canvases("train")
        found = sides_of_uncut(drawn.boxes[:, 0], 96)
        assert set(found.tolist()) <= sides
    # Log-uniform: as many of scale 0.5 to 1 as of 1 to 2, but these are cut more often.
    assert found.min() < 12 and found.max() > 37 and 0.5 < (found < 20).mean() < 0.75


@pytest.mark.parametrize("halves", [(16, 8, 4), (4, 8, 16)])
def test_later_items_hide_earlier_ones(monkeypatch, halves):
    places = iter(halves)

    def in_the_middle(self, garments, random):  # noqa: ARG001
        half, covered = next(places), np.zeros((len(garments), 64, 64), bool)
        covered[:, 32 - half : 32 + half, 32 - half : 32 + half] = True
        return np.ones(covered.shape, np.float32), covered

    monkeypatch.setattr(Scenes, "_place", in_the_middle)
    drawn = Scenes(train=5, test=1, items=(3, 3)).canvases("train")
    if halves[0] < halves[-1]:  # the last hides all
        assert (
            drawn.boxes.tolist() == [[[0] * 4, [0] * 4, [16, 16, 48, 48]]] * 5
            and (drawn.labels[:, :2] == 0).all()
        )
        assert (drawn.masks[:, 16:48, 16:48] == drawn.labels[:, 2, None, None]).all()
    else:
        assert drawn.boxes[:, :, 0].tolist() == [[16, 24, 28]] * 5 and (drawn.labels > 0).all()
        for item, place in enumerate((17, 25, 32)):
            assert (drawn.masks[:, place, place] == drawn.labels[:, item]).all()
    assert (drawn.masks[:, :16] == 0).all()


def test_boxes_are_tight_around_what_masks_show(canvases):
    assert canvases.boxes.shape == (300, 4, 4) and canvases.labels.shape == (300, 4)
    there = canvases.labels > 0
    assert np.array_equal(there, (canvases.boxes[..., 2] > 0)) and (canvases.boxes[~there] == 0).all()
    checked = 0
    for mask, boxes, labels in zip(canvases.masks, canvases.boxes, canvases.labels, strict=True):
        within = np.zeros_like(mask, bool)
        for (x1, y1, x2, y2), label in zip(boxes[labels > 0], labels[labels > 0], strict=True):
            within[y1:y2, x1:x2] = True
            if (labels == label).sum() == 1:  # then all pixels of the class are of this item
                rows, columns = np.nonzero(mask == label)
                assert [x1, y1, x2, y2] == [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
                checked += 1
        assert (mask[~within] == 0).all() and set(mask[mask > 0].tolist()) == set(labels[labels > 0].tolist())
    assert checked > 300


def test_numbers_and_kinds_of_items_are_evenly_spread(canvases):
    kinds = np.bincount(canvases.labels.ravel(), minlength=6)[1:]
    assert (abs(kinds / kinds.sum() - 0.2) < 0.05).all()  # of about 880: three standard deviations are 0.04
    for items in ((1, 1), (3, 3)):
        drawn = Scenes(train=40, test=1, items=items, scale=(0.3, 0.3)).canvases("train")
        assert (drawn.labels > 0).sum(1).max() == items[0]
    shares = np.bincount(canvases.masks.ravel(), minlength=6) / canvases.masks.size
    assert 0.66 < shares[0] < 0.74 and (shares[1:] > 0.02).all()


def rows_rather_than_columns(images: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """[N, 8, 8]: 1 where a cell's background changes most from row to row, -1 if along them, 0 if hidden."""
    grey = images.astype(np.float64).mean(1).reshape(-1, 8, 8, 8, 8)
    seen = (masks == 0).reshape(-1, 8, 8, 8, 8)
    along = (abs(np.diff(grey, axis=4)) * (seen[..., 1:] & seen[..., :-1])).mean((2, 4))
    across = (abs(np.diff(grey, axis=2)) * (seen[:, :, 1:] & seen[:, :, :-1])).mean((2, 4))
    return np.where(seen.mean((2, 4)) > 0.6, np.sign(across - along), 0)


def test_in_context_the_kind_of_a_boot_is_told_by_the_whole_canvas_and_not_by_a_window():
    drawn = Scenes(train=400, test=1, context=True).canvases("train")
    has = [(drawn.masks == label).any((1, 2)) for label in (4, 5)]
    assert not (has[0] & has[1]).any() and has[0].sum() > 100 and has[1].sum() > 100
    rows, truth = rows_rather_than_columns(drawn.images, drawn.masks), np.where(has[0], 1, -1)
    boots = has[0] | has[1]

    def right(evidence: np.ndarray) -> float:
        signs = np.sign(evidence) * truth
        return float(((signs > 0) + 0.5 * (signs == 0))[boots].mean())

    assert right(rows.sum((1, 2))) > 0.95
    windows = [right(rows[:, y : y + 3, x : x + 3].sum((1, 2))) for y in range(6) for x in range(6)]
    assert 0.6 < np.mean(windows) < 0.78  # 24 of 64 pixels a side
    assert 0.53 < np.mean([right(rows[:, y, x]) for y in range(8) for x in range(8)]) < 0.62


def test_in_context_boots_are_named_after_the_scene():
    names = Scenes(**FEW, context=True).load().class_names
    assert names[3:] == ("Bag", "Ankle boot among rows", "Ankle boot among columns")


def test_every_option_changes_the_fingerprint_and_so_do_the_pictures_and_the_version(monkeypatch, tmp_path):
    changes = {
        "size": 32,
        "train": 150,
        "test": 20,
        "items": [1, 4],
        "scale": [1.0, 1.0],
        "kinds": [2, 3, 4, 6, 7],
        "context": True,
        "seed": 1,
    }
    prints = {Scenes(**{name: value}).fingerprint() for name, value in changes.items()} | {
        Scenes().fingerprint()
    }
    assert len(prints) == 1 + len(changes)
    as_by_default = Scenes(items=[2, 4], scale=[0.6, 2], kinds=[0, 1, 5, 8, 9])
    assert as_by_default.fingerprint() == Scenes().fingerprint()
    with monkeypatch.context() as patched:
        patched.setattr(scenes, "VERSION", scenes.VERSION + 1)
        assert Scenes().fingerprint() not in prints
    (tmp_path / "other").write_bytes(b"other")
    monkeypatch.setattr(embedded, "FILE", tmp_path / "other")
    assert Scenes().fingerprint() not in prints


def test_the_fingerprint_is_quick_and_imports_no_torch():
    code = (
        "import sys, time; from repro.data.scenes import Scenes; "
        "start = time.process_time(); Scenes().fingerprint(); "
        "took = time.process_time() - start; assert took < 0.5, took; "  # 0.01 s where nothing else runs
        "sys.exit(' '.join({'torch', 'torchvision', 'datasets', 'pyarrow'} & set(sys.modules)) or None)"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)


def test_3000_canvases_are_drawn_in_seconds():
    pictures = FashionMnistSmall().load()
    start = time.process_time()
    Scenes()._canvases("train", pictures)
    assert time.process_time() - start < 15  # 1.7 s on one core of an EPYC


@pytest.mark.parametrize("options", [{"size": 15}, {"train": 0}, {"test": 0}, {"seed": -1}])
def test_numbers_that_make_no_sense_are_refused(options):
    with pytest.raises(
        ReproError, match="data set 'scenes' wants a size of 16 or more, 1 or more training and test canvases"
    ):
        Scenes(**options)


@pytest.mark.parametrize(
    "options", [{"items": (0, 2)}, {"items": (3, 2)}, {"scale": (0.0, 1.0)}, {"scale": (2.0, 1.0)}]
)
def test_ranges_that_make_no_sense_are_refused(options):
    with pytest.raises(
        ReproError, match="wants `items` and `scale` as two numbers of which the first is the smaller"
    ):
        Scenes(**options)


@pytest.mark.parametrize("kinds", [(), (1, 1), (0, 10), (-1,)])
def test_kinds_that_are_none_are_refused(kinds):
    with pytest.raises(ReproError, match=r"wants `kinds` to be one or more of .* each once, not \["):
        Scenes(kinds=kinds)


def test_scenes_in_context_have_kinds_of_their_own():
    with pytest.raises(ReproError, match="has kinds of its own in `context`: leave `kinds` out"):
        Scenes(kinds=(2, 3), context=True)
