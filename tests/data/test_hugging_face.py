import shutil
import subprocess
import sys
import time
from pathlib import Path

import datasets
import huggingface_hub
import numpy as np
import pytest
import torch
from PIL import Image

from repro.data.hugging_face import HuggingFace
from repro.data.images import MissingData
from repro.errors import ReproError


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """An imagefolder: three training and two test pictures of each of two classes, 9 wide and 6 high."""
    root = tmp_path_factory.mktemp("pictures") / "tiny"
    random = np.random.default_rng(0)
    for split, count in (("train", 3), ("test", 2)):
        for label in ("cat", "dog"):
            (root / split / label).mkdir(parents=True)
            for number in range(count):
                picture = Image.fromarray(random.integers(0, 256, (6, 9, 3), dtype=np.uint8))
                picture.save(root / split / label / f"{number}.png")
    return root


@pytest.fixture(scope="module")
def cached(folder, tmp_path_factory) -> Path:
    """A cache of `datasets` with the same set, as if it had come from the hub as someone/tiny."""
    cache = tmp_path_factory.mktemp("cache")
    builder = datasets.load_dataset_builder(str(folder), cache_dir=str(cache / "local"))
    datasets.disable_progress_bars()
    builder.download_and_prepare()
    datasets.enable_progress_bars()
    prepared = Path(builder.cache_dir)
    shutil.copytree(prepared, cache / "hub" / "someone___tiny" / "default" / "0.0.0" / prepared.name)
    return cache / "hub"


def parquet(path: Path, rows: dict[str, list]) -> str:
    """A plain Parquet file of raw PNGs, without the features that `datasets` would note."""
    import pyarrow.parquet

    path.parent.mkdir(parents=True, exist_ok=True)
    pyarrow.parquet.write_table(pyarrow.table(rows), path)
    return str(path)


def png(level: int) -> dict[str, bytes]:
    import io

    file = io.BytesIO()
    Image.new("L", (4, 4), level).save(file, "png")
    return {"bytes": file.getvalue()}


def tiny(folder: Path | str, **options) -> HuggingFace:
    return HuggingFace(**{"path": str(folder), "size": 8, "classes": 2, **options})


def test_a_folder_of_class_folders_becomes_resized_tensors(folder):
    images = tiny(folder).load()
    assert images.train.images.shape == (6, 3, 8, 8) and images.train.images.dtype == torch.uint8
    assert images.train.targets.tolist() == [0, 0, 0, 1, 1, 1] and images.test.targets.tolist() == [
        0,
        0,
        1,
        1,
    ]
    assert images.class_names == ("cat", "dog")
    with Image.open(folder / "train" / "dog" / "2.png") as picture:
        expected = np.asarray(picture.resize((8, 8), Image.Resampling.BILINEAR)).transpose(2, 0, 1)
    assert np.array_equal(images.train.images[5].numpy(), expected)


def test_one_channel_is_grey(folder):
    images = tiny(folder, channels=1).load()
    assert images.train.images.shape == (6, 1, 8, 8) and len(images.mean) == 1
    with Image.open(folder / "test" / "cat" / "0.png") as picture:
        assert np.array_equal(
            images.test.images[0, 0].numpy(), np.asarray(picture.convert("L").resize((8, 8), 2))
        )


def test_a_parquet_file_is_cut_into_splits_by_slices(tmp_path):
    path = parquet(tmp_path / "all.parquet", {"picture": [png(v) for v in (10, 20, 30)], "kind": [0, 1, 1]})
    images = tiny(path, image="picture", label="kind", train="train[:2]", test="train[2:]").load()
    assert images.train.images[:, 0, 0, 0].tolist() == [10, 20] and images.train.targets.tolist() == [0, 1]
    assert images.test.images[:, 0, 0, 0].tolist() == [30] and images.class_names == ("0", "1")


def test_a_folder_of_parquet_files_has_a_split_a_name(tmp_path):
    for split, level in (("train", 1), ("test", 2)):
        parquet(
            tmp_path / "set" / f"{split}-00000-of-00001.parquet",
            {"image": [png(level)], "label": [level - 1]},
        )
    images = tiny(tmp_path / "set").load()
    assert (images.train.images == 1).all() and (images.test.images == 2).all()


