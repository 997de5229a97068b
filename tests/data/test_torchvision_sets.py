import gzip
import hashlib
import pickle
import struct
import sys
from pathlib import Path
from urllib.error import URLError

import numpy as np
import pytest
import torch
from torchvision.datasets import CIFAR10, CIFAR100, FashionMNIST

from repro.data import fashion_mnist, torchvision_sets
from repro.data.images import MissingData
from repro.data.torchvision_sets import Cifar10, Cifar100, FashionMnist
from repro.errors import ReproError


@pytest.fixture(autouse=True)
def data(monkeypatch, tmp_path):
    """An empty data folder, and no other to fall back on."""
    monkeypatch.setenv("REPRO_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(torchvision_sets, "DEBIAN_FASHION_MNIST", tmp_path / "debian")
    return tmp_path / "data"


def pixels(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def write_fashion_mnist(folder: Path, monkeypatch, packed: bool = False) -> dict[str, np.ndarray]:
    """Six training and four test images, whose checksums are put in the place of the real ones."""
    folder.mkdir(parents=True)
    arrays = {}
    for prefix, count in (("train", 6), ("t10k", 4)):
        arrays[f"{prefix}-images-idx3-ubyte"] = pixels(count, 28, 28)
        arrays[f"{prefix}-labels-idx1-ubyte"] = np.arange(count, dtype=np.uint8)
    for name, array in arrays.items():
        header = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
        content = header + array.tobytes()
        monkeypatch.setitem(fashion_mnist.FILES, name, hashlib.sha256(content).hexdigest())
        (folder / (name + ".gz" * packed)).write_bytes(gzip.compress(content) if packed else content)
    return arrays


class OldPickler(pickle.Pickler):
    """Writes the dtype as numpy did in 2009, with numbers for the booleans."""

    def reducer_override(self, value):
        return (np.dtype, ("u1", 0, 1)) if value is np.dtype(np.uint8) else NotImplemented


def write_cifar(
    source: type, data: Path, monkeypatch, label_key: str, classes: list[str]
) -> dict[str, np.ndarray]:
    """Two images a file; their checksums are put in the place of the real ones."""
    folder = data / source.base_folder
    folder.mkdir(parents=True)
    written = {}

    def write(name: str, content: object) -> str:
        with (folder / name).open("wb") as file:
            OldPickler(file, protocol=2).dump(content)
        return hashlib.md5((folder / name).read_bytes()).hexdigest()

    def batch(name: str) -> list[str]:
        written[name] = pixels(2, 3072) ^ np.uint8(len(written))
        return [name, write(name, {"data": written[name], label_key: [len(written) % 3, 1]})]

    for files in ("train_list", "test_list"):
        monkeypatch.setattr(source, files, [batch(name) for name, _ in getattr(source, files)])
    md5 = write(source.meta["filename"], {source.meta["key"]: classes})
    monkeypatch.setattr(source, "meta", {**source.meta, "md5": md5})
    return written


@pytest.mark.parametrize("packed", [False, True])
def test_fashion_mnist_is_read_unpacked_or_packed(data, monkeypatch, packed):
    arrays = write_fashion_mnist(data / "FashionMNIST" / "raw", monkeypatch, packed)
    images = FashionMnist().load()
    assert torch.equal(images.train.images[:, 0], torch.tensor(arrays["train-images-idx3-ubyte"]))
    assert torch.equal(images.test.images[:, 0], torch.tensor(arrays["t10k-images-idx3-ubyte"]))
    assert images.train.targets.tolist() == [0, 1, 2, 3, 4, 5] and images.train.targets.dtype == torch.int64
    assert images.class_names == tuple(FashionMNIST.classes)
    assert FashionMnist(size=7).load().test.images.shape == (4, 1, 7, 7)


def test_fashion_mnist_of_debians_package_is_found(tmp_path, monkeypatch):
    write_fashion_mnist(tmp_path / "debian", monkeypatch, packed=True)
    assert len(FashionMnist().load().train.images) == 6


def test_a_file_of_other_content_is_refused_by_name(data, monkeypatch):
    folder = data / "FashionMNIST" / "raw"
    write_fashion_mnist(folder, monkeypatch)
    (folder / "t10k-labels-idx1-ubyte").write_bytes(b"other")
    with pytest.raises(
        ReproError, match=r"t10k-labels-idx1-ubyte is not the file it should be.*get it again"
    ):
        FashionMnist().load()


@pytest.mark.parametrize(
    "content", [b"", b"\0\0\x08\x01\0\0\0\x05abc", b"\0\0\x0d\x01\0\0\0\x03abc", b"\0\0\x08\0"]
)
def test_what_is_not_idx_or_cut_short_is_refused(content, tmp_path):
    with pytest.raises(ReproError, match="digits is not an IDX file of unsigned bytes, or is cut short"):
        fashion_mnist.parse(content, tmp_path / "digits")


def test_a_damaged_archive_is_refused(tmp_path):
    (tmp_path / "train-labels-idx1-ubyte.gz").write_bytes(gzip.compress(b"content")[:-9])
    with pytest.raises(ReproError, match=r"train-labels-idx1-ubyte\.gz cannot be read"):
        fashion_mnist.read(tmp_path, "train-labels-idx1-ubyte")


@pytest.mark.parametrize(
    ("ours", "source", "label_key"), [(Cifar10, CIFAR10, "labels"), (Cifar100, CIFAR100, "fine_labels")]
)
def test_cifar_is_what_torchvision_shows_image_by_image(data, monkeypatch, ours, source, label_key):
    written = write_cifar(source, data, monkeypatch, label_key, ["cat", "dog", "frog"])
    images = ours().load()
    train = np.concatenate(list(written.values())[:-1]).reshape(-1, 3, 32, 32)
    assert torch.equal(images.train.images, torch.tensor(train))
    assert torch.equal(images.test.images, torch.tensor(list(written.values())[-1].reshape(-1, 3, 32, 32)))
    assert images.train.targets.tolist()[:2] == [1, 1] and images.train.targets.dtype == torch.int64
    assert images.class_names == ("cat", "dog", "frog")
    assert len(images.mean) == len(images.std) == 3
    assert ours(size=8).load().train.images.shape == (len(train), 3, 8, 8)


@pytest.mark.parametrize(
    ("ours", "layout"),
    [(FashionMnist, "FashionMNIST/raw"), (Cifar10, "cifar-10-batches-py"), (Cifar100, "cifar-100-python")],
)
def test_an_absent_set_says_where_it_was_looked_for_and_how_to_get_it(data, ours, layout):
    with pytest.raises(MissingData) as error:
        ours().load()
    assert str(data / layout) in str(error.value)
    assert f"Set REPRO_DATA to the folder that holds {layout} (now {data})" in str(error.value)
    assert "`download: true`" in str(error.value)


def test_damaged_cifar_is_told_from_absent(data, monkeypatch):
    write_cifar(CIFAR10, data, monkeypatch, "labels", ["cat"])
    (data / CIFAR10.base_folder / "data_batch_3").write_bytes(b"other")
    with pytest.raises(MissingData, match=r"cifar-10-batches-py has files that are missing or damaged"):
        Cifar10().load()


def test_without_repro_data_the_folder_data_is_looked_in(monkeypatch, tmp_path):
    monkeypatch.delenv("REPRO_DATA")
    monkeypatch.chdir(tmp_path)
    assert torchvision_sets.root() == tmp_path / "data"


def no_network(*_, **__):
    raise URLError(OSError(-2, "Name or service not known"))


def test_a_failed_download_is_missing_data_with_the_cause_in_one_line(monkeypatch, data):
    monkeypatch.setattr("torchvision.datasets.mnist.download_and_extract_archive", no_network)
    monkeypatch.setattr("torchvision.datasets.cifar.download_and_extract_archive", no_network)
    for ours in (FashionMnist, Cifar10, Cifar100):
        with pytest.raises(MissingData, match=r"cannot be downloaded: .*Name or service not known") as error:
            ours(download=True).load()
        assert "\n" not in str(error.value) and str(data) in str(error.value)


def test_what_is_there_is_not_downloaded(monkeypatch, data):
    monkeypatch.setattr("torchvision.datasets.cifar.download_and_extract_archive", no_network)
    write_cifar(CIFAR10, data, monkeypatch, "labels", ["cat"])
    assert len(Cifar10(download=True).load().train.images) == 10


def test_a_download_is_read_at_once(monkeypatch, data):
    def download(*_, **__):
        write_cifar(CIFAR10, data, monkeypatch, "labels", ["cat"])

    monkeypatch.setattr("torchvision.datasets.cifar.download_and_extract_archive", download)
    assert len(Cifar10(download=True).load().train.images) == 10


def test_checksums_are_those_that_torchvision_verifies():
    assert dict(CIFAR10.train_list + CIFAR10.test_list) == torchvision_sets.CIFAR10_FILES
    assert dict(CIFAR100.train_list + CIFAR100.test_list) == torchvision_sets.CIFAR100_FILES


def test_fingerprints_need_no_files_and_tell_sets_and_sizes_apart():
    sets = [FashionMnist(), FashionMnist(size=14), Cifar10(), Cifar10(size=16), Cifar100()]
    assert len({data.fingerprint() for data in sets}) == 5
    assert Cifar10(download=True).fingerprint() == Cifar10().fingerprint()


@pytest.mark.parametrize(
    ("ours", "expected"), [(FashionMnist, (1, 10, 28)), (Cifar10, (3, 10, 32)), (Cifar100, (3, 100, 32))]
)
def test_attributes_are_known_before_anything_is_read(ours, expected):
    data = ours()
    assert (data.channels, data.classes, data.size) == expected


def test_a_size_that_does_not_exist_is_refused_with_those_that_do():
    with pytest.raises(ReproError, match="'cifar10' has no size 24; its sizes are 32, 16, 8"):
        Cifar10(size=24)


def test_fashion_mnist_that_is_here_is_read_without_importing_torchvision(data, monkeypatch):
    write_fashion_mnist(data / "FashionMNIST" / "raw", monkeypatch)
    monkeypatch.setitem(sys.modules, "torchvision.datasets", None)  # importing it now raises
    assert len(FashionMnist().load().test.images) == 4
