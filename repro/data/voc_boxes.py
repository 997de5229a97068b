"""PASCAL VOC's boxes, from a folder on this machine, with all images made one size.

The folder and what is made of images are those of `repro.data.segmentation_sets`: an image that is larger is
shrunk, sides in proportion, none is enlarged, and what is left on the right and below is grey. Boxes are
scaled with their images; VOC counts pixels from 1 and includes a box's last one.
"""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple
from xml.etree import ElementTree

import numpy as np
from PIL import Image

from repro import contents
from repro.bounds import Size
from repro.contracts import DataSet, Split
from repro.data import doubts
from repro.data.images import ImageSet, MissingData, mean_and_std
from repro.data.levels import read_picture
from repro.data.lists import read_list
from repro.data.masked_images import GREY
from repro.data.segmentation_sets import VOC_CLASSES
from repro.data.torchvision_sets import root
from repro.errors import ReproError

CLASSES = VOC_CLASSES[1:]  # without the background
LISTS = {"2007": ("VOC2007/trainval",), "2007+2012": ("VOC2007/trainval", "VOC2012/trainval")}
TEST = "VOC2007/test"


class Annotated(NamedTuple):
    """An image and its boxes, as names below the data folder, and where they are listed."""

    image: str
    boxes: str
    where: str


class Item(NamedTuple):
    """A box, x1, y1, x2, y2 in pixels of the file, the latter two exclusive; its class from 0."""

    corners: tuple[float, float, float, float]
    label: int
    difficult: bool


class Loaded(NamedTuple):
    """Images uint8 [N, 3, size, size], and of each the items, in pixels of these."""

    images: np.ndarray
    items: list[list[Item]]


class PascalVocBoxes(DataSet):
    """PASCAL VOC's 20 classes: 5,011 training images of 2007 (`trainval`) and 4,952 test images of 2007.

    `train: 2007+2012` adds the 11,540 of VOC 2012's `trainval`. Of each split there are the first so many
    `images`, in the order of its list, if that is given. Targets are `DifficultBoxes`. Images take 3 bytes a
    pixel: at size 300 all of 2007 takes 2.7 GB.
    """

    channels = 3
    classes = len(CLASSES)

    def __init__(
        self,
        *,
        size: Size = 300,
        train: Literal["2007", "2007+2012"] = "2007",
        images: Size | None = None,
    ):
        if size < 1:
            raise ReproError(f"data set 'pascal-voc-boxes' wants a size of 1 pixel or more, not {size}")
        if images is not None and images < 1:
            raise ReproError(f"data set 'pascal-voc-boxes' wants 1 image or more, not {images}")
        self.size, self.train, self.images = size, train, images

    def fingerprint(self) -> str:
        splits = self._splits()
        files = [file for split in splits for row in split for file in (row.image, row.boxes)]
        try:
            held = contents.hashes(root(), files)
        except OSError as error:
            raise _missing(Path(error.filename)) from None
        known = [[(row.image, held[row.image], held[row.boxes]) for row in split] for split in splits]
        return hashlib.sha256(json.dumps([self.size, self.train, known]).encode()).hexdigest()[:16]

    def load(self) -> ImageSet:
        train, test = (_loaded(rows, self.size) for rows in self._splits())
        mean, std = mean_and_std(train.images)
        first, second = (
            np.array([item.label for items in part.items for item in items], int) for part in (train, test)
        )
        return ImageSet(
            _split(train),
            _split(test),
            CLASSES,
            mean,
            std,
            doubts=(*doubts.of_levels(mean, std), *doubts.of_images(train.images, test.images)),
            doubts_of_labels=tuple(doubts.of_labels(first, second, CLASSES)),
        )

    def _splits(self) -> tuple[list[Annotated], list[Annotated]]:
        train, test = [row for name in LISTS[self.train] for row in _listed(name)], _listed(TEST)
        return train[: self.images], test[: self.images]


