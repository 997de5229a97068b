"""What a training step asks of a device, found out on the meta device, which has shapes but no memory.

Operators are counted as the device would be given them: forward, backward, and the optimizer's. Of each the
bytes that it reads and writes are counted, and what is alive at once is followed, as the allocator would see
it. Not seen is what libraries take inside an operator: the workspaces of cuDNN and cuBLAS.
"""

import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

from repro.catalogue import OPTIMIZERS, TASKS
from repro.data.images import ImageSet
from repro.data.split import image_shape
from repro.measures.operations import OperationCounter, UnknownOperator
from repro.models.layers.freezing import freeze
from repro.recipe import Named
from repro.state.net import CPU_PIXELS, EVALUATION_BATCH, EVALUATION_PIXELS, State, joined, make_model
from repro.training.batches import Batches
from repro.training.undrawn import Undrawn
from repro.trial import TrialSpec

META = torch.device("meta")
BLOCK = 512  # bytes: torch's allocator for CUDA rounds a tensor up to so many
# What is not seen here: a context of CUDA with the handles of its libraries, and what is lost to workspaces
# and between blocks. Neither has been measured by us on a GPU.
CONTEXT, MARGIN = 600 * 2**20, 1.2
# Operators of an evaluation that are watched, at half a millisecond each. Of a net that puts thousands of
# regions through its layers, some at a time, there would be 80,000
MOST = 5000
NOTHING_DONE = ("empty", "detach", "alias", "_unsafe_view", "_record_function")  # operators' names begin so


@dataclass(frozen=True)
class Footprint:
    """Of one training step, and of the evaluation of one batch."""

    flops: int  # 2 a multiply-add
    kernels: int  # operators that do something
    moved: int  # bytes read and written, if nothing stays in a cache
    memory: int  # bytes alive at once, at most, in training and in evaluation, on the device of the trial
    params: int  # numbers that a trial leaves: parameters and buffers
    evaluated: int  # images in a batch of the evaluation
    evaluation_flops: int
    evaluation_kernels: int
    evaluation_moved: int


class TooMany(Exception):
    """More operators than are wanted."""


