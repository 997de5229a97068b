"""The segmentation sets of the field, from a folder on this machine, with all images of a set made one size.

The folder is that of the environment variable REPRO_DATA, or else `data` where the command runs. Layouts are
the official ones, as torchvision reads them. Nothing is downloaded. An image that is larger than the size
wanted is shrunk, sides in proportion (bilinear over the source's area, its mask by nearest pixel), and none
is enlarged; what is left, on the right and below, is grey in the image and 255, no label, in the mask. So
sets fit into memory and into batches, and scores are those of images of this size, not of the originals.
Images take 4 bytes a pixel with their masks.

Fingerprints are of the lists of images, and of the names and sizes of all files: no picture is read for them.
"""

import hashlib
import itertools
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
from PIL import Image

from repro.contracts import DataSet
from repro.data.images import ImageSet, MissingData
from repro.data.targets import IGNORE
from repro.data.torchvision_sets import root
from repro.errors import ReproError

Example: TypeAlias = Callable[[], tuple[Image.Image, Image.Image]]  # reads an image and its mask

# ImageNet's mean colour, with which DeepLab pads (Chen et al. 2015: IMG_MEAN of its code)
GREY = (
    123,
    117,
    104,
)

VOC = "VOCdevkit/VOC2012"
VOC_LISTS = f"{VOC}/ImageSets/Segmentation"
VOC_CLASSES = (
    *("background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow"),
    *(
        "diningtable",
        "dog",
        "horse",
        "motorbike",
        "person",
        "pottedplant",
        "sheep",
        "sofa",
        "train",
        "tvmonitor",
    ),
)


class PascalVoc(DataSet):
    """PASCAL VOC 2012, 20 classes and background: 1,464 training images (`train`), 1,449 test images (`val`).

    Outlines, which VOC marks void, are 255. `train: trainaug` adds the images of SBD (Hariharan et al. 2011)
    that are not in `val`: 10,582 in all. They are those of ImageSets/Segmentation/trainaug.txt with masks in
    SegmentationClassAug, where these are in VOC's folder; else those of SBD's train.txt and val.txt in sbd/
    (this needs scipy), and then images of VOC's own list keep VOC's masks. No image of VOC is longer than 500
    pixels: from size 500 on none is shrunk.
    """

    channels = 3
    classes = 21

    def __init__(self, *, size: int = 321, train: Literal["train", "trainaug"] = "train"):
        _check_size("pascal-voc", size)
        self.size, self.train = size, train

    def fingerprint(self) -> str:
        return _fingerprint("pascal-voc", (self.size, self.train), self._layout())

    def load(self) -> ImageSet:
        from torchvision.datasets import VOCSegmentation

        _check_layout("pascal-voc", self._layout())
        train, test = (VOCSegmentation(root(), image_set=split) for split in ("train", "val"))
        examples = _examples(train)
        if self.train == "trainaug" and self._has_list():
            examples = [
                partial(_voc_pair, name) for name in (root() / VOC_LISTS / "trainaug.txt").read_text().split()
            ]
        elif self.train == "trainaug":
            known = {Path(path).stem for path in (*train.images, *test.images)}
            for more in map(_sbd, ("train", "val")):
                new = (Path(path).stem not in known for path in more.images)
                examples += itertools.compress(_examples(more), new)
        masks = {**{value: value for value in range(self.classes)}, IGNORE: IGNORE}
        return _image_set("pascal-voc", examples, _examples(test), (self.size, self.size), masks, VOC_CLASSES)

    def _has_list(self) -> bool:
        return (root() / VOC_LISTS / "trainaug.txt").is_file()

    def _layout(self) -> tuple[str, ...]:
        layout = (
            f"{VOC_LISTS}/train.txt",
            f"{VOC_LISTS}/val.txt",
            f"{VOC}/JPEGImages/*.jpg",
            f"{VOC}/SegmentationClass/*.png",
        )
        if self.train == "train":
            return layout
        if self._has_list():
            return (*layout, f"{VOC_LISTS}/trainaug.txt", f"{VOC}/SegmentationClassAug/*.png")
        return (*layout, "sbd/train.txt", "sbd/val.txt", "sbd/img/*.jpg", "sbd/cls/*.mat")


