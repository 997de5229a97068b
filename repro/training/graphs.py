"""A net's passes as CUDA graphs: for nets whose kernels are done before the host has started the next."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from repro.contracts import Outputs, Targets
from repro.errors import ReproError
from repro.state.memory import is_short
from repro.state.net import State
from repro.state.randomness import seed_default


class NoGraph(ReproError):
    """A net cannot be had as a CUDA graph."""


def graphed(state: State, images: Tensor, targets: Targets) -> Callable[[Tensor], Outputs]:
    """The forward pass, which brings its backward pass along, each recorded once and replayed from then on:
    by `torch.cuda.make_graphed_callables`, for batches of this shape. The net is left as it was.

    Raises `NoGraph` where a net cannot be recorded, and where replays give anything else than the net: one
    whose way depends on its images, or on numbers that are drawn on the host.
    """
    before = [buffer.clone() for buffer in state.model.buffers()]
    replay = _recorded(state, images)
    for seed, batch in enumerate((images, images.flip(0))):
        _restore(state, before)
        own = _pass(state, state.model, batch, targets, seed)
        _restore(state, before)
        if not all(map(_same, own, _pass(state, replay, batch, targets, seed))):
            name = state.spec.model.name
            raise NoGraph(f"model '{name}' as a CUDA graph computes something else than without")
    _restore(state, before)
    return replay


@torch.no_grad()
def _restore(state: State, before: list[Tensor]) -> None:
    for buffer, content in zip(state.model.buffers(), before, strict=True):
        buffer.copy_(content)


class _AtItsPrecision(nn.Module):
    """A net's way there under autocast, and nothing else: whoever records it records the way back as the loop
    takes it, where autocast has ended. Under it, what was computed in float32 on purpose would not be there.
    """

    def __init__(self, state: State):
        super().__init__()
        self.state, self.model = state, state.model

    def forward(self, images: Tensor) -> Outputs:
        with self.state.autocast(cached=False):
            return self.state.model(images)


def _recorded(state: State, images: Tensor) -> Callable[[Tensor], Outputs]:
    record: Any = torch.cuda.make_graphed_callables
    try:
        with _quiet():
            replay: Callable[[Tensor], Outputs] = record(
                _AtItsPrecision(state), (images.clone(),), allow_unused_input=True
            )
    except (RuntimeError, AssertionError) as error:
        _end_recording(state.device)
        if is_short(error):
            raise
        said = str(error).strip().partition("\n")[0]
        raise NoGraph(f"model '{state.spec.model.name}' as a CUDA graph: {said}") from error
    return replay


def _end_recording(device: torch.device) -> None:
    """A recording that fails leaves the device's random stream in its hands: other trials want it back."""
    if device.type == "cuda":
        stream = torch.cuda.default_generators[device.index or 0]
        stream.graphsafe_set_state(stream.clone_state())


def _pass(
    state: State, forward: Callable[[Tensor], Outputs], images: Tensor, targets: Targets, seed: int
) -> list[Tensor | None]:
    """Outputs, buffers as they are after it, and gradients. Kernels go by the layout of what they get: a
    recorded way back has that of the outputs, so this one has, too.
    """
    seed_default(state.device, seed)
    with state.autocast(cached=False):
        outputs = forward(images)
        for output in tree_leaves(outputs):
            if output.requires_grad:
                output.register_hook(torch.empty_like(output.detach()).copy_)
        loss = state.task.loss(outputs, targets)
    learnt = [parameter for parameter in state.model.parameters() if parameter.requires_grad]
    with _quiet():
        gradients = torch.autograd.grad(loss, learnt, allow_unused=True)
    left = [*tree_leaves(outputs), *state.model.buffers()]
    return [*(tensor.detach().clone() for tensor in left), *gradients]


@contextmanager
def _quiet() -> Iterator[None]:
    """Gradients are summed up on the recorder's stream, and torch waits for it; it need not say so."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The AccumulateGrad node's stream does not match")
        yield


def _same(one: Tensor | None, other: Tensor | None) -> bool:
    if one is None or other is None:
        return one is other
    return one.shape == other.shape and torch.allclose(one, other, rtol=0, atol=0, equal_nan=True)