class Watch(TorchDispatchMode):
    """Counts what runs in its context, and follows the memory of what is made there. Raises `UnknownOperator`
    as `OperationCounter` does, which as a context of its own would take most of the time: it follows modules.
    Raises `TooMany` after the `most` kernels.
    """

    def __init__(self, most: int | None = None) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.most = most
        self.kernels = self.moved = self.alive = self.peak = 0
        self.counts_flops, self._counter = True, OperationCounter()
        self._known: dict[int, weakref.finalize[..., Any]] = {}

    def hold(self, tensors: Any) -> None:
        """Tensors, in any tree, take memory from now on, until they are let go."""
        for tensor in tree_leaves(tensors):
            if isinstance(tensor, Tensor):
                self._follow(tensor.untyped_storage())

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        found = MADE.get(func, func)(*args, **(kwargs or {}))
        if self.counts_flops:
            self._counter._count_flops(func.overloadpacket, found, args, kwargs or {})
        self.hold(found)
        if not (func.is_view or func.overloadpacket.__name__.startswith(NOTHING_DONE)):
            self.kernels += 1
            if self.most is not None and self.kernels > self.most:
                raise TooMany
            self.moved += sum(map(_bytes, tree_leaves((args, kwargs, found))))
        return found

    @property
    def flops(self) -> int:
        return self._counter.get_total_flops()

    def _follow(self, storage: torch.UntypedStorage) -> None:
        key = storage._cdata
        if key not in self._known:
            size = -(-storage.nbytes() // BLOCK) * BLOCK
            self.alive += size
            self.peak = max(self.peak, self.alive)
            self._known[key] = weakref.finalize(storage, self._let_go, key, size)

    def _let_go(self, key: int, size: int) -> None:
        del self._known[key]
        self.alive -= size


def _batch_norm(
    inputs: Tensor, _weight: Any, _bias: Any, mean: Tensor, _variance: Any, training: bool, *_: Any
) -> tuple[Tensor, Tensor, Tensor]:
    numbers = torch.empty(inputs.shape[1], device=META)
    return torch.empty_like(inputs), torch.empty_like(numbers) if training else mean, numbers


def _batch_norm_backward(
    _grad: Tensor, inputs: Tensor, weight: Tensor | None, *rest: Any
) -> tuple[Tensor | None, ...]:
    *_, wanted = rest
    parts = (inputs, weight, weight)
    return tuple(
        torch.empty_like(part) if is_wanted and part is not None else None
        for part, is_wanted in zip(parts, wanted, strict=True)
    )


def _in_place() -> Iterator[tuple[Any, Callable[..., None]]]:
    """The optimizers' operators, which change tensors of a list, as many as a net has parameters, and make
    none. How many steps there were is a tensor with a value all the same, and is counted on.
    """
    for name in ("add", "addcdiv", "addcmul", "div", "lerp", "mul", "neg", "sqrt"):
        packet = getattr(torch.ops.aten, f"_foreach_{name}_")
        for overload in packet.overloads():
            operator = getattr(packet, overload)
            yield operator, partial(_change, operator)


def _change(operator: Any, tensors: list[Tensor], *others: Any, **options: Any) -> None:
    if not all(tensor.is_meta for tensor in tensors):
        operator(tensors, *others, **options)


# What makes the outputs of an operator in the place of torch, which on the meta device takes batch
# normalisation apart into some twenty operators, and has rectifiers in Python: most of the time of many nets
MADE: Mapping[Any, Callable[..., Any]] = {
    torch.ops.aten.relu.default: torch.empty_like,
    torch.ops.aten.threshold_backward.default: lambda grad, _inputs, _threshold: torch.empty_like(grad),
    torch.ops.aten.native_batch_norm.default: _batch_norm,
    torch.ops.aten.native_batch_norm_backward.default: _batch_norm_backward,
    **dict(_in_place()),
}


def footprint(spec: TrialSpec, data: ImageSet) -> Footprint | None:
    """Of an arm's step on such data. None for a net that cannot run on the meta device, because it looks at
    values, or that has an operator which is not known.
    """
    recipe = spec.recipe
    assert recipe is not None
    state = _state(spec, data)
    own = [*state.model.parameters(), *state.model.buffers()]
    batch = tree_map(lambda tensor: tensor.to(META), Batches(state).at(0))
    if recipe.precision == "bf16":  # autocast knows no meta device: the whole net is cast instead
        state.model.to(torch.bfloat16)
        batch = tree_map(lambda part: part.bfloat16() if part.is_floating_point() else part, batch)
    try:
        step, flops, state_bytes, recorded = _step(state, batch)
        gradients = sum(map(_bytes, state.model.parameters()))
        evaluation = _evaluation(state)
    except (RuntimeError, UnknownOperator, NotImplementedError):
        return None
    numbers = sum(tensor.numel() for tensor in own)
    peak = max(step.peak, evaluation.peak + gradients + state_bytes)
    # Under autocast parameters, gradients and optimizer are fp32, with a copy of the parameters in bf16
    more = numbers * 6 + state_bytes if recipe.precision == "bf16" else 0
    # CUDA graphs keep what their passes make, and the net itself makes as much beside them: it is held
    # against them, and evaluated
    graphs = recorded if recipe.cuda_graph and spec.device == "cuda" else 0
    return Footprint(
        flops=flops,
        kernels=step.kernels,
        moved=step.moved,
        memory=peak + more + graphs,
        params=numbers,
        evaluated=evaluation.images,
        evaluation_flops=evaluation.flops,
        evaluation_kernels=evaluation.kernels,
        evaluation_moved=evaluation.moved,
    )


def part_of(spec: TrialSpec) -> TrialSpec:
    """The trial as each of its places sees it: the net with a part of the batch. The outputs of all parts,
    which lie beside it, and the loss of them are left out.
    """
    recipe = spec.recipe
    assert recipe is not None
    part = {"batch_size": max(1, recipe.batch_size // recipe.places), "places": 1}
    return spec.model_copy(update={"recipe": recipe.model_copy(update=part)})


def with_margin(count: int) -> int:
    """Bytes that a device must have free for a net that takes so many on the meta device."""
    return int(MARGIN * count)


def on_meta(model: Named, data: Named | None) -> nn.Module:
    """A net without numbers."""
    with META, Undrawn():
        return make_model(model, data)


def _state(spec: TrialSpec, data: ImageSet) -> State:
    model = on_meta(spec.model, spec.data)
    freeze(model, spec.freeze)
    return State(spec, model.train(), TASKS.load(spec.task)(), data, torch.device("cpu"))


def _step(state: State, batch: tuple[Tensor, Any]) -> tuple[Watch, int, int, int]:
    """What was watched, FLOPs, bytes of the optimizer's state, and those that the passes make, at most."""
    recipe, watch = state.spec.recipe, Watch()
    assert recipe is not None
    optimizer = OPTIMIZERS.load(recipe.optimizer.name)(state.model.parameters(), **recipe.optimizer.options)
    for group in optimizer.param_groups:  # there are no fused kernels for meta; these move as much
        group.update({"fused": False, "foreach": True} if "fused" in group else {})
    watch.hold([*state.model.parameters(), *state.model.buffers(), batch])
    before = watch.alive
    with watch:
        outputs = state.model(batch[0])
        loss = state.task.loss(outputs, batch[1])
        loss.backward()
    watch.counts_flops, made = False, watch.peak - before
    del outputs, loss
    with watch:
        optimizer.step()
    kept = sum(_bytes(leaf) for leaf in tree_leaves(list(optimizer.state.values())))
    optimizer.zero_grad(set_to_none=True)
    return watch, watch.flops, kept, made


class _Evaluation(NamedTuple):
    """Of so many images at once: what was counted, and bytes alive at once."""

    images: int
    flops: int
    kernels: int
    moved: int
    peak: int


def _evaluation(state: State) -> _Evaluation:
    """Of the images of a batch of the test set that go through the net at once, as `State.evaluate` takes
    them. Where that has too many operators one image is watched, and two, of which the second takes as much
    as each that follows.
    """
    pixels = image_shape(state.data.test)[1:].numel()
    size = max(1, min(EVALUATION_BATCH, EVALUATION_PIXELS // pixels, len(state.data.test)))
    part = min(size, max(1, CPU_PIXELS // pixels)) if state.spec.device == "cpu" else size
    try:
        return _evaluated(state, size, part, MOST)
    except TooMany:
        one, two = (_evaluated(state, count, count) for count in (1, 2))
        return _Evaluation(
            *(first + (part - 1) * (both - first) for first, both in zip(one, two, strict=True))
        )


@torch.no_grad()
def _evaluated(state: State, size: int, part: int, most: int | None = None) -> _Evaluation:
    """Of a batch of `size`, of which `part` go through the net at once."""
    rows, watch = state.data.test, Watch(most)
    images, targets = rows.rows(torch.arange(2, device=rows.index_device) % len(rows))
    dtype = next((p.dtype for p in state.model.parameters()), torch.float32)

    def many(part: Tensor) -> Tensor:
        return torch.empty(size, *part.shape[1:], dtype=part.dtype, device=META)

    inputs, wanted = tree_map(many, state.batch(images, targets))
    inputs = inputs.to(dtype)
    state.model.eval()
    watch.hold([*state.model.parameters(), *state.model.buffers(), inputs, wanted])
    with watch:
        outputs = state.model(inputs[:part])
        watch.counts_flops = False
        if part < size:  # the outputs of the parts before it are there already
            before = tree_map(lambda of: of.new_empty(size - part, *of.shape[1:]), outputs)
            watch.peak += sum(map(_bytes, tree_leaves(before)))
            outputs = joined([before, outputs])
            del before
        with suppress(
            RuntimeError, NotImplementedError
        ):  # where metrics look at values, the rest is not seen
            state.task.evaluate([(outputs, wanted)], "test")
    return _Evaluation(part, watch.flops, watch.kernels, watch.moved, watch.peak)


def _bytes(leaf: Any) -> int:
    return leaf.numel() * leaf.element_size() if isinstance(leaf, Tensor) else 0
