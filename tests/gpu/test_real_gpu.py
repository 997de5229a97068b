"""What only a GPU that computes can show."""

import pytest
import torch
from kit.tiny import RESNET, habits, install, spec

from repro.models.layers.interpolation import bilinear
from repro.state import devices
from repro.store import Store
from repro.work.execute import Work, execute

pytestmark = pytest.mark.skipif(
    not torch.cuda.is_available(), reason="needs a GPU: what CUDA computes cannot be seen without one"
)


@pytest.fixture(autouse=True)
def nets(tmp_path, monkeypatch):
    install(tmp_path / "site", monkeypatch)


def outcome(store, trial):
    execute(trial, store)
    record = store.read(trial)
    return record["measurements"], record["curves"], Work(store, torch.device("cuda")).weights(trial)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize(
    "model",
    [RESNET, habits(drop=0.5), habits(interpolates=True)],
    ids=["batch norm", "dropout", "products in fp32"],
)
def test_a_trial_as_a_cuda_graph_ends_as_it_does_without_to_the_last_bit(tmp_path, model, precision):
    store = Store(tmp_path)
    alike = {"model": model, "device": "cuda", "precision": precision, "steps": 20}
    without = outcome(store, spec(**alike))
    graphed = outcome(store, spec(**alike, cuda_graph=True))
    assert without[:2] == graphed[:2]
    assert all(torch.equal(tensor, graphed[2][name]) for name, tensor in without[2].items())


@pytest.mark.parametrize("size", [(16, 16), (17, 5), (3, 2)], ids=str)
def test_interpolation_is_that_of_torch_and_its_gradient_the_same_each_time(size):
    maps = torch.rand(4, 5, 6, 7, device="cuda", requires_grad=True)
    expected = torch.nn.functional.interpolate(maps, size=size, mode="bilinear")
    weights = torch.rand_like(expected)
    wanted = torch.autograd.grad((expected * weights).sum(), maps)[0]
    gradients = []
    with devices.flags(deterministic=True):
        for _ in range(5):
            ours = bilinear(maps, size)
            gradients.append(torch.autograd.grad((ours * weights).sum(), maps)[0])
    torch.testing.assert_close(ours, expected)
    torch.testing.assert_close(gradients[0], wanted)
    assert all(torch.equal(one, gradients[0]) for one in gradients)


def test_a_net_that_cannot_be_recorded_is_told_and_trained_as_it_is_and_so_are_others_after_it(tmp_path):
    store, dropping = Store(tmp_path), {"model": habits(drop=0.5), "device": "cuda"}
    before = outcome(store, spec(**dropping))
    peeking = {"model": habits(peeks=True), "device": "cuda"}
    as_it_is = outcome(store, spec(**peeking))
    with pytest.warns(UserWarning, match=r"as a CUDA graph: .+; it is trained without one"):
        told = outcome(store, spec(**peeking, cuda_graph=True))
    assert told[:2] == as_it_is[:2]
    assert store.read(spec(**peeking, cuda_graph=True))["cost"]["cuda_graph"] == 0
    after = outcome(Store(tmp_path / "another"), spec(**dropping))
    assert before[:2] == after[:2]


def test_a_net_that_draws_on_the_host_is_trained_as_it_is(tmp_path):
    net = {"name": "stochastic_resnet", "depth": 8, "width": 4, "active": 1}
    with pytest.warns(UserWarning, match="computes something else than without"):
        execute(spec(model=net, device="cuda", cuda_graph=True, steps=20), Store(tmp_path))
