import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet
import pytest
import torch

from repro.data import embedded, make_fashion_mnist_small
from repro.data.embedded import FILE, FashionMnistSmall
from repro.data.images import MissingData
from repro.data.torchvision_sets import DEBIAN_FASHION_MNIST
from repro.errors import ReproError

DOCUMENT = FILE.with_suffix(".md").read_text(encoding="utf-8")


def sha256(content: bytes | torch.Tensor) -> str:
    if isinstance(content, torch.Tensor):
        content = content.to(torch.uint8).numpy().tobytes()
    return hashlib.sha256(content).hexdigest()


@pytest.fixture(scope="module")
def images():
    return FashionMnistSmall().load()


def test_the_file_is_the_documented_one_and_at_most_6_mib():
    content = FILE.read_bytes()
    assert sha256(content) in DOCUMENT
    assert f"{len(content):,} bytes" in DOCUMENT
    assert len(content) <= 6 * 1024 * 1024


def test_pixels_and_labels_are_the_documented_ones(images):
    for tensor in (images.train.images, images.train.targets, images.test.images, images.test.targets):
        assert sha256(tensor) in DOCUMENT


def test_the_licence_and_the_source_are_named():
    for text in ("Copyright © 2017 Zalando SE", "arXiv 1708.07747", 'THE SOFTWARE IS PROVIDED "AS IS"'):
        assert text in DOCUMENT
    for name, digest in make_fashion_mnist_small.fashion_mnist.FILES.items():
        assert f"| {name} | `{digest}` |" in DOCUMENT


def test_there_are_1000_training_and_200_test_images_a_class(images):
    assert images.train.images.shape == (10_000, 1, 28, 28) and images.test.images.shape == (2_000, 1, 28, 28)
    assert images.train.images.dtype == torch.uint8 and images.train.targets.dtype == torch.int64
    assert images.train.targets.bincount().tolist() == [1000] * 10
    assert images.test.targets.bincount().tolist() == [200] * 10


def test_any_ten_images_on_end_from_a_multiple_of_ten_have_ten_classes_in_varying_order(images):
    for targets in (images.train.targets, images.test.targets):
        rounds = targets.view(-1, 10)
        assert torch.equal(rounds.sort(dim=1).values, torch.arange(10).expand_as(rounds))
        assert len(rounds.unique(dim=0)) > 0.99 * len(rounds)  # 10! orders: a pair alike has odds of 1 in 7


def test_no_image_is_there_twice(images):
    flat = np.concatenate([images.train.images.numpy(), images.test.images.numpy()]).reshape(-1, 784)
    assert len({row.tobytes() for row in flat}) == 12_000


def test_class_names_are_those_of_the_source(images):
    from torchvision.datasets import FashionMNIST

    assert images.class_names == tuple(FashionMNIST.classes)


def test_mean_and_std_are_those_of_the_training_images(images):
    pixels = images.train.images.double() / 255
    assert images.mean == pytest.approx([pixels.mean().item()], rel=1e-12)
    assert images.std == pytest.approx([(pixels - pixels.mean()).square().mean().sqrt().item()], rel=1e-12)


