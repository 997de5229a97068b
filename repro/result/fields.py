"""What fields of results are made of."""

from datetime import datetime
from functools import cache
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from repro.expectation import ExpectationError, parse_measurement
from repro.value import Value


@cache
def _measurement(text: str) -> str:
    try:
        parse_measurement(text)
    except ExpectationError as error:
        raise ValueError(str(error)) from None
    return text


def _moment(text: str) -> str:
    datetime.fromisoformat(text)
    return text


Amount = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Ends = tuple[Value, Value]
Index = Annotated[int, Field(ge=0, lt=2**63)]  # what tables and TensorBoard can hold
Measured = Annotated[str, AfterValidator(_measurement)]
TimedName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*(\([^/\\\x00-\x1f]*\))?$")]
Moment = Annotated[
    str,
    StringConstraints(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$"),
    AfterValidator(_moment),
]


class Base(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)
