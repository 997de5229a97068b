"""The course of a run: its steps, and how long they took before."""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import fmean

from repro.plan.steps import Step, taken

Arm = tuple[str, str]  # suite and arm


@dataclass(frozen=True)
class Course:
    """Steps by digest, and the seconds that a step of an arm took in results that are kept."""

    steps: Mapping[str, Step] = field(default_factory=dict)
    seconds: Mapping[Arm, float] = field(default_factory=dict)

    @classmethod
    def of(cls, steps: Iterable[Step]) -> "Course":
        """Each step once, sure if one claim is sure of it."""
        found = dict[str, Step]()
        for step in steps:
            before = found.setdefault(step.job.digest, step)
            if step.sure and not before.sure:
                found[step.job.digest] = step
        return cls(found)

    def after(self, kept: Path, profile: str) -> "Course":
        """With what is in the folder of kept results."""
        seconds = dict[Arm, float]()
        for suite in dict.fromkeys(step.suite for step in self.steps.values()):
            seconds |= _recorded(kept / suite / profile, suite)
        return replace(self, seconds=seconds)


def _recorded(folder: Path, suite: str) -> dict[Arm, float]:
    """What trials took, as results have it; nothing where they cannot be read: this is only an estimate."""
    found = defaultdict[Arm, list[float]](list)
    for path in folder.glob("*.json"):
        with suppress(OSError, ValueError, LookupError, TypeError):
            for trial in json.loads(path.read_text(encoding="utf-8"))["trials"]:
                found[suite, trial["arm"]].append(taken(trial))
    return {arm: fmean(seconds) for arm, seconds in found.items()}