class OxfordPets(DataSet):
    """Oxford-IIIT Pet (Parkhi et al. 2012), cats and dogs: 3,680 training (`trainval`) and 3,669 test images.

    `target: trimap` has the classes background, pet and border; `foreground` has background and pet, the
    border being 255, as the annotators left it ("not classified").
    """

    channels = 3

    def __init__(self, *, size: int = 128, target: Literal["trimap", "foreground"] = "trimap"):
        _check_size("oxford-pets", size)
        self.size, self.target = size, target
        self.class_names = ("background", "pet", "border") if target == "trimap" else ("background", "pet")
        self.classes = len(self.class_names)

    def fingerprint(self) -> str:
        return _fingerprint("oxford-pets", (self.size, self.target), self._layout())

    def load(self) -> ImageSet:
        from torchvision.datasets import OxfordIIITPet

        _check_layout("oxford-pets", self._layout())
        train = _examples(OxfordIIITPet(root(), "trainval", "segmentation"))
        test = _examples(OxfordIIITPet(root(), "test", "segmentation"))
        masks = {1: 1, 2: 0, 3: 2 if self.target == "trimap" else IGNORE}
        return _image_set("oxford-pets", train, test, (self.size, self.size), masks, self.class_names)

    def _layout(self) -> tuple[str, ...]:
        lists = tuple(f"oxford-iiit-pet/annotations/{name}.txt" for name in ("trainval", "test"))
        return (*lists, "oxford-iiit-pet/images/*.jpg", "oxford-iiit-pet/annotations/trimaps/*.png")


class Cityscapes(DataSet):
    """Cityscapes (Cordts et al. 2016), finely annotated, 19 classes: 2,975 training, 500 test images (`val`).

    Images are `size` pixels high and twice as wide, as the originals are at 1024. The ids that are not among
    the benchmark's 19 classes are 255.
    """

    channels = 3
    classes = 19

    def __init__(self, *, size: int = 256):
        _check_size("cityscapes", size)
        self.size = size

    def fingerprint(self) -> str:
        return _fingerprint("cityscapes", (self.size,), self._layout())

    def load(self) -> ImageSet:
        from torchvision.datasets import Cityscapes as Source

        _check_layout("cityscapes", self._layout())
        rows = [row for row in Source.classes if row.id >= 0]
        train = Source(root() / "cityscapes", "train", target_type="semantic")
        test = Source(root() / "cityscapes", "val", target_type="semantic")
        for source in (train, test):  # torchvision has them as the file system does, in any order
            source.images.sort()
            source.targets.sort()
        names = tuple(
            row.name for row in sorted(rows, key=lambda row: row.train_id) if row.train_id != IGNORE
        )
        masks = {**{row.id: row.train_id for row in rows}, IGNORE: IGNORE}
        return _image_set(
            "cityscapes", _examples(train), _examples(test), (self.size, 2 * self.size), masks, names
        )

    def _layout(self) -> tuple[str, ...]:
        kinds = ("leftImg8bit/{}/*/*_leftImg8bit.png", "gtFine/{}/*/*_gtFine_labelIds.png")
        return tuple(f"cityscapes/{kind.format(split)}" for split in ("train", "val") for kind in kinds)


def _voc_pair(name: str) -> tuple[Image.Image, Image.Image]:
    folder = root() / VOC
    return Image.open(folder / f"JPEGImages/{name}.jpg").convert("RGB"), Image.open(
        folder / f"SegmentationClassAug/{name}.png"
    )


