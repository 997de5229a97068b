"""How arms are trained and timed: frozen, strict, and stored as it was resolved."""

from operator import not_
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    StringConstraints,
)


class Strict(BaseModel):
    """The base of all that a suite says: unknown keys and wrong types are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Named(BaseModel):
    """A name of a catalogue and its options: `{name: sgd, lr: 0.1}`, or the name alone."""

    model_config = ConfigDict(extra="allow", frozen=True, strict=True)
    name: str

    @property
    def options(self) -> dict[str, Any]:
        return dict(self.model_extra or {})


def _named(value: Any) -> Any:
    return {"name": value} if isinstance(value, str) else value


Choice = Annotated[Named, BeforeValidator(_named, json_schema_input_type=str | Named)]
Word = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.]+$")]
Factor = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Optimizer(Named):
    """An optimizer with its options. `groups` multiply those of the parameters that a word names: with
    `{lr: 1e-3, groups: {score: {lr: 10}, bias: {lr: 2, weight_decay: 0}}}` the bias of a layer `score` has 20
    times the learning rate, and no decay.

    A word names the parameters whose dotted name holds it; `norm` names those of normalisation layers,
    whatever they are called. Where several words name a parameter, all their factors count.
    """

    groups: dict[Word, dict[str, Factor]] = Field(
        default_factory=dict,
        exclude_if=not_,
        description="factors on its options, for the parameters whose dotted name holds a word (`norm`: for "
        "those of normalisation layers); all factors of a parameter are multiplied",
    )


OptimizerChoice = Annotated[Optimizer, BeforeValidator(_named, json_schema_input_type=str | Optimizer)]


class Evaluation(Strict):
    """What the error and loss on the training set are measured on, and how often the test curve is."""

    train_images: PositiveInt | None = Field(
        None, description="the first so many training images; all, if not given"
    )
    every: PositiveInt | None = Field(
        None, description="also measure on the test set every so many steps, for the curve"
    )


class Recipe(Strict):
    """A training recipe. Arms share it; an arm's own `recipe:` changes single keys of it."""

    steps: NonNegativeInt = Field(description="optimizer steps (iterations, not epochs)")
    batch_size: PositiveInt
    optimizer: OptimizerChoice
    schedule: Choice = Named(name="constant")
    warmup: NonNegativeInt = Field(0, description="steps over which the learning rate rises linearly from 0")
    augment: tuple[Choice, ...] = ()
    clip_grad_norm: PositiveFloat | None = None
    precision: Literal["fp32", "tf32", "bf16"] = Field(
        "fp32",
        description="bf16 is autocast; weights and optimizer stay fp32. tf32 is fp32 with products of CUDA's "
        "tensor cores, which round to 10 bits; on a CPU it is fp32",
    )
    channels_last: bool = True
    compile: bool = False
    cuda_graph: bool = Field(
        False,
        exclude_if=lambda graph: not graph,
        description="on a GPU, the net's passes as one CUDA graph each, which the host starts as a whole: "
        "for nets of many small kernels. Numbers are the same, but for rounding in kernels that go by the "
        "layout of a gradient. Where a net cannot be had as one, a warning says so, and it is trained as it "
        "is. A CPU has nothing of the kind",
    )
    places: PositiveInt = Field(
        1,
        exclude_if=lambda places: places == 1,
        description="GPUs of one machine that a batch is spread over, in equal parts (torch's DDP, with "
        "batch normalisation over the whole batch): for batches that one has no room for",
    )
    deterministic: bool = True
    evaluate: Evaluation = Evaluation(train_images=None, every=None)


class Timing(Strict):
    """How a net is timed. Profiles say it for all their arms; a measurement's options change single keys."""

    batch_size: PositiveInt = Field(1, description="images that go through the net at once")
    size: PositiveInt = Field(224, description="the side of the square images, in pixels")
    training: bool = Field(
        False, description="time a forward and a backward pass instead of a forward pass alone"
    )
    runs: PositiveInt = Field(
        10, description="passes that are timed in each process, of which the median counts"
    )
    threads: PositiveInt = Field(1, description="of the CPU")
    precision: Literal["fp32", "bf16"] = "fp32"
    channels_last: bool = True
