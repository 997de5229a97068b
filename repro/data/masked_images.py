"""Images with their masks, in files: the set that they make, all images of one size, and its fingerprint."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, TypeAlias

import numpy as np
from PIL import Image

from repro import contents
from repro.data.images import ImageSet, MissingData
from repro.data.levels import read_picture
from repro.data.targets import IGNORE
from repro.data.torchvision_sets import root
from repro.errors import ReproError

# ImageNet's mean colour, with which DeepLab pads (Chen et al. 2015: IMG_MEAN of its code)
GREY = (123, 117, 104)


class Row(NamedTuple):
    """An image and its mask, as names below the data folder, and where they are listed."""

    image: str
    mask: str
    where: str


Splits: TypeAlias = tuple[list[Row], list[Row]]  # to train on, and to test on
Look: TypeAlias = Callable[[str, set[int]], None]


def image_set(
    name: str,
    splits: Splits,
    shape: tuple[int, int],
    masks: Mapping[int, int],
    class_names: tuple[str, ...],
    look: Look = lambda *_: None,
) -> ImageSet:
    """Images and masks, fitted to a height and width. `masks` says which class each value of a mask means;
    `look` raises `ReproError` where all values of a split together show that they mean something else.
    """
    train, test = (_part(name, rows, shape, masks, look) for rows in splits)
    return ImageSet.of(train, test, class_names)


def fingerprint(name: str, options: tuple[object, ...], splits: Splits) -> str:
    """Of options, and of the files' names, in their order, and content. `MissingData` if one is absent."""
    rows = [row for split in splits for row in split]
    try:
        held = contents.hashes(root(), [file for row in rows for file in (row.image, row.mask)])
    except FileNotFoundError as error:
        raise _missing(name, Path(error.filename), rows) from None
    except OSError as error:
        raise ReproError(f"data set '{name}': {error.filename} cannot be read ({error.strerror})") from None
    known = [[(row.image, held[row.image], row.mask, held[row.mask]) for row in split] for split in splits]
    return hashlib.sha256(json.dumps([repr(options), known]).encode()).hexdigest()[:16]


def _part(
    name: str, rows: Sequence[Row], shape: tuple[int, int], masks: Mapping[int, int], look: Look
) -> tuple[np.ndarray, np.ndarray]:
    """uint8 [N, 3, H, W] and [N, H, W]."""
    images = np.empty((len(rows), 3, *shape), np.uint8)
    targets = np.full((len(rows), *shape), IGNORE, np.uint8)
    images[:] = np.reshape(GREY, (3, 1, 1))
    classes, seen = np.full(256, -1), set[int]()
    classes[list(masks)] = list(masks.values())
    for number, row in enumerate(rows):
        try:
            image, mask = _pair(row)
        except FileNotFoundError as error:
            raise _missing(name, Path(error.filename), rows) from None
        except ReproError as error:
            raise type(error)(f"data set '{name}': {error}") from None
        ratio = min(1.0, shape[1] / image.width, shape[0] / image.height)
        fitted = max(1, round(image.width * ratio)), max(1, round(image.height * ratio))
        values = np.asarray(mask.resize(fitted, Image.Resampling.NEAREST))
        labels = classes[values]
        if labels.min() < 0:
            unknown = ", ".join(map(str, np.setdiff1d(np.asarray(mask), list(masks))[:5]))
            path = root() / row.mask
            raise ReproError(f"data set '{name}': {path} has values that are no class: {unknown}")
        seen.update(np.unique(values).tolist())
        pixels = np.asarray(image.resize(fitted, Image.Resampling.BILINEAR)).transpose(2, 0, 1)
        images[number, :, : fitted[1], : fitted[0]] = pixels
        targets[number, : fitted[1], : fitted[0]] = labels
    look(name, seen)
    return images, targets


def _pair(row: Row) -> tuple[Image.Image, Image.Image]:
    """An image in colour, and its mask as it is stored."""
    image, path = read_picture(root() / row.image), root() / row.mask
    mask = _matlabs(path) if path.suffix == ".mat" else read_picture(path, mode=None)
    if image.size != mask.size or mask.mode not in ("L", "P"):
        raise ReproError(
            f"{path} is {mask.width}×{mask.height}, of mode {mask.mode}; wanted is the image's size, "
            f"{image.width}×{image.height}, and mode L or P: a class a pixel"
        )
    return image, mask


def _matlabs(path: Path) -> Image.Image:
    """A mask of SBD's."""
    try:
        from scipy.io import loadmat
    except ImportError:
        raise MissingData(f"{path} cannot be read without scipy: pip install scipy") from None
    try:
        return Image.fromarray(loadmat(path)["GTcls"][0]["Segmentation"][0])
    except FileNotFoundError:
        raise
    except Exception as error:  # what scipy raises for another file has no common base
        raise ReproError(f"{path} cannot be read as a mask of SBD: {error}") from None


def _missing(name: str, path: Path, rows: Sequence[Row]) -> MissingData:
    row = next(row for row in rows if path in (root() / row.image, root() / row.mask))
    why = "though its image is there" if row.where == row.image else f"but {row.where} lists it"
    return MissingData(f"data set '{name}': {path} does not exist, {why}")