def test_a_hub_set_is_read_from_the_cache_without_asking_the_hub(folder, cached, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(cached))
    hub = tiny("someone/tiny")
    assert torch.equal(hub.load().test.images, tiny(folder).load().test.images)
    fingerprint = hub.fingerprint()
    assert tiny("someone/tiny").fingerprint() == fingerprint
    assert tiny("someone/tiny", size=4).fingerprint() != fingerprint


@pytest.mark.parametrize("name", ["nobody/nothing", "nothing"])
def test_a_hub_set_that_is_not_here_is_told_at_once(name, monkeypatch, tmp_path):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path))
    before = datasets.config.HF_HUB_OFFLINE, huggingface_hub.constants.HF_HUB_OFFLINE
    start = time.monotonic()
    with pytest.raises(MissingData, match=rf"'{name}' is not in this machine's cache.*`download: true`"):
        tiny(name).load()
    assert time.monotonic() - start < 5  # 23 s where the hub is tried
    assert before == (datasets.config.HF_HUB_OFFLINE, huggingface_hub.constants.HF_HUB_OFFLINE)


def test_a_download_that_fails_is_missing_data(monkeypatch):
    def unreachable(*_, **__):
        raise ConnectionError("Couldn't reach\nthe Hub")

    monkeypatch.setattr(datasets, "load_dataset_builder", unreachable)
    with pytest.raises(
        MissingData, match=r"cannot be had from the Hugging Face Hub: Couldn't reach the Hub$"
    ):
        tiny("someone/tiny", download=True).load()


@pytest.mark.parametrize("path", ["./nowhere", "/nowhere/at/all", "gone.parquet"])
def test_a_path_that_does_not_exist_is_not_taken_for_a_hub_name(path):
    with pytest.raises(MissingData, match=rf"{Path(path).name} does not exist.*train/CLASS/ and test/CLASS/"):
        tiny(path).load()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"test": "tset"}, "has no split 'tset', only train, test; did you mean 'test'"),
        ({"train": "train[:2]+validation[:1]"}, "has no split 'validation', only train, test"),
        ({"train": "train[:x]"}, r"has no slice 'train\[:x\]': Unrecognized instruction format"),
        ({"train": "train[90:95]"}, r"has no slice 'train\[90:95\]'"),
        ({"image": "images"}, "has no column 'images', only image, label; did you mean 'image'"),
        ({"label": "kind"}, "has no column 'kind', only image, label"),
        ({"classes": 3}, "column 'label' of 'train' has 2 classes, not 3: cat, dog"),
        ({"image": "label"}, "column 'label' of 'train' .* cannot be read as images"),
        ({"label": "image"}, "column 'image' of 'train' wants one integer a row, from 0 to 1"),
        ({"config": "other"}, "BuilderConfig 'other' not found"),
    ],
)
def test_a_mistake_in_an_option_names_what_there_is(folder, options, message):
    with pytest.raises(ReproError, match=message):
        tiny(folder, **options).load()


@pytest.mark.parametrize("options", [{"channels": 2}, {"size": 0}, {"classes": 1}])
def test_impossible_options_are_refused_at_once(options):
    with pytest.raises(ReproError, match="wants channels 1 or 3, a size of 1 or more and 2 or more classes"):
        tiny("anything", **options)


def test_labels_out_of_range_are_listed(tmp_path):
    path = parquet(tmp_path / "all.parquet", {"image": [png(0)] * 4, "label": [0, 5, -1, 1]})
    with pytest.raises(ReproError, match=r"labels outside 0 to 1: -1, 5$"):
        tiny(path, test="train").load()


def test_a_file_that_is_no_parquet_is_named(tmp_path):
    (tmp_path / "bad.parquet").write_text("text")
    with pytest.raises(ReproError, match=r"cannot read .*bad\.parquet"):
        tiny(tmp_path / "bad.parquet").load()


def test_the_fingerprint_is_of_names_and_bytes_wherever_they_lie(folder, tmp_path):
    before = tiny(folder).fingerprint()
    copy = tmp_path / "elsewhere"
    shutil.copytree(folder, copy)
    (copy / ".hidden").write_text("not data")
    assert tiny(copy).fingerprint() == before
    assert tiny(copy, size=4).fingerprint() != before
    (copy / "train" / "cat" / "0.png").rename(copy / "train" / "dog" / "9.png")
    renamed = tiny(copy).fingerprint()
    (copy / "train" / "dog" / "9.png").write_bytes(b"other")
    assert len({before, renamed, tiny(copy).fingerprint()}) == 3


