"""Numbers that may be infinite, or not there. Imports no torch.

A loss that diverged is infinite: that is a value. What has no value (a probe of a net whose weights are no
numbers, a mean over nothing, inf - inf) is NaN while it is computed with, and None in a result; it is
evidence of nothing. JSON has neither: there infinite ones are the texts "inf" and "-inf", and what has no
value is null.
"""

import math
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, PlainSerializer, ValidationInfo, WithJsonSchema

INFINITE = {"inf": math.inf, "-inf": -math.inf}


def to_json(content: Any) -> Any:
    """The same plain data as JSON has it."""
    if isinstance(content, dict):
        return {key: to_json(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [to_json(value) for value in content]
    if isinstance(content, float) and math.isnan(content):
        return None
    if isinstance(content, float) and math.isinf(content):
        return "inf" if content > 0 else "-inf"
    return content


def from_json(value: float | str | None) -> float:
    """A number as it was before: NaN for null. Raises ValueError for what is none."""
    if value is None:
        return math.nan
    if isinstance(value, str):
        if value not in INFINITE:
            raise ValueError(f"'{value}' is no number; infinite ones are {' and '.join(INFINITE)}")
        return INFINITE[value]
    return float(value)


def known(value: float) -> float | None:
    """A number as a result has it: None where there is no value."""
    return None if math.isnan(value) else value


def _validated(value: Any, info: ValidationInfo) -> Any:
    if isinstance(value, str):
        return from_json(value)
    if isinstance(value, float) and not math.isfinite(value) and info.mode == "json":
        raise ValueError("NaN and Infinity are not JSON; there is null, and there are the texts inf and -inf")
    return known(value) if isinstance(value, float) else value


# Nearly all are finite, and curves have many: no Python is called for those
Value = Annotated[
    Annotated[float, Field(strict=True, allow_inf_nan=False)]
    | Annotated[float | None, BeforeValidator(_validated)],
    Field(union_mode="left_to_right"),
    PlainSerializer(to_json, when_used="json"),
    WithJsonSchema({"anyOf": [{"type": "number"}, {"enum": list(INFINITE)}, {"type": "null"}]}),
]