@pytest.mark.parametrize("size", [14, 7])
def test_a_smaller_size_is_the_average_over_areas(images, size):
    small = FashionMnistSmall(size=size).load()
    exact = torch.nn.functional.avg_pool2d(images.train.images[:200].double(), 28 // size)
    assert small.train.images.shape == (10_000, 1, size, size)
    assert torch.equal(small.train.images[:200], (exact + 0.5).floor().to(torch.uint8))
    assert torch.equal(small.train.targets, images.train.targets)


def test_a_size_that_does_not_exist_is_refused_with_those_that_do():
    with pytest.raises(ReproError, match="no size 20; its sizes are 28, 14, 7"):
        FashionMnistSmall(size=20)


def test_attributes_are_known_before_the_pixels_are_read():
    data = FashionMnistSmall(size=14)
    assert (data.channels, data.classes, data.size) == (1, 10, 14)


def test_the_fingerprint_tells_sizes_apart_and_contents(monkeypatch, tmp_path):
    before = FashionMnistSmall().fingerprint()
    assert before == FashionMnistSmall(size=28).fingerprint() != FashionMnistSmall(size=14).fingerprint()
    other = tmp_path / "other.parquet"
    other.write_bytes(FILE.read_bytes() + b"\0")
    monkeypatch.setattr(embedded, "FILE", other)
    assert FashionMnistSmall().fingerprint() != before


def test_a_missing_file_says_where_it_should_be_and_how_to_get_it(monkeypatch, tmp_path):
    monkeypatch.setattr(embedded, "FILE", tmp_path / "gone.parquet")
    for method in (FashionMnistSmall().load, FashionMnistSmall().fingerprint):
        with pytest.raises(
            MissingData, match=r"gone\.parquet.*install the package again.*make_fashion_mnist_small"
        ):
            method()


def test_naming_and_fingerprinting_the_set_import_neither_torch_nor_datasets():
    code = (
        "import sys; from repro.data.embedded import FashionMnistSmall; FashionMnistSmall().fingerprint(); "
        "sys.exit(' '.join({'torch', 'torchvision', 'datasets', 'pyarrow'} & set(sys.modules)) or None)"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)


@pytest.mark.slow
def test_four_processes_read_at_once_and_leave_nothing_in_the_home_folder(tmp_path):
    code = (
        "import concurrent.futures, sys; from repro.data.embedded import FashionMnistSmall\n"
        "def total(_): return int(FashionMnistSmall(size=7).load().train.images.sum())\n"
        "if __name__ == '__main__':\n"
        "    import multiprocessing, datasets, torch\n"
        "    with concurrent.futures.ProcessPoolExecutor(4, multiprocessing.get_context('fork')) as pool:\n"
        "        print(len(set(pool.map(total, range(4)))))"
    )
    script = tmp_path / "four.py"
    script.write_text(code)
    home = tmp_path / "home"
    environment = {
        "HOME": str(home),
        "PYTHONPATH": str(Path(embedded.__file__).parents[2]),
        "OMP_NUM_THREADS": "1",
    }
    done = subprocess.run([sys.executable, script], env=environment, capture_output=True, text=True)
    assert done.stdout == "1\n", done.stderr
    assert not home.exists()


@pytest.mark.skipif(not DEBIAN_FASHION_MNIST.is_dir(), reason="needs Debian's package dataset-fashion-mnist")
def test_the_script_makes_the_same_rows_again():
    made = make_fashion_mnist_small.rows(DEBIAN_FASHION_MNIST)
    stored = pyarrow.parquet.read_table(FILE).to_pydict()
    assert made.pop("split") == [
        list(make_fashion_mnist_small.SPLITS)[split] for split in stored.pop("split")
    ]
    assert made == stored


def test_the_script_writes_what_the_set_reads(tmp_path):
    columns = {
        "pixels": [bytes([v]) * 784 for v in (1, 2, 3)],
        "label": [4, 9, 0],
        "split": ["train", "test", "train"],
    }
    make_fashion_mnist_small.write({**columns, "source_index": [5, 6, 7]}, tmp_path / "tiny.parquet")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(embedded, "FILE", tmp_path / "tiny.parquet")
        tiny = FashionMnistSmall().load()
    assert tiny.train.images[:, 0, 0, 0].tolist() == [1, 3] and tiny.train.targets.tolist() == [4, 0]
    assert tiny.test.images[:, 0, 0, 0].tolist() == [2] and tiny.test.targets.tolist() == [9]


def test_the_choice_has_each_class_once_a_round():
    labels = np.repeat(np.arange(3), 50)
    chosen = list(make_fashion_mnist_small.choose(labels, "train", 20))
    assert len(set(chosen)) == 60
    assert all(set(labels[chosen[start : start + 3]]) == {0, 1, 2} for start in range(0, 60, 3))
    assert chosen != list(make_fashion_mnist_small.choose(labels, "test", 20))
