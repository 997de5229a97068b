"""Types of options that have bounds, for the signatures of what suites name: `lr: NonNegativeFloat`.

They are read by name, as `int` and `float` are, from source code that is not imported. So a suite with a
value out of bounds is a mistake with its place, before anything is trained, and editors know it, too.
"""

from typing import Annotated

from pydantic import Field, NonNegativeInt, PositiveInt

__all__ = [
    "AboveZero",
    "BelowOne",
    "Depth",
    "Depths",
    "Finite",
    "Layers",
    "Multiplier",
    "Names",
    "NonNegativeFloat",
    "NonNegativeInt",
    "PositiveFloat",
    "PositiveFloats",
    "PositiveInt",
    "Share",
    "Size",
    "Sizes",
    "Text",
]

Finite = Annotated[float, Field(allow_inf_nan=False)]
NonNegativeFloat = Annotated[float, Field(ge=0, allow_inf_nan=False)]
PositiveFloat = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
AboveZero = Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)]  # a share or an IoU, and not none
BelowOne = Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)]  # a share that is less than all
Multiplier = Annotated[float, Field(gt=0, le=100, allow_inf_nan=False)]  # of filters or layers

# Layers, which are made one by one. Nobody has trained more than these: Xiao et al. 2018, arXiv 1806.05393
Depth = Annotated[int, Field(gt=0, le=10_000)]
Layers = Annotated[int, Field(ge=0, le=10_000)]
Depths = Annotated[tuple[Depth, ...], Field(min_length=1)]

# Of a layer, a map, an image, a list of boxes. Two such layers have more weights than any machine holds
Size = Annotated[int, Field(gt=0, le=2**20)]
Sizes = Annotated[tuple[Size, ...], Field(min_length=1)]
PositiveFloats = Annotated[tuple[PositiveFloat, ...], Field(min_length=1)]
Names = Annotated[tuple[str, ...], Field(min_length=1)]
Text = Annotated[str, Field(min_length=1)]
