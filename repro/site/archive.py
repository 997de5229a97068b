"""All results at once: what stands of suites at profiles, with the runs that led there.

Every file is read lightly, those that a page shows in full.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from repro.archive import Key, Standing, files, judges, order, stand
from repro.environment import Conditions
from repro.errors import ReproError
from repro.evidence import Verdict
from repro.places import is_pipe
from repro.result import ClaimResult, Moment, Result, TimedName, read
from repro.suite import ArmName, Name


class Light(BaseModel):
    """The few fields of a result that its history is drawn from; the rest is skipped."""

    model_config = ConfigDict(extra="ignore", frozen=True)


Number = float | None  # infinite ones are texts in JSON, which become numbers


class LightEvidence(Light):
    seeds: tuple[int, ...]
    estimate: Number
    interval: tuple[Number, Number] | None


class LightClaim(Light):
    expect: str
    verdict: Verdict
    expected: Verdict
    as_expected: bool
    trivial: tuple[ArmName, ...] = ()
    evidence: LightEvidence
    values: dict[str, tuple[Number, ...]]


class LightTrial(Light):
    arm: ArmName
    measurements: dict[str, Number]
    cost: dict[str, Number]


class LightTiming(Light):
    name: TimedName
    measurements: dict[str, float]


class LightFacts(Light):
    commit: str | None = None
    dirty: bool | None = None


class LightEnvironment(Light):
    key: tuple[Conditions, ...]
    facts: LightFacts = LightFacts()


class LightResult(Light):
    schema_: Literal[2] = Field(alias="schema")
    id: Name
    suite: Name
    profile: Name
    finished: Moment
    complete: bool
    claims: dict[Name, LightClaim]
    trials: tuple[LightTrial, ...]
    timings: tuple[LightTiming, ...] = ()
    environment: LightEnvironment

    @property
    def commit(self) -> str:
        """Of the project that it was made in, as pages show it."""
        facts = self.environment.facts
        changed = ", with uncommitted changes" if facts.dirty else ""
        return f"commit {facts.commit[:12]}{changed}" if facts.commit else "no commit"


@dataclass(frozen=True)
class Run:
    path: Path
    glance: LightResult


@dataclass(frozen=True)
class Change:
    """A verdict that is not that of the run before."""

    name: str
    before: LightClaim
    after: ClaimResult
    since: str  # when the run before ended


@dataclass(frozen=True)
class Scale(Standing):
    """A suite at a profile as it stands, with its runs in the order in which they ended."""

    runs: tuple[Run, ...]

    @property
    def key(self) -> Key:
        return self.suite, self.profile

    def path(self, result: Result) -> Path:
        return next(run.path for run in self.runs if run.glance.id == result.id)

    def last_two(self) -> tuple[Result, Result] | None:
        """In full, the newest at the end; None where there are not as many that can be read."""
        try:
            base, new = (read(run.path) for run in self.runs[-2:])
        except (ReproError, ValueError):
            return None
        return base, new

    def history(self, name: str, runs: int) -> list[tuple[LightResult, LightClaim | None]]:
        """A claim in each of the last runs; None where it was not asked."""
        return [(run.glance, run.glance.claims.get(name)) for run in self.runs[-runs:]]

    def changes(self) -> Iterable[Change]:
        for name, latest in self.claims.items():
            before = [
                run.glance
                for run in self.runs
                if name in run.glance.claims and run.glance.id != latest.result.id
            ]
            if before and before[-1].claims[name].verdict != latest.claim.verdict:
                yield Change(name, before[-1].claims[name], latest.claim, before[-1].finished)


@dataclass(frozen=True)
class Archive:
    scales: tuple[Scale, ...]
    problems: tuple[str, ...]  # a line for each file that is not a result

    @property
    def runs(self) -> int:
        return sum(len(scale.runs) for scale in self.scales)


def collect(paths: Sequence[Path]) -> Archive:
    """The results among files and folders. `ReproError` if a path does not exist, or none is a result."""
    runs, problems = defaultdict[tuple[str, str], dict[str, Run]](dict), list[str]()
    for path in _files(paths):
        if is_pipe(path):
            problems.append(_problem(path))
            continue
        try:
            glance = LightResult.model_validate_json(path.read_bytes())
            runs[glance.suite, glance.profile].setdefault(glance.id, Run(path, glance))
        except (OSError, ValidationError):
            problems.append(_problem(path))
    scales = [_scale(list(found.values()), problems) for _, found in sorted(runs.items())]
    archive = Archive(tuple(scale for scale in scales if scale), tuple(problems))
    if not archive.scales:
        raise ReproError("\n".join([*problems, f"no results under {', '.join(map(str, paths))}"]))
    return archive


def _files(paths: Sequence[Path]) -> list[Path]:
    """Each once, whatever leads to it."""
    found = dict[Path, Path]()
    for path in paths:
        if not path.exists():
            raise ReproError(f"{path}: no such file or folder")
        for file in files(path):
            found.setdefault(file.resolve(), file)
    return list(found.values())


def _problem(path: Path) -> str:
    """What `repro.result.read` says is wrong, which looks at more than is read here."""
    try:
        read(path)
    except ReproError as error:
        return " ".join(str(error).split())
    return f"{path}: changed while it was read"


def _scale(runs: list[Run], problems: list[str]) -> Scale | None:
    """Only runs that can matter are read in full: from the newest back to the last complete one."""
    runs, whole = sorted(runs, key=lambda run: order(run.glance)), list[Result]()
    for run in reversed(runs[:]):
        try:
            whole.append(read(run.path))
        except ReproError as error:
            problems.append(" ".join(str(error).split()))
            runs.remove(run)
            continue
        if run.glance.complete and judges(whole[-1]):
            break
    if not whole:
        return None
    standing = stand(whole)
    return Scale(standing.results, standing.claims, tuple(runs))
