"""Parameter groups: which parameters a word names, and what their factors do."""

import pytest
import torch
from kit.tiny import RESNET, habits, spec, state
from torch import nn

from repro.errors import ReproError
from repro.models.deeplab import DeepLab
from repro.models.fcn import FCN
from repro.training.groups import split
from repro.trial import Subject
from repro.work.execute import Work, execute

SMALL = {"widths": (4, 8), "depths": (1, 1), "batch_norm": True, "classes": 2}


class Net(nn.Module):
    """Convolution and normalisation, named by number, and a layer of scores."""

    def __init__(self):
        super().__init__()
        self.trunk = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.GroupNorm(2, 4))
        self.score = nn.Conv2d(4, 2, 1)


def options(model, words, optimizer=torch.optim.SGD, **given):
    """The options that each parameter is trained with, by its name."""
    made = optimizer(model.parameters(), **{"lr": 0.1, "weight_decay": 0.01, **given})
    split(made, model, words, "net")
    names = {parameter: name for name, parameter in model.named_parameters()}
    found = {names[p]: group for group in made.param_groups for p in group["params"]}
    assert found.keys() == set(names.values())
    return found


def rates(model, words):
    """The factor on the learning rate, and that on the weight decay, by name."""
    found = options(model, words, lr=1.0, weight_decay=1.0)
    return {name: (group["lr"], group["weight_decay"]) for name, group in found.items()}


def test_without_words_there_is_one_group_as_if_nothing_had_been_split():
    net, kept = Net(), torch.optim.SGD(Net().parameters(), lr=0.1, momentum=0.9)
    made = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    split(made, net, {}, "net")
    assert made.state_dict() == kept.state_dict()
    assert made.param_groups[0]["params"] == list(net.parameters())


def test_a_word_names_the_parameters_whose_dotted_name_holds_it():
    found = rates(Net(), {"score": {"lr": 10}, "trunk.0": {"lr": 0}})
    assert {name for name, (lr, _) in found.items() if lr == 10} == {"score.weight", "score.bias"}
    assert {name for name, (lr, _) in found.items() if lr == 0} == {"trunk.0.weight", "trunk.0.bias"}


def test_norm_names_the_parameters_of_normalisation_layers_whatever_they_are_called():
    found = rates(Net(), {"norm": {"weight_decay": 0}})
    without_decay = {name for name, (_, decay) in found.items() if decay == 0}
    assert without_decay == {"trunk.1.weight", "trunk.1.bias", "trunk.2.weight", "trunk.2.bias"}


def test_factors_of_several_words_are_multiplied():
    words = {"score": {"lr": 10}, "bias": {"lr": 2, "weight_decay": 0.5}, "norm": {"weight_decay": 0.5}}
    found = rates(Net(), words)
    assert found == {
        "trunk.0.weight": (1, 1),
        "trunk.0.bias": (2, 0.5),
        "trunk.1.weight": (1, 0.5),
        "trunk.1.bias": (2, 0.25),
        "trunk.2.weight": (1, 0.5),
        "trunk.2.bias": (2, 0.25),
        "score.weight": (10, 1),
        "score.bias": (20, 0.5),
    }
    assert found == rates(Net(), dict(reversed(words.items())))


def test_parameters_with_the_same_factors_share_a_group_and_other_options_stay_as_they_are():
    net = Net()
    made = torch.optim.AdamW(net.parameters(), lr=0.1, betas=(0.8, 0.9), weight_decay=0.2)
    split(made, net, {"bias": {"lr": 2}, "norm": {"lr": 2}}, "net")
    assert [len(group["params"]) for group in made.param_groups] == [2, 4, 2]
    assert [group["lr"] for group in made.param_groups] == pytest.approx([0.1, 0.2, 0.4])
    assert {(group["betas"], group["weight_decay"]) for group in made.param_groups} == {((0.8, 0.9), 0.2)}


def test_an_optimizer_that_has_groups_of_its_own_keeps_their_options():
    def own(parameters, **given):
        first, *others = parameters
        return torch.optim.SGD([{"params": [first], "momentum": 0.5}, {"params": others}], **given)

    found = options(Net(), {"trunk.0": {"lr": 3}}, own, lr=1.0)
    assert (found["trunk.0.weight"]["momentum"], found["trunk.0.weight"]["lr"]) == (0.5, 3)
    assert (found["trunk.0.bias"]["momentum"], found["trunk.0.bias"]["lr"]) == (0, 3)
    assert found["score.bias"]["lr"] == 1


