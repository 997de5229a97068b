"""A claim on its way to a verdict: what it asks for is trained, look by look, and judged."""

import time
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import product

from repro import environment
from repro.catalogue import metrics
from repro.errors import ReproError
from repro.evidence import MOST
from repro.experiment import Experiment
from repro.expression import Measurement
from repro.job import Job
from repro.outcome import Decided, arm_result
from repro.quantity import Quantity, is_trivial
from repro.register import Entry, Register, formulate
from repro.result import ClaimResult, Formulation, evidence_of
from repro.round import Round
from repro.runner import Runner
from repro.seeds import Seeds
from repro.store import StoreError
from repro.suite import PILOT
from repro.trial import TrialSpec
from repro.value import known
from repro.verdict import Judgement, decide, without_seeds


class Deciding:
    """A claim of an experiment, and the seeds that it may take."""

    def __init__(self, runner: Runner, experiment: Experiment, name: str, seeds: Seeds):
        self.runner, self.experiment, self.name, self.seeds = runner, experiment, name, seeds
        self.suite, self.claim = experiment.suite, experiment.suite.claims[name]
        self.quantities = {quantity.measurement: quantity for quantity in experiment.quantities(self.claim)}

    def decide(self, register: Register | None) -> Decided:
        """Train what is needed, and judge it. What seeds have judged is noted in the register."""
        seeds, judgement = self._judged(register)
        contested = judgement.is_contested(self.seeds.alpha)
        trials = self._trials(self.quantities.values(), seeds)
        timed = any(quantity.timed for quantity in self.quantities.values())
        rounds = [self.experiment.round(seed) for seed in seeds] if timed else []
        claim, profile = self.claim, self.experiment.profile
        at, expected = claim.at.get(profile), claim.expected(profile)
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
                trivial=self._trivial(trials),
                formulation=self._noted(register, seeds, judgement),
                because=at.because if at else None,
                evidence=evidence_of(judgement, seeds, self.suite.evidence),
                values={
                    str(measurement): self._values(quantity, seeds)
                    for measurement, quantity in self.quantities.items()
                    if seeds or not quantity.seeded
                },
                seconds=self._seconds(trials.values(), rounds),
            ),
            trials=tuple((arm, seed, trial.digest) for (arm, seed), trial in trials.items()),
            rounds=tuple(one.digest for one in rounds),
        )

    def first(self) -> list[Job]:
        """What is surely wanted of it: the jobs of the first look, or of what comes before any seed."""
        quantities = self.quantities.values()
        static = [quantity for quantity in quantities if not quantity.seeded]
        seeds = self.seeds.take(1 if static else self.seeds.looks[0])
        return [job for _, job in self._jobs(static or quantities, seeds)]

    def there(self, least: int) -> int:
        """How many seeds there are already, and `least` at least: other claims may have taken more."""
        many, quantities = least, self.quantities.values()
        while many < MOST and self.seeds.may_take(many + 1):
            seed = self.seeds.take(many + 1)[-1]
            trials = list(self._trials(quantities, [seed]).values())
            if not self.runner.are_done(trials or [quantity.job(seed) for quantity in quantities]):
                break
            many += 1
        return many

    def _judged(self, register: Register | None) -> tuple[Sequence[int], Judgement]:
        """What needs no seeds comes first. Then there is a look after 5, 7, 10, … seeds, until there is a
        verdict or none can come any more. Seeds that are there already are never left out.
        """
        expectation, quantities = self.claim.expectation, self.quantities

        def is_static(measurement: Measurement) -> bool:
            return not quantities[measurement].seeded

        def value(measurement: Measurement, seed: int) -> float:
            return self._value(quantities[measurement], seed)

        static = [quantity for quantity in quantities.values() if not quantity.seeded]
        if static:
            self._ensure(static, self.seeds.take(1))
        judgement = without_seeds(expectation, value, is_static)
        if judgement.verdict != "undecided" or judgement.why:
            return (), judgement
        if register is not None:
            register.entries()  # one that cannot be read is told before anything is trained
        most, alpha = self.seeds.most, self.seeds.alpha
        for look in self.seeds.looks:
            seeds = self.seeds.take(self.there(look))
            self._ensure(quantities.values(), seeds)
            judgement = decide(expectation, seeds, value, is_static, alpha)
            if not judgement.can_be_decided(most, alpha):
                break
        return tuple(seeds), judgement

    def _noted(
        self, register: Register | None, seeds: Sequence[int], judgement: Judgement
    ) -> Formulation | None:
        """The place in the register of what these seeds have judged. Those of pilots judge nothing."""
        if register is None or not seeds or seeds[0] >= PILOT:
            return None
        suite, experiment = self.suite, self.experiment
        only = suite.model_copy(update={"claims": {self.name: self.claim}})
        timed = {quantity.measurement.subject for quantity in self.quantities.values() if quantity.timed}
        entry = Entry(
            suite=suite.suite,
            profile=experiment.profile,
            claim=self.name,
            **formulate(
                self.claim.expectation,
                self.seeds.alpha,
                suite.task,
                {arm: arm_result(experiment.resolve(arm)) for arm in only.arms_at(experiment.profile)},
                {one: experiment.timed[one][1].model_dump(mode="json") for one in sorted(timed)},
            ),
            seeds=tuple(seeds),
            verdict=judgement.verdict,
            at=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            commit=environment.commit(register.path.parent.parent),
        )
        register.note(entry)
        return register.formulation(entry)

    def _ensure(self, quantities: Collection[Quantity], seeds: Sequence[int]) -> None:
        """See to their jobs. Raises `ReproError`, with the arms that it is about, if one cannot be done."""
        jobs = self._jobs(quantities, seeds)
        try:
            self.runner.ensure(job for _, job in jobs)
        except StoreError:
            raise
        except ReproError as error:
            arms = dict.fromkeys(arm for arm, job in jobs if job.digest in self.runner.failed)
            if not arms:
                raise
            raise about(error, arms) from error

    def _jobs(self, quantities: Collection[Quantity], seeds: Sequence[int]) -> list[tuple[str, Job]]:
        """All of them, each with its arm."""
        trials = self._trials(quantities, seeds)
        measured = product(seeds, quantities)
        return [
            *((arm, trial) for (arm, _), trial in trials.items()),
            *((quantity.measurement.arm, quantity.job(seed)) for seed, quantity in measured),
        ]

    def _trials(
        self, quantities: Collection[Quantity], seeds: Sequence[int]
    ) -> dict[tuple[str, int], TrialSpec]:
        """The trainings that quantities rest on, by arm and seed; of an ensemble those of all members."""
        arms = dict.fromkeys(arm for quantity in quantities for arm in quantity.trained)
        found = {(arm, seed): self.experiment.trial(arm, seed) for arm, seed in product(arms, seeds)}
        for quantity in quantities:
            resolved = self.experiment.resolve(quantity.measurement.arm) if quantity.treated else None
            if resolved and resolved.of and resolved.treatment:
                joined = (trial for seed in seeds for trial in quantity.job(seed).after)
                found |= {(resolved.of, one.seed): one for one in joined if isinstance(one, TrialSpec)}
        return found

    def _trivial(self, trials: Mapping[tuple[str, int], TrialSpec]) -> tuple[str, ...]:
        """The arms that are no better than a constant answer on most seeds."""
        found = Counter[str]()
        for (arm, _), trial in trials.items():
            found[arm] += 1 if is_trivial(self.runner.record(trial), metrics(self.suite.task)) else -1
        return tuple(arm for arm, excess in found.items() if excess > 0)

    def _value(self, quantity: Quantity, seed: int) -> float:
        return quantity.read(self.runner.record(quantity.job(seed)))

    def _values(self, quantity: Quantity, seeds: Sequence[int]) -> tuple[float | None, ...]:
        """A value per seed; one value of what is the same for all."""
        for_each = seeds if quantity.seeded else [0]
        return tuple(known(self._value(quantity, seed)) for seed in for_each)

    def _seconds(self, trials: Iterable[TrialSpec], rounds: Iterable[Round]) -> float:
        """What trials and rounds took, whoever did them and when."""
        distinct = {trial.digest: trial for trial in trials}.values()
        trained = sum(self.runner.record(trial)["cost"]["seconds"] for trial in distinct)
        return float(trained + sum(self.runner.record(one)["seconds"] for one in rounds))


def about(error: ReproError, arms: Collection[str]) -> ReproError:
    """The same error, with the arms that it is about."""
    names = ", ".join(f"'{arm}'" for arm in arms)
    return ReproError(f"{error}\n  in {'arm' if len(arms) == 1 else 'arms'} {names}")
