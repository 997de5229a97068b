"""What is known of sets that are not here."""

import pytest

from repro.catalogue import DATASETS
from repro.conformance.data_sets import _split
from repro.data.blank import blank
from repro.data.outlines import ROWS, outline
from repro.recipe import Named

GIB = 2**30


@pytest.fixture(autouse=True)
def nowhere(tmp_path, monkeypatch):
    monkeypatch.setenv("REPRO_DATA", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    ("options", "gib"),
    [
        ({"name": "pascal-voc", "train": "trainaug", "size": 513}, 11.8),
        ({"name": "oxford-pets", "size": 256}, 1.8),
        ({"name": "cityscapes", "size": 1024}, 27.1),
        ({"name": "cityscapes", "size": 512}, 6.8),
    ],
)
def test_sets_take_four_bytes_a_pixel(options, gib):
    assert outline(Named(**options)).bytes_in_memory / GIB == pytest.approx(gib, abs=0.06)


@pytest.mark.parametrize("name", ROWS)
def test_a_stand_in_keeps_the_contract_and_has_the_form_that_is_known(name):
    made, known = DATASETS.load(name)(), outline(Named(name=name))
    assert not known.is_here or name == "fashion-mnist"
    stand_in = blank(known, made.classes)
    assert (len(stand_in.train), len(stand_in.test)) == known[:2]
    assert not [*_split(stand_in.train, made), *_split(stand_in.test, made)]


def test_cifar_is_here_once_its_files_are(nowhere):
    (nowhere / "cifar-10-batches-py").mkdir()
    (nowhere / "cifar-10-batches-py" / "test_batch").touch()
    assert outline(Named(name="cifar10")).is_here and not outline(Named(name="cifar100")).is_here


def test_a_set_in_the_package_says_nothing_of_itself():
    assert outline(Named(name="fashion-mnist-small")) is None
