"""The data that jobs get: what the run began with, and nothing that tells nothing."""

import numpy as np
import pytest
import torch
from PIL import Image

import repro
from repro.catalogue import DATASETS
from repro.data.images import ImageSet
from repro.errors import ReproError
from repro.recipe import Named
from repro.work import execute

CPU = torch.device("cpu")


class Made:
    """A set of two pictures in each split. `content` is what its files would hold."""

    content = "before"
    loaded = 0
    first = 0

    def fingerprint(self):
        return self.content

    def load(self):
        Made.loaded += 1
        images = np.arange(self.first, self.first + 8, dtype=np.uint8).reshape(4, 1, 1, 2)
        labels = np.array([0, 1])
        return ImageSet.of((images[:2], labels), (images[2:], labels), ("a", "b"))


@pytest.fixture
def made(monkeypatch):
    """The only data set there is."""
    monkeypatch.setattr(DATASETS, "load", lambda _: Made)
    monkeypatch.setattr(Made, "loaded", 0)
    execute._images.cache_clear()
    yield Named(name="made")
    execute._images.cache_clear()


def test_data_stays_loaded_until_it_is_another(made, monkeypatch):
    first = execute.images(made, CPU, "before")
    assert execute.images(made, CPU, "before") is first and Made.loaded == 1
    monkeypatch.setattr(Made, "content", "after")
    assert execute.images(made, CPU, "before") is first
    assert execute.images(made, CPU, "after") is not first and Made.loaded == 2


def test_data_that_changed_while_the_run_went_on_is_refused(made):
    said = (
        "data set 'made' has changed since the run began, or is another on this machine; run the same command"
    )
    with pytest.raises(ReproError, match=said):
        execute.images(made, CPU, "another")


def test_data_that_tells_nothing_is_refused_by_its_name(made, monkeypatch):
    same = staticmethod(lambda *_: iter(["it is useless"]))
    monkeypatch.setattr("repro.data.doubts.of_images", same)
    with pytest.raises(ReproError, match=r"^data set 'made': it is useless$"):
        execute.images(made, CPU)


SUITE = """\
suite: changed
task: classification
arms:
  small: {model: cifar_resnet, depth: 8, width: 4}
profiles:
  cpu:
    data: {name: hugging-face, path: PATH, size: 8, classes: 2}
claims:
  some: {says: There are gradients., expect: "gradient_norm(small, at=start, images=4) > 0"}
"""


def test_pictures_that_were_changed_in_place_give_other_numbers_in_the_same_process(tmp_path, monkeypatch):
    random = np.random.default_rng(0)
    for split in ("train", "test"):
        for label in ("cat", "dog"):
            path = tmp_path / "pictures" / split / label / "0.bmp"
            path.parent.mkdir(parents=True)
            Image.fromarray(random.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(path)
    suite = tmp_path / "changed.yaml"
    suite.write_text(SUITE.replace("PATH", str(tmp_path / "pictures")))
    monkeypatch.setenv("REPRO_HOME", str(tmp_path / "store"))

    def values():
        (result,) = repro.run(suite, jobs=1)
        (values,) = result.claims["some"].values.values()
        return values

    before = values()
    assert values() == before
    size = path.stat().st_size
    path = tmp_path / "pictures" / "train" / "cat" / "0.bmp"
    Image.fromarray(random.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(path)
    assert path.stat().st_size == size
    assert not set(values()) & set(before)
    kept = len(list((tmp_path / "store" / "numbers").glob("*.json")))
    assert kept == 2 * len(before)
