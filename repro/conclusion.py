"""What one run of a suite comes to: claims concluded, put together as a result, and kept with their
pictures.
"""

import json
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from repro import environment
from repro.catalogue import MEASURES, looks_at
from repro.errors import ReproError
from repro.recipe import Timing
from repro.result import (
    ArmResult,
    ClaimResult,
    Environment,
    Evidence,
    PartResult,
    PictureResult,
    Result,
    TimingResult,
    TrialResult,
    latest,
    level,
    read,
    write,
)
from repro.runner import Earlier, Runner, timed_value
from repro.store import finite, write_atomically
from repro.suite import ResolvedArm, Suite
from repro.trial import digest
from repro.verdict import Part


class Concluded(BaseModel):
    """A claim's result, and what it rests on."""

    claim: ClaimResult
    trials: tuple[tuple[str, int, str], ...]  # arm, seed and digest
    rounds: tuple[str, ...]  # of timing: digests


def conclude(runner: Runner, suite: Suite, name: str, earlier: Result | None = None) -> Concluded:
    """Decide a claim. `earlier` evidence is continued, but not that of another machine's clock."""
    timed = any(
        suite.kind(measurement) == "timed" for measurement in suite.claims[name].expectation.measurements
    )
    before = earlier.claims.get(name) if earlier and not (timed and _elsewhere(earlier)) else None
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
            runner.record(spec)["cost"]["seconds"]
            for spec in {spec.digest: spec for spec in decided.trials.values()}.values()
        )
        + sum(runner.record(timed)["seconds"] for timed in decided.rounds),
    )
    return Concluded(
        claim=result,
        trials=tuple((arm, seed, spec.digest) for (arm, seed), spec in decided.trials.items()),
        rounds=tuple(timed.digest for timed in decided.rounds),
    )


def _elsewhere(result: Result) -> bool:
    """Whether a run was on a CPU or GPU of a model that is not in this machine."""
    here = {environment.cpu_name(), *environment.gpu_names()}
    return any(kind["device"] not in here for kind in result.environment.key)


def continued(path: Path, suite: Suite, profile: str) -> Result | None:
    """The result to continue: the file itself, or the suite's latest below a folder; None if that has none
    that fits.

    Raises `ReproError` if the file does not fit: it is of another suite or profile, or claims or arms have
    changed since.
    """
    if path.is_dir():
        found = latest(path.glob(f"{suite.suite}/{profile}/*.json"))
        try:
            return continued(found, suite, profile) if found else None
        except ReproError:
            return None  # what has changed starts anew
    result = read(path)
    if (result.suite, result.profile) != (suite.suite, profile):
        raise ReproError(
            f"{path}: a result of {result.suite} at {result.profile}, not of {suite.suite} at {profile}"
        )
    for name, claim in result.claims.items():
        if name in suite.claims and " ".join(suite.claims[name].expect.split()) != " ".join(
            claim.expect.split()
        ):
            raise ReproError(
                f"{path}: the claim '{name}' has changed since; its evidence cannot be continued"
            )
    arms = {name: _arm(suite.resolve(name, profile)) for name in suite.arms}
    changed = [name for name, arm in result.arms.items() if arms.get(name) != arm]
    if changed:
        raise ReproError(
            f"{path}: arms have changed since ({', '.join(changed)}); its evidence cannot be continued"
        )
    return result


def _part(part: Part) -> PartResult:
    decision = part.decision
    estimate, interval = (
        (decision.estimate, finite(decision.interval)) if decision else (part.margins[0], None)
    )
    return PartResult(
        text=part.text,
        margins=finite(part.margins),
        holds=part.holds,
        estimate=finite(estimate),
        interval=tuple(interval) if interval else None,
        path=part.path,
    )


def keep(runner: Runner, suite: Suite, result: Result, folder: Path) -> Path:
    """Write a result and its pictures: `FOLDER/<suite>/<profile>/<id>.json` and, beside it,
    `<id>/<picture>.png`.
    """
    path = write(result, folder)
    pictures = runner.draw(suite, {(trial.arm, trial.seed): trial.digest for trial in result.trials})
    shown = {}
    for name, content in pictures.items():
        picture, file = suite.pictures[name], f"{result.id}/{name}.png"
        write_atomically(path.parent / file, content)
        shown[name] = PictureResult(file=file, says=picture.says, arms=picture.arms)
    return write(result.model_copy(update={"pictures": shown}), folder) if shown else path


def build(
    runner: Runner,
    suite: Suite,
    file: str,
    concluded: Mapping[str, Concluded],
    command: str,
    here: Path,
    earlier: Result | None = None,
) -> Result:
    """From the claims that a run decided; `here` is a folder of the project."""
    profile, claims = runner.profile, {name: one.claim for name, one in concluded.items()}
    trials = {(arm, seed): name for one in concluded.values() for arm, seed, name in one.trials}
    records = {
        key: record for key, name in sorted(trials.items()) if (record := runner.store.read(name)) is not None
    }
    rounds = {
        name: record
        for one in concluded.values()
        for name in one.rounds
        if (record := runner.store.read(name)) is not None
    }
    timed = [net for record in rounds.values() for net in record["nets"].values()]
    keys = {json.dumps(record["environment"], sort_keys=True) for record in (*records.values(), *timed)}
    now = time.gmtime()
    content = digest(
        [
            suite.model_dump(mode="json"),
            profile,
            {name: claim.verdict for name, claim in claims.items()},
            time.time(),
        ]
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
        environment=Environment(
            key=tuple(json.loads(key) for key in sorted(keys)), facts=environment.facts(here)
        ),
        trials=tuple(
            TrialResult(
                arm=arm,
                seed=seed,
                digest=trials[arm, seed],
                **{k: record[k] for k in ("measurements", "curves", "cost")},
            )
            for (arm, seed), record in records.items()
        ),
        timings=tuple(
            timing
            for name, record in rounds.items()
            for timing in _timings(name, record, suite.timed(profile))
        ),
        claims=dict(sorted(claims.items())),
        pictures={},
        continues=earlier.id if earlier else None,
        complete=set(claims) == {name for name, _ in suite.claims_at(profile)},
        false_discovery_level=level(claims.values()),
        command=command,
        finished=time.strftime("%Y-%m-%dT%H:%M:%SZ", now),
    )


def _timings(
    digest: str, record: Mapping[str, Any], timed: Mapping[str, tuple[str, Timing]]
) -> Iterable[TimingResult]:
    """What a round's record holds, net by net; measures that this device does not have are left out."""
    for name, net in record["nets"].items():
        measurements = {}
        for measure in (known for known in MEASURES.targets if looks_at(known) == "timed"):
            with suppress(ReproError):
                measurements[measure] = timed_value(measure, net)
        yield TimingResult(
            arm=timed[name][0],
            name=name,
            seed=record["round"]["number"],
            digest=digest,
            measurements=measurements,
            **{key: net[key] for key in ("timing", "region", "seconds", "matmul_peak_flops_per_second")},
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
