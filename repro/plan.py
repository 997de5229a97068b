"""What a run is to do, as far as it is known before: its trials and rounds, by arm and seed, and how long
they may take.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean

from repro.errors import ReproError
from repro.job import Job
from repro.session import Session
from repro.suite import Suite

Arm = tuple[str, str]  # suite and arm; a round is of the arm ROUND
ROUND = "round"


@dataclass(frozen=True)
class Step:
    """A trial or a round."""

    job: Job
    arm: Arm
    seed: int
    sure: bool  # whether the first look wants it; others do where that does not decide

    @property
    def label(self) -> str:
        return f"{self.arm[1]} {self.seed}" if self.arm[1] == ROUND else f"{self.arm[1]}, seed {self.seed}"


@dataclass(frozen=True)
class Plan:
    """Steps by digest, and what a step of an arm took in results that are kept, in seconds."""

    steps: Mapping[str, Step] = field(default_factory=dict)
    seconds: Mapping[Arm, float] = field(default_factory=dict)


def plan(session: Session, asked: Iterable[tuple[Suite, str]], kept: Path) -> Plan:
    """The plan of claims. What cannot be planned (an arm that is yet to be tuned, data that is missing) is
    left out. `kept` is the folder of kept results.
    """
    steps, suites = dict[str, Step](), dict[str, None]()
    for suite, name in asked:
        with suppress(ReproError):
            for job, arm, seed, sure in session.planned(suite, name):
                before = steps.get(job.digest)
                sure = sure or (before is not None and before.sure)
                steps[job.digest] = Step(job, (suite.suite, arm or ROUND), seed, sure)
        suites[suite.suite] = None
    seconds = dict[Arm, float]()
    for suite_name in suites:
        seconds |= _recorded(kept / suite_name / session.profile, suite_name)
    return Plan(steps, seconds)


def _recorded(folder: Path, suite: str) -> dict[Arm, float]:
    """What trials took, as results have it; nothing where they cannot be read: this is only an estimate."""
    found = defaultdict[Arm, list[float]](list)
    for path in folder.glob("*.json"):
        with suppress(OSError, ValueError, LookupError, TypeError):
            for trial in json.loads(path.read_text(encoding="utf-8"))["trials"]:
                found[suite, trial["arm"]].append(float(trial["cost"]["seconds"]))
    return {arm: fmean(seconds) for arm, seconds in found.items()}
