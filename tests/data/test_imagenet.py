import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.datasets import ImageFolder
from torchvision.models import ResNet50_Weights

import repro
from repro.data.imagenet import MEAN, STD, ImageNet
from repro.data.images import MissingData
from repro.data.split import head
from repro.errors import ReproError

SUITE = """\
suite: table
task: classification
arms:
  net: {model: cifar_resnet, depth: 8, width: 4}
  trained: {model: cifar_resnet, depth: 8, width: 4, recipe: {steps: 40}}
profiles:
  cpu:
    data: {name: imagenet, classes: 3, size: 20, resize: 24}
    recipe: {steps: 0, batch_size: 3, optimizer: {name: sgd, lr: 0.1}}
claims:
  evaluated: {says: Nets are evaluated untrained., expect: test_error(net) < 1.1}
  learnt: {says: Six images are learnt by heart., expect: train_error(trained) < 0.3}
"""
CLASSES = ("n01440764", "n01443537", "n02510455")


@pytest.fixture
def folder(monkeypatch, tmp_path) -> Path:
    """Three classes of two training images and one test image each, of other sizes."""
    monkeypatch.setenv("REPRO_DATA", str(tmp_path))
    random = np.random.default_rng(0)
    for split, count in (("train", 2), ("val", 1)):
        for name in CLASSES:
            (tmp_path / "imagenet" / split / name).mkdir(parents=True)
            for number in range(count):
                pixels = random.integers(0, 256, (12 + 3 * number, 20, 3), np.uint8)
                path = tmp_path / "imagenet" / split / name / f"{name}_{number}.JPEG"
                Image.fromarray(pixels).resize((400, 300)).save(path)
    return tmp_path / "imagenet"


def test_images_and_labels_are_those_of_torchvisions_folder_and_evaluation(folder):
    data = ImageNet(classes=3).load()
    preset = ResNet50_Weights.IMAGENET1K_V1.transforms()
    mean, std = (torch.tensor(levels).view(1, 3, 1, 1) for levels in (data.mean, data.std))
    for split, name, count in ((data.train, "train", 6), (data.test, "val", 3)):
        images, labels = head(split, 10)
        theirs = ImageFolder(folder / name)
        assert len(split) == len(images) == count and labels.tolist() == theirs.targets
        wanted = torch.stack([preset(picture) for picture, _ in theirs])
        torch.testing.assert_close((images / 255 - mean) / std, wanted, atol=1e-5, rtol=0)
    assert data.class_names == CLASSES and (data.mean, data.std) == (MEAN, STD)


def test_levels_are_torchvisions():
    preset = ResNet50_Weights.IMAGENET1K_V1.transforms()
    assert (tuple(preset.mean), tuple(preset.std)) == (MEAN, STD)


@pytest.mark.usefixtures("folder")
def test_rows_come_in_the_order_that_is_asked_for_and_on_the_device():
    split = ImageNet(classes=3, size=20, resize=30).load().train
    images, labels = split.rows(torch.tensor([5, 0, 5]))
    assert images.shape == (3, 3, 20, 20) and images.dtype == torch.uint8
    assert torch.equal(images[0], images[2]) and not torch.equal(images[0], images[1])
    assert labels.tolist() == [2, 0, 2]
    moved = split.to("meta")
    assert len(moved) == 6 and [part.device.type for part in moved.rows(torch.tensor([1]))] == ["meta"] * 2
    assert moved.index_device.type == "cpu"


def test_nothing_is_read_before_it_is_wanted(folder):
    split = ImageNet(classes=3).load().test
    (folder / "val" / CLASSES[1] / f"{CLASSES[1]}_0.JPEG").write_bytes(b"no picture")
    assert len(split.rows(torch.tensor([0, 2]))[0]) == 2
    with pytest.raises(ReproError, match=rf"{CLASSES[1]}_0\.JPEG cannot be read as a picture"):
        split.rows(torch.tensor([1]))


def test_the_fingerprint_tells_options_names_and_contents_apart(folder):
    before = [ImageNet(classes=3, **some).fingerprint() for some in ({}, {"size": 200}, {"resize": 300})]
    assert len(set(before)) == 3 and ImageNet(classes=3).fingerprint() == before[0]
    test = folder / "val" / CLASSES[0] / f"{CLASSES[0]}_0.JPEG"
    kept = test.read_bytes()
    test.write_bytes(kept[:-1] + b"\0")  # as long as before
    assert (changed := ImageNet(classes=3).fingerprint()) != before[0]
    test.write_bytes(kept)
    train = folder / "train" / CLASSES[0] / f"{CLASSES[0]}_0.JPEG"
    train.write_bytes(train.read_bytes() + b"\0")
    assert ImageNet(classes=3).fingerprint() not in (before[0], changed)
    os.rename(train, train.with_name("other.JPEG"))
    assert len({*before, changed, ImageNet(classes=3).fingerprint()}) == 5


def test_an_absent_folder_says_where_it_was_looked_for_and_what_it_holds(monkeypatch, tmp_path):
    monkeypatch.setenv("REPRO_DATA", str(tmp_path))
    for method in (ImageNet().load, ImageNet().fingerprint):
        with pytest.raises(MissingData, match=r"no .*imagenet/train\. Set REPRO_DATA .*image-net\.org"):
            method()


def test_another_number_of_classes_is_refused_as_are_images_that_are_not_in_folders(folder):
    with pytest.raises(ReproError, match=r"train has 3 folders of classes, not 1,000.*`classes: 100`"):
        ImageNet().load()
    for name in CLASSES:
        for picture in (folder / "val" / name).iterdir():
            picture.rename(folder / "val" / picture.name)
        (folder / "val" / name).rmdir()
    with pytest.raises(ReproError, match=r"val has 0 folders of classes, not 3.*test images too"):
        ImageNet(classes=3).load()


def test_a_class_of_one_split_alone_is_named(folder):
    (folder / "val" / CLASSES[2]).rename(folder / "val" / "n09999999")
    with pytest.raises(ReproError, match=r"n02510455, n09999999 are in one of .*train and .*val only"):
        ImageNet(classes=3).load()


def test_a_split_without_images_is_missing_and_hidden_files_are_none(folder):
    for name in CLASSES:
        (folder / "val" / name / f"{name}_0.JPEG").rename(folder / "val" / name / f".{name}")
    with pytest.raises(MissingData, match=r"there are no images in .*val"):
        ImageNet(classes=3).load()


@pytest.mark.parametrize("options", [{"size": 300}, {"size": 0}, {"classes": 1}])
def test_options_that_do_not_go_together_are_refused(options):
    with pytest.raises(ReproError, match="a size from 1 to `resize`, and 2 or more classes"):
        ImageNet(**options)


@pytest.mark.slow
@pytest.mark.usefixtures("folder")
def test_suites_evaluate_nets_on_it_without_a_step_and_train_them(tmp_path):
    (tmp_path / "table.yaml").write_text(SUITE)
    claims = repro.run(tmp_path / "table.yaml", jobs=1)[0].claims
    assert {name: claim.verdict for name, claim in claims.items()} == {
        "evaluated": "reproduced",
        "learnt": "reproduced",
    }
