"""A net with its data and its task: what is trained, evaluated and probed."""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map

from repro.catalogue import DATASETS, MODELS, TASKS, WEIGHTS
from repro.contracts import Outputs, Targets, Task
from repro.data.augment import normalise
from repro.data.images import ImageSet
from repro.data.split import image_shape, in_batches
from repro.errors import ReproError
from repro.models.layers.freezing import freeze
from repro.recipe import Named
from repro.source import parameters
from repro.state.memory import is_short
from repro.state.randomness import own_default_stream, seed_default, stream
from repro.trial import TrialSpec

if TYPE_CHECKING:
    from repro.state.weights import Levels

EVALUATION_BATCH = 500  # images, of at most EVALUATION_PIXELS in all
EVALUATION_PIXELS = 2**22  # 1,024 images of 64×64, 40 of 321×321: their logits of 21 classes take 350 MB
CPU_PIXELS = 2**19  # of them that go through the net at once on a CPU: 128 images of 64×64
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


@dataclass
class State:
    """A net with its data and its task: what is trained, evaluated and probed."""

    spec: TrialSpec
    model: nn.Module
    task: Task
    data: ImageSet
    device: torch.device

    def inputs(self, images: Tensor) -> Tensor:
        """uint8 images as the net takes them: float32, normalised. [N, C, H, W] → [N, C, H, W]"""
        channels_last = self.spec.recipe is None or self.spec.recipe.channels_last
        return normalise(
            images, self.data.mean, self.data.std, dtype=torch.float32, channels_last=channels_last
        )

    def batch(self, images: Tensor, targets: Targets) -> tuple[Tensor, Targets]:
        """Inputs, and what outputs are held against."""
        inputs = self.inputs(images)
        return inputs, self.task.targets(inputs, targets)

    def autocast(self, cached: bool = True) -> AbstractContextManager[None]:
        """`cached`: a weight that is used twice is rounded once."""
        precision = self.spec.recipe.precision if self.spec.recipe else "fp32"
        enabled = precision != "fp32"
        return torch.autocast(self.device.type, DTYPES[precision], enabled=enabled, cache_enabled=cached)

    @torch.no_grad()
    def evaluate(self, split: Literal["train", "test"], limit: int | None = None) -> dict[str, float]:
        """The task's metrics on the first `limit` images of a split."""
        rows = self.data.train if split == "train" else self.data.test
        size = max(1, min(EVALUATION_BATCH, EVALUATION_PIXELS // image_shape(rows)[1:].numel()))
        self.model.eval()

        def batches() -> Iterator[tuple[Outputs, Targets]]:
            for images, targets in in_batches(rows, size, limit):
                inputs, wanted = self.batch(images, targets)
                with self.autocast():
                    outputs = self._outputs(inputs)
                yield outputs, wanted

        metrics = self.task.evaluate(batches(), split)
        self.model.train()
        return {name: float(value) for name, value in metrics.items()}

    @torch.no_grad()
    def trivial(self, split: Literal["train", "test"] = "test") -> dict[str, float]:
        """The task's metrics of the most frequent class as the answer to everything."""
        rows = self.data.train if split == "train" else self.data.test
        images, targets = next(iter(in_batches(rows, 1, 1)))
        self.model.eval()
        one = self._outputs(self.batch(images, targets)[0])
        self.model.train()

        def batches() -> Iterator[tuple[Outputs, Targets]]:
            for images, targets in in_batches(rows, EVALUATION_BATCH, None):
                many = len(images)
                outputs = tree_map(lambda tensor: tensor[:1].expand(many, *tensor.shape[1:]), one)  # noqa: B023
                yield outputs, self.task.targets(images, targets)

        return {name: float(value) for name, value in self.task.trivial(batches(), split).items()}

    def _outputs(self, inputs: Tensor) -> Outputs:
        """On a CPU in parts: blocks above 32 MiB come from the system anew each time, half as long again."""
        if self.device.type != "cpu":
            return self.model(inputs)
        parts = inputs.split(max(1, CPU_PIXELS // inputs.shape[2:].numel()))
        return joined([self.model(part) for part in parts])


def joined(parts: list[Outputs]) -> Outputs:
    """Outputs of some images and of those that follow them, as outputs of all."""
    return tree_map(lambda *tensors: torch.cat(tensors), *parts)


def build(
    spec: TrialSpec, data: ImageSet, device: torch.device, start: Mapping[str, Tensor] | None = None
) -> State:
    """The net as it is before the first step, on the device; the same for the same seed, whatever ran before.

    Pretrained weights may want images normalised as those were that they come from: `data` is with them.

    `start` are the weights of the trial that it starts from. Raises `ReproError` if those do not fit.
    """
    with own_default_stream(torch.device("cpu")):
        seed_default(torch.device("cpu"), stream(spec.seed, "initialisation"))
        model = make_model(spec.model, spec.data)
        if spec.weights is not None:
            given = {"start": start} if start is not None else {}
            WEIGHTS.bound(spec.weights.name, spec.weights.options)(model, **given)
    freeze(model, spec.freeze)
    levels = _levels(spec)
    if levels is not None:
        data = replace(data, mean=levels.mean, std=levels.std)
    model = put(model, device, channels_last=spec.recipe is None or spec.recipe.channels_last)
    return State(spec, model.train(), TASKS.load(spec.task)(), data, device)


def _levels(spec: TrialSpec) -> "Levels | None":
    """What the weights want images normalised with that the first of a chain of trials started from."""
    while spec.start is not None:
        spec = spec.start
    return None if spec.weights is None else getattr(WEIGHTS.load(spec.weights.name), "levels", None)


def put(model: nn.Module, device: torch.device, *, channels_last: bool) -> nn.Module:
    """The net on a device, with its weights in the layout of the maps."""
    layout = torch.channels_last if channels_last else torch.contiguous_format
    return model.to(device, memory_format=layout)  # type: ignore[call-overload, no-any-return]  # torch's lacks it


def make_model(model: Named, data: Named | None) -> nn.Module:
    """A net with random weights; `in_channels` and `classes` come from the data unless the arm gives them."""
    known = parameters(MODELS.target(model.name))
    given: dict[str, int] = {}
    if data is not None and known.keys() & {"in_channels", "classes"}:
        source = DATASETS.load(data.name)(**data.options)
        given = {
            k: v for k, v in (("in_channels", source.channels), ("classes", source.classes)) if k in known
        }
    try:
        net: nn.Module = MODELS.load(model.name)(**{**given, **model.options})
    except (ValueError, TypeError, RuntimeError, ArithmeticError, IndexError) as error:
        if is_short(error):
            raise
        raise ReproError(f"model '{model.name}' with {model.options or 'no options'}: {error}") from error
    return net
