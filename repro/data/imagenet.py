"""ImageNet's classification set (Russakovsky et al. 2015), from a folder on this machine.

It is `imagenet` in the folder of the environment variable REPRO_DATA, or else of `data` where the command
runs: imagenet/train/CLASS/*.JPEG and imagenet/val/CLASS/*.JPEG. Nothing is downloaded: image-net.org gives it
to who has agreed to its terms.
"""

import hashlib
import json
from pathlib import Path

import numpy as np

from repro import contents
from repro.bounds import PositiveInt, Size
from repro.contracts import DataSet
from repro.data import doubts
from repro.data.images import ImageSet, MissingData
from repro.data.torchvision_sets import root
from repro.errors import ReproError

# Of its training images, as torchvision's `transforms()` have them
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
SHOWN = 3  # names in an error


class ImageNet(DataSet):
    """1,281,167 training images (`train`) and 50,000 test images (`val`) of 1,000 classes, in colour.

    Classes are folders, in the order of their names, as torchvision's nets number them; `classes` is how many
    there are, for subsets. Images stay in their files and are read when they are wanted. Of each the shorter
    side is made `resize` pixels long (bilinear over the source's area), and the middle `size` × `size` are
    taken: so torchvision measures its nets, at 224 of 256, Inception-v3 at 299 of 342. Training images are
    cut alike; what varies them is a recipe's `augment`. For nets that are evaluated alone, one training image
    of each class is enough.
    """

    channels = 3

    def __init__(self, *, size: Size = 224, resize: Size = 256, classes: PositiveInt = 1000):
        if not 1 <= size <= resize or classes < 2:
            raise ReproError(
                "data set 'imagenet' wants a size from 1 to `resize`, and 2 or more classes, not "
                f"size {size}, resize {resize}, classes {classes}"
            )
        self.size, self.resize, self.classes = size, resize, classes

    def fingerprint(self) -> str:
        """Of the options, of the names of all images and what test images hold; of training images, 138 GB,
        their lengths stand for that.
        """
        train, test = self._names("train"), self._names("val")
        lengths = [(name, (_folder() / name).stat().st_size) for name in train]
        held = contents.hashes(_folder(), test)
        known = [repr((self.size, self.resize, self.classes)), lengths, list(held.items())]
        return hashlib.sha256(json.dumps(known).encode()).hexdigest()[:16]

    def load(self) -> ImageSet:
        import torch

        from repro.data.picture_files import PictureFiles

        names = {split: self._names(split) for split in ("train", "val")}
        class_names = tuple(self._class_names())
        numbers = {name: number for number, name in enumerate(class_names)}
        labels = {s: np.array([numbers[n.split("/")[1]] for n in names[s]], np.int64) for s in names}

        def part(split: str) -> PictureFiles:
            paths = [_folder() / name for name in names[split]]
            return PictureFiles(paths, torch.from_numpy(labels[split]), self.size, self.resize)

        doubted = tuple(doubts.of_labels(labels["train"], labels["val"], class_names))
        return ImageSet(part("train"), part("val"), class_names, MEAN, STD, doubts_of_labels=doubted)

    def _class_names(self) -> list[str]:
        """Raises `MissingData` and `ReproError` where there are not the same folders in both splits."""
        train, test = (_folders(_folder() / split) for split in ("train", "val"))
        for split, found in (("train", train), ("val", test)):
            if len(found) != self.classes:
                raise ReproError(
                    f"data set 'imagenet': {_folder() / split} has {len(found):,} folders of classes, not "
                    f"{self.classes:,}. Its images belong into folders by their class, such as n01440764/, "
                    "test images too, which come without; of a subset say how many: `classes: 100`"
                )
        if strange := sorted(set(train) ^ set(test)):
            raise ReproError(
                f"data set 'imagenet': {', '.join(strange[:SHOWN])} {'is' if len(strange) == 1 else 'are'} "
                f"in one of {_folder() / 'train'} and {_folder() / 'val'} only"
            )
        return train

    def _names(self, split: str) -> list[str]:
        """Of images, as SPLIT/CLASS/FILE, by class, in the order of their names."""
        names = [
            f"{split}/{class_name}/{file.name}"
            for class_name in self._class_names()
            for file in sorted((_folder() / split / class_name).iterdir())
            if not file.name.startswith(".")
        ]
        if not names:
            raise MissingData(f"data set 'imagenet': there are no images in {_folder() / split}")
        return names


def _folder() -> Path:
    return root() / "imagenet"


def _folders(folder: Path) -> list[str]:
    """The names of the folders in one, in order."""
    if not folder.is_dir():
        raise MissingData(
            f"data set 'imagenet': there is no {folder}. Set REPRO_DATA to the folder that holds "
            f"imagenet/train/ and imagenet/val/, with a folder for each class (now {root()}). ImageNet comes "
            "from image-net.org, after its terms"
        )
    return sorted(entry.name for entry in folder.iterdir() if entry.is_dir() and entry.name[0] != ".")
