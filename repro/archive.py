"""What stands of each suite at each profile after all its runs: the one reader of "the latest", over claims
and not over files.

A claim stands as the newest run left it that asked it, back to the last complete run. So a run of some claims
(`-k`) replaces those and nothing else, and a complete one replaces all: what it no longer asks is gone. Runs
count in the order in which they ended, those of one second in the order of their ids.
"""

from collections import ChainMap, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol, TypeVar

from repro.document import nearest
from repro.errors import ReproError
from repro.result import (
    ArmResult,
    ClaimResult,
    Environment,
    PictureResult,
    Result,
    TimingResult,
    TrialResult,
    falsely_reproduced,
    read,
)
from repro.suite import PILOT

Key = tuple[str, str]  # suite and profile
RunKey = tuple[str, str, str]  # suite, profile and run id
Damaged = Callable[[ReproError], None]  # hears why a file is left out


class Ended(Protocol):
    """A run, or a glance at one."""

    @property
    def finished(self) -> str: ...

    @property
    def id(self) -> str: ...


def order(run: Ended) -> tuple[str, str]:
    """What runs are sorted by, the oldest first."""
    return run.finished, run.id


def run_key(result: Result) -> RunKey:
    """What tells runs apart, wherever their files lie."""
    return result.suite, result.profile, result.id


@dataclass(frozen=True)
class Latest:
    """A claim as it stands, and the result it is from."""

    claim: ClaimResult
    result: Result


@dataclass(frozen=True)
class Standing:
    """A suite at a profile as it stands."""

    results: tuple[Result, ...]  # the newest first: those that claims are from, and the last complete one
    claims: dict[str, Latest]

    @property
    def latest(self) -> Result:
        return self.results[0]

    @property
    def suite(self) -> str:
        return self.latest.suite

    @property
    def profile(self) -> str:
        return self.latest.profile

    @property
    def complete(self) -> bool:
        """Whether every claim of the suite at this profile is in it."""
        return self.results[-1].complete

    @cached_property
    def trials(self) -> tuple[TrialResult, ...]:
        return _newest([[(one.arm, one) for one in run.trials] for run in self.results])

    @cached_property
    def timings(self) -> tuple[TimingResult, ...]:
        return _newest([[(one.name, one) for one in run.timings] for run in self.results])

    @cached_property
    def arms(self) -> dict[str, ArmResult]:
        """As they were when they were measured; those that were not, as the newest run has them."""
        return {name: run.arms[name] for name, run in self._runs_of_arms.items()}

    @cached_property
    def _runs_of_arms(self) -> dict[str, Result]:
        """The newest run that measured an arm, or else that lists it."""
        listed, measured = dict[str, Result](), dict[str, Result]()
        for run in reversed(self.results):
            names = {*(trial.arm for trial in run.trials), *(timing.arm for timing in run.timings)}
            listed |= dict.fromkeys(run.arms, run)
            measured |= dict.fromkeys(names & run.arms.keys(), run)
        names_in_order = dict.fromkeys(name for run in self.results for name in run.arms)
        return {name: measured.get(name, listed[name]) for name in names_in_order}

    @property
    def pictures(self) -> dict[str, tuple[PictureResult, Result]]:
        """By name the newest of each, with the result whose folder its file is in."""
        found: dict[str, tuple[PictureResult, Result]] = {}
        for run in reversed(self.results):
            found |= {name: (picture, run) for name, picture in run.pictures.items()}
        return found

    @cached_property
    def together(self) -> Result:
        """All that stands as one result, as if the newest run had made it."""
        if len(self.results) == 1:
            return self.latest
        claims = {name: latest.claim for name, latest in self.claims.items()}
        keys = {str(key): key for run in self.results for key in run.environment.key}
        standing = {
            "arms": self.arms,
            "tuning": {
                name: run.tuning[name] for name, run in self._runs_of_arms.items() if name in run.tuning
            },
            "quantities": dict(ChainMap(*(run.quantities for run in self.results))),
            "trials": self.trials,
            "timings": self.timings,
            "claims": claims,
            "environment": Environment(
                key=tuple(key for _, key in sorted(keys.items())), facts=self.latest.environment.facts
            ),
            "complete": self.complete,
            "falsely_reproduced": falsely_reproduced(claims.values()),
        }
        return Result(**{name: getattr(self.latest, name) for name in Result.model_fields} | standing)


Measured = TypeVar("Measured", TrialResult, TimingResult)