def _sbd(split: str) -> Any:
    from torchvision.datasets import SBDataset

    try:
        return SBDataset(root() / "sbd", split, "segmentation")
    except RuntimeError as error:  # scipy is not there, to read its .mat files with
        raise MissingData(f"data set 'pascal-voc': SBD in {root() / 'sbd'} cannot be read. {error}") from None


def _examples(source: Any) -> list[Example]:
    """Of a torchvision set."""
    return [partial(source.__getitem__, number) for number in range(len(source))]


def _image_set(
    name: str,
    train: Sequence[Example],
    test: Sequence[Example],
    shape: tuple[int, int],
    masks: Mapping[int, int],
    class_names: tuple[str, ...],
) -> ImageSet:
    """Images and masks, fitted to a height and width. `masks` says which class each value of a mask means."""
    return ImageSet.of(_part(name, train, shape, masks), _part(name, test, shape, masks), class_names)


def _part(
    name: str, examples: Sequence[Example], shape: tuple[int, int], masks: Mapping[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """uint8 [N, 3, H, W] and [N, H, W]."""
    images = np.empty((len(examples), 3, *shape), np.uint8)
    targets = np.full((len(examples), *shape), IGNORE, np.uint8)
    images[:] = np.reshape(GREY, (3, 1, 1))
    classes = np.full(256, -1)
    classes[list(masks)] = list(masks.values())
    for number, read in enumerate(examples):
        try:
            image, mask = read()
            mask.load()  # and close its file
        except FileNotFoundError as error:
            raise MissingData(
                f"data set '{name}': {error.filename} does not exist, but it is listed"
            ) from None
        except OSError as error:
            which = f"{number + 1} of {len(examples)} in a list"
            raise ReproError(
                f"data set '{name}': image {which}, or its mask, cannot be read: {error}"
            ) from None
        where = getattr(mask, "filename", f"the mask of image {number}")
        if image.size != mask.size or mask.mode not in ("L", "P"):
            raise ReproError(
                f"data set '{name}': {where} is {mask.size[0]}×{mask.size[1]}, of mode {mask.mode}; wanted "
                f"is the image's size, {image.size[0]}×{image.size[1]}, and mode L or P: a class a pixel"
            )
        ratio = min(1.0, shape[1] / image.width, shape[0] / image.height)
        fitted = max(1, round(image.width * ratio)), max(1, round(image.height * ratio))
        labels = classes[np.asarray(mask.resize(fitted, Image.Resampling.NEAREST))]
        if labels.min() < 0:
            values = np.setdiff1d(np.asarray(mask), list(masks))[:5]
            raise ReproError(
                f"data set '{name}': {where} has values that are no class: {', '.join(map(str, values))}"
            )
        pixels = np.asarray(image.resize(fitted, Image.Resampling.BILINEAR)).transpose(2, 0, 1)
        images[number, :, : fitted[1], : fitted[0]] = pixels
        targets[number, : fitted[1], : fitted[0]] = labels
    return images, targets


def _check_size(name: str, size: int) -> None:
    if size < 1:
        raise ReproError(f"data set '{name}' wants a size of 1 pixel or more, not {size}")


def _check_layout(name: str, layout: Sequence[str]) -> None:
    """`MissingData` if there is no file of some kind."""
    for pattern in layout:
        if next(root().glob(pattern), None) is None:
            raise MissingData(
                f"data set '{name}': there is no {root() / pattern}. Its official layout "
                f"is {', '.join(layout)}. Set REPRO_DATA to the folder that holds "
                f"{layout[0].partition('/')[0]} (now {root()})"
            )


def _fingerprint(name: str, options: tuple[object, ...], layout: Sequence[str]) -> str:
    """`MissingData` if the set is not there."""
    _check_layout(name, layout)
    content = hashlib.sha256(repr(options).encode())
    for pattern in layout:
        for path in sorted(root().glob(pattern)):
            told = path.read_text() if path.suffix == ".txt" else path.stat().st_size
            content.update(f"{path.relative_to(root()).as_posix()}\0{told}\0".encode())
    return content.hexdigest()[:16]
