"""Sets that would give numbers which do not mean what they say."""

import numpy as np
import pytest

from repro.data import doubts
from repro.data.images import ImageSet, mean_and_std

random = np.random.default_rng(0)
NAMES = ("cat", "dog", "eel")


def pictures(count: int, channels: int = 1, side: int = 9) -> np.ndarray:
    return random.integers(0, 256, (count, channels, side, side), dtype=np.uint8)


def of_labels(train, test):
    return list(doubts.of_labels(np.array(train), np.array(test), NAMES))


def test_test_images_that_were_trained_on_are_counted_wherever_they_stand():
    train, test = pictures(30), pictures(10)
    test[[0, 3, 4, 7, 9, 8]] = train[[5, 2, 29, 0, 11, 11]]
    said = "6 of the 10 test images are training images too, so that a test says nothing new; make"
    assert [doubt[: len(said)] for doubt in doubts.of_images(train, test)] == [said]
    test[8] = 1
    assert list(doubts.of_images(train, test)) == []  # half of them, no more


def test_images_that_differ_in_one_pixel_are_other_images():
    train = np.zeros((4, 3, 64, 64), np.uint8)
    train[:, 0, 0, 0] = range(4)
    test = train.copy()
    test[:, 2, 63, 61] = 1
    assert list(doubts.of_images(train, test)) == []
    assert "4 of the 4 test images" in next(doubts.of_images(train, train.copy()))


@pytest.mark.parametrize(("train", "test", "split"), [([1, 1], [0, 1], "training"), ([0, 1], [1], "test")])
def test_a_split_of_one_class_is_told_with_the_class(train, test, split):
    said = f"all {split} images are of one class, 'dog'; is a split a slice of a set that is sorted by class?"
    assert of_labels(train, test) == [said]


def test_a_sorted_set_cut_in_half_is_told_though_the_halves_share_a_class():
    said = f"2 of 3 test images are of classes without training images; {doubts.SORTED}"
    assert of_labels([0, 0, 1], [1, 2, 2]) == [said]
    assert of_labels([0, 0, 1], [1, 2]) == []  # as many are of a class that can be learnt


def test_pixels_are_counted_in_masks_and_those_without_label_are_not():
    train = np.full((2, 4, 4), 255, np.uint8)
    assert of_labels(train, train) == ["none of the training pixels has a label"]
    train[0, 0] = 2
    assert of_labels(train, train)[0].startswith("all training pixels are of one class, 'eel'; ")
    train[1, 0] = 0
    test = train.copy()
    assert of_labels(train, test) == []
    test[:, 2] = 1
    assert of_labels(train, test) == []
    test[:, 3] = 1
    said = f"16 of 24 test pixels are of classes without training pixels; {doubts.SORTED}"
    assert of_labels(train, test) == [said]


def test_a_test_split_without_any_label_is_no_fault_since_training_has_its_numbers():
    masks = np.full((2, 4, 4), 255, np.uint8)
    train = masks.copy()
    train[0, :2], train[0, 2:] = 0, 1
    assert of_labels(train, masks) == []


def test_masks_beyond_what_is_counted_at_a_time_count():
    train = np.zeros((doubts.CHUNK + 1, 2, 2), np.uint8)
    train[-1] = 1
    assert of_labels(train, train) == []


def test_a_channel_that_is_the_same_everywhere_is_told_with_its_level():
    white = pictures(3, channels=3)
    white[:, 1] = 255
    told = list(doubts.of_levels(*mean_and_std(white)))
    assert told == ["in channel 2 of 3 every pixel of the training images has the same level, 255 of 255"]


def test_a_set_knows_its_doubts_apart_by_what_they_spoil():
    images, labels = pictures(4), np.array([1, 1, 1, 1])
    made = ImageSet.of((images, labels), (images, labels), NAMES)
    assert [doubt[:26] for doubt in made.doubts] == ["4 of the 4 test images are"]
    assert len(made.doubts_of_labels) == 2 and made.to("cpu").doubts == made.doubts
    sane = ImageSet.of((images, np.array([0, 1, 2, 1])), (pictures(2), np.array([0, 1])), NAMES)
    assert (sane.doubts, sane.doubts_of_labels) == ((), ())
