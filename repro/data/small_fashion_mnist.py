"""The images of Fashion-MNIST in this package, and what suites can make of them: fewer images, fewer classes,
distorted ones.

Not in `embedded`, which scenes are drawn from: nets on them would be trained anew with every option here.
"""

import hashlib

import numpy as np

from repro.bounds import NonNegativeInt, PositiveInt, Size
from repro.contracts import DataSet, Split
from repro.data import distortion, embedded
from repro.data.images import ImageSet, check_size, shrink
from repro.errors import ReproError

ALL = tuple(range(embedded.FashionMnistSmall.classes))
A_CLASS = 1000  # training images


class SmallFashionMnist(DataSet):
    """Of Fashion-MNIST (Xiao et al. 2017), 1,000 training and 200 test images a class.

    `size` 14 and 7 are area averages.

    `classes` are some of the ten, 0 to 9, in both splits; they become classes 0, 1, … in the order given, and
    all images of them are there. `train` is the number of training images, of these; test images stay all.
    They are the first ones: any ten images on end, from a multiple of ten, have ten classes (`embedded`), so
    that n of k classes are n/k of each, give or take one.

    `distort` turns each image by up to 60° either way and scales it by 0.6 to 1.3, about its middle, before
    it is made smaller: always in the same way, which is drawn for its row of its split (`distortion`).
    """

    channels = 1

    def __init__(
        self,
        *,
        size: Size = 28,
        train: PositiveInt | None = None,
        classes: tuple[NonNegativeInt, ...] | None = None,
        distort: bool = False,
    ):
        check_size("fashion-mnist-small", size, 28)
        self.chosen = ALL if classes is None else tuple(classes)
        if not 1 < len(self.chosen) == len(set(self.chosen) & set(ALL)):
            raise ReproError(
                "data set 'fashion-mnist-small' wants `classes` to be two or more of 0 to 9, each once, not "
                f"{list(self.chosen)}"
            )
        self.classes = len(self.chosen)
        if train is not None and not self.classes <= train <= A_CLASS * self.classes:
            raise ReproError(
                f"data set 'fashion-mnist-small' has {A_CLASS * self.classes:,} training images of "
                f"{self.classes} classes; `train` is from {self.classes} up to that, not {train}"
            )
        self.size, self.train, self.distort = size, train, distort

    def fingerprint(self) -> str:
        """Of the file's content, the options, and the version of the distortion."""
        content = embedded.FashionMnistSmall(size=self.size).fingerprint()
        version = distortion.VERSION if self.distort else None
        options = (self.train, self.chosen, version)
        if options == (None, ALL, None):
            return content
        return hashlib.sha256(f"{content} {options}".encode()).hexdigest()[:16]

    def load(self) -> ImageSet:
        """As `embedded` does; distorting takes 0.06 ms an image on one core."""
        whole = embedded.FashionMnistSmall(size=28 if self.distort else self.size).load()
        names = tuple(whole.class_names[label] for label in self.chosen)
        return ImageSet.of(self._part("train", whole.train), self._part("test", whole.test), names)

    def _part(self, name: str, split: Split) -> tuple[np.ndarray, np.ndarray]:
        from repro.data.split import head

        images, labels = (tensor.numpy() for tensor in head(split, len(split)))
        numbers = np.full(len(ALL), -1)
        numbers[list(self.chosen)] = np.arange(self.classes)
        rows = np.flatnonzero(numbers[labels] >= 0)[: self.train if name == "train" else None]
        pixels = images[rows]
        if self.distort:
            pixels = shrink(distortion.distorted(pixels, rows, name), self.size)
        return pixels, numbers[labels[rows]]
