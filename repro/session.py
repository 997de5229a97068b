"""A run: claims are decided at a profile, and what came of it is kept. Both faces and `repro.run` use it."""

import shlex
import time
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import product
from pathlib import Path

from repro import environment
from repro.catalogue import metrics
from repro.contents import Contents
from repro.errors import ReproError
from repro.evidence import LOOKS, MOST, first_look
from repro.experiment import Experiment
from repro.expression import Measurement
from repro.job import Job, digest
from repro.outcome import Decided, Outcome, arm_result
from repro.plan.course import Course
from repro.plan.rota import Asked, Due, due
from repro.plan.steps import Step, steps
from repro.quantity import Quantity, is_trivial
from repro.register import Entry, Register, formulate
from repro.result import (
    ClaimResult,
    Formulation,
    PictureResult,
    Result,
    TuningResult,
    evidence_of,
    write,
)
from repro.round import Round
from repro.runner import Runner
from repro.store import StoreError, write_atomically
from repro.suite import PILOT, Claim, Device, Suite
from repro.trial import Drawing, TrialSpec
from repro.tuning import SEEDS, tune
from repro.value import known
from repro.verdict import Judgement, decide, without_seeds

Seeds = Sequence[int]

LAST = 2**63 - 1  # seed that a generator, and a result, can have


