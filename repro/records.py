"""What the records of the store hold, by the kind of job: what is read of one must be there, and of its type.

Numbers are as `repro.value` writes them. Imports no torch.
"""

import hashlib
import json
import time
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, NonNegativeInt, ValidationError

from repro.environment import Conditions

SCHEMA = 2
AHEAD = 86_400.0  # seconds that the clock of who wrote a record may be ahead, time zones set wrongly and all

Finite = Annotated[float, Field(allow_inf_nan=False)]
Number = Finite | Literal["inf", "-inf"] | None
Point = Annotated[tuple[int, Number], Field(strict=False)]  # step and value; JSON has lists alone
Seconds = Annotated[float, Field(allow_inf_nan=False, ge=0)]


def _past(moment: float) -> float:
    if moment > time.time() + AHEAD:
        raise ValueError("it lies in the future; is the clock of this machine right?")
    return moment


class Base(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True)  # "0.1" and true are no numbers


class Record(Base):
    """What the record of any job holds."""

    schema_: Literal[2] = Field(alias="schema")
    digest: str
    generation: NonNegativeInt  # see `Store.anew`
    finished: Annotated[Finite, AfterValidator(_past)]
    files: dict[str, str]  # checksums of those beside it, by name


class NumberRecord(Record):
    value: Number


class EvaluationRecord(Record):
    measurements: dict[str, Number]


class Cost(Base):
    seconds: Seconds


class TrialRecord(EvaluationRecord):
    trivial: dict[str, Number]
    curves: dict[str, list[Point]]
    cost: Cost
    environment: Conditions


class RoundSpec(Base):
    number: NonNegativeInt


class TimedNetRecord(Base):
    timing: dict[str, Any]
    region: str
    seconds: list[Seconds]
    peak_memory_bytes: Seconds | None
    joules: Seconds | None
    gpu: dict[str, Any] | None = None  # see repro.work.gauges
    matmul_peak_flops_per_second: Seconds
    environment: Conditions


class RoundRecord(Record):
    round: RoundSpec
    nets: dict[str, TimedNetRecord]
    seconds: Seconds


class ContentsRecord(Record):
    """See `repro.contents.Known`."""

    known: dict[str, Annotated[tuple[int, int, int, str, float], Field(strict=False)]]


class PlansRecord(Record):
    """See `repro.plan.known.Known`."""

    known: dict[str, dict[str, Any] | None]


KINDS: dict[str, type[Record]] = {
    "numbers": NumberRecord,
    "evaluations": EvaluationRecord,
    "trials": TrialRecord,
    "rounds": RoundRecord,
    "contents": ContentsRecord,
    "plans": PlansRecord,
}


def mistake(kind: str, record: Mapping[str, Any]) -> str | None:
    """What is wrong with a record, if anything is: where, and what."""
    try:
        KINDS.get(kind, Record).model_validate(record)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    return None


def checksum(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:32]


def checksum_of(record: Mapping[str, Any]) -> str:
    """Of what a record says, however it is written. Raises ValueError for what JSON does not have."""
    return checksum(json.dumps(record, sort_keys=True, separators=(",", ":"), allow_nan=False).encode())
