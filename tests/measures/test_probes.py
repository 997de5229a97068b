import pytest
import torch
from kit.tiny import RESNET, counting, install, probing, spec
from torch.nn import functional as F

from repro.data.augment import normalise
from repro.errors import ReproError
from repro.measures.probes import gradient_norm
from repro.measures.static import params
from repro.state import devices
from repro.state.net import build
from repro.store import Store
from repro.work.execute import execute, images

CPU = torch.device("cpu")


def state(**options):
    trial = spec(trained=False, **options)
    return build(trial, images(trial.data, CPU), CPU)


def test_params_counts_what_is_trained():
    net = torch.nn.Sequential(
        torch.nn.Linear(3, 5), torch.nn.BatchNorm1d(5), torch.nn.Linear(5, 2, bias=False)
    )
    assert params(net) == 3 * 5 + 5 + 2 * 5 + 5 * 2
    net[0].weight.requires_grad_(False)
    assert params(net) == 5 + 2 * 5 + 5 * 2


@pytest.mark.parametrize(
    ("layer", "path"),
    [
        ("first", "stem.0"),
        ("last", "classifier"),
        ("stages.1.0.branch.3", "stages.1.0.branch.3"),
        ("classifier", "classifier"),
    ],
)
def test_gradient_norm_is_the_norm_of_autograds_gradient(layer, path):
    looked_at = state()
    data, net = looked_at.data, state().model.train()
    inputs = normalise(data.train.images[:32], data.mean, data.std, dtype=torch.float32, channels_last=True)
    loss = F.cross_entropy(net(inputs), data.train.targets[:32])
    (gradient,) = torch.autograd.grad(loss, net.get_submodule(path).weight)
    expected = gradient.square().sum().sqrt().item()
    assert expected > 0
    assert gradient_norm(looked_at, layer=layer, images=32) == pytest.approx(expected, rel=1e-5)


def test_the_least_and_the_most_are_over_all_convolutions_and_linear_layers():
    layers = ["stem.0", *(f"stages.{i}.0.branch.{j}" for i in range(3) for j in (0, 3)), "classifier"]
    norms = [gradient_norm(state(), layer=layer, images=32) for layer in layers]
    assert gradient_norm(state(), layer="least", images=32) == pytest.approx(min(norms), rel=1e-5)
    assert gradient_norm(state(), layer="most", images=32) == pytest.approx(max(norms), rel=1e-5)
    assert min(norms) < 0.6 * max(norms)


def test_gradient_norm_does_not_add_to_gradients_that_are_there():
    looked_at = state()
    looked_at.model.eval()
    first = gradient_norm(looked_at)
    assert gradient_norm(looked_at) == pytest.approx(first, rel=1e-5)


def test_a_layer_that_is_not_there_is_an_error_with_those_that_are():
    with pytest.raises(
        ReproError,
        match=r"no convolution or linear layer 'stem'; "
        r"there are stem\.0, stages\.0\.0\.branch\.0, .*classifier",
    ):
        gradient_norm(state(), layer="stem")


def test_a_net_without_layers_to_look_at_is_an_error_too():
    looked_at = state()
    looked_at.model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.BatchNorm1d(49))
    for layer in ("first", "most"):
        with pytest.raises(
            ReproError, match=f"gradient_norm: no convolution or linear layer '{layer}'; there are none"
        ):
            gradient_norm(looked_at, layer=layer)


def test_a_layer_that_the_loss_does_not_see_has_no_gradient_and_says_so():
    looked_at = state()
    looked_at.model.unused = torch.nn.Linear(2, 2)
    for layer in ("unused", "least", "most"):
        with pytest.raises(ReproError, match="gradient_norm: the loss does not depend on 'unused'"):
            gradient_norm(looked_at, layer=layer)


def test_a_probe_looks_at_the_net_before_the_first_step_or_after_the_last(tmp_path, monkeypatch):
    monkeypatch.setattr(devices, "matmul_peak", lambda *_: 1.0)
    store, trial, start = Store(tmp_path), spec(), spec(trained=False)
    before, after = (probing("gradient_norm", looked_at, images=32) for looked_at in (start, trial))
    execute(before, store)  # needs no training
    assert not store.folder(start).exists()
    execute(trial, store)
    execute(after, store)
    value = store.read(before)["value"]
    assert value == pytest.approx(gradient_norm(state(), images=32))
    assert store.read(after)["value"] != pytest.approx(value, rel=1e-3)


def test_a_count_is_made_on_the_meta_device_with_the_channels_and_classes_of_the_data(tmp_path, monkeypatch):
    install(tmp_path / "packages", monkeypatch)
    net = {**RESNET, "depth": 20, "width": 16}
    store, number = Store(tmp_path), counting("params", model=net, data=spec().data)
    execute(number, store)
    assert store.read(number)["value"] == 269_722 - 2 * 9 * 16  # one channel, not three
