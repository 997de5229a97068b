"""Makes fashion_mnist_small.parquet from the four files of Fashion-MNIST.

    python -m repro.data.make_fashion_mnist_small SOURCE_DIR [OUTPUT]

SOURCE_DIR holds {train,t10k}-{images-idx3,labels-idx1}-ubyte.gz, as Debian's package dataset-fashion-mnist
has them in /usr/share/datasets/fashion-mnist. Rows are always the same; the file's bytes also depend on
pyarrow's version.
"""

import hashlib
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from repro.data import fashion_mnist
from repro.data.embedded import FILE
from repro.errors import ReproError

SPLITS = {"train": ("train", 1000), "test": ("t10k", 200)}  # name → prefix of its files, images a class


def choose(labels: np.ndarray, split: str, per_class: int) -> Iterator[int]:
    """Indices of `per_class` images of each class, in rounds that have each class once.

    Choice and order go by SHA-256: random, and the same on every machine and with every version of every
    library, which a generator's shuffle does not promise. The order in a round needs a hash of its own: with
    that of the choice, neighbouring rounds would mostly have the same order.
    """

    def rank(purpose: str, index: int) -> bytes:
        return hashlib.sha256(f"{purpose} {split} {index}".encode()).digest()

    choice, order = partial(rank, "choice"), partial(rank, "order")
    ranked = [
        sorted(np.flatnonzero(labels == label).tolist(), key=choice)[:per_class]
        for label in np.unique(labels)
    ]
    for one_of_each in zip(*ranked, strict=True):
        yield from sorted(one_of_each, key=order)


def rows(source: Path) -> dict[str, list[Any]]:
    """The columns of the file."""
    columns: dict[str, list[Any]] = {"pixels": [], "label": [], "split": [], "source_index": []}
    for split, (prefix, per_class) in SPLITS.items():
        images = fashion_mnist.read(source, f"{prefix}-images-idx3-ubyte")
        labels = fashion_mnist.read(source, f"{prefix}-labels-idx1-ubyte")
        for index in choose(labels, split, per_class):
            values = (images[index].tobytes(), int(labels[index]), split, index)
            for column, value in zip(columns.values(), values, strict=True):
                column.append(value)
    return columns


def write(columns: dict[str, list[Any]], output: Path) -> None:
    import pyarrow
    import pyarrow.parquet
    from datasets import ClassLabel, Features, Value

    features = Features(
        pixels=Value("binary"),  # 28 × 28 bytes, row by row; 0 is the background
        label=ClassLabel(names=list(fashion_mnist.CLASS_NAMES)),
        split=ClassLabel(names=list(SPLITS)),
        source_index=Value("int32"),  # in the split's source files, from 0
    )
    coded = {**columns, "split": [features["split"].str2int(split) for split in columns["split"]]}
    table = pyarrow.Table.from_pydict(coded, schema=features.arrow_schema)
    # zstd 22: 5.1 MB, read in 25 ms; brotli 11 would be 4.6 MB, in 100 ms. Pages of up to 64 MiB: one a
    # column.
    pyarrow.parquet.write_table(
        table, output, compression="zstd", compression_level=22, use_dictionary=False, data_page_size=1 << 26
    )


if __name__ == "__main__":
    if not 2 <= len(sys.argv) <= 3:
        sys.exit(__doc__)
    target = Path(sys.argv[2]) if len(sys.argv) == 3 else FILE
    try:
        write(rows(Path(sys.argv[1])), target)
    except ReproError as error:
        sys.exit(str(error))
    digest = hashlib.sha256(target.read_bytes()).hexdigest()
    sys.stdout.write(f"{target}: {target.stat().st_size:,} bytes, SHA-256 {digest}\n")