def test_naming_and_fingerprinting_a_local_set_import_neither_torch_nor_datasets(folder):
    code = (
        "import sys; from repro.data.hugging_face import HuggingFace; "
        f"HuggingFace(path={str(folder)!r}, size=8, classes=2).fingerprint(); "
        "sys.exit(' '.join({'torch', 'datasets', 'pyarrow'} & set(sys.modules)) or None)"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)


def test_nothing_is_left_on_disk(folder, monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    before = sorted(folder.rglob("*"))
    tiny(folder).load()
    assert list(tmp_path.iterdir()) == [] and sorted(folder.rglob("*")) == before


def deep(folder: Path, kind: type) -> tuple[Path, np.ndarray]:
    """An imagefolder of two grey pictures of this kind in each split; with the levels of train/cat."""
    random = np.random.default_rng(0)
    for split in ("train", "test"):
        for label in ("cat", "dog"):
            path = folder / split / label / f"0.{'png' if kind is np.uint16 else 'tiff'}"
            path.parent.mkdir(parents=True)
            levels = random.integers(0, 2**16, (8, 8)).astype(kind)
            Image.fromarray(levels).save(path)
            if (split, label) == ("train", "cat"):
                seen = levels
    return folder, seen


@pytest.mark.parametrize("channels", [1, 3])
def test_of_16_bits_the_upper_8_are_taken(tmp_path, channels):
    folder, levels = deep(tmp_path / "deep", np.uint16)
    images = tiny(folder, channels=channels).load().train.images
    assert images.shape == (2, channels, 8, 8)
    assert (images[0] == torch.from_numpy((levels // 256).astype(np.uint8))).all()


@pytest.mark.parametrize(("kind", "mode"), [(np.int32, "mode I"), (np.float32, "mode F")])
def test_pixels_that_have_no_white_are_refused_with_the_file_and_the_remedy(tmp_path, kind, mode):
    folder, _ = deep(tmp_path / "deep", kind)
    said = (
        rf"{folder}/train/cat/0\.tiff cannot be read as an image: its pixels are .*{mode}.*: save it with 8"
    )
    with pytest.raises(ReproError, match=said):
        tiny(folder).load()


def test_a_picture_that_cannot_be_read_and_a_row_without_one_are_named(tmp_path):
    folder, _ = deep(tmp_path / "deep", np.uint16)
    (folder / "test" / "dog" / "0.png").write_bytes(b"text")
    with pytest.raises(ReproError, match=rf"of 'test': {folder}/test/dog/0\.png cannot be read as an image"):
        tiny(folder).load()
    path = parquet(tmp_path / "all.parquet", {"image": [png(0), None, png(1)], "label": [0, 1, 1]})
    with pytest.raises(
        ReproError, match=r"column 'image' of 'train': row 1 has no image \(the first row is 0\)"
    ):
        tiny(path, test="train").load()


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        ([0, None, 1], r"column 'label' of 'train': row 1 has no label \(the first row is 0\)$"),
        ([0, 1, None, None], r"row 2 has no label \(the first row is 0\), nor have 1 others$"),
    ],
)
def test_a_row_without_a_label_is_named(tmp_path, labels, said):
    path = parquet(tmp_path / "all.parquet", {"image": [png(0)] * len(labels), "label": labels})
    with pytest.raises(ReproError, match=said):
        tiny(path, test="train").load()


@pytest.mark.parametrize("layout", ["{split}/0.png", "{split}/cat/0.png"])
def test_a_folder_without_a_folder_for_each_of_several_classes_is_told_what_is_wanted(tmp_path, layout):
    for split in ("train", "test"):
        path = tmp_path / "set" / layout.format(split=split)
        path.parent.mkdir(parents=True)
        Image.new("L", (4, 4)).save(path)
    with pytest.raises(ReproError, match=r"of 'train' have no labels. Wanted is a folder for each of two"):
        tiny(tmp_path / "set").load()


def test_a_file_that_cannot_be_read_is_no_reason_for_a_traceback(folder, monkeypatch):
    def refused(*_):
        raise PermissionError(13, "Permission denied", "/data/0.png")

    monkeypatch.setattr("repro.contents.hashes", refused)
    with pytest.raises(ReproError, match=r"cannot read .*: .*Permission denied: '/data/0\.png'"):
        tiny(folder).fingerprint()
