"""The segmentation sets of the field, from a folder on this machine, with all images of a set made one size.

The folder is that of the environment variable REPRO_DATA, or else `data` where the command runs. Layouts are
the official ones. Nothing is downloaded. An image that is larger than the size wanted is shrunk, sides in
proportion (bilinear over the source's area, its mask by nearest pixel), and none is enlarged; what is left,
on the right and below, is grey in the image and 255, no label, in the mask. So sets fit into memory and into
batches, and scores are those of images of this size, not of the originals. Images take 4 bytes a pixel with
their masks.

Fingerprints are of the names of images and masks, in their order, and of what these files hold.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from repro.bounds import Size
from repro.contracts import DataSet
from repro.data.images import ImageSet, MissingData
from repro.data.lists import read_list
from repro.data.masked_images import Row, Splits, fingerprint, image_set
from repro.data.targets import IGNORE
from repro.data.torchvision_sets import root
from repro.errors import ReproError

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
PETS = "oxford-iiit-pet"
STREETS = "cityscapes/leftImg8bit/{}/{}/{}_leftImg8bit.png"  # split, city and frame
STREET_MASKS = "cityscapes/gtFine/{}/{}/{}_gtFine_labelIds.png"
LAST_TRAIN_ID = 18  # the benchmark's own number of its last class


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

    def __init__(self, *, size: Size = 321, train: Literal["train", "trainaug"] = "train"):
        _check_size("pascal-voc", size)
        self.size, self.train = size, train

    def fingerprint(self) -> str:
        return fingerprint("pascal-voc", (self.size, self.train), self._splits())

    def load(self) -> ImageSet:
        masks = {**{value: value for value in range(self.classes)}, IGNORE: IGNORE}
        return image_set("pascal-voc", self._splits(), (self.size, self.size), masks, VOC_CLASSES)

    def _splits(self) -> Splits:
        _check_layout("pascal-voc", self.layout())
        test = _voc("val")
        if self.train == "trainaug" and self._has_list():
            return _voc("trainaug", masks="SegmentationClassAug"), test
        train = _voc("train")
        if self.train == "trainaug":
            known = {Path(row.image).stem for row in (*train, *test)}
            more = [*_sbd("train"), *_sbd("val")]
            train += [row for row in more if Path(row.image).stem not in known]
        return train, test

    def _has_list(self) -> bool:
        return (root() / VOC_LISTS / "trainaug.txt").is_file()

    def layout(self) -> tuple[str, ...]:
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

    def __init__(self, *, size: Size = 128, target: Literal["trimap", "foreground"] = "trimap"):
        _check_size("oxford-pets", size)
        self.size, self.target = size, target
        self.class_names = ("background", "pet", "border") if target == "trimap" else ("background", "pet")
        self.classes = len(self.class_names)

    def fingerprint(self) -> str:
        return fingerprint("oxford-pets", (self.size, self.target), self._splits())

    def load(self) -> ImageSet:
        masks = {1: 1, 2: 0, 3: 2 if self.target == "trimap" else IGNORE}
        return image_set("oxford-pets", self._splits(), (self.size, self.size), masks, self.class_names)

    def _splits(self) -> Splits:
        _check_layout("oxford-pets", self.layout())
        return _pets("trainval"), _pets("test")

    def layout(self) -> tuple[str, ...]:
        lists = tuple(f"{PETS}/annotations/{name}.txt" for name in ("trainval", "test"))
        return (*lists, f"{PETS}/images/*.jpg", f"{PETS}/annotations/trimaps/*.png")


class Cityscapes(DataSet):
    """Cityscapes (Cordts et al. 2016), finely annotated, 19 classes: 2,975 training, 500 test images (`val`).

    Images are `size` pixels high and twice as wide, as the originals are at 1024. The ids that are not among
    the benchmark's 19 classes are 255.
    """

    channels = 3
    classes = 19

    def __init__(self, *, size: Size = 256):
        _check_size("cityscapes", size)
        self.size = size

    def fingerprint(self) -> str:
        return fingerprint("cityscapes", (self.size,), self._splits())

    def load(self) -> ImageSet:
        from torchvision.datasets import Cityscapes as Source

        rows = [row for row in Source.classes if row.id >= 0]
        evaluated = [row for row in rows if row.train_id != IGNORE]
        names = tuple(row.name for row in sorted(evaluated, key=lambda row: row.train_id))
        masks = {**{row.id: row.train_id for row in rows}, IGNORE: IGNORE}
        shape = (self.size, 2 * self.size)
        return image_set("cityscapes", self._splits(), shape, masks, names, _no_train_ids)

    def _splits(self) -> Splits:
        _check_layout("cityscapes", self.layout())
        return _cityscapes("train"), _cityscapes("val")

    def layout(self) -> tuple[str, ...]:
        splits = ("train", "val")
        return tuple(kind.format(split, "*", "*") for split in splits for kind in (STREETS, STREET_MASKS))


def _voc(split: str, masks: str = "SegmentationClass") -> list[Row]:
    lines = read_list(root() / VOC_LISTS / f"{split}.txt")
    return [Row(f"{VOC}/JPEGImages/{n}.jpg", f"{VOC}/{masks}/{n}.png", where) for n, where in lines]


def _sbd(split: str) -> list[Row]:
    lines = read_list(root() / f"sbd/{split}.txt")
    return [Row(f"sbd/img/{n}.jpg", f"sbd/cls/{n}.mat", where) for n, where in lines]


def _pets(split: str) -> list[Row]:
    """Of a list whose lines begin with a name; species and breed may follow."""
    lines = read_list(root() / f"{PETS}/annotations/{split}.txt")
    names = [(text.split()[0], where) for text, where in lines]
    return [Row(f"{PETS}/images/{n}.jpg", f"{PETS}/annotations/trimaps/{n}.png", where) for n, where in names]


def _cityscapes(split: str) -> list[Row]:
    """Of the images that are there, in the order of their names."""
    found = root().glob(STREETS.format(split, "*", "*"))
    images = sorted(path.relative_to(root()).as_posix() for path in found if path.name[0] != ".")
    places = [image.removesuffix("_leftImg8bit.png").split("/")[-2:] for image in images]
    masks = [STREET_MASKS.format(split, city, frame) for city, frame in places]
    return [Row(image, mask, image) for image, mask in zip(images, masks, strict=True)]


def _no_train_ids(name: str, values: set[int]) -> None:
    """Cars, persons, plants and the sky have ids from 19 up. The benchmark's own numbers end before."""
    if max(values - {IGNORE}, default=IGNORE) <= LAST_TRAIN_ID:
        raise ReproError(
            f"data set '{name}': no mask of a split has a value from {LAST_TRAIN_ID + 1} to 33, so the files "
            "*_gtFine_labelIds.png seem to hold train ids. Put them back as they are downloaded; what they "
            "hold becomes train ids here"
        )


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
