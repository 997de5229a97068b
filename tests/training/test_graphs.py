"""Nets as CUDA graphs. Torch's recorder is replaced: what is asked of it, and what comes of it, is seen."""

import random
from dataclasses import replace

import pytest
import torch
from kit.tiny import spec, state
from torch import nn

from repro.errors import ReproError
from repro.findings import of_recipe
from repro.training.batches import Batches
from repro.training.compiling import forward_pass
from repro.training.graphs import NoGraph, graphed

WARM_UP = 3


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Flatten(), nn.LazyLinear(10), nn.BatchNorm1d(10), nn.Dropout(0.5))
        self.unused = nn.Linear(2, 2)

    def forward(self, images):
        return self.body(images * self.sign(images))

    def sign(self, _):
        return 1.0


class Counts(Net):
    """By a number in a new place each time, which a replay does not find."""

    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.zeros(()))

    def forward(self, images):
        self.mean = 0.9 * self.mean + 0.1 * images.mean()
        return super().forward(images)


class Centred(Net):
    """By what it has seen before, which it notes in place."""

    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.zeros(()))

    def forward(self, images):
        self.mean.mul_(0.9).add_(0.1 * images.mean())
        return super().forward(images - self.mean)


class GoesByItsImages(Net):
    def sign(self, images):
        return 1.0 if images[0].sum() > images[-1].sum() else -1.0


class LearnsByItsImages(GoesByItsImages):
    def forward(self, images):
        scores = self.body(images)
        return scores if self.sign(images) > 0 else scores.detach() + 0 * scores


class InFloat32(Net):
    """A product that is not rounded to bf16 at the end, as that of interpolation."""

    def forward(self, images):
        scores = super().forward(images)
        with torch.autocast("cpu", enabled=False):
            return scores.float() @ torch.linspace(0.1, 1.1, 100).reshape(10, 10)


class DrawsOnTheHost(Net):
    def sign(self, _):
        return random.random()


@pytest.fixture
def trained():
    """Of a net: a state, and its first batch."""

    def make(net, **recipe):
        one = state(cuda_graph=True, **recipe)
        batch = Batches(one).at(0)
        net(batch[0])  # it now knows how many numbers there are
        one.model = net.train()
        return one, batch

    return make


class Replayed(torch.autograd.Function):
    """What was recorded, the way back too: under autocast, if it was recorded under it."""

    @staticmethod
    def forward(context, run, autocast, images, *learnt):
        with torch.enable_grad(), torch.autocast("cpu", enabled=False):  # it has none but what was recorded
            context.outputs = run(images)
        context.autocast, context.learnt = autocast, learnt
        return context.outputs.detach()

    @staticmethod
    def backward(context, gradient):
        with torch.autocast("cpu", torch.bfloat16, enabled=context.autocast):
            back = torch.autograd.grad(context.outputs, context.learnt, gradient, allow_unused=True)
        return None, None, None, *back


@pytest.fixture
def replayed(monkeypatch):
    """The batches that were. As torch does, some passes get warm; what the host did in one of them is not
    done again in a replay.
    """
    seen = []

    def record(callable_, sample, allow_unused_input):
        assert allow_unused_input
        assert callable_.training  # torch replays what was recorded in this mode alone
        autocast = torch.is_autocast_enabled("cpu")
        net = callable_.model
        learnt = [
            parameter for parameter in callable_.parameters() if parameter.requires_grad
        ]  # as torch does

        def no_cache(*_):
            assert not torch.is_autocast_cache_enabled()  # torch refuses one

        watched = net.register_forward_pre_hook(no_cache)
        for _ in range(WARM_UP):
            callable_(*sample)
        watched.remove()
        sign = net.sign(*sample)

        def run(images):
            places = dict(net.named_buffers())
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(net, "sign", lambda _: sign)
                outputs = callable_(images)
            for name, place in places.items():
                if place is not net.get_buffer(name):
                    setattr(net, name, place)
            return outputs

        def replay(images):
            seen.append(images)
            return Replayed.apply(run, autocast, images, *learnt)

        return replay

    monkeypatch.setattr(torch.cuda, "make_graphed_callables", record)
    return seen


@pytest.mark.parametrize("net", [Net, Centred])
def test_replays_are_held_against_the_net_and_leave_it_as_it_was(trained, replayed, net):
    one, batch = trained(net())
    before = {name: tensor.clone() for name, tensor in one.model.state_dict().items()}
    replay = graphed(one, *batch)
    assert len(replayed) == 2
    assert not torch.equal(*replayed)
    assert all(torch.equal(tensor, before[name]) for name, tensor in one.model.state_dict().items())
    assert all(parameter.grad is None for parameter in one.model.parameters())
    replay(batch[0])
    assert len(replayed) == 3


