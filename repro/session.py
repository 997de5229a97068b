"""A run: claims are decided at a profile, and what came of it is kept. Both faces and `repro.run` use it."""

import shlex
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import product
from pathlib import Path

from repro.contents import Contents
from repro.errors import ReproError
from repro.evidence import first_look
from repro.experiment import Experiment
from repro.expression import Measurement
from repro.job import Job, digest
from repro.outcome import Decided, Outcome
from repro.quantity import Quantity
from repro.result import (
    ClaimResult,
    PictureResult,
    Result,
    TuningResult,
    evidence_of,
    write,
)
from repro.round import Round
from repro.runner import Runner
from repro.store import StoreError, write_atomically
from repro.suite import Claim, Device, Suite
from repro.trial import Drawing, TrialSpec
from repro.tuning import PILOT, SEEDS, tune
from repro.value import known
from repro.verdict import Judgement, decide

Seeds = Sequence[int]


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
        pilot: bool = False,
    ):
        self.runner, self.profile, self.device = runner, profile, device
        self.seeds_max, self.first_seed = seeds_max, PILOT if pilot else first_seed
        self.pilot = pilot
        self._experiments: dict[str, Experiment] = {}
        self._tunings: dict[Experiment, dict[str, TuningResult]] = {}

    def decide(self, suite: Suite, name: str) -> Decided:
        """Train what a claim needs and decide it. Raises `ReproError` if it cannot be measured here."""
        claim, experiment = suite.claims[name], self.experiment(suite)
        self._fresh(suite)
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

    def _fresh(self, suite: Suite) -> None:
        """Raises `ReproError` where seeds that arms were tuned on would judge."""
        seeds = range(self.first_seed, self.first_seed + (self.seeds_max or suite.seeds.max))
        if not self.pilot and suite.profiles[self.profile].tune is not None and set(seeds) & {*SEEDS}:
            raise ReproError(
                f"profile '{self.profile}' is tuned on seeds {SEEDS[0]} and {SEEDS[1]}, which never judge: "
                "begin with another seed, or use `--pilot`"
            )

    def experiment(self, suite: Suite) -> Experiment:
        """The suite at the profile of this run."""
        key = digest(suite.model_dump(mode="json"))
        if key not in self._experiments:
            contents = Contents(self.runner.store)
            self._experiments[key] = Experiment(suite, self.profile, self.device, contents)
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
                    try:
                        tuning = tune(experiment, arm, self.runner)
                    except ReproError as error:
                        raise _about(error, [arm]) from error
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
            self._ensure(self.experiment(suite), quantities.values(), for_each)
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

    def _ensure(self, experiment: Experiment, quantities: Collection[Quantity], seeds: Seeds) -> None:
        """See to their jobs. Raises `ReproError`, with the arms that it is about, if one cannot be done."""
        trials = _trials(experiment, quantities, seeds)
        jobs: list[tuple[str, Job]] = [(arm, trial) for (arm, _), trial in trials.items()]
        jobs += [
            (quantity.measurement.arm, quantity.job(seed)) for seed, quantity in product(seeds, quantities)
        ]
        try:
            self.runner.ensure(job for _, job in jobs)
        except StoreError:
            raise
        except ReproError as error:
            arms = dict.fromkeys(arm for arm, job in jobs if job.digest in self.runner.failed)
            if not arms:
                raise
            raise _about(error, arms) from error

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
        for name in decided:
            self._tune(experiment, experiment.quantities(suite.claims[name]))
        tunings, again = self._tunings.get(experiment, {}), self.command(file)
        return Outcome(experiment, decided, self.runner.store).result(file, tunings, again, here)


def _about(error: ReproError, arms: Collection[str]) -> ReproError:
    """The same error, with the arms that it is about."""
    names = ", ".join(f"'{arm}'" for arm in arms)
    return ReproError(f"{error}\n  in {'arm' if len(arms) == 1 else 'arms'} {names}")


def _trials(
    experiment: Experiment, quantities: Collection[Quantity], seeds: Seeds
) -> dict[tuple[str, int], TrialSpec]:
    """The trainings that quantities rest on, by arm and seed."""
    arms = dict.fromkeys(arm for quantity in quantities for arm in quantity.trained)
    return {(arm, seed): experiment.trial(arm, seed) for arm, seed in product(arms, seeds)}
