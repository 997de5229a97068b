"""A run: claims are decided at a profile, and what came of it is kept. Both faces and `repro.run` use it."""

import json
import shlex
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from itertools import product
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from repro import environment
from repro.catalogue import CLOCKS, PROBES, declaration, metrics
from repro.declaration import Declaration
from repro.errors import ReproError
from repro.evidence import first_look
from repro.experiment import Experiment
from repro.expression import Measurement
from repro.quantity import Quantity, clocked
from repro.result import (
    ArmResult,
    ClaimResult,
    Environment,
    PictureResult,
    Result,
    TimingResult,
    TrialResult,
    TuningResult,
    evidence_of,
    level,
    write,
)
from repro.runner import Runner
from repro.store import Key, write_atomically
from repro.suite import Claim, Device, ResolvedArm, Suite
from repro.trial import Drawing, Round, TrialSpec, digest
from repro.tuning import tune
from repro.value import known
from repro.verdict import Judgement, decide

Seeds = Sequence[int]


class Decided(BaseModel):
    """A claim's result, and what it rests on."""

    claim: ClaimResult
    trials: tuple[tuple[str, int, str], ...]  # arm, seed and digest
    rounds: tuple[str, ...]  # of timing: digests


class Session:
    """`first_seed` is the first that claims are decided on; `seeds_max` stands in for what suites allow."""

    def __init__(
        self,
        runner: Runner,
        profile: str,
        *,
        device: Device | None = None,
        seeds_max: int | None = None,
        first_seed: int = 0,
    ):
        self.runner, self.profile, self.device = runner, profile, device
        self.seeds_max, self.first_seed = seeds_max, first_seed
        self._experiments: dict[str, Experiment] = {}
        self._tunings: dict[Experiment, dict[str, TuningResult]] = {}

    def decide(self, suite: Suite, name: str) -> Decided:
        """Train what a claim needs and decide it. Raises `ReproError` if it cannot be measured here."""
        claim, experiment = suite.claims[name], self.experiment(suite)
        quantities = {quantity.measurement: quantity for quantity in experiment.quantities(claim)}
        self._tune(experiment, quantities.values())
        seeds, judgement = self._judged(suite, claim, quantities)
        trials = _trials(experiment, quantities.values(), seeds)
        timed = any(quantity.timed for quantity in quantities.values())
        rounds = [experiment.round(seed) for seed in seeds] if timed else []
        known, expected = claim.at.get(self.profile), claim.expected(self.profile)
        return Decided(
            claim=ClaimResult(
                says=claim.says,
                expect=claim.expect,
                source=claim.source,
                ledger=claim.ledger,
                reported={str(of): number for of, number in claim.papers_numbers.items()},
                verdict=judgement.verdict,
                expected=expected,
                as_expected=judgement.verdict == expected and not judgement.why,
                why=judgement.why,
                because=known.because if known else None,
                evidence=evidence_of(judgement, seeds, suite.evidence),
                values={str(m): self._values(quantity, seeds) for m, quantity in quantities.items()},
                seconds=self._seconds(trials.values(), rounds),
            ),
            trials=tuple((arm, seed, trial.digest) for (arm, seed), trial in trials.items()),
            rounds=tuple(one.digest for one in rounds),
        )

    def experiment(self, suite: Suite) -> Experiment:
        """The suite at the profile of this run."""
        key = digest(suite.model_dump(mode="json"))
        if key not in self._experiments:
            self._experiments[key] = Experiment(suite, self.profile, self.device)
        return self._experiments[key]

    def command(self, file: str, claim: str | None = None) -> str:
        """What decides a suite's claims again, or one of them, as a user would type it."""
        options = {
            "-k": claim,
            "--profile": self.profile,
            "--device": self.device,
            "--seeds-max": self.seeds_max,
            "--first-seed": self.first_seed or None,
        }
        given = [f"{key} {shlex.quote(str(value))}" for key, value in options.items() if value is not None]
        return " ".join(["repro run", shlex.quote(file), *given])

    def keep(
        self, suite: Suite, file: str, decided: Mapping[str, Decided], here: Path, folder: Path | None
    ) -> Result:
        """Make a result of decided claims and write it with its pictures, if a folder is given.

        `FOLDER/<suite>/<profile>/<id>.json` and, beside it, `<id>/<picture>.png`. `here` is in the project
        whose commit is noted.
        """
        result = self._result(suite, file, decided, here)
        if folder is None:
            return result
        path = write(result, folder)
        pictures = {}
        for name, content in self._pictures(suite, result).items():
            picture, png = suite.pictures[name], f"{result.id}/{name}.png"
            write_atomically(path.parent / png, content)
            pictures[name] = PictureResult(file=png, says=picture.says, arms=picture.arms)
        result = result.model_copy(update={"pictures": pictures})
        write(result, folder)
        return result

    def close(self) -> None:
        self.runner.close()

    def _tune(self, experiment: Experiment, quantities: Iterable[Quantity]) -> None:
        """Let the arms that are trained find out their recipes."""
        for quantity in quantities:
            for arm in quantity.trained:
                if arm not in experiment.chosen:
                    tuning = tune(experiment, arm, self.runner)
                    experiment.chosen[arm] = tuning.chosen if tuning else {}
                    if tuning:
                        self._tunings.setdefault(experiment, {})[arm] = tuning

    def _judged(
        self, suite: Suite, claim: Claim, quantities: Mapping[Measurement, Quantity]
    ) -> tuple[Seeds, Judgement]:
        """Look after each further seed, until there is a verdict or no seed is left."""
        rules = suite.evidence
        seeded = any(quantity.seeded for quantity in quantities.values())
        most = (self.seeds_max or suite.seeds.max) if seeded else 0
        many = min(most, first_look(rules.alpha, rules.assume))
        while True:
            seeds = range(self.first_seed, self.first_seed + many)
            for_each = seeds or [self.first_seed]
            trials = _trials(self.experiment(suite), quantities.values(), for_each)
            values = [quantity.job(seed) for seed, quantity in product(for_each, quantities.values())]
            self.runner.ensure([*trials.values(), *values])
            judgement = decide(
                claim.expectation,
                seeds,
                lambda measurement, seed: self._value(quantities[measurement], seed),
                lambda measurement: not quantities[measurement].seeded,
                rules.alpha,
                rules.assume,
            )
            if judgement.verdict != "undecided" or judgement.why or many == most:
                return tuple(seeds), judgement
            many += 1

    def _value(self, quantity: Quantity, seed: int) -> float:
        return quantity.read(self.runner.record(quantity.job(seed)))

    def _values(self, quantity: Quantity, seeds: Seeds) -> tuple[float | None, ...]:
        """A value per seed; one value of what is the same for all."""
        for_each = seeds if quantity.seeded else [self.first_seed]
        return tuple(known(self._value(quantity, seed)) for seed in for_each)

    def _seconds(self, trials: Iterable[TrialSpec], rounds: Iterable[Round]) -> float:
        """What trials and rounds took, whoever did them and when."""
        distinct = {trial.digest: trial for trial in trials}.values()
        trained = sum(self.runner.record(trial)["cost"]["seconds"] for trial in distinct)
        return float(trained + sum(self.runner.record(one)["seconds"] for one in rounds))

    def _pictures(self, suite: Suite, result: Result) -> dict[str, bytes]:
        """The suite's pictures, as PNG files, of the first seed's nets, where all are trained with it."""
        experiment = self.experiment(suite)
        trained = {(trial.arm, trial.seed) for trial in result.trials}
        first = min((seed for _, seed in trained), default=self.first_seed)
        drawings = dict[str, Drawing]()
        for name, picture in suite.pictures.items():
            arms = [trained for arm in picture.arms for trained in experiment.trained(arm)]
            if all((arm, first) in trained for arm in arms):
                drawings[name] = experiment.drawing(name, first)
        self.runner.ensure(drawings.values())
        return {
            name: self.runner.store.read_file(drawing, drawing.file) for name, drawing in drawings.items()
        }

    def _result(self, suite: Suite, file: str, decided: Mapping[str, Decided], here: Path) -> Result:
        experiment = self.experiment(suite)
        claims = {name: one.claim for name, one in sorted(decided.items())}
        for name in claims:
            self._tune(experiment, experiment.quantities(suite.claims[name]))
        trials = {(arm, seed): key for one in decided.values() for arm, seed, key in one.trials}
        records = {of: self._record("trials", key) for of, key in sorted(trials.items())}
        rounds = {key: self._record("rounds", key) for one in decided.values() for key in one.rounds}
        now = time.gmtime()
        verdicts = {name: claim.verdict for name, claim in claims.items()}
        content = digest([suite.model_dump(mode="json"), self.profile, verdicts, time.time()])
        return Result(
            id=f"{time.strftime('%Y%m%dT%H%M%SZ', now)}-{content[:6]}",
            suite=suite.suite,
            suite_digest=digest(suite.model_dump(mode="json")),
            file=file,
            profile=self.profile,
            paper=suite.paper.model_dump(exclude_none=True) if suite.paper else None,
            about=suite.about,
            task=suite.task,
            arms={arm: _arm(experiment.resolve(arm)) for arm in _arms(experiment, claims)},
            tuning=self._tunings.get(experiment, {}),
            quantities=_declared(suite.task, claims.values(), timed=bool(rounds)),
            environment=Environment(
                key=_environments([*records.values(), *_timed_nets(rounds)]), facts=environment.facts(here)
            ),
            trials=tuple(_trial(arm, seed, trials[arm, seed], rec) for (arm, seed), rec in records.items()),
            timings=tuple(_timings(rounds, experiment)),
            claims=claims,
            pictures={},
            complete=claims.keys() == {name for name, _ in suite.claims_at(self.profile)},
            false_discovery_level=level(claims.values()),
            command=self.command(file),
            finished=time.strftime("%Y-%m-%dT%H:%M:%SZ", now),
        )

    def _record(self, kind: str, key: str) -> Mapping[str, Any]:
        found = self.runner.store.read(Key(kind, key))
        if found is None:
            raise ReproError(
                f"{self.runner.store.path(Key(kind, key))}: has gone since it was made; run again"
            )
        return found


