import gzip
import hashlib
import subprocess
import sys

import pytest
import torch

from repro.data import digits, distortion
from repro.data.digits import FILE, Digits
from repro.data.images import MissingData
from repro.errors import ReproError

DOCUMENT = FILE.with_name("digits.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def images():
    return Digits(size=8).load()


@pytest.fixture(scope="module")
def lines() -> set[tuple[int, ...]]:
    """Of the file, parsed by hand: 64 levels and the digit."""
    return {tuple(map(int, line.split(b","))) for line in gzip.decompress(FILE.read_bytes()).split()}


def test_the_file_is_the_documented_one_with_its_source_and_licences():
    content = FILE.read_bytes()
    assert hashlib.sha256(content).hexdigest() in DOCUMENT and f"{len(content):,} bytes" in DOCUMENT
    for text in ("E. Alpaydin and C. Kaynak", "CC BY 4.0", "The scikit-learn developers", "BSD 3-Clause"):
        assert text in DOCUMENT


def test_every_image_is_one_of_the_file_with_its_digit_and_there_once(images, lines):
    seen = []
    for split in (images.train, images.test):
        levels = (split.images.flatten(1).double() * 16 / 255).round().long()
        seen += [(*row, digit) for row, digit in zip(levels.tolist(), split.targets.tolist(), strict=True)]
    assert set(seen) <= lines and len(set(seen)) == len(seen) == 1740


def test_white_and_black_are_the_ends_of_8_bits(images):
    assert (images.train.images.min(), images.train.images.max()) == (0, 255)


def test_both_splits_have_as_many_of_each_digit_from_the_start_on(images):
    assert images.train.targets.bincount().tolist() == [124] * 10
    assert images.test.targets.bincount().tolist() == [50] * 10
    assert Digits(size=8, train=100).load().train.targets.bincount().tolist() == [10] * 10
    assert images.class_names == tuple(map(str, range(10)))


def test_a_linear_guess_from_class_means_tells_digits_apart(images):
    """Were pictures and labels mixed up, it would be wrong in nine of ten."""
    train, test = (split.images.flatten(1).double() for split in (images.train, images.test))
    means = torch.stack([train[images.train.targets == digit].mean(0) for digit in range(10)])
    assert (torch.cdist(test, means).argmin(1) != images.test.targets).double().mean() < 0.15


def test_larger_images_are_torchs_interpolation(images):
    large = Digits(size=28, train=20).load().train.images
    wanted = torch.nn.functional.interpolate(images.train.images[:20].double(), size=28, mode="bilinear")
    assert large.shape == (20, 1, 28, 28) and (large - wanted).abs().max() <= 1


def test_distorted_ones_are_those_of_the_same_row_whatever_is_chosen():
    few, more = (Digits(train=train, distort=True).load() for train in (10, 30))
    assert torch.equal(few.train.images, more.train.images[:10])
    plain = Digits(train=10).load().train.images
    assert not torch.equal(few.train.images, plain)
    sizes = [(images > 0).sum((1, 2, 3)).double() for images in (few.train.images, plain)]
    assert len((sizes[0] / sizes[1]).round(decimals=1).unique()) > 3  # scales are many


def test_each_option_has_a_fingerprint_of_its_own(monkeypatch, tmp_path):
    options = [{}, {"size": 8}, {"train": 100}, {"distort": True}]
    prints = [Digits(**some).fingerprint() for some in options]
    assert len(set(prints)) == len(prints) and Digits(size=28, train=1240).fingerprint() == prints[0]
    monkeypatch.setattr(distortion, "VERSION", 0)
    assert Digits(distort=True).fingerprint() not in prints
    other = tmp_path / "digits.csv.gz"
    other.write_bytes(FILE.read_bytes() + b"\0")
    monkeypatch.setattr(digits, "FILE", other)
    assert Digits().fingerprint() not in prints


def test_a_missing_file_says_where_it_should_be(monkeypatch, tmp_path):
    monkeypatch.setattr(digits, "FILE", tmp_path / "gone.csv.gz")
    for method in (Digits().load, Digits().fingerprint):
        with pytest.raises(MissingData, match=r"gone\.csv\.gz.*install the package again"):
            method()


@pytest.mark.parametrize("options", [{"size": 7}, {"train": 9}, {"train": 1241}])
def test_what_there_is_not_is_refused(options):
    with pytest.raises(ReproError, match="a size of 8 or more and 10 to 1,240 training images"):
        Digits(**options)


def test_fingerprinting_it_imports_no_torch():
    code = (
        "import sys; from repro.data.digits import Digits; Digits().fingerprint(); "
        "sys.exit(' '.join({'torch', 'torchvision', 'datasets', 'pyarrow'} & set(sys.modules)) or None)"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)