@pytest.mark.parametrize("net", [GoesByItsImages, LearnsByItsImages, DrawsOnTheHost, Counts])
@pytest.mark.usefixtures("replayed")
def test_a_net_whose_way_is_not_the_same_each_time_is_refused(trained, net):
    one, batch = trained(net())
    with pytest.raises(ReproError, match=r"computes something else than without$"):
        graphed(one, *batch)


@pytest.mark.usefixtures("replayed")
def test_a_net_that_has_diverged_is_recorded_as_well(trained):
    one, batch = trained(Net())
    one.model.body[1].weight.data.fill_(torch.nan)
    graphed(one, *batch)


@pytest.mark.parametrize("part", ["outputs", "gradients"])
def test_a_replay_that_is_a_hundred_thousandth_off_is_refused(trained, monkeypatch, part):
    one, batch = trained(nn.Sequential(nn.Flatten(), nn.LazyLinear(10)))

    class Off(torch.autograd.Function):
        @staticmethod
        def forward(_, x):
            return x * (1 + 1e-5) if part == "outputs" else x.clone()

        @staticmethod
        def backward(_, gradient):
            return gradient * (1 + 1e-5) if part == "gradients" else gradient

    def record(callable_, *_, **__):
        return lambda images: Off.apply(callable_(images))

    monkeypatch.setattr(torch.cuda, "make_graphed_callables", record)
    with pytest.raises(NoGraph, match=r"computes something else than without$"):
        graphed(one, *batch)


def test_the_batch_that_is_recorded_is_nobodys(trained, monkeypatch):
    """A graph writes what it is given where its own was."""
    one, batch = trained(Net())

    def record(callable_, sample, **_):
        assert sample[0].data_ptr() != batch[0].data_ptr() and torch.equal(sample[0], batch[0])
        return callable_

    monkeypatch.setattr(torch.cuda, "make_graphed_callables", record)
    graphed(one, *batch)


@pytest.mark.usefixtures("replayed")
def test_the_way_back_is_recorded_as_the_loop_takes_it(trained):
    one, batch = trained(InFloat32(), precision="bf16")
    graphed(one, *batch)


@pytest.mark.usefixtures("replayed")
def test_what_is_frozen_has_no_gradient(trained):
    one, batch = trained(Net())
    one.model.body[1].requires_grad_(False)
    graphed(one, *batch)


def test_what_cannot_be_recorded_is_told_in_a_line(trained, monkeypatch):
    def refuse(*_, **__):
        raise RuntimeError("operation not permitted when stream is capturing\nmore")

    monkeypatch.setattr(torch.cuda, "make_graphed_callables", refuse)
    one, batch = trained(Net())
    with pytest.raises(ReproError, match=r"^model 'cifar_resnet' as a CUDA graph: .+ capturing$"):
        graphed(one, *batch)


def test_a_net_that_cannot_be_had_as_one_is_trained_as_it_is_and_told(trained, monkeypatch):
    one, batch = trained(DrawsOnTheHost())
    assert forward_pass(one, batch) is one.model  # on a CPU nobody asks
    on_a_gpu = replace(one, device=torch.device("cuda"))
    asked = []

    def refuse(*given):
        asked.append(given)
        raise NoGraph("a reason")

    monkeypatch.setattr("repro.training.compiling.graphed", refuse)
    with pytest.warns(UserWarning, match="a reason; it is trained without one, more slowly"):
        assert forward_pass(on_a_gpu, batch) is one.model
    assert asked == [(on_a_gpu, *batch)]


def test_want_of_memory_stays_what_it_is(trained, monkeypatch):
    def short(*_, **__):
        raise torch.cuda.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(torch.cuda, "make_graphed_callables", short)
    one, batch = trained(Net())
    with pytest.raises(torch.cuda.OutOfMemoryError):
        graphed(one, *batch)


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"compile": True}, "compiled"),
        ({"places": 2}, "several places"),
        ({"deterministic": False}, "held against"),
    ],
    ids=str,
)
def test_it_goes_with_neither_a_compiler_nor_several_places_nor_numbers_that_vary(other, said):
    assert not list(of_recipe(spec(cuda_graph=True).recipe))
    found = list(of_recipe(spec(cuda_graph=True, **other).recipe))
    assert said in found[-1].message
    assert found[-1].location == ("cuda_graph",)
