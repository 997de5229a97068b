"""What recipes at profile `paper` say of groups of parameters can be done with the nets that train by them."""

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


def arm(suite, name):
    return load(SUITES / f"{suite}.yaml").resolve(name, "paper")


def rates(suite, name):
    """The learning rate and the weight decay of each parameter, by name."""
    resolved = arm(suite, name)
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
