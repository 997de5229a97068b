"""What a run of a suite comes to: a result, from the claims that were decided and what they rest on."""

import json
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from repro import environment
from repro.catalogue import CLOCKS, PROBES, declaration, metrics
from repro.declaration import Declaration
from repro.errors import ReproError
from repro.experiment import Experiment
from repro.job import digest
from repro.quantity import clocked
from repro.result import (
    ArmResult,
    ClaimResult,
    Environment,
    Result,
    TimingResult,
    TrialResult,
    TuningResult,
    falsely_reproduced,
)
from repro.store import Key, Store
from repro.suite import ResolvedArm

Record = Mapping[str, Any]


class Decided(BaseModel):
    """A claim's result, and what it rests on."""

    claim: ClaimResult
    trials: tuple[tuple[str, int, str], ...]  # arm, seed and digest
    rounds: tuple[str, ...]  # of timing: digests


class Outcome:
    """Claims of one experiment. Raises `ReproError` if a record that they rest on has gone."""

    def __init__(self, experiment: Experiment, decided: Mapping[str, Decided], store: Store):
        self.experiment, self.suite, self.store = experiment, experiment.suite, store
        self.claims = {name: one.claim for name, one in sorted(decided.items())}
        trials = {(arm, seed): key for one in decided.values() for arm, seed, key in one.trials}
        rounds = dict.fromkeys(key for one in decided.values() for key in one.rounds)
        self.digests = dict(sorted(trials.items()))
        self.trials = {of: self._record("trials", key) for of, key in self.digests.items()}
        self.rounds = {key: self._record("rounds", key) for key in rounds}

    def result(self, file: str, tunings: Mapping[str, TuningResult], command: str, here: Path) -> Result:
        """`file` is the suite's, as it was given; `here` is in the project whose commit is noted."""
        suite, now = self.suite, time.gmtime()
        content = suite.model_dump(mode="json")
        verdicts = {name: claim.verdict for name, claim in self.claims.items()}
        key = digest([content, self.experiment.profile, verdicts, time.time()])
        return Result(
            id=f"{time.strftime('%Y%m%dT%H%M%SZ', now)}-{key[:6]}",
            suite=suite.suite,
            suite_digest=digest(content),
            file=file,
            profile=self.experiment.profile,
            paper=suite.paper.model_dump(exclude_none=True) if suite.paper else None,
            about=suite.about,
            task=suite.task,
            arms={arm: arm_result(self.experiment.resolve(arm)) for arm in self._arms()},
            tuning=dict(tunings),
            quantities=self._declared(),
            environment=Environment(key=self._environments(), facts=environment.facts(here)),
            trials=tuple(self._trials()),
            timings=tuple(self._timings()),
            claims=self.claims,
            pictures={},
            complete=self.claims.keys() == {name for name, _ in suite.claims_at(self.experiment.profile)},
            falsely_reproduced=falsely_reproduced(self.claims.values()),
            command=command,
            finished=time.strftime("%Y-%m-%dT%H:%M:%SZ", now),
        )

    def _record(self, kind: str, key: str) -> Record:
        found = self.store.read(Key(kind, key))
        if found is None:
            raise ReproError(f"{self.store.path(Key(kind, key))}: has gone since it was made; run again")
        return found

    def _arms(self) -> tuple[str, ...]:
        """The arms that the claims use, and those that are treated or started from, in the suite's order."""
        asked = {name: self.suite.claims[name] for name in self.claims}
        return self.suite.model_copy(update={"claims": asked}).arms_at(self.experiment.profile)

    def _declared(self) -> dict[str, Declaration]:
        """Unit and direction of what trials, timings and the probes of claims measure."""
        asked = {name for claim in self.claims.values() for name in claim.measures}
        measures = [*(asked & PROBES.targets.keys()), *(CLOCKS.targets if self.rounds else ())]
        return {**metrics(self.suite.task), **{name: declaration(name) for name in sorted(measures)}}

    def _environments(self) -> tuple[dict[str, Any], ...]:
        nets = [net for record in self.rounds.values() for net in record["nets"].values()]
        found = {json.dumps(one["environment"], sort_keys=True) for one in (*self.trials.values(), *nets)}
        return tuple(json.loads(key) for key in sorted(found))

    def _trials(self) -> Iterable[TrialResult]:
        for (arm, seed), record in self.trials.items():
            measured = {name: record[name] for name in ("measurements", "trivial", "curves", "cost")}
            yield TrialResult(arm=arm, seed=seed, digest=self.digests[arm, seed], **measured)

    def _timings(self) -> Iterable[TimingResult]:
        """What the rounds' records hold, net by net; what this device does not tell is left out."""
        for key, record in self.rounds.items():
            for name, net in record["nets"].items():
                kept = ("timing", "region", "seconds", "matmul_peak_flops_per_second")
                yield TimingResult(
                    arm=self.experiment.timed[name][0],
                    name=name,
                    seed=record["round"]["number"],
                    digest=key,
                    measurements=_clocked(net),
                    gpu=net.get("gpu"),
                    **{part: net[part] for part in kept},
                )


def _clocked(net: Record) -> dict[str, float]:
    measured = {}
    for clock in CLOCKS.targets:
        with suppress(ReproError):
            measured[clock] = clocked(clock, net)
    return measured


def arm_result(arm: ResolvedArm) -> ArmResult:
    def plain(part: BaseModel | None) -> dict[str, Any] | None:
        return part.model_dump(mode="json") if part else None

    return ArmResult(
        model=arm.model.name,
        options=arm.model.options,
        data=plain(arm.data),
        recipe=plain(arm.recipe),
        weights=plain(arm.weights),
        freeze=arm.freeze,
        of=arm.of,
        after=plain(arm.treatment),
    )