def _trials(
    experiment: Experiment, quantities: Collection[Quantity], seeds: Seeds
) -> dict[tuple[str, int], TrialSpec]:
    """The trainings that quantities rest on, by arm and seed."""
    arms = dict.fromkeys(arm for quantity in quantities for arm in quantity.trained)
    return {(arm, seed): experiment.trial(arm, seed) for arm, seed in product(arms, seeds)}


def _arms(experiment: Experiment, claims: Iterable[str]) -> list[str]:
    """The arms that claims use, those that are treated or started from too, in the order of the suite."""
    asked = {name: experiment.suite.claims[name] for name in claims}
    return list(experiment.suite.model_copy(update={"claims": asked}).arms_at(experiment.profile))


def _arm(arm: ResolvedArm) -> ArmResult:
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


def _declared(
    task: str | None, claims: Iterable[ClaimResult], *, timed: bool
) -> dict[str, Declaration]:
    """Unit and direction of what trials, timings and the probes of claims measure."""
    measures = {name for claim in claims for name in claim.measures} & PROBES.targets.keys()
    if timed:
        measures |= CLOCKS.targets.keys()
    return {**metrics(task), **{name: declaration(name) for name in sorted(measures)}}


def _environments(records: Iterable[Mapping[str, Any]]) -> tuple[dict[str, str | None], ...]:
    found = {json.dumps(record["environment"], sort_keys=True) for record in records}
    return tuple(json.loads(key) for key in sorted(found))


def _trial(arm: str, seed: int, key: str, record: Mapping[str, Any]) -> TrialResult:
    measured = {name: record[name] for name in ("measurements", "curves", "cost")}
    return TrialResult(arm=arm, seed=seed, digest=key, **measured)


def _timed_nets(rounds: Mapping[str, Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return [net for record in rounds.values() for net in record["nets"].values()]


def _timings(rounds: Mapping[str, Mapping[str, Any]], experiment: Experiment) -> Iterable[TimingResult]:
    """What the rounds' records hold, net by net; what this device does not tell is left out."""
    for key, record in rounds.items():
        for name, net in record["nets"].items():
            measurements = {}
            for clock in CLOCKS.targets:
                with suppress(ReproError):
                    measurements[clock] = clocked(clock, net)
            kept = ("timing", "region", "seconds", "matmul_peak_flops_per_second")
            yield TimingResult(
                arm=experiment.timed[name][0],
                name=name,
                seed=record["round"]["number"],
                digest=key,
                measurements=measurements,
                **{part: net[part] for part in kept},
            )
