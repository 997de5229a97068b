"""What is known of sets that are not here."""

import pytest

from repro.catalogue import DATASETS
from repro.conformance.data_sets import _split
from repro.data.blank import blank
from repro.data.outlines import ROWS, outline
from repro.data.split import head
from repro.data.targets import NONE
from repro.recipe import Named

GIB = 2**30


@pytest.fixture(autouse=True)
def nowhere(tmp_path, monkeypatch):
    monkeypatch.setenv("REPRO_DATA", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    ("options", "gib"),
    [
        ({"name": "pascal-voc", "train": "trainaug", "size": 513}, 11.8),
        ({"name": "oxford-pets", "size": 256}, 1.8),
        ({"name": "cityscapes", "size": 1024}, 27.1),
        ({"name": "cityscapes", "size": 512}, 6.8),
    ],
)
def test_sets_take_four_bytes_a_pixel(options, gib):
    assert outline(Named(**options)).bytes_in_memory / GIB == pytest.approx(gib, abs=0.06)


@pytest.mark.parametrize("name", ROWS)
def test_a_stand_in_keeps_the_contract_and_has_the_form_that_is_known(name):
    made, known = DATASETS.load(name)(), outline(Named(name=name))
    assert not known.is_here or name == "fashion-mnist"
    stand_in = blank(known, made.classes)
    assert (len(stand_in.train), len(stand_in.test)) == known[:2]
    assert not [*_split(stand_in.train, made), *_split(stand_in.test, made)]


def test_boxes_take_hardly_more_than_their_images_and_what_stays_in_files_nothing():
    boxes = outline(Named(name="pascal-voc-boxes", size=300))
    assert boxes.bytes_in_memory / 1e9 == pytest.approx(2.7, abs=0.05)  # as the set says of itself
    assert outline(Named(name="imagenet")).bytes_in_memory == 8 * 1_331_167


def test_a_stand_in_has_one_box_to_find_in_each_image_and_none_to_ignore():
    known = outline(Named(name="pascal-voc-boxes", size=100, train="2007+2012"))
    images, (items, ignored) = head(blank(known, 20).train, 3)
    assert images.shape == (3, 3, 100, 100) and known.train == 16_551
    assert (items.labels >= 0).sum(1).tolist() == [1, 1, 1] and (ignored.labels == NONE).all()
    assert items.corners[0, 0].tolist() == [25, 25, 75, 75] and items.corners[:, 1:].eq(0).all()


def test_boxes_are_here_once_the_lists_of_all_their_years_are(nowhere):
    for year, split in (("2007", "trainval"), ("2007", "test"), ("2012", "trainval")):
        both = outline(Named(name="pascal-voc-boxes", train="2007+2012"))
        assert not both.is_here
        folder = nowhere / f"VOCdevkit/VOC{year}/ImageSets/Main"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{split}.txt").touch()
    assert outline(Named(name="pascal-voc-boxes", train="2007+2012")).is_here


def test_of_boxes_as_many_images_are_known_as_are_asked_for():
    assert outline(Named(name="pascal-voc-boxes", images=1000))[:2] == (1000, 1000)
    assert outline(Named(name="pascal-voc-boxes", images=5000))[:2] == (5000, 4952)


def test_cifar_is_here_once_its_files_are(nowhere):
    (nowhere / "cifar-10-batches-py").mkdir()
    (nowhere / "cifar-10-batches-py" / "test_batch").touch()
    assert outline(Named(name="cifar10")).is_here and not outline(Named(name="cifar100")).is_here


def test_a_set_in_the_package_says_nothing_of_itself():
    assert outline(Named(name="fashion-mnist-small")) is None
