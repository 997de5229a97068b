"""Full data sets, from a folder on this machine or, where asked to, downloaded through torchvision.

The folder is that of the environment variable REPRO_DATA, or else `data` where the command runs. Its layout
is torchvision's: FashionMNIST/raw, cifar-10-batches-py, cifar-100-python. Contents are checked on every load,
so the fingerprint is made from the known checksums and reads nothing.
"""

import hashlib
import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from repro.bounds import Size
from repro.contracts import DataSet
from repro.data import fashion_mnist
from repro.data.images import ImageSet, MissingData, check_size, shrink

if TYPE_CHECKING:
    from torchvision.datasets import CIFAR10

# MD5 of the files, as in torchvision.datasets.cifar: what it checks before it reads them.
CIFAR10_FILES = {
    "data_batch_1": "c99cafc152244af753f735de768cd75f",
    "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
    "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
    "data_batch_4": "634d18415352ddfa80567beed471001a",
    "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
    "test_batch": "40351d587109b95175f43aff81a1287e",
}
CIFAR100_FILES = {"train": "16019d7e3df5f24257cddd939b257f8d", "test": "f0ef6b0ae62326f3e7ffdfab6717acfc"}

DEBIAN_FASHION_MNIST = Path("/usr/share/datasets/fashion-mnist")  # of Debian's package dataset-fashion-mnist


class FashionMnist(DataSet):
    """60,000 training and 10,000 test images, 28×28 grey: Xiao et al. 2017. Sizes 14, 7: area averages.

    Its files may be unpacked or .gz.
    """

    channels = 1
    classes = 10

    def __init__(self, *, size: Size = 28, download: bool = False):
        check_size("fashion-mnist", size, 28)
        self.size, self.download = size, download

    def fingerprint(self) -> str:
        return _fingerprint(fashion_mnist.FILES, self.size)

    def load(self) -> ImageSet:
        here = root() / "FashionMNIST" / "raw"
        if self.download and not _fashion_mnist_folder(here):
            from torchvision.datasets import FashionMNIST

            _download("fashion-mnist", FashionMNIST, here)
        folder = _fashion_mnist_folder(here)
        if folder is None:
            names = ", ".join(fashion_mnist.FILES)
            raise MissingData(
                f"data set 'fashion-mnist' is neither in {here} nor in {DEBIAN_FASHION_MNIST}. "
                f"Its files are {names}, each unpacked or as .gz. "
                f"{_remedies('FashionMNIST/raw')}, or install Debian's dataset-fashion-mnist."
            )
        files = {name: fashion_mnist.read(folder, name) for name in fashion_mnist.FILES}

        def part(prefix: str) -> tuple[np.ndarray, np.ndarray]:
            images = files[f"{prefix}-images-idx3-ubyte"][:, None]
            return shrink(images, self.size), files[f"{prefix}-labels-idx1-ubyte"]

        return ImageSet.of(part("train"), part("t10k"), fashion_mnist.CLASS_NAMES)


class Cifar10(DataSet):
    """50,000 training and 10,000 test images, 32×32 colour: Krizhevsky 2009. Sizes 16, 8: area averages."""

    channels = 3
    classes = 10

    def __init__(self, *, size: Size = 32, download: bool = False):
        check_size("cifar10", size, 32)
        self.size, self.download = size, download

    def fingerprint(self) -> str:
        return _fingerprint(CIFAR10_FILES, self.size)

    def load(self) -> ImageSet:
        from torchvision.datasets import CIFAR10

        return _load_cifar("cifar10", CIFAR10, self.size, self.download)


class Cifar100(DataSet):
    """50,000 training and 10,000 test images of 100 (fine) classes: Krizhevsky 2009. Sizes as Cifar10."""

    channels = 3
    classes = 100

    def __init__(self, *, size: Size = 32, download: bool = False):
        check_size("cifar100", size, 32)
        self.size, self.download = size, download

    def fingerprint(self) -> str:
        return _fingerprint(CIFAR100_FILES, self.size)

    def load(self) -> ImageSet:
        from torchvision.datasets import CIFAR100

        return _load_cifar("cifar100", CIFAR100, self.size, self.download)


def root() -> Path:
    """The folder that data sets are looked for in."""
    return Path(os.environ.get("REPRO_DATA") or "data").expanduser().absolute()


def _load_cifar(name: str, source: "type[CIFAR10]", size: int, download: bool) -> ImageSet:
    here = root() / source.base_folder

    def part(train: bool) -> tuple[np.ndarray, np.ndarray]:
        with warnings.catch_warnings():
            # The files are pickles of a numpy of 2009; numpy 2.4.0 to 2.4.4 warn of how their dtypes say
            # `align`.
            warnings.filterwarnings("ignore", r"dtype\(\): align", np.exceptions.VisibleDeprecationWarning)
            split = source(root(), train=train)
        class_names.update(dict.fromkeys(split.classes))
        return shrink(split.data.transpose(0, 3, 1, 2), size), np.array(split.targets)

    class_names: dict[str, None] = {}
    try:
        parts = part(train=True), part(train=False)
    except RuntimeError:  # torchvision's, of files that are absent or have other MD5s
        if not download:
            state = (
                "has files that are missing or damaged (by their MD5)" if here.is_dir() else "does not exist"
            )
            raise MissingData(
                f"data set '{name}': {here} {state}. {_remedies(source.base_folder)}."
            ) from None
        _download(name, source, here)
        parts = part(train=True), part(train=False)
    return ImageSet.of(*parts, tuple(class_names))


def _fashion_mnist_folder(here: Path) -> Path | None:
    return next((folder for folder in (here, DEBIAN_FASHION_MNIST) if fashion_mnist.is_in(folder)), None)


def _download(name: str, source: type, here: Path) -> None:
    """Through torchvision, by one process at a time. `MissingData` if it fails."""
    from filelock import FileLock

    try:
        root().mkdir(parents=True, exist_ok=True)
        with FileLock(root() / f".{name}.lock"):
            source(root(), download=True)
    except (OSError, RuntimeError) as error:  # URLError is an OSError; torchvision's own are RuntimeError
        cause = " ".join(str(error).split())
        raise MissingData(f"data set '{name}' is not in {here} and cannot be downloaded: {cause}") from None


def _remedies(layout: str) -> str:
    return (
        f"Set REPRO_DATA to the folder that holds {layout} (now {root()}), "
        "or give the option `download: true`"
    )


def _fingerprint(checksums: Mapping[str, str], size: int) -> str:
    return hashlib.sha256(f"{sorted(checksums.items())} {size}".encode()).hexdigest()[:16]
