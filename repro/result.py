"""A result: one run of one suite as JSON. `repro schema --result` prints the JSON Schema that these classes make.

JSON has no NaN: a measurement that diverged, and the open end of an interval, are null.
"""

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from repro import environment
from repro.errors import ReproError
from repro.evidence import false_discovery_level
from repro.runner import Earlier, Runner
from repro.store import finite, write_atomically
from repro.suite import ResolvedArm, Suite, Verdict
from repro.trial import digest
from repro.verdict import Part

SCHEMA = 1
Interval = tuple[float | None, float | None]
EValues = tuple[tuple[float, float], ...]


class Base(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class PartResult(Base):
    """One margin of a claim, positive where the claim holds."""

    text: str
    margins: tuple[float | None, ...] = Field(description="one per seed; a single one if the part needs no seeds")
    holds: bool | None = Field(description="of a part that needs no seeds")
    estimate: float | None
    interval: Interval | None
    path: EValues = Field(description="(e_for, e_against) after each seed")


class Evidence(Base):
    """Estimate and interval are of the margin by which the claim holds; of a conjunction, of its weakest part."""

    seeds: tuple[int, ...]
    estimate: float | None
    interval: Interval | None = Field(description="all margins that would be undecided; null where it has no end")
    e_for: float | None = Field(description="null for a claim that needs no seeds")
    e_against: float | None
    alpha: float
    assume: str
    decided_at: int | None = Field(description="number of seeds at the verdict")
    reversed_at: int | None = Field(description="number of seeds at which later evidence crossed the other way")
    path: EValues
    parts: tuple[PartResult, ...]


class ClaimResult(Base):
    says: str
    expect: str
    source: str | None
    ledger: tuple[str, ...]
    verdict: Verdict
    expected: Verdict
    as_expected: bool
    reported: dict[str, float] = Field(description="the paper's own numbers, by measurement")
    because: str | None = Field(description="why another verdict than `reproduced` is expected at this profile")
    evidence: Evidence
    values: dict[str, tuple[float | None, ...]] = Field(description="every measurement of the claim, per seed")
    seconds: float = Field(description="training time of the trials it rests on, whoever trained them and when")


class TrialResult(Base):
    arm: str
    seed: int
    digest: str
    measurements: dict[str, float | None]
    curves: dict[str, list[tuple[int, float | None]]]
    cost: dict[str, float | None]


class ArmResult(Base):
    """An arm as it was trained: nothing is left open but the seed."""

    model: str
    options: dict[str, Any]
    data: dict[str, Any] | None
    recipe: dict[str, Any] | None
    weights: dict[str, Any] | None


class PictureResult(Base):
    file: str = Field(description="a PNG file, from the folder that this result is in")
    says: str
    arms: tuple[str, ...]


class Environment(Base):
    key: tuple[dict[str, str | None], ...] = Field(description="what must be equal for timings to be compared: one per kind")
    facts: dict[str, Any]


class Result(Base):
    schema_: Literal[1] = Field(1, alias="schema")
    id: str
    suite: str
    suite_digest: str
    file: str
    profile: str
    paper: dict[str, Any] | None
    about: str | None
    task: str | None
    arms: dict[str, ArmResult]
    environment: Environment
    trials: tuple[TrialResult, ...]
    claims: dict[str, ClaimResult]
    pictures: dict[str, PictureResult]
    continues: str | None = Field(None, description="the run whose evidence this one goes on with")
    complete: bool = Field(description="whether every claim of the suite at this profile is in it")
    false_discovery_level: float = Field(description="e-BH: the level at which all that is reproduced stands")
    command: str
    finished: str


def conclude(
    runner: Runner, suite: Suite, name: str, earlier: Result | None = None
) -> tuple[ClaimResult, list[tuple[str, int, str]]]:
    """Decide a claim; gives its result and the trials it rests on: arm, seed and digest. `earlier` evidence is continued."""
    before = earlier.claims.get(name) if earlier else None
    decided = runner.decide(suite, name, Earlier(before.evidence.seeds, before.values) if before else None)
    claim, judgement = decided.claim, decided.judgement
    weakest = _part(judgement.weakest)
    known = claim.at.get(runner.profile)
    result = ClaimResult(
        says=claim.says,
        expect=claim.expect,
        source=claim.source,
        ledger=claim.ledger,
        reported=claim.reported,
        verdict=judgement.verdict,
        expected=decided.expected,
        as_expected=decided.as_expected,
        because=known.because if known else None,
        evidence=Evidence(
            seeds=decided.seeds,
            estimate=weakest.estimate,
            interval=weakest.interval,
            e_for=judgement.e_for,
            e_against=judgement.e_against,
            alpha=suite.evidence.alpha,
            assume=suite.evidence.assume,
            decided_at=judgement.decided_at,
            reversed_at=judgement.reversed_at,
            path=judgement.path,
            parts=tuple(map(_part, judgement.parts)),
        ),
        values={str(measurement): finite(values) for measurement, values in decided.values.items()},
        seconds=(before.seconds if before else 0.0)
        + sum(
            runner.record(spec)["cost"]["seconds"] for spec in {spec.digest: spec for spec in decided.trials.values()}.values()
        ),
    )
    return result, [(arm, seed, spec.digest) for (arm, seed), spec in decided.trials.items()]


def continued(path: Path, suite: Suite, profile: str) -> Result | None:
    """The result to continue: the file itself, or the suite's latest below a folder; None if that has none that fits.

    Raises `ReproError` if the file does not fit: it is of another suite or profile, or claims or arms have changed since.
    """
    if path.is_dir():
        latest = _latest(path.glob(f"{suite.suite}/{profile}/*.json"))
        try:
            return continued(latest, suite, profile) if latest else None
        except ReproError:
            return None  # what has changed starts anew
    result = read(path)
    if (result.suite, result.profile) != (suite.suite, profile):
        raise ReproError(f"{path}: a result of {result.suite} at {result.profile}, not of {suite.suite} at {profile}")
    for name, claim in result.claims.items():
        if name in suite.claims and " ".join(suite.claims[name].expect.split()) != " ".join(claim.expect.split()):
            raise ReproError(f"{path}: the claim '{name}' has changed since; its evidence cannot be continued")
    arms = {name: _arm(suite.resolve(name, profile)) for name in suite.arms}
    changed = [name for name, arm in result.arms.items() if arms.get(name) != arm]
    if changed:
        raise ReproError(f"{path}: arms have changed since ({', '.join(changed)}); its evidence cannot be continued")
    return result


def _part(part: Part) -> PartResult:
    decision = part.decision
    estimate, interval = (decision.estimate, finite(decision.interval)) if decision else (part.margins[0], None)
    return PartResult(
        text=part.text,
        margins=finite(part.margins),
        holds=part.holds,
        estimate=finite(estimate),
        interval=tuple(interval) if interval else None,
        path=part.path,
    )


def keep(
    runner: Runner,
    suite: Suite,
    file: str,
    claims: Mapping[str, ClaimResult],
    trials: Mapping[tuple[str, int], str],
    command: str,
    here: Path,
    folder: Path,
    earlier: Result | None = None,
) -> Path:
    """Write one run's result and its pictures: `FOLDER/<suite>/<profile>/<id>.json` and, beside it, `<id>/<picture>.png`.

    From the claims it decided and the digests of their trials, by arm and seed; `here` is a folder of the project.
    """
    result = _build(runner, suite, file, claims, trials, command, here)
    if earlier is not None:
        result = result.model_copy(update={"continues": earlier.id})
    path = write(result, folder)
    pictures = {f"{result.id}/{name}.png": content for name, content in runner.draw(suite, trials).items()}
    for name, content in pictures.items():
        write_atomically(path.parent / name, content)
    if not pictures:
        return path
    shown = {
        name: PictureResult(file=f"{result.id}/{name}.png", says=picture.says, arms=picture.arms)
        for name, picture in suite.pictures.items()
        if f"{result.id}/{name}.png" in pictures
    }
    return write(result.model_copy(update={"pictures": shown}), folder)


def _build(
    runner: Runner,
    suite: Suite,
    file: str,
    claims: Mapping[str, ClaimResult],
    trials: Mapping[tuple[str, int], str],
    command: str,
    here: Path,
) -> Result:
    profile = runner.profile
    records = {key: record for key, name in sorted(trials.items()) if (record := runner.store.read(name)) is not None}
    keys = {json.dumps(record["environment"], sort_keys=True) for record in records.values()}
    now = time.gmtime()
    content = digest(
        [suite.model_dump(mode="json"), profile, {name: claim.verdict for name, claim in claims.items()}, time.time()]
    )
    return Result(
        id=f"{time.strftime('%Y%m%dT%H%M%SZ', now)}-{content[:6]}",
        suite=suite.suite,
        suite_digest=digest(suite.model_dump(mode="json")),
        file=file,
        profile=profile,
        paper=suite.paper.model_dump(exclude_none=True) if suite.paper else None,
        about=suite.about,
        task=suite.task,
        arms={name: _arm(suite.resolve(name, profile)) for name in suite.arms},
        environment=Environment(key=tuple(json.loads(key) for key in sorted(keys)), facts=environment.facts(here)),
        trials=tuple(
            TrialResult(
                arm=arm, seed=seed, digest=trials[arm, seed], **{k: record[k] for k in ("measurements", "curves", "cost")}
            )
            for (arm, seed), record in records.items()
        ),
        claims=dict(sorted(claims.items())),
        pictures={},
        complete=set(claims) == {name for name, _ in suite.claims_at(profile)},
        false_discovery_level=level(claims.values()),
        command=command,
        finished=time.strftime("%Y-%m-%dT%H:%M:%SZ", now),
    )


def _arm(arm: ResolvedArm) -> ArmResult:
    def plain(part: BaseModel | None) -> dict[str, Any] | None:
        return part.model_dump(mode="json") if part else None

    return ArmResult(
        model=arm.model.name,
        options=arm.model.options,
        data=plain(arm.data),
        recipe=plain(arm.recipe),
        weights=plain(arm.weights),
    )


def level(claims: Sequence[ClaimResult] | Any) -> float:
    """The level at which e-BH rejects all that is reproduced by evidence (claims without seeds cannot be chance)."""
    tried = [claim for claim in claims if claim.evidence.e_for is not None]

    def at_verdict(claim: ClaimResult) -> float:
        """Each part counts with its e-value when it was decided; of a conjunction the smallest."""
        needed = 1 / claim.evidence.alpha
        reached = [next((e for e, _ in part.path if e >= needed), part.path[-1][0]) for part in claim.evidence.parts if part.path]
        return min(reached, default=1.0)

    held = [at_verdict(claim) for claim in tried if claim.verdict == "reproduced"]
    return false_discovery_level(held, [at_verdict(claim) for claim in tried if claim.verdict != "reproduced"])


def write(result: Result, folder: Path) -> Path:
    """`FOLDER/<suite>/<profile>/<id>.json`, atomically."""
    path = folder / result.suite / result.profile / f"{result.id}.json"
    content = json.dumps(result.model_dump(mode="json", by_alias=True), sort_keys=True, indent=1, allow_nan=False)
    write_atomically(path, content.encode() + b"\n")
    return path


def read(path: Path) -> Result:
    """Raises `ReproError`, naming the file, if it is not a result."""
    try:
        return Result.model_validate_json(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ReproError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ReproError(f"{path}: not a result: not UTF-8 text") from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"])) or "the file"
        raise ReproError(f"{path}: not a result of schema {SCHEMA}: {place}: {first['msg']}") from None


def find(name: str, folder: Path) -> Path:
    """A result by its path, by its run id (or the start of one), or the latest one of a suite by the suite's name."""
    if Path(name).is_file():
        return Path(name)
    found = sorted(folder.glob(f"*/*/{name}*.json"))
    latest = found[0] if len(found) == 1 else _latest(folder.glob(f"{name}/*/*.json"))
    if len(found) <= 1 and latest is not None:
        return latest
    if found:
        raise ReproError(f"'{name}' is the start of {len(found)} run ids: {', '.join(path.stem for path in found[:5])} …")
    raise ReproError(f"no result '{name}': neither a file, nor a run id or suite under {folder}")


def _latest(paths: Iterable[Path]) -> Path | None:
    """By run id, which starts with the second of the end; of one second by the file's age."""
    return max(paths, key=lambda path: (path.name.partition("-")[0], path.stat().st_mtime_ns), default=None)
