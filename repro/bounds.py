"""Types of options that have bounds, for the signatures of what suites name: `lr: NonNegativeFloat`.

They are read by name, as `int` and `float` are, from source code that is not imported. So a suite with a
value out of bounds is a mistake with its place, before anything is trained, and editors know it, too.
"""

from typing import Annotated

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

__all__ = [
    "AboveZero",
    "BelowOne",
    "NonNegativeFloat",
    "NonNegativeInt",
    "PositiveFloat",
    "PositiveInt",
    "Share",
]

Share = Annotated[float, Field(ge=0, le=1)]
AboveZero = Annotated[float, Field(gt=0, le=1)]  # a share, or an IoU, that is more than none
BelowOne = Annotated[float, Field(ge=0, lt=1)]  # a share that is kept from step to step, and so less than all
