"""What the entries of the catalogues must offer, and what is passed between them. Imports no torch.

`repro.conformance` holds every entry to it; built-in classes name the contract that they keep as their base,
so that the type checker does too. What has options takes them as further parameters, by keyword, with types
that YAML has, and bounds where there are some (`repro.bounds`): they are what a suite can say.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeAlias, runtime_checkable

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image
    from torch import Tensor, nn

    from repro.clock import Timed
    from repro.data.images import ImageSet
    from repro.data.outlines import Outline
    from repro.job import Job, Needs
    from repro.state.net import State
    from repro.store import Store

# A tensor, a named tuple, or a tuple or dict of such, whose tensors all have the images as first dimension.
Outputs: TypeAlias = Any  # of a net
Targets: TypeAlias = Any  # what they are held against: labels, masks or boxes (`repro.data.targets`)


class Split(Protocol):
    """Images and their targets, by row: in memory, on a device, or larger than both."""

    @property
    def index_device(self) -> torch.device:
        """Where rows are looked up, and indices are best."""

    def __len__(self) -> int: ...

    def rows(self, indices: Tensor) -> tuple[Tensor, Targets]:
        """The images, uint8 [B, C, H, W], and targets of indices, int64 [B], in their order.

        They are on the device that `to` was last given, and are the caller's to change. All images of a split
        have one shape.
        """

    def to(self, device: torch.device | str) -> Split:
        """The same rows, given on a device. Raises torch's `OutOfMemoryError` if they must lie there and do
        not fit.
        """


class DataSet(Protocol):
    """A set of images with targets: a class whose parameters are its options.

    `channels` and `classes` are known before anything is loaded; nets are made for them. What is not there
    raises `MissingData`, which says where it was looked for and how to get it.
    """

    channels: int
    classes: int

    def fingerprint(self) -> str:
        """Names content and options: another one wherever an image or a target would be another. Quick, since
        every run asks (`repro.contents.hashes` reads files once); the same in every process.
        """

    def load(self) -> ImageSet:
        """Both splits, on the CPU. Any number of processes may do it at once."""

    def outline(self) -> Outline | None:
        """What is known of it before it is here, for `repro plan`; None if it must be loaded for that."""
        return None


class Task(Protocol):
    """What a net is trained for: a class without parameters.

    `metrics` says what a trained net is measured by, `{"miou": {"unit": "share", "better": "higher"}, …}`,
    written out in the class, since it is read without importing it. Nothing here waits for the device.
    """

    metrics: ClassVar[Mapping[str, Mapping[str, str]]]

    def targets(self, inputs: Tensor, targets: Targets) -> Targets:
        """What outputs are held against: the data's targets, or what is made of them and of the inputs,
        float32 [N, C, H, W], normalised.
        """

    def check(self, outputs: Outputs, targets: Targets, classes: int) -> None:
        """Raises `ReproError` unless this task can hold such outputs against such targets (`targets` has made
        them) of so many classes. The message says what is wanted and what is there. Shapes alone count.
        """

    def loss(self, outputs: Outputs, targets: Targets) -> Tensor:
        """What is minimised: a number for a batch, float32 [], whatever the outputs' type."""

    def error(self, outputs: Outputs, targets: Targets) -> Tensor:
        """How wrong a batch is: the number that is drawn over the steps, float32 []. NaN where nothing says
        what is right.
        """

    def evaluate(self, batches: Iterable[tuple[Outputs, Targets]], split: str) -> dict[str, Tensor]:
        """The metrics of a split, `train` or `test`, each a number []. Both splits' together are `metrics`.

        However a split is cut into batches, they come to the same. A metric that has no value is NaN, and a
        loss that diverged is infinite.
        """

    def trivial(
        self,
        batches: Iterable[tuple[Outputs, Targets]],  # noqa: ARG002
        split: str,  # noqa: ARG002
    ) -> dict[str, Tensor]:
        """Metrics of the most frequent class as the answer to everything, from batches whose outputs count by
        their shapes alone. A net that is better by none of them has learnt nothing. None, if not overridden.
        """
        return {}


class Trunk(Protocol):
    """What nets build on that label pixels or regions: a net whose maps they take.

    `widths` are the channels of its maps and `channels` those of the last.
    """

    widths: tuple[int, ...]
    channels: int

    def forward(self, x: Tensor) -> list[Tensor]:
        """[N, in_channels, H, W] → maps [N, widths[i], H/s, W/s], the finest first."""


