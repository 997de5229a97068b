"""Scales that no test can run: their nets take weights, recipe and a batch, as far as shapes go."""

import warnings
from functools import cache
from pathlib import Path

import pytest
import torch
from torch.utils._pytree import tree_leaves
from torchvision.models import get_model

from repro.catalogue import DATASETS, OPTIMIZERS
from repro.models.layers.freezing import freeze
from repro.reading import load
from repro.state import weights
from repro.state.net import make_model
from repro.training.groups import split

FOLDER = Path(__file__).parents[1] / "suites"
LARGE = ("gpu", "paper")
SUITES = [
    path
    for path in sorted(FOLDER.glob("*/*.yaml"))
    if "device: cuda" in path.read_text() and "recipe:" in path.read_text()
]


def arms(path):
    """The trained arms of a suite at the scales of GPUs, each once."""
    suite = load(path)
    names = {(arm, scale) for scale in LARGE if scale in suite.profiles for arm in suite.arms_at(scale)}
    resolved = [suite.resolve(arm, scale) for arm, scale in sorted(names) if suite.arms[arm].of is None]
    trained = [one for one in resolved if one.recipe is not None and one.data is not None]
    return suite.task, {(str(one.model), str(one.data), str(one.recipe)): one for one in trained}.values()


def side(resolved, source):
    """Pixels of the windows that it trains on."""
    windows = [choice.options["size"] for choice in resolved.recipe.augment if "size" in choice.options]
    return windows[-1] if windows else source.size


@cache
def published(source):
    with torch.device("meta"), warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # GoogLeNet's, of how it is initialised
        return get_model(source).state_dict()


@pytest.mark.slow
def test_suites_of_detection_share_the_nets_whose_regions_are_searched():
    proposals, regions = (load(FOLDER / "detection" / f"{name}.yaml") for name in ("proposals", "regions"))
    assert proposals.resolve("searched", "gpu") == regions.resolve("shared", "gpu")
    timed = proposals.resolve("searched_anew", "gpu").model.options["regions"]
    assert timed == proposals.resolve("faster", "gpu").model.options["train_regions"] == 300


@pytest.mark.parametrize("path", SUITES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_every_net_of_a_large_scale_takes_its_weights_its_recipe_and_its_images(path, monkeypatch):
    monkeypatch.setattr(weights, "_weights", lambda source, _: published(source))
    task, found = arms(path)
    for one in found:
        source = DATASETS.load(one.data.name)(**one.data.options)
        pixels = side(one, source)
        with torch.device("meta"):
            net = make_model(one.model, one.data)
        if one.weights is not None and one.weights.name == "imagenet":
            weights.imagenet(net)
        freeze(net, one.freeze)
        made = OPTIMIZERS.load(one.recipe.optimizer.name)
        optimizer = made(net.parameters(), **one.recipe.optimizer.options)
        split(optimizer, net, one.recipe.optimizer.groups, one.model.name)
        with torch.device("meta"):
            outputs = net.eval()(torch.empty(2, source.channels, pixels, pixels))
        if task == "detection":
            assert outputs.classes == source.classes
            assert all(len(output) == 2 for output in tree_leaves(outputs))
            continue
        for output in tree_leaves(outputs):
            whole = (source.classes,) if task == "classification" else (source.classes, pixels, pixels)
            assert output.shape[1:] == whole or task == "reconstruction", one.model
