"""The data set in the package, so that a suite runs without a download: 12,000 images of Fashion-MNIST."""

import hashlib
from pathlib import Path
from typing import Literal

import numpy as np

from repro.bounds import Size
from repro.contracts import DataSet
from repro.data.images import ImageSet, check_size, shrink
from repro.data.shipped import digest_of

FILE = Path(__file__).with_name("fashion_mnist_small.parquet")
MAKE_IT = ", or make the file with `python -m repro.data.make_fashion_mnist_small` (see its docstring)"


class FashionMnistSmall(DataSet):
    """Of Fashion-MNIST (Xiao et al. 2017), 1,000 training and 200 test images a class.

    `size` 14 and 7 are area averages.

    Both splits are in a fixed shuffled order in which every ten images on end, from a multiple of ten, have
    ten classes: the first n are a balanced smaller set. Origin and licence: fashion_mnist_small.md, beside
    this file.
    """

    channels = 1
    classes = 10

    def __init__(self, *, size: Size = 28):
        check_size("fashion-mnist-small", size, 28)
        self.size = size

    def fingerprint(self) -> str:
        """Of the file's content and `size`."""
        return hashlib.sha256(
            f"{digest_of(FILE, 'fashion-mnist-small', MAKE_IT)} {self.size}".encode()
        ).hexdigest()[:16]

    def load(self) -> ImageSet:
        """Reads the file into memory and writes nothing, no cache either: many processes may do it."""
        import pyarrow.parquet
        from datasets import Dataset
        from datasets.table import InMemoryTable

        self._content()  # says what is wrong if the file is missing
        rows = Dataset(InMemoryTable(pyarrow.parquet.read_table(FILE)))
        pixels = np.frombuffer(b"".join(rows["pixels"][:]), np.uint8).reshape(-1, 1, 28, 28)
        images = shrink(pixels, self.size)
        labels = np.array(rows["label"][:])
        splits = np.array(rows["split"][:])

        def part(name: Literal["train", "test"]) -> tuple[np.ndarray, np.ndarray]:
            chosen = splits == rows.features["split"].str2int(name)
            return images[chosen], labels[chosen]

        return ImageSet.of(part("train"), part("test"), tuple(rows.features["label"].names))

    def _content(self) -> str:
        return digest_of(FILE, "fashion-mnist-small", MAKE_IT)
