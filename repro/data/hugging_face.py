"""Labelled images that `datasets` reads: folders of pictures, Parquet files, names on the hub."""

import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np

from repro import contents
from repro.bounds import PositiveInt, Size, Text
from repro.contracts import DataSet
from repro.data import doubts
from repro.data.images import ImageSet, MissingData
from repro.data.levels import in_bytes
from repro.errors import ReproError

LEVELS_OF = 5_000  # images from which the levels of a set on disk are taken
MODES: dict[int, Literal["L", "RGB"]] = {1: "L", 3: "RGB"}  # of pictures, by channels


class HuggingFace(DataSet):
    """`path`: a folder with train/CLASS/*.png and test/CLASS/*.png, a .parquet file or folder, or a hub name.

    `config` is the configuration, of hub sets that have several. `train` and `test` are splits, or slices of
    them as `datasets` writes them: `train[:80%]`. `image` and `label` are columns. Images are stretched to
    `size` × `size` (bilinear over the source's area) and made grey (`channels` 1) or colour (3); of 16 bits
    the upper 8 are taken. The hub is asked only with `download`; else a hub set comes from what `datasets`
    has in its cache.

    With `in_memory: false`, for sets larger than memory, pictures stay on disk and are decoded when they are
    wanted: in the cache of `datasets` (HF_HOME moves it), into which Parquet files are copied, once. Mean and
    standard deviation are then those of 5,000 training images, spread evenly. Their order is that of sets in
    memory: each epoch is a permutation of all rows, which the seed draws, and not one of shards and within a
    buffer. Of 20,000 PNG pictures of 32 × 32 pixels in a Parquet file a core decodes some 7,500 a second in
    batches of 128 (2,400 in the first pass); of rows in memory it gathers 600,000.
    """

    def __init__(
        self,
        *,
        path: Text,
        size: Size,
        classes: PositiveInt,
        config: str | None = None,
        train: str = "train",
        test: str = "test",
        image: str = "image",
        label: str = "label",
        channels: Literal[1, 3] = 3,
        download: bool = False,
        in_memory: bool = True,
    ):
        if channels not in (1, 3) or size < 1 or classes < 2:
            raise ReproError(
                f"data set '{path}' wants channels 1 or 3, a size of 1 or more and 2 or more classes, "
                f"not channels {channels}, size {size}, classes {classes}"
            )
        self.path, self.config, self.train, self.test = path, config, train, test
        self.image, self.label = image, label
        self.size, self.classes, self.channels, self.download = size, classes, channels, download
        self.in_memory = in_memory

    def fingerprint(self) -> str:
        """Of the options and the content: local files' relative names and hashes, or the hub's revision."""
        content = hashlib.sha256()
        options = (
            self.config,
            self.train,
            self.test,
            self.image,
            self.label,
            self.size,
            self.classes,
            self.channels,
        )
        content.update(repr(options).encode())
        local = self._local()
        if local is None:
            with self._splits() as splits:
                content.update(repr([split._fingerprint for split in splits]).encode())
        else:
            try:
                held = contents.hashes(local, _files(local))
            except OSError as error:
                raise self._unreadable(local, error) from None
            content.update(repr(list(held.items())).encode())
        return content.hexdigest()[:16]

    def load(self) -> ImageSet:
        with self._splits() as (train, test):
            names = getattr(train.features.get(self.label), "names", None) or [
                str(c) for c in range(self.classes)
            ]
            if not self.in_memory:
                return self._on_disk(train, test, tuple(names))
            return ImageSet.of(self._arrays(train, self.train), self._arrays(test, self.test), tuple(names))

    def _on_disk(self, train: Any, test: Any, names: tuple[str, ...]) -> ImageSet:
        import torch

        from repro.data.stored_pictures import StoredPictures, levels

        def part(rows: Any, split: str) -> StoredPictures:
            labels = torch.from_numpy(self._labels(rows, split).astype(np.int64))
            decode = partial(self._picture, where=self._where(split))
            return StoredPictures(self._files(rows, split), self.image, decode, labels)

        parts = part(train, self.train), part(test, self.test)
        mean, std = levels(parts[0], LEVELS_OF)
        doubted = doubts.of_labels(parts[0].labels.numpy(), parts[1].labels.numpy(), names)
        of_all = tuple(doubts.of_levels(mean, std))
        return ImageSet(*parts, names, mean, std, of_all, doubts_of_labels=tuple(doubted))

    def _local(self) -> Path | None:
        """The file or folder that `path` is; None for a hub name. `MissingData` if it is neither."""
        local = Path(self.path).expanduser().absolute()
        if local.exists():
            return local
        if (
            self.path.startswith((".", "/", "~"))
            or self.path.endswith(".parquet")
            or self.path.count("/") > 1
        ):
            raise MissingData(
                f"data set 'hugging-face': {local} does not exist. `path` is a folder with train/CLASS/ and "
                "test/CLASS/, a .parquet file, a folder of these, or a name on the Hugging Face Hub"
            )
        return None

    @contextmanager
    def _splits(self) -> Iterator[tuple[Any, Any]]:
        """The training and the test split, as `datasets.Dataset`. What it makes of local files is removed,
        unless it is what pictures are read from.
        """
        import datasets

        local = self._local()
        with (
            tempfile.TemporaryDirectory(prefix="repro-") as scratch,
            _quiet_and_offline(unless=self.download),
        ):
            made = scratch if self.in_memory else None  # None: the cache
            try:
                if local is None:
                    builder = datasets.load_dataset_builder(self.path, self.config)
                elif local.is_file():
                    files = {"data_files": str(local), "cache_dir": made}
                    builder = datasets.load_dataset_builder("parquet", **files)
                else:
                    builder = datasets.load_dataset_builder(str(local), self.config, cache_dir=made)
                builder.download_and_prepare()
            except (OSError, ValueError, datasets.exceptions.DatasetsError) as error:
                raise self._unreadable(local, error) from None
            yield self._split(builder, self.train), self._split(builder, self.test)

    def _split(self, builder: Any, wanted: str) -> Any:
        import datasets

        for part in wanted.split("+"):
            split = part.partition("[")[0].strip()
            if split not in builder.info.splits:
                raise self._unknown("split", split, builder.info.splits)
        try:
            rows = builder.as_dataset(split=wanted)
        except (ValueError, AssertionError, datasets.exceptions.DatasetsError) as error:
            raise ReproError(f"data set '{self.path}' has no slice '{wanted}': {_line(error)}") from None
        for column in (self.image, self.label):
            if column not in rows.features:
                if column == "label" and list(rows.features) == ["image"] and self._is_a_folder():
                    raise self._without_labels(wanted)
                raise self._unknown("column", column, rows.features)
        if not len(rows):
            raise ReproError(f"data set '{self.path}' has no rows in '{wanted}'")
        return rows

    def _arrays(self, rows: Any, split: str) -> tuple[np.ndarray, np.ndarray]:
        return self._pixels(rows, split), self._labels(rows, split)

    def _pixels(self, rows: Any, split: str) -> np.ndarray:
        """uint8 [N, channels, size, size]."""
        pixels = np.empty((len(rows), self.size, self.size, self.channels), np.uint8)
        for number, row in enumerate(self._files(rows, split)):
            pixels[number] = self._picture(row[self.image], number, self._where(split))
        return pixels.transpose(0, 3, 1, 2)

    def _where(self, split: str) -> str:
        return f"data set '{self.path}': column '{self.image}' of '{split}'"

    def _files(self, rows: Any, split: str) -> Any:
        """The pictures as they were encoded."""
        import datasets

        try:
            return rows.select_columns([self.image]).cast_column(self.image, datasets.Image(decode=False))
        except Exception as error:  # of pyarrow or `datasets`, by what the column holds
            kind = rows.features[self.image]
            raise ReproError(
                f"{self._where(split)} ({kind}) cannot be read as images: {_line(error)}"
            ) from None

    def _picture(self, file: dict[str, Any] | None, number: int, where: str) -> np.ndarray:
        """That of a row: uint8 [size, size, channels]."""
        import datasets
        from PIL import Image

        if file is None:
            raise ReproError(f"{where}: row {number} has no image (the first row is 0)")
        try:
            decoded = in_bytes(datasets.Image().decode_example(file), MODES[self.channels])
        except Exception as error:  # of PIL or `datasets`, by what the file holds
            name = file["path"] or f"row {number}"
            raise ReproError(f"{where}: {name} cannot be read as an image: {_line(error)}") from None
        picture = decoded.resize((self.size, self.size), Image.Resampling.BILINEAR)
        return np.asarray(picture).reshape(self.size, self.size, self.channels)

    def _labels(self, rows: Any, split: str) -> np.ndarray:
        where = f"data set '{self.path}': column '{self.label}' of '{split}'"
        names = getattr(rows.features[self.label], "names", None)
        if names and len(names) != self.classes:
            raise ReproError(f"{where} has {len(names)} classes, not {self.classes}: {', '.join(names)}")
        values = rows[self.label][:]
        unlabelled = [number for number, value in enumerate(values) if value is None]
        if len(unlabelled) == len(values) and self._is_a_folder():
            raise self._without_labels(split)
        if unlabelled:
            others = f", nor have {len(unlabelled) - 1} others" if unlabelled[1:] else ""
            raise ReproError(f"{where}: row {unlabelled[0]} has no label (the first row is 0){others}")
        labels = np.array(values)
        if labels.ndim != 1 or labels.dtype.kind not in "iu":
            kind = rows.features[self.label]
            raise ReproError(f"{where} wants one integer a row, from 0 to {self.classes - 1}; it has {kind}")
        outside = np.unique(labels[(labels < 0) | (labels >= self.classes)])
        if len(outside):
            listed = ", ".join(map(str, outside[:5])) + (", …" if len(outside) > 5 else "")
            raise ReproError(f"{where} has labels outside 0 to {self.classes - 1}: {listed}")
        return labels

    def _is_a_folder(self) -> bool:
        local = self._local()
        return local is not None and local.is_dir()

    def _without_labels(self, split: str) -> ReproError:
        """`datasets` finds labels of pictures where there is a folder for each of several classes."""
        return ReproError(
            f"data set '{self.path}': the pictures of '{split}' have no labels. Wanted is a folder for each "
            "of two classes or more: train/CLASS/*.png and test/CLASS/*.png"
        )

    def _unknown(self, kind: str, name: str, present: Any) -> ReproError:
        near = get_close_matches(name, list(present), 1)
        hint = f"; did you mean '{near[0]}'?" if near else ""
        return ReproError(f"data set '{self.path}' has no {kind} '{name}', only {', '.join(present)}{hint}")

    def _unreadable(self, local: Path | None, error: Exception) -> ReproError:
        import datasets

        if local is not None:
            return ReproError(f"data set 'hugging-face' cannot read {local}: {_line(error)}")
        if self.download:
            return MissingData(
                f"data set '{self.path}' cannot be had from the Hugging Face Hub: {_line(error)}"
            )
        configuration = f", configuration '{self.config}'," if self.config else ""
        return MissingData(
            f"data set '{self.path}'{configuration} is not in this machine's cache "
            f"({datasets.config.HF_DATASETS_CACHE}; HF_HOME moves it), nor is there a file or folder of that "
            "name. To get it from the Hugging Face Hub, give the option `download: true`"
        )