def _newest(runs: Iterable[Iterable[tuple[str, Measured]]]) -> tuple[Measured, ...]:
    """Of each name what the newest run has, in the order of seeds. Seeds that an older run has in addition
    join those if the two share a digest: nothing had changed between them.
    """
    found: dict[str, dict[int, Measured]] = {}
    for run in runs:
        of_run = defaultdict[str, dict[int, Measured]](dict)
        for name, one in run:
            of_run[name][one.seed] = one
        for name, older in of_run.items():
            newer = found.get(name, older)
            if _digests(older) & _digests(newer):
                found[name] = older | newer
    return tuple(of_name[seed] for of_name in found.values() for seed in sorted(of_name))


def _digests(measured: Mapping[int, TrialResult | TimingResult]) -> set[str]:
    return {one.digest for one in measured.values()}


def last_seed(result: Result) -> int:
    """The largest that claims rest on."""
    return max((seed for claim in result.claims.values() for seed in claim.evidence.seeds), default=0)


def judges(result: Result) -> bool:
    """Whether it rests on seeds that judge: on others a night's findings are confirmed."""
    return last_seed(result) < PILOT


def stand(results: Iterable[Result]) -> Standing:
    """Of one suite at one profile; there is one result at least. One whose seeds do not judge stands only
    where there is no other.
    """
    used, claims, given = list[Result](), dict[str, Latest](), list(results)
    judging = [result for result in given if judges(result)]
    for result in sorted(judging or given, key=order, reverse=True):
        new = result.claims.keys() - claims.keys()
        if new or result.complete or not used:
            used.append(result)
        claims |= {name: Latest(result.claims[name], result) for name in new}
        if result.complete:
            break
    names = dict.fromkeys(name for result in reversed(used) for name in result.claims)
    return Standing(tuple(used), {name: claims[name] for name in names})


def standings(results: Iterable[Result]) -> dict[Key, Standing]:
    found = defaultdict[Key, list[Result]](list)
    for result in results:
        found[result.suite, result.profile].append(result)
    return {key: stand(of_key) for key, of_key in sorted(found.items())}


def latest(results: Iterable[Result]) -> dict[Key, Result]:
    """What stands of each suite at each profile, as one result."""
    return {key: standing.together for key, standing in standings(results).items()}


# ---- in files


def files(path: Path) -> list[Path]:
    """What is named as results are: a file itself, or all JSON files below a folder but hidden ones, which
    editors and copying leave, and those in hidden folders. None, if there is no such folder.
    """
    if path.is_file():
        return [path]
    return sorted(file for file in path.rglob("*.json") if not _is_hidden(file.relative_to(path)))


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def raised(error: ReproError) -> None:
    """What is damaged is not left out."""
    raise error


def read_all(paths: Iterable[Path], damaged: Damaged = raised) -> dict[Path, Result]:
    """Each run once, whatever copies there are, in their order. A file that is no result, which the error
    names, is left out where that is `damaged`; it is raised if nobody hears of it.
    """
    found: dict[RunKey, tuple[Path, Result]] = {}
    for path in paths:
        try:
            result = read(path)
        except ReproError as error:
            damaged(error)
            continue
        found.setdefault(run_key(result), (path, result))
    return dict(sorted(found.values(), key=lambda pair: order(pair[1])))


def find(name: str, folder: Path, damaged: Damaged = raised) -> dict[Path, Result]:
    """What a name means: a result's file; a folder, for all results in it; a run id, or the start of one; or
    a suite, for the results that make up what stands of it, at the profile that was run last. Ids and suites
    are looked up below `folder`.

    Raises `ReproError` if there is none of that name, or what is named is a file that is no result. Others
    that are none, in a folder or of a suite, are left out where that is `damaged`.
    """
    if name and Path(name).is_dir():
        return read_all(files(Path(name)), damaged)
    if name and Path(name).exists():
        return read_all([Path(name)])
    known = files(folder) if name else []
    runs = {file.stem: file for file in reversed(known) if file.stem.startswith(name)}
    if len(runs) == 1:
        return read_all(runs.values())
    named = [file for file in known if file.parent.parent.name == name]
    of_suite = read_all(named, damaged)
    if of_suite:
        standing = max(standings(of_suite.values()).values(), key=lambda found: order(found.latest))
        used = {run_key(result) for result in standing.results}
        return {file: result for file, result in of_suite.items() if run_key(result) in used}
    if named:
        raise ReproError(f"{name}: none of its results under {folder} can be read")
    if runs:
        raise ReproError(f"'{name}' is the start of {len(runs)} run ids: {', '.join(sorted(runs)[:5])} …")
    if len(Path(name).parts) > 1 or name.endswith(".json"):
        raise ReproError(f"{name}: no such file or folder")
    hint = nearest(name, {file.parent.parent.name for file in known})
    raise ReproError(f"no result '{name}': neither a file, nor a run id or suite under {folder}{hint}")


def load(name: str, folder: Path, damaged: Damaged = raised) -> list[Result]:
    return list(find(name, folder, damaged).values())
