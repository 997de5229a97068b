import numpy as np
import pytest
import torch

from repro.data.detection_scenes import DetectionScenes
from repro.data.scenes import Scenes
from repro.data.split import head
from repro.data.targets import NONE
from repro.errors import ReproError

OPTIONS = {"size": 48, "train": 10, "test": 20, "items": (1, 3), "scale": (0.7, 1.4)}


def scenes(**options):
    return DetectionScenes(**{**OPTIONS, **options})


def test_boxes_are_those_of_the_scenes_with_classes_from_0_and_none_where_there_is_no_item():
    drawn = Scenes(**OPTIONS).canvases("test")
    _, boxes = head(scenes().load().test, 20)
    there = torch.from_numpy(drawn.labels > 0)
    assert torch.equal(boxes.labels != NONE, there) and not there.all()
    assert torch.equal(boxes.labels[there], torch.from_numpy(drawn.labels)[there] - 1)
    assert torch.equal(boxes.corners, torch.from_numpy(drawn.boxes).float())


def test_clutter_is_behind_items_and_nowhere_else_than_on_the_background():
    plain, cluttered = (head(scenes(clutter=n).load().test, 20)[0].numpy() for n in (0, 6))
    masks = Scenes(**OPTIONS).canvases("test").masks
    changed = (plain != cluttered).any(1)
    assert not changed[masks > 0].any()
    shares = changed.mean((1, 2))
    assert 0.05 < shares.mean() < 0.6 and shares.min() < 0.02  # some canvases have no fragment
    assert len(np.unique(shares.round(3))) > 10


def test_a_canvas_is_the_same_whatever_the_counts_and_another_with_another_seed():
    first = head(scenes().load().train, 10)[0]
    assert torch.equal(first, head(scenes(train=40, test=1).load().train, 10)[0])
    assert not torch.equal(first, head(scenes(seed=1).load().train, 10)[0])


def test_every_option_is_in_the_fingerprint():
    others = ({}, {"clutter": 0}, {"seed": 1}, {"items": (1, 2)}, {"size": 32}, {"kinds": (0, 1)})
    assert len({scenes(**options).fingerprint() for options in others}) == len(others)


def test_classes_are_the_kinds_without_a_background():
    made = scenes(kinds=(2, 3, 4))
    assert made.classes == 3
    loaded = made.load()
    assert loaded.class_names == ("Pullover", "Dress", "Coat") and not loaded.doubts
    assert not loaded.doubts_of_labels
    assert scenes(kinds=(2,), train=1, test=1).load().doubts_of_labels


def test_clutter_below_0_is_refused():
    with pytest.raises(ReproError, match="clutter of 0 or more pieces, not -1"):
        scenes(clutter=-1)