@contextmanager
def _quiet_and_offline(unless: bool) -> Iterator[None]:
    """No hub and no progress bars, until the block ends: else `datasets` tries an absent hub for 23 s.

    Both libraries read HF_HUB_OFFLINE when they are imported, which may long have happened: so their
    constants are set.
    """
    import datasets
    from huggingface_hub import constants

    if unless:
        yield
        return
    before = constants.HF_HUB_OFFLINE, datasets.config.HF_HUB_OFFLINE, datasets.are_progress_bars_disabled()
    constants.HF_HUB_OFFLINE = datasets.config.HF_HUB_OFFLINE = True
    datasets.disable_progress_bars()
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE, datasets.config.HF_HUB_OFFLINE = before[:2]
        if not before[2]:
            datasets.enable_progress_bars()


def _files(local: Path) -> list[str]:
    """The relative names of all files under a folder but hidden ones, sorted; "." of a file, whose own name
    may change.
    """
    if local.is_file():
        return ["."]
    names = sorted(path.relative_to(local).as_posix() for path in local.rglob("*") if path.is_file())
    return [name for name in names if not any(part.startswith(".") for part in name.split("/"))]


def _line(error: Exception) -> str:
    """The cause of an error, or the error itself, in one line of at most 200 characters."""
    line = " ".join(str(error.__cause__ or error).split()) or type(error).__name__
    return line if len(line) <= 200 else line[:199] + "…"
