"""Handwritten digits in this package, another domain than clothes: those that scikit-learn ships."""

import hashlib
from pathlib import Path

import numpy as np
from PIL import Image

from repro.bounds import PositiveInt, Size
from repro.contracts import DataSet
from repro.data import distortion
from repro.data.images import ImageSet
from repro.data.make_fashion_mnist_small import choose
from repro.data.shipped import digest_of
from repro.errors import ReproError

FILE = Path(__file__).with_name("digits.csv.gz")
WHITE = 16  # the highest level in the file
A_CLASS = 174  # images of the rarest digit, 8
TEST = 500


class Digits(DataSet):
    """Alpaydin and Kaynak 1998: 1,240 training and 500 test images of the digits 0 to 9, grey, of 8×8 pixels.

    Both splits are as many of each digit, in a fixed shuffled order in which every ten images on end, from a
    multiple of ten, have ten digits: the first `train` are a balanced smaller set. The 57 images that some
    digits have more than the rarest are left out. Writers are not told apart: splits share them. Origin and
    licence: digits.md, beside this file.

    Images are enlarged to `size` × `size`, bilinearly. `distort` then turns and scales them as
    `SmallFashionMnist` does.
    """

    channels = 1
    classes = 10

    def __init__(self, *, size: Size = 28, train: PositiveInt = 1240, distort: bool = False):
        most = A_CLASS * self.classes - TEST
        if size < 8 or not self.classes <= train <= most:
            raise ReproError(
                f"data set 'digits' wants a size of 8 or more and {self.classes} to {most:,} training "
                f"images, not size {size}, train {train}"
            )
        self.size, self.train, self.distort = size, train, distort

    def fingerprint(self) -> str:
        """Of the file's content, the options, and the version of the distortion."""
        options = (self.size, self.train, distortion.VERSION if self.distort else None)
        content = f"{digest_of(FILE, 'digits')} {options}"
        return hashlib.sha256(content.encode()).hexdigest()[:16]

    def load(self) -> ImageSet:
        """Pillow enlarges images of 8 bits in whole numbers: alike on every machine."""
        digest_of(FILE, "digits")  # says what is wrong if the file is missing
        table = np.loadtxt(FILE, np.uint8, delimiter=",")
        rows = np.array(list(choose(table[:, -1], "digits", A_CLASS)))
        levels = (table[:, :-1].astype(np.uint16) * 255 + WHITE // 2) // WHITE

        def part(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            pictures = [Image.fromarray(row.reshape(8, 8)) for row in levels[rows].astype(np.uint8)]
            larger = [p.resize((self.size, self.size), Image.Resampling.BILINEAR) for p in pictures]
            images = np.stack([np.asarray(picture) for picture in larger])[:, None]
            return distortion.distorted(images, rows, "digits") if self.distort else images, table[rows, -1]

        return ImageSet.of(part(rows[: self.train]), part(rows[-TEST:]), tuple("0123456789"))
