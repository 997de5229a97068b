"""Sets larger than memory: what stays on disk, and is decoded when it is wanted."""

import io
from functools import partial
from itertools import chain
from pathlib import Path
from types import SimpleNamespace

import datasets
import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
import torch
from kit.tiny import spec
from PIL import Image

from repro.data.hugging_face import HuggingFace
from repro.data.imagenet import ImageNet
from repro.data.split import in_batches
from repro.data.stored_pictures import levels
from repro.errors import ReproError
from repro.state import devices
from repro.state.randomness import generator
from repro.training.batches import Batches

SIDE, COUNT = 160, 900  # 69 MB of pixels
CLASSES = ("n01440764", "n01443537")


def encoded(number: int, kind: str = "png") -> bytes:
    """A picture that takes little on disk: one level, another for each number."""
    file = io.BytesIO()
    Image.new("RGB", (SIDE, SIDE), (number % 256, number // 256, 128)).save(file, kind)
    return file.getvalue()


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch) -> Path:
    """Where `datasets` keeps its tables."""
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    return tmp_path / "cache"


def hugging_face(folder: Path, count: int = COUNT, **options) -> HuggingFace:
    """A Parquet file whose last 50 rows are tested on."""
    rows = {
        "image": [{"bytes": encoded(number)} for number in range(count)],
        "label": [number % 2 for number in range(count)],
    }
    pyarrow.parquet.write_table(pyarrow.table(rows), folder / "set.parquet")
    given = {"path": str(folder / "set.parquet"), "size": SIDE, "classes": 2, "in_memory": False}
    return HuggingFace(**{**given, "train": "train[:-50]", "test": "train[-50:]", **options})


def imagenet(folder: Path) -> ImageNet:
    for split, count in (("train", COUNT), ("val", 50)):
        for number in range(count):
            path = folder / "imagenet" / split / CLASSES[number % 2] / f"{number}.JPEG"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(encoded(number, "jpeg"))
    return ImageNet(classes=2, size=SIDE, resize=SIDE)


@pytest.mark.parametrize("made", [hugging_face, imagenet])
def test_all_of_a_set_is_seen_in_a_fraction_of_the_memory_that_it_would_take(made, tmp_path, monkeypatch):
    monkeypatch.setenv("REPRO_DATA", str(tmp_path))
    data = made(tmp_path)
    data.load().test.rows(torch.arange(8))
    taken = []
    for _ in range(2):  # what the first one imports, and its threads take, is not of the set
        memory = devices.PeakMemory(torch.device("cpu"))
        train = data.load().train
        pixels = sum(images.numel() for images, _ in in_batches(train, 32))
        taken.append(memory.read() or 0)  # where this system tells
        del train
    assert pixels > 65e6 and min(taken) < 2 * pixels / 3


def test_rows_and_labels_are_those_that_are_in_memory_otherwise(tmp_path):
    made = partial(hugging_face, tmp_path, 80, size=12, channels=1)
    stored, held = made().load(), made(in_memory=True).load()
    some = torch.tensor([7, 3, 7, 29])
    for ours, theirs in ((stored.train, held.train), (stored.test, held.test)):
        assert len(ours) == len(theirs)
        for part, whole in zip(ours.rows(some), theirs.rows(some), strict=True):
            assert part.dtype == whole.dtype and torch.equal(part, whole)
    assert (stored.class_names, stored.doubts) == (held.class_names, held.doubts)
    assert stored.mean == pytest.approx(held.mean) and stored.std == pytest.approx(held.std)
    moved = stored.to("meta").test
    assert [part.device.type for part in moved.rows(some)] == ["meta"] * 2


@pytest.mark.parametrize("in_memory", [False, True])
def test_each_epoch_is_a_permutation_of_all_rows_that_the_seed_draws(tmp_path, in_memory):
    data = hugging_face(tmp_path, 80, size=4, in_memory=in_memory).load()  # 30 rows, with a red of their own
    state = SimpleNamespace(
        spec=spec(batch_size=10), data=data, device=torch.device("cpu"), batch=lambda *batch: batch
    )
    batches = Batches(state)
    rows = [batches.at(step)[0][:, 0, 0, 0].tolist() for step in range(6)]
    first, second = ([*chain.from_iterable(epoch)] for epoch in (rows[:3], rows[3:]))
    assert sorted(first) == sorted(second) == [*range(30)] and first != second
    assert first == torch.randperm(30, generator=generator(state.spec.seed, "order/0")).tolist()
    assert all(max(batch) - min(batch) > 9 for batch in rows)  # of no shard
    assert [*Batches(state).at(4)[0][:, 0, 0, 0]] == rows[4]  # as one that goes on from there has it


def test_levels_are_those_of_images_that_are_spread_evenly_over_the_set(tmp_path):
    train = hugging_face(tmp_path, 351, size=4).load().train  # 301 of them
    mean, std = levels(train, 4)
    assert mean[0] == pytest.approx(np.mean([0, 100, 200, 300 % 256]) / 255)
    assert std[0] == pytest.approx(np.std([0, 100, 200, 300 % 256]) / 255)
    assert std[2] == 0


def test_tables_are_made_once_and_a_row_without_a_picture_is_named(tmp_path, cache):
    data = hugging_face(tmp_path, 80)
    data.load()
    tables = {path: path.stat().st_mtime_ns for path in cache.rglob("*.arrow")}
    data.load()
    assert tables and {path: path.stat().st_mtime_ns for path in cache.rglob("*.arrow")} == tables
    broken = {"image": [{"bytes": encoded(0)}, {"bytes": b"no picture"}] * 30, "label": [0, 1] * 30}
    pyarrow.parquet.write_table(pyarrow.table(broken), tmp_path / "broken.parquet")
    split = hugging_face(tmp_path, 80, path=str(tmp_path / "broken.parquet"), train="train[:1]").load().test
    with pytest.raises(ReproError, match=r"row 1 cannot be read as an image"):
        split.rows(torch.tensor([1]))
