"""What is known of data sets before any of it is on the machine: how many images of which form, what is to be
got, how much it is, and where. Numbers of images are those of the sets' papers, sizes those of the downloads.
Imports no torch.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from repro.catalogue import DATASETS
from repro.contracts import DataSet
from repro.data import fashion_mnist
from repro.data.torchvision_sets import DEBIAN_FASHION_MNIST, root
from repro.data.voc_boxes import LISTS, TEST
from repro.recipe import Named

GB = 10**9
ITEMS = 40  # room for those of an image of VOC, which has two or three, and now and then a crowd


class Outline(NamedTuple):
    """A set, whether it is here or not."""

    train: int  # images
    test: int
    shape: tuple[int, int, int]  # channels, height, width
    masks: bool  # a class a pixel; else one an image, or boxes
    is_here: bool
    bytes: int  # of what is to be got
    source: str  # where it is
    boxes: int = 0  # around the items of an image, at most; then there are neither labels nor masks
    in_files: bool = False  # its images stay there, and are read when they are wanted

    @property
    def bytes_in_memory(self) -> int:
        """Images and masks take a byte a number, labels 8, boxes twice 24: to find, and to ignore."""
        channels, height, width = self.shape
        images = 0 if self.in_files else channels * height * width
        targets = 48 * self.boxes if self.boxes else height * width if self.masks else 8
        return (self.train + self.test) * (images + targets)


def outline(data: Named) -> Outline | None:
    """Of a data set with its options. None for one that says nothing: it is in a package, or must be read."""
    made = DATASETS.load(data.name)(**data.options)
    row = ROWS.get(data.name)
    return row(made) if row else getattr(made, "outline", lambda: None)()


def _fashion_mnist(made: Any) -> Outline:
    folders = root() / "FashionMNIST" / "raw", DEBIAN_FASHION_MNIST
    is_here = any(map(fashion_mnist.is_in, folders))
    source = "https://github.com/zalandoresearch/fashion-mnist"
    return Outline(60_000, 10_000, (1, made.size, made.size), False, is_here, 30_878_645, source)


def _cifar(folder: str, some_file: str, size: int) -> Callable[[Any], Outline]:
    def row(made: Any) -> Outline:
        is_here = (root() / folder / some_file).is_file()
        source = "https://www.cs.toronto.edu/~kriz/cifar.html"
        return Outline(50_000, 10_000, (3, made.size, made.size), False, is_here, size, source)

    return row


def _in_folders(made: Any) -> bool:
    """Whether there is a file of each kind."""
    return all(next(root().glob(pattern), None) is not None for pattern in made.layout())


def _voc(made: Any) -> Outline:
    more, size = made.train == "trainaug", 1_999_639_040
    source = "http://host.robots.ox.ac.uk/pascal/VOC/voc2012/"
    if more:
        size += int(1.4 * GB)
        source += (
            " and https://www2.eecs.berkeley.edu/Research/Projects/CS/vision/grouping/semantic_contours/"
        )
    shape = 3, made.size, made.size
    return Outline(10_582 if more else 1464, 1449, shape, True, _in_folders(made), size, source)


def _pets(made: Any) -> Outline:
    source = "https://www.robots.ox.ac.uk/~vgg/data/pets/"
    return Outline(3680, 3669, (3, made.size, made.size), True, _in_folders(made), 811_092_049, source)


def _cityscapes(made: Any) -> Outline:
    source = "https://www.cityscapes-dataset.com/downloads/ (with an account)"
    return Outline(2975, 500, (3, made.size, 2 * made.size), True, _in_folders(made), 11_840 * 10**6, source)


def _voc_boxes(made: Any) -> Outline:
    more, source = made.train == "2007+2012", "http://host.robots.ox.ac.uk/pascal/VOC/voc2007/"
    train, test, size = 5011, 4952, 911_052_800
    if more:
        train, size = train + 11_540, size + 1_999_639_040
        source += " and http://host.robots.ox.ac.uk/pascal/VOC/voc2012/"
    lists = [name.split("/") for name in (*LISTS[made.train], TEST)]
    folder = root() / "VOCdevkit"
    is_here = all((folder / year / "ImageSets" / "Main" / f"{split}.txt").is_file() for year, split in lists)
    if made.images is not None:
        train, test = min(train, made.images), min(test, made.images)
    shape = 3, made.size, made.size
    return Outline(train, test, shape, False, is_here, size, source, boxes=ITEMS)


def _imagenet(made: Any) -> Outline:
    """Of a subset as much as if all classes were equally large."""
    is_here = all((root() / "imagenet" / split).is_dir() for split in ("train", "val"))
    source = "https://image-net.org/download-images (with an account)"
    train, test = (count * made.classes // 1000 for count in (1_281_167, 50_000))
    shape = 3, made.size, made.size
    return Outline(train, test, shape, False, is_here, 154_642_401_280, source, in_files=True)


ROWS: Mapping[str, Callable[[DataSet], Outline]] = {
    "fashion-mnist": _fashion_mnist,
    "cifar10": _cifar("cifar-10-batches-py", "test_batch", 170_498_071),
    "cifar100": _cifar("cifar-100-python", "test", 169_001_437),
    "pascal-voc": _voc,
    "oxford-pets": _pets,
    "cityscapes": _cityscapes,
    "pascal-voc-boxes": _voc_boxes,
    "imagenet": _imagenet,
}