@runtime_checkable
class CarriesOver(Protocol):
    """A part of a net that can take weights of one of torchvision's."""

    def carry_over(self, weights: Mapping[str, Tensor]) -> None:
        """Take what belongs here of a state dict, in place."""


@runtime_checkable
class Pretrained(CarriesOver, Protocol):
    """The part that says which: `source` is a name of `torchvision.models`, None if no net has this shape."""

    source: str | None


class Block(Protocol):
    """A residual block: `joined`(branch + `short_cut`(x)), where a net has any."""

    joined: nn.Module

    def short_cut(self, x: Tensor) -> Tensor:
        """What is added to the branch."""


class Weights(Protocol):
    """What a net starts from: a function that puts weights into it, in place.

    One that wants those of a finished trial has a second parameter `start`, by name.
    """

    def __call__(self, model: nn.Module, *args: Any, **options: Any) -> None:
        """Raises `MissingData` if they are not there, `ReproError` if they do not fit the net."""


class Optimizer(Protocol):
    """What makes an optimizer of parameters. Its option `lr` is the rate that a schedule is a factor on."""

    def __call__(
        self, parameters: Iterable[nn.Parameter], *args: Any, **options: Any
    ) -> torch.optim.Optimizer: ...


class Schedule(Protocol):
    """The factor on the learning rate at step `now`, from 0, of `steps`."""

    def __call__(self, now: int, steps: int, *args: Any, **options: Any) -> float: ...


class Augmentation(Protocol):
    """Random variation of a batch, on the device that it is on.

    Images are uint8 [N, C, H, W] before and after, in another size perhaps; targets move with them. All
    randomness is from `generator`, which is on the same device. Nothing waits for the device, and what was
    given stays as it is.
    """

    def __call__(
        self, images: Tensor, targets: Targets, generator: torch.Generator, *args: Any, **options: Any
    ) -> tuple[Tensor, Targets]: ...


class Treatment(Protocol):
    """What is done to a trained net before it is measured: a function that gives another `State` and leaves
    the one it was given as it is.

    One that wants further nets of the same arm, each trained with a seed of its own, has a second parameter
    `others`, by name, for their states, and an option `members`: how many nets there are in all.
    """

    def __call__(self, state: State, *args: Any, **options: Any) -> State:
        """Raises `ReproError` for a net, a task or data that cannot be treated so."""


class CountMeasure(Protocol):
    """A number of an architecture; `@declare` says its unit. The net is on the meta device, without weights,
    or, where it is declared to look at `weights`, has the random ones of seed 0.

    Raises `ReproError` where the net has no such number.
    """

    def __call__(self, model: nn.Module, *args: Any, **options: Any) -> float: ...


class ProbeMeasure(Protocol):
    """A number of a trial's net, with its data and its task, which are all left as they are; `@declare` says
    its unit and which way is better, and `seeded=False` that it looks at the data alone.

    One that wants the curves of the training, `{"batch_loss": [(step, value), …], …}`, has a second parameter
    `curves`, by name; values are as JSON has them (`repro.value`). Raises `ReproError` where there is no such
    number.
    """

    def __call__(self, state: State, *args: Any, **options: Any) -> float: ...


class ClockMeasure(Protocol):
    """A number of what was read off while a net ran; `@declare` says its unit and which way is better. Its
    options are those of `recipe.Timing`. Raises `ReproError` where the machine does not tell.
    """

    def __call__(self, timed: Timed) -> float: ...


class Picture(Protocol):
    """A picture of the nets of several arms, side by side, by the name of the arm."""

    def __call__(self, states: dict[str, State], *args: Any, **options: Any) -> Image:
        """Raises `ReproError` if there is none of such nets or such data."""


class Executor(Protocol):
    """Where jobs are done."""

    def room(self, needs: Needs) -> int:
        """How many jobs that need so much are done at once, as things are now. Raises `ReproError` where none
        can ever be.
        """

    def submit(self, job: Job, store: Store) -> Future[bool]:
        """Gives False if another process was found at the job, and `BrokenExecutor` if its own died."""

    def close(self) -> None:
        """End what was started here."""
