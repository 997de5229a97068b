import hashlib
import re

import numpy as np
import pytest
import torch
from scipy.ndimage import affine_transform

from repro.catalogue import DATASETS
from repro.data import distortion, small_fashion_mnist
from repro.data.distortion import distorted
from repro.data.embedded import FashionMnistSmall
from repro.data.images import shrink
from repro.data.small_fashion_mnist import SmallFashionMnist
from repro.errors import ReproError

# SHA-256 of training and test pixels, as one machine made them: another that gives others is to be told
DISTORTED = (
    "1eab46c1fe737d8820f7abac0e7166efad81504bb06fd3e0c8bb8d1770806db3",
    "cac5cd2b2160179a527872dacd4d88703806edcd5a1f948d3c392803ff0eedc9",
)


@pytest.fixture(scope="module")
def whole():
    return FashionMnistSmall().load()


@pytest.fixture(scope="module")
def turned():
    return SmallFashionMnist(distort=True).load()


def way(row: int, draw: str = "train") -> tuple[np.ndarray, float, float]:
    """The matrix from a place in a distorted image to one in the source, the angle and the factor of size."""
    cos, sin = (part / 2**16 for part in distortion._way(f"{draw} {row}"))
    return np.array([[cos, -sin], [sin, cos]]), np.degrees(np.arctan2(sin, cos)), 1 / np.hypot(cos, sin)


def test_without_options_it_is_the_embedded_set(whole):
    made, data = SmallFashionMnist(), SmallFashionMnist().load()
    assert made.fingerprint() == FashionMnistSmall().fingerprint() and made.classes == 10
    assert SmallFashionMnist(size=7).fingerprint() == FashionMnistSmall(size=7).fingerprint()
    for ours, theirs in ((data.train, whole.train), (data.test, whole.test)):
        assert torch.equal(ours.images, theirs.images) and torch.equal(ours.targets, theirs.targets)
    assert (data.mean, data.std, data.class_names) == (whole.mean, whole.std, whole.class_names)


def test_some_classes_are_all_their_images_numbered_as_they_are_given(whole):
    made = SmallFashionMnist(classes=(9, 2))
    data = made.load()
    assert made.classes == 2 and data.class_names == ("Ankle boot", "Pullover")
    for ours, theirs in ((data.train, whole.train), (data.test, whole.test)):
        assert torch.equal(ours.images[ours.targets == 0], theirs.images[theirs.targets == 9])
        assert torch.equal(ours.images[ours.targets == 1], theirs.images[theirs.targets == 2])
        assert len(ours) == len(theirs) // 5


def test_few_images_are_the_first_ones_of_each_class_as_many_and_all_are_tested_on(whole):
    data = SmallFashionMnist(train=50, classes=(5, 6, 7, 8, 9)).load()
    assert data.train.targets.bincount().tolist() == [10] * 5 and len(data.test) == 1000
    kept = whole.train.images[whole.train.targets >= 5][:50]
    assert torch.equal(data.train.images, kept)


def test_images_are_turned_and_scaled_as_scipy_does_it(whole, turned):
    for images, split, draw in ((whole.train, turned.train, "train"), (whole.test, turned.test, "test")):
        for row in (0, 1, 7, 1999):
            matrix, middle = way(row, draw)[0], np.array([13.5, 13.5])
            source = images.images[row, 0].double().numpy()
            wanted = affine_transform(source, matrix, middle - matrix @ middle, order=1, mode="grid-constant")
            assert np.abs(wanted - split.images[row, 0].numpy()).max() < 0.75  # ½ of rounding, and weights


def test_colours_are_distorted_alike(whole):
    image = whole.train.images[:3].numpy()
    colours = distorted(np.concatenate([image, 255 - image], 1), range(3), "train")
    assert np.array_equal(colours[:, :1], distorted(image, range(3), "train"))
    assert np.array_equal(colours[:, 1:], distorted(255 - image, range(3), "train"))


def test_angles_and_sizes_are_uniform():
    drawn = np.array([way(row)[1:] for row in range(10_000)])
    for values, low, high in ((drawn[:, 0], -60, 60), (drawn[:, 1], 0.6, 1.3)):
        counts, _ = np.histogram(values, 10, (low - 1e-3, high + 1e-3))
        assert counts.sum() == 10_000 and np.abs(counts - 1000).max() < 100  # 3.3 standard deviations
    assert abs(np.corrcoef(drawn.T)[0, 1]) < 0.03


def test_a_turn_is_about_the_middle_to_the_right():
    bar = np.zeros((1, 1, 28, 28), np.uint8)
    bar[..., 13:15, 13:] = 200  # from the middle to the right
    for row in range(5):
        _, angle, _ = way(row)
        down, across = np.nonzero(distorted(bar, [row], "train")[0, 0] > 60)
        seen = np.degrees(np.arctan2(down.mean() - 13.5, across.mean() - 13.5))
        assert abs(seen - angle) < 5


def test_every_machine_makes_the_same_pixels(turned):
    found = [
        hashlib.sha256(split.images.numpy().tobytes()).hexdigest() for split in (turned.train, turned.test)
    ]
    assert tuple(found) == DISTORTED


def test_an_image_is_distorted_alike_whichever_are_chosen_and_before_it_is_made_smaller(turned):
    few = SmallFashionMnist(distort=True, size=14, train=20, classes=(3, 4)).load()
    images = turned.train.images[torch.isin(turned.train.targets, torch.tensor([3, 4]))][:20]
    assert np.array_equal(few.train.images.numpy(), shrink(images.numpy(), 14))


def test_each_option_has_a_fingerprint_of_its_own(monkeypatch):
    options = [{}, {"size": 14}, {"train": 50}, {"classes": (0, 1)}, {"classes": (1, 0)}, {"distort": True}]
    prints = [SmallFashionMnist(**some).fingerprint() for some in options]
    assert len(set(prints)) == len(prints)
    monkeypatch.setattr(distortion, "VERSION", 0)
    assert SmallFashionMnist(distort=True).fingerprint() not in prints


@pytest.mark.parametrize("classes", [[3], [1, 1], [0, 10]])
def test_classes_that_are_not_are_refused(classes):
    with pytest.raises(ReproError, match=re.escape(f"two or more of 0 to 9, each once, not {classes}")):
        SmallFashionMnist(classes=tuple(classes))


@pytest.mark.parametrize("train", [1, 2001])
def test_more_images_than_there_are_and_fewer_than_classes_are_refused(train):
    with pytest.raises(ReproError, match="2,000 training images of 2 classes; `train` is from 2 up to that"):
        SmallFashionMnist(classes=(0, 1), train=train)


def test_suites_name_it_with_all_options():
    assert DATASETS.load("fashion-mnist-small") is small_fashion_mnist.SmallFashionMnist
    assert DATASETS.errors("fashion-mnist-small", {"classes": [0, 1], "train": 9, "distort": True}) == []
    assert DATASETS.errors("fashion-mnist-small", {"classes": [-1, 1]})