def test_shared_weights_get_their_factors_once():
    net = Net()
    net.trunk.append(net.trunk[1])
    assert rates(net, {"norm": {"lr": 3}})["trunk.1.weight"] == (3, 1)


@pytest.mark.parametrize(
    "words, said",
    [
        (
            {"scroe": {"lr": 10}},
            "groups: no parameter of model 'net' has 'scroe' in its name; they are called trunk.0.weight, ",
        ),
        ({"score": {"betas": 2}}, "groups: the optimizer keeps no number 'betas' for a group of parameters"),
    ],
    ids=["a word", "an option"],
)
def test_what_names_nothing_is_said(words, said):
    with pytest.raises(ReproError, match=said):
        options(Net(), words)


def test_a_net_without_normalisation_has_nothing_that_norm_names():
    with pytest.raises(ReproError, match="model 'net' has no normalisation layers"):
        options(nn.Linear(2, 2), {"norm": {"lr": 0}})


# ---- the recipes of papers


def test_the_recipe_of_fully_convolutional_networks_can_be_said():
    """Section 4.3: biases at twice the learning rate. Scores at ten times, as DeepLab has them."""
    words = {"score": {"lr": 10}, "bias": {"lr": 2, "weight_decay": 0}, "norm": {"weight_decay": 0}}
    found = rates(FCN(skips=1, fc=8, **SMALL), words)
    assert found["score.weight"] == found["skip_scores.0.weight"] == (10, 1)
    assert found["score.bias"] == found["skip_scores.0.bias"] == (20, 0)
    assert {found[name] for name in found if name.startswith("ups.")} == {(1, 1)}
    trunk = {found[name] for name in found if name.startswith("trunk.")}
    assert trunk == {(1, 1), (2, 0), (1, 0)}  # kernels, biases, scales of normalisation


def test_the_recipe_of_deeplab_can_be_said():
    """arXiv 1412.7062, section 4.1: ten times the learning rate for the final classifier layer."""
    for fc in (8, 0):
        found = rates(DeepLab(rates=(2, 4), fc=fc, output_stride=4, **SMALL), {"score": {"lr": 10}})
        scores = {name for name, (lr, _) in found.items() if lr == 10}
        assert scores == {f"branches.{i}.score.{kind}" for i in (0, 1) for kind in ("weight", "bias")}


# ---- in a run


@pytest.fixture
def seen(monkeypatch):
    """The learning rates of all groups at every step from here on."""
    seen, original = [], torch.optim.SGD.step

    def step(self, *arguments):
        seen.append([group["lr"] for group in self.param_groups])
        return original(self, *arguments)

    monkeypatch.setattr(torch.optim.SGD, "step", step)
    return seen


@pytest.mark.usefixtures("nets")
def test_each_group_has_its_own_learning_rate_over_schedule_and_warmup(store, seen):
    groups = {"body": {"lr": 0.5}, "bias": {"lr": 4}}
    recipe = {"steps": 6, "warmup": 2, "schedule": {"name": "step", "at": [4], "factor": 0.1}}
    execute(spec(model=habits(), optimizer={"lr": 0.2, "groups": groups}, **recipe), store)
    body, body_bias, head, head_bias = zip(*seen, strict=True)
    assert head == pytest.approx([0.1, 0.2, 0.2, 0.2, 0.02, 0.02])
    for rates_of, factor in ((body, 0.5), (body_bias, 2), (head_bias, 4)):
        assert rates_of == pytest.approx([factor * rate for rate in head])


@pytest.mark.usefixtures("nets")
def test_what_has_a_learning_rate_of_0_stays_as_it_was_initialised(store):
    trial = spec(model=habits(), optimizer={"groups": {"body": {"lr": 0}}, "weight_decay": 0.1})
    execute(trial, store)
    trained = Work(store, torch.device("cpu")).state(Subject(trial=trial)).model.state_dict()
    fresh = state(model=habits()).model.state_dict()
    same = {name for name in fresh if torch.equal(trained[name], fresh[name])}
    assert same == {"body.1.weight", "body.1.bias"}


@pytest.mark.usefixtures("nets")
def test_a_word_that_names_nothing_ends_a_run_before_its_first_step(store, seen):
    trial = spec(model=RESNET, optimizer={"groups": {"nowhere": {"lr": 2}}})
    with pytest.raises(
        ReproError, match=f"no parameter of model '{RESNET['name']}' has 'nowhere' in its name"
    ):
        execute(trial, store)
    assert seen == [] and store.read(trial) is None