def _listed(name: str) -> list[Annotated]:
    year, split = name.split("/")
    folder = f"VOCdevkit/{year}"
    path = root() / f"{folder}/ImageSets/Main/{split}.txt"
    if not path.is_file():
        raise _missing(path)
    lines = [(line.text.split()[0], line.where) for line in read_list(path)]
    return [Annotated(f"{folder}/JPEGImages/{n}.jpg", f"{folder}/Annotations/{n}.xml", at) for n, at in lines]


def _loaded(rows: Sequence[Annotated], size: int) -> Loaded:
    loaded = Loaded(np.empty((len(rows), 3, size, size), np.uint8), [])
    loaded.images[:] = np.reshape(GREY, (3, 1, 1))
    for row, pixels in zip(rows, loaded.images, strict=True):
        try:
            image = read_picture(root() / row.image)
            items = annotations(root() / row.boxes)
        except FileNotFoundError as error:
            raise _missing(Path(error.filename)) from None
        ratio = min(1.0, size / image.width, size / image.height)
        wide, high = (max(1, round(side * ratio)) for side in image.size)
        fitted = np.asarray(image.resize((wide, high), Image.Resampling.BILINEAR))
        pixels[:, :high, :wide] = fitted.transpose(2, 0, 1)
        scale = np.array([wide / image.width, high / image.height] * 2)
        ends = np.array([wide, high] * 2)
        loaded.items.append([_within(item, scale, ends, root() / row.boxes) for item in items])
    return loaded


def _within(item: Item, scale: np.ndarray, ends: np.ndarray, path: Path) -> Item:
    """The item in pixels of the image as it is loaded, and no part of it outside."""
    x1, y1, x2, y2 = (np.array(item.corners) * scale).clip(0, ends).tolist()
    if x1 >= x2 or y1 >= y2:
        raise ReproError(f"data set 'pascal-voc-boxes': {path} has a box that is empty, or outside the image")
    return item._replace(corners=(x1, y1, x2, y2))


def annotations(path: Path) -> list[Item]:
    """What a file of VOC's says. Parts of persons, which it has too, are left out."""
    try:
        objects = ElementTree.fromstring(path.read_bytes()).findall("object")
        return [_item(entry) for entry in objects]
    except (ElementTree.ParseError, ValueError) as error:
        raise ReproError(
            f"data set 'pascal-voc-boxes': {path} cannot be read as annotations of VOC: {error}"
        ) from None


def _item(entry: ElementTree.Element) -> Item:
    """Raises ValueError where something is missing, or of a class that VOC does not have."""
    x1, y1, x2, y2 = (float(entry.findtext(f"bndbox/{key}", "")) for key in ("xmin", "ymin", "xmax", "ymax"))
    difficult = entry.findtext("difficult", "0").strip() == "1"
    return Item((x1 - 1, y1 - 1, x2, y2), CLASSES.index(entry.findtext("name", "").strip()), difficult)


def _split(loaded: Loaded) -> Split:
    import torch

    from repro.data.difficult import DifficultBoxes
    from repro.data.split import InMemory
    from repro.data.targets import NONE, Boxes

    def boxes(difficult: bool) -> Boxes:
        chosen = [[item for item in items if item.difficult is difficult] for items in loaded.items]
        most = max(1, *map(len, chosen)) if chosen else 1
        corners, labels = torch.zeros(len(chosen), most, 4), torch.full((len(chosen), most), NONE)
        for image, items in enumerate(chosen):
            for number, item in enumerate(items):
                corners[image, number] = torch.tensor(item.corners)
                labels[image, number] = item.label
        return Boxes(corners, labels)

    return InMemory(torch.from_numpy(loaded.images), DifficultBoxes(boxes(False), boxes(True)))


def _missing(path: Path) -> MissingData:
    return MissingData(
        f"data set 'pascal-voc-boxes': there is no {path}. Its official layout is "
        "VOCdevkit/VOC2007/ImageSets/Main/trainval.txt and test.txt, JPEGImages/*.jpg and Annotations/*.xml, "
        f"and the same in VOC2012. Set REPRO_DATA to the folder that holds VOCdevkit (now {root()})"
    )