class Session:
    """`first_seed` and `seeds_max` stand in for the seeds that suites say; a pilot begins with 1000 if it is
    not told. What judges is noted in the `register`, if there is one.
    """

    def __init__(
        self,
        runner: Runner,
        profile: str,
        *,
        device: Device | None = None,
        seeds_max: int | None = None,
        first_seed: int | None = None,
        pilot: bool = False,
        register: Register | None = None,
    ):
        self.runner, self.profile, self.device = runner, profile, device
        self.seeds_max = seeds_max
        self.first_seed = PILOT if pilot and first_seed is None else first_seed
        self.pilot, self.register = pilot, register
        self._experiments: dict[str, Experiment] = {}
        self._tunings: dict[Experiment, dict[str, TuningResult]] = {}

    def decide(self, suite: Suite, name: str) -> Decided:
        """Train what a claim needs and decide it. Raises `ReproError` if it cannot be measured here."""
        claim, experiment = suite.claims[name], self.experiment(suite)
        self.check_seeds(suite)
        quantities = {quantity.measurement: quantity for quantity in experiment.quantities(claim)}
        self._tune(experiment, quantities.values())
        seeds, judgement = self._judged(suite, claim, quantities)
        contested = judgement.is_contested(suite.evidence.alpha)
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
                as_expected=expected == ("undecided" if contested else judgement.verdict)
                and not judgement.why,
                why=judgement.why,
                contested=contested,
                trivial=self._trivial(suite, trials),
                formulation=self._noted(suite, name, seeds, judgement),
                because=known.because if known else None,
                evidence=evidence_of(judgement, seeds, suite.evidence),
                values={
                    str(measurement): self._values(quantity, seeds)
                    for measurement, quantity in quantities.items()
                    if seeds or not quantity.seeded
                },
                seconds=self._seconds(trials.values(), rounds),
            ),
            trials=tuple((arm, seed, trial.digest) for (arm, seed), trial in trials.items()),
            rounds=tuple(one.digest for one in rounds),
        )

    def check_seeds(self, suite: Suite) -> None:
        """Raises `ReproError` where seeds of pilots would judge, or those that arms were tuned on."""
        seeds = self._seeds(suite, self._most(suite))
        if seeds[-1] > LAST:
            raise ReproError(f"seeds {seeds[0]} to {seeds[-1]}: there are none after {LAST}")
        if self.pilot and seeds[0] < PILOT:
            raise ReproError(f"seed {seeds[0]} may judge; pilots are trained on seeds from {PILOT} up")
        if not self.pilot and seeds[0] < PILOT <= seeds[-1]:
            raise ReproError(
                f"seeds {seeds[0]} to {seeds[-1]}: those from {PILOT} up are for pilots and never judge; "
                f"begin at {PILOT - len(seeds)} at most, or use `--pilot`"
            )
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

    def steps(self, suite: Suite, name: str, most: int | None = None) -> Iterator[Step]:
        """The trials and rounds that a claim may take, of so many seeds at most. Raises `ReproError` if data
        is missing.
        """
        most = most or self._most(suite)
        first = self._looks(most, suite.evidence.alpha)[0]
        seeds = self._seeds(suite, most)
        return steps(self.experiment(suite), suite.claims[name], seeds, seeds[:first])

    def course(self, asked: Iterable[tuple[Suite, str]], kept: Path) -> Course:
        """That of a run of claims, without those that cannot be measured. `kept` has kept results."""
        found = list[Step]()
        for suite, name in asked:
            with suppress(ReproError):
                found += self.steps(suite, name)
        return Course.of(found).after(kept, self.profile)

    def due(
        self, asked: Iterable[tuple[Suite, Sequence[str]]], earlier: Iterable[Result], at_once: int
    ) -> list[Due]:
        """Suites with what earlier results say of the names asked of each, so many trials at once."""
        found = list[Asked]()
        for suite, names in asked:
            of_suite = list[Step]()
            for name in names:
                with suppress(ReproError):
                    of_suite += self.steps(suite, name)
            found.append(Asked(suite.suite, names, of_suite))
        return due(found, self.profile, earlier, at_once)

    def command(self, file: str, claim: str | None = None) -> str:
        """What decides a suite's claims again, or one of them, as a user would type it."""
        options = {
            "-k": claim,
            "--profile": self.profile,
            "--device": self.device,
            "--seeds-max": self.seeds_max,
            "--first-seed": self.first_seed,
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
        """What needs no seeds comes first. Then there is a look after 5, 7, 10, … seeds, until there is a
        verdict or none can come any more. Seeds that are there already are never left out.
        """
        experiment, alpha = self.experiment(suite), suite.evidence.alpha

        def is_static(measurement: Measurement) -> bool:
            return not quantities[measurement].seeded

        def value(measurement: Measurement, seed: int) -> float:
            return self._value(quantities[measurement], seed)

        first = self._seeds(suite, 1)
        static = [quantity for quantity in quantities.values() if not quantity.seeded]
        if static:
            self._ensure(experiment, static, first)
        judgement = without_seeds(claim.expectation, value, is_static)
        if judgement.verdict != "undecided" or judgement.why:
            return (), judgement
        if self.register is not None:
            self.register.entries()  # one that cannot be read is told before anything is trained
        most = self._most(suite)
        for look in self._looks(most, alpha):
            many = self._there(suite, quantities.values(), look)
            seeds = self._seeds(suite, many)
            self._ensure(experiment, quantities.values(), seeds)
            judgement = decide(claim.expectation, seeds, value, is_static, alpha)
            if not judgement.can_be_decided(most, alpha):
                break
        return tuple(seeds), judgement

    def _most(self, suite: Suite) -> int:
        """How many seeds are allowed."""
        return min(self.seeds_max or suite.seeds.max, MOST)

    def _seeds(self, suite: Suite, many: int) -> range:
        first = suite.seeds.first if self.first_seed is None else self.first_seed
        return range(first, first + many)

    def _looks(self, most: int, alpha: float) -> Seeds:
        """The numbers of seeds after which to look, up to the most that are allowed."""
        least = first_look(alpha) or most
        return [*(look for look in LOOKS if least <= look < most), most]

    def _there(self, suite: Suite, quantities: Collection[Quantity], least: int) -> int:
        """How many seeds there are already, and `least` at least: other claims may have taken more."""
        many = least
        while many < MOST:
            seed = self._seeds(suite, many + 1)[-1]
            if seed == PILOT and not self.pilot:
                break
            experiment = self.experiment(suite)
            trials = list(_trials(experiment, quantities, [seed]).values())
            if not self.runner.are_done(trials or [quantity.job(seed) for quantity in quantities]):
                break
            many += 1
        return many

    def _trivial(self, suite: Suite, trials: Mapping[tuple[str, int], TrialSpec]) -> tuple[str, ...]:
        """The arms that are no better than a constant answer on most seeds."""
        found = Counter[str]()
        for (arm, _), trial in trials.items():
            found[arm] += 1 if is_trivial(self.runner.record(trial), metrics(suite.task)) else -1
        return tuple(arm for arm, excess in found.items() if excess > 0)

    def _noted(self, suite: Suite, name: str, seeds: Seeds, judgement: Judgement) -> Formulation | None:
        """The place in the register of what these seeds have judged. Those of pilots judge nothing."""
        if self.register is None or not seeds or seeds[0] >= PILOT:
            return None
        experiment, claim = self.experiment(suite), suite.claims[name]
        only = suite.model_copy(update={"claims": {name: claim}})
        timed = {q.measurement.subject for q in experiment.quantities(claim) if q.timed}
        entry = Entry(
            suite=suite.suite,
            profile=self.profile,
            claim=name,
            **formulate(
                claim.expectation,
                suite.evidence.alpha,
                suite.task,
                {arm: arm_result(experiment.resolve(arm)) for arm in only.arms_at(self.profile)},
                {one: experiment.timed[one][1].model_dump(mode="json") for one in sorted(timed)},
            ),
            seeds=tuple(seeds),
            verdict=judgement.verdict,
            at=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            commit=environment.commit(self.register.path.parent.parent),
        )
        self.register.note(entry)
        return self.register.formulation(entry)

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
        for_each = seeds if quantity.seeded else [0]
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
        first = min((seed for _, seed in trained), default=0)
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
        decided = {name: self._with_all_seeds(suite, name, one) for name, one in decided.items()}
        tunings, again = self._tunings.get(experiment, {}), self.command(file)
        return Outcome(experiment, decided, self.runner.store).result(file, tunings, again, here)

    def _with_all_seeds(self, suite: Suite, name: str, decided: Decided) -> Decided:
        """The same claim with the seeds that others have taken since it was decided."""
        seeds = decided.claim.evidence.seeds
        quantities = self.experiment(suite).quantities(suite.claims[name])
        if not seeds or self._there(suite, quantities, len(seeds)) == len(seeds):
            return decided
        return self.decide(suite, name)


def _about(error: ReproError, arms: Collection[str]) -> ReproError:
    """The same error, with the arms that it is about."""
    names = ", ".join(f"'{arm}'" for arm in arms)
    return ReproError(f"{error}\n  in {'arm' if len(arms) == 1 else 'arms'} {names}")


def _trials(
    experiment: Experiment, quantities: Collection[Quantity], seeds: Seeds
) -> dict[tuple[str, int], TrialSpec]:
    """The trainings that quantities rest on, by arm and seed; of an ensemble those of all members."""
    arms = dict.fromkeys(arm for quantity in quantities for arm in quantity.trained)
    found = {(arm, seed): experiment.trial(arm, seed) for arm, seed in product(arms, seeds)}
    for quantity in quantities:
        resolved = experiment.resolve(quantity.measurement.arm) if quantity.treated else None
        if resolved and resolved.of and resolved.treatment:
            joined = (trial for seed in seeds for trial in quantity.job(seed).after)
            found |= {(resolved.of, one.seed): one for one in joined if isinstance(one, TrialSpec)}
    return found
