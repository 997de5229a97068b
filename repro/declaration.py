"""What a number says of itself where it is defined: its unit, and which way is better. Imports no torch.

    @declare(unit="ms", better="lower")
    def latency(timed: Timed) -> float: ...

    class Classification:
        metrics = {"test_error": {"unit": "share", "better": "lower"}, …}

Both are read from the source (`repro.source`), so they are literals.
"""

from collections.abc import Callable
from typing import Literal, TypeVar

from pydantic import BaseModel, ConfigDict

Better = Literal["lower", "higher"]
Function = TypeVar("Function", bound=Callable[..., object])


class Declaration(BaseModel):
    """A number with neither direction may change for better or worse: it is watched for any change."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    unit: str = ""  # "" is a plain number
    better: Better | None = None


def declare(
    *, unit: str = "", better: Better | None = None, weights: bool = False, seeded: bool = True
) -> Callable[[Function], Function]:
    """Declare what a count, a probe or a clock gives.

    A count that looks at `weights` is given a net with random ones, instead of one on the meta device. A
    probe that is not `seeded` looks at no net, but at the data alone: it is the same for every seed, and no
    evidence by being there often.
    """
    Declaration(unit=unit, better=better)
    assert isinstance(weights, bool)
    assert isinstance(seeded, bool)
    return lambda function: function
