"""Recipes of segmentation at the scales of GPUs: groups of parameters, and nets that suites share."""

from pathlib import Path

import pytest
import torch

from repro.data.segmentation_sets import PascalVoc
from repro.models.deeplab import DeepLab
from repro.reading import load
from repro.state.net import make_model
from repro.training.groups import split

SUITES = Path(__file__).parents[2] / "suites" / "segmentation"
VOC = {"in_channels": PascalVoc.channels, "classes": PascalVoc.classes}


def arm(suite, name, scale="paper"):
    return load(SUITES / f"{suite}.yaml").resolve(name, scale)


def rates(suite, name, scale="paper"):
    """The learning rate and the weight decay of each parameter, by name."""
    resolved = arm(suite, name, scale)
    with torch.device("meta"):
        net = make_model(resolved.model, None)
    options = resolved.recipe.optimizer.options
    made = torch.optim.SGD(net.parameters(), lr=options["lr"], weight_decay=options["weight_decay"])
    split(made, net, resolved.recipe.optimizer.groups, resolved.model.name)
    names = {parameter: name for name, parameter in net.named_parameters()}
    return {
        names[parameter]: (group["lr"], group["weight_decay"])
        for group in made.param_groups
        for parameter in group["params"]
    }


@pytest.mark.parametrize("suite", ["fcn_skips", "fcn_skips_at_boundaries"])
def test_biases_of_an_fcn_learn_twice_as_fast_and_do_not_decay(suite):
    name = "fcn8s" if suite == "fcn_skips" else "skip"
    for parameter, found in rates(suite, name).items():
        wanted = (2e-4, 0) if parameter.endswith("bias") else (1e-4, 5e-4)
        assert found == pytest.approx(wanted), parameter
    assert arm(suite, name).model.options["zero_scores"]


@pytest.mark.parametrize(
    ("suite", "name"),
    [
        ("aspp", "view128"),
        ("aspp", "view224_4x4"),
        ("aspp", "view224_3x3"),
        ("aspp", "large_fov"),
        ("aspp", "aspp_large"),
        ("crf", "large_fov"),
        ("deeplab_versions", "v1_on_photographs"),
        ("deeplab_versions", "v2_on_photographs"),
    ],
)
def test_scores_of_a_deeplab_learn_ten_times_as_fast(suite, name):
    found = rates(suite, name)
    assert sum(".score." in parameter for parameter in found) >= 2
    for parameter, (rate, decay) in found.items():
        assert rate == pytest.approx(1e-2 if ".score." in parameter else 1e-3), parameter
        assert decay == 5e-4


@pytest.mark.parametrize(
    ("suite", "name"),
    [("aspp", "aspp_large"), ("crf", "large_fov"), ("output_stride", "stride8"), ("fcn_skips", "fcn8s")],
)
def test_at_gpu_scores_on_vgg_learn_ten_times_as_fast(suite, name):
    weights = {key: rate for key, (rate, _) in rates(suite, name, "gpu").items() if key.endswith("weight")}
    assert any("score" in parameter for parameter in weights)
    for parameter, rate in weights.items():
        assert rate == pytest.approx(1e-2 if "score" in parameter else 1e-3), parameter


@pytest.mark.parametrize(
    "places",
    [
        [("deeplab_v3plus", "v3plus"), ("crf", "v3plus"), ("deeplab_versions", "v3plus")],
        [("deeplab_v3plus", "v3"), ("deeplab_versions", "v3")],
        [("aspp", "large_fov"), ("crf", "large_fov")],
        [("fcn_skips", "fcn32s"), ("fcn_skips_at_boundaries", "coarse")],
        [("fcn_skips", "fcn16s"), ("fcn_skips_at_boundaries", "skip")],
        [("unet_against_fcn", "unet"), ("unet_skips", "unet")],
    ],
    ids=lambda places: places[0][1],
)
def test_at_gpu_suites_train_the_same_net_once(places):
    def content(one):  # digests sort keys
        return one.model.model_dump(), one.data, one.recipe.model_dump(), one.weights

    one, *others = (content(arm(*where, "gpu")) for where in places)
    assert all(other == one for other in others)


def test_v1_is_the_same_net_with_the_same_recipe_in_all_suites():
    one, *others = (
        arm(*where)
        for where in (
            ("aspp", "view224_3x3"),
            ("crf", "large_fov"),
            ("deeplab_versions", "v1_on_photographs"),
        )
    )
    recipe = one.recipe.model_dump(exclude={"evaluate"})
    assert (recipe["steps"], recipe["batch_size"]) == (6000, 20)
    for other in others:
        assert other.recipe.model_dump(exclude={"evaluate"}) == recipe
        assert shapes(other) == shapes(one)


def shapes(resolved):
    with torch.device("meta"):
        return {n: p.shape for n, p in DeepLab(**resolved.model.options, **VOC).named_parameters()}
