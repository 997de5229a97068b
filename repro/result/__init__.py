"""A result: one run of one suite as JSON. `repro schema --result` prints the JSON Schema that these classes
make.

A `Result` (`run.py`) holds claims (`claim.py`) with their evidence (`evidence.py`), and arms with what was
measured of them (`arm.py`). JSON has no NaN and no infinity: see `repro.value`. The open end of an interval
is null.
"""

from repro.result.arm import ArmResult, TimingResult, TrialResult, TuningPoint, TuningResult
from repro.result.claim import ClaimResult, Formulation, falsely_reproduced, verdict
from repro.result.evidence import Evidence, PartResult, evidence_of
from repro.result.fields import Moment, TimedName
from repro.result.file import ELSEWHERE, SCHEMA, read, write
from repro.result.run import Environment, PictureResult, Result
from repro.result.table import RIGHT, verdict_rows

__all__ = [
    "ELSEWHERE",
    "RIGHT",
    "SCHEMA",
    "ArmResult",
    "ClaimResult",
    "Environment",
    "Evidence",
    "Formulation",
    "Moment",
    "PartResult",
    "PictureResult",
    "Result",
    "TimedName",
    "TimingResult",
    "TrialResult",
    "TuningPoint",
    "TuningResult",
    "evidence_of",
    "falsely_reproduced",
    "read",
    "verdict",
    "verdict_rows",
    "write",
]
