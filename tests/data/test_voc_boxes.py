from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from repro.data.augment import flip
from repro.data.difficult import DifficultBoxes
from repro.data.images import MissingData
from repro.data.masked_images import GREY
from repro.data.split import head
from repro.data.targets import NONE
from repro.data.voc_boxes import PascalVocBoxes
from repro.errors import ReproError

random = np.random.default_rng(0)


def item(name: str, x1: int, y1: int, x2: int, y2: int, difficult: int = 0) -> str:
    box = f"<xmin>{x1}</xmin><ymin>{y1}</ymin><xmax>{x2}</xmax><ymax>{y2}</ymax>"
    part = "<part><name>head</name><bndbox><xmin>1</xmin></bndbox></part>"
    return (
        f"<object><name>{name}</name><difficult>{difficult}</difficult><bndbox>{box}</bndbox>{part}</object>"
    )


def write(folder: Path, name: str, split: str, size: tuple[int, int], *items: str) -> None:
    for kind in ("JPEGImages", "Annotations", "ImageSets/Main"):
        (folder / kind).mkdir(parents=True, exist_ok=True)
    pixels = random.integers(0, 256, (*size[::-1], 3), dtype=np.uint8)
    Image.fromarray(pixels).save(folder / f"JPEGImages/{name}.jpg")
    (folder / f"Annotations/{name}.xml").write_text(f"<annotation>{''.join(items)}</annotation>")
    with (folder / f"ImageSets/Main/{split}.txt").open("a") as file:
        file.write(f"{name}\n")


@pytest.fixture(autouse=True)
def folder(monkeypatch, tmp_path) -> Path:
    monkeypatch.setenv("REPRO_DATA", str(tmp_path))
    year = tmp_path / "VOCdevkit/VOC2007"
    write(year, "1", "trainval", (40, 20), item("dog", 1, 1, 40, 20), item("person", 3, 5, 4, 6, 1))
    write(year, "2", "trainval", (10, 8), item("aeroplane", 2, 2, 5, 8), item("tvmonitor", 1, 1, 1, 1))
    write(year, "3", "test", (20, 20), item("cat", 5, 5, 10, 10, 1), item("dog", 1, 1, 3, 3))
    write(tmp_path / "VOCdevkit/VOC2012", "4", "trainval", (20, 20), item("sofa", 1, 1, 9, 9))
    return year


def test_boxes_begin_at_0_end_behind_their_last_pixel_and_shrink_with_their_image():
    images, (items, ignored) = head(PascalVocBoxes(size=20).load().train, 2)
    assert images.shape == (2, 3, 20, 20)
    assert items.corners.tolist() == [[[0, 0, 20, 10], [0, 0, 0, 0]], [[1, 1, 5, 8], [0, 0, 1, 1]]]
    assert items.labels.tolist() == [[11, NONE], [0, 19]]  # dog, aeroplane and tvmonitor, of 20 classes
    assert ignored.corners[0].tolist() == [[1, 2, 2, 3]] and ignored.labels.tolist() == [[14], [NONE]]
    for image, (wide, high) in zip(images, ((20, 10), (10, 8)), strict=True):
        assert (image[:, high:] == torch.tensor(GREY)[:, None, None]).all()
        assert (image[:, :, wide:] == torch.tensor(GREY)[:, None, None]).all()
        assert image[:, :high, :wide].float().std() > 20


def test_targets_move_with_their_images():
    images, targets = head(PascalVocBoxes(size=20).load().test, 1)
    moved, (items, ignored) = flip(
        images.repeat(9, 1, 1, 1),
        DifficultBoxes(
            *(
                type(part)(*(tensor.repeat(9, *[1] * (tensor.ndim - 1)) for tensor in part))
                for part in targets
            )
        ),
        torch.Generator().manual_seed(0),
    )
    turned = (moved != images).any(3).any(2).any(1)
    assert turned.any() and not turned.all()
    assert (items.corners[turned] == torch.tensor([17.0, 0, 20, 3])).all()
    assert (ignored.corners[turned] == torch.tensor([10.0, 4, 16, 10])).all()
    assert (items.corners[~turned] == torch.tensor([0.0, 0, 3, 3])).all()


def test_both_years_are_trained_on_if_asked_for():
    both, one = PascalVocBoxes(size=20, train="2007+2012"), PascalVocBoxes(size=20)
    assert len(both.load().train) == 3 and len(both.load().test) == 1
    _, (items, _) = head(both.load().train, 3)
    assert items.labels[2].tolist() == [17, NONE]
    assert len({both.fingerprint(), one.fingerprint(), PascalVocBoxes(size=21).fingerprint()}) == 3


def test_of_each_split_there_are_the_first_so_many_images_if_that_is_asked_for():
    every, one = PascalVocBoxes(size=20), PascalVocBoxes(size=20, images=1)
    train, test = one.load().train, one.load().test
    assert len(train) == len(test) == 1 and head(train, 1)[1][0].labels.tolist() == [[11]]
    assert one.fingerprint() != every.fingerprint() == PascalVocBoxes(size=20, images=9).fingerprint()
    with pytest.raises(ReproError, match="wants 1 image or more, not 0"):
        PascalVocBoxes(images=0)


def test_another_box_is_another_fingerprint(folder):
    before = PascalVocBoxes().fingerprint()
    (folder / "Annotations/3.xml").write_text(f"<annotation>{item('dog', 1, 1, 3, 4)}</annotation>")
    assert PascalVocBoxes().fingerprint() != before


@pytest.mark.parametrize("what", ["ImageSets/Main/test.txt", "JPEGImages/2.jpg", "Annotations/1.xml"])
def test_what_is_not_there_is_named_with_how_to_get_it(folder, what):
    (folder / what).unlink()
    for ask in (PascalVocBoxes().load, PascalVocBoxes().fingerprint):
        with pytest.raises(MissingData, match=rf"there is no .*{what}.*Set REPRO_DATA"):
            ask()


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("<annotation><object>", "3.xml cannot be read as annotations of VOC"),
        (f"<annotation>{item('zebra', 1, 1, 2, 2)}</annotation>", "3.xml cannot be read as annotations"),
        (
            f"<annotation>{item('cat', 30, 1, 40, 2)}</annotation>",
            "3.xml has a box that is empty, or outside",
        ),
        ("<annotation><object><name>cat</name></object></annotation>", "3.xml cannot be read as annotations"),
    ],
)
def test_annotations_that_say_nothing_are_refused(folder, written, said):
    (folder / "Annotations/3.xml").write_text(written)
    with pytest.raises(ReproError, match=said):
        PascalVocBoxes(size=20).load()
