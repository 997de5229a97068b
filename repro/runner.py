"""How a claim gets decided: the trials it needs, seed after seed, until the evidence speaks."""

import os
import time
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Future, wait
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from repro.catalogue import MEASURES
from repro.errors import ReproError
from repro.evidence import first_look
from repro.expectation import Measurement
from repro.measures.timed import readings
from repro.store import Store, from_json
from repro.suite import Claim, Device, Suite, Verdict
from repro.trial import Drawing, Job, Number, Round, TrialSpec, count, drawing, probe, round_of, specify
from repro.verdict import Judgement, judge

PILOT = 1000  # the first seed of pilot runs, on which recipes are chosen; what judges are seeds from 0 up
DEATHS = 3  # of workers at one job, after which it is given up
TELL_EVERY = 2.0  # seconds; a status that is older than 10 no longer counts


class Executor(Protocol):
    """Where jobs are done. A future gives False if another process was found at the job."""

    def room(self, device: str) -> int: ...  # jobs at once
    def submit(self, job: Job, store: Store) -> Future[bool]: ...
    def close(self) -> None: ...


class Earlier(NamedTuple):
    """The evidence of an earlier run of a claim, to be continued: its seeds, and each measurement's value a
    seed.
    """

    seeds: tuple[int, ...]
    values: Mapping[str, Sequence[float | None]]


@dataclass(frozen=True)
class Decided:
    """A claim with its verdict and all the numbers behind it."""

    claim: Claim
    expected: Verdict
    judgement: Judgement
    seeds: tuple[int, ...]
    values: dict[Measurement, tuple[float, ...]]  # a value per seed; one value if it is static
    trials: dict[tuple[str, int], TrialSpec]  # by arm and seed
    rounds: tuple[Round, ...]  # of timing, one a seed if anything is timed

    @property
    def as_expected(self) -> bool:
        return self.judgement.verdict == self.expected


class Runner:
    """Decides claims at one profile. Several, in any number of processes, share the work through the
    store.
    """

    def __init__(
        self,
        store: Store,
        executor: Executor,
        profile: str,
        device: Device | None = None,
        seeds_max: int | None = None,
        *,
        first_seed: int = 0,
    ):
        self.store, self.executor, self.profile, self.device, self.seeds_max = (
            store,
            executor,
            profile,
            device,
            seeds_max,
        )
        self.first_seed = first_seed
        self.records: dict[str, dict[str, Any]] = {}
        self.wanted: set[str] = set()
        self.finished: set[str] = set()
        self.told = 0.0

    def decide(self, suite: Suite, name: str, earlier: Earlier | None = None) -> Decided:
        """Train what the claim needs and decide it. Raises `ReproError` if it cannot be measured here.

        To `earlier` evidence so many fresh seeds are added as `seeds_max` says, or one, whatever the verdict
        is by then.
        """
        claim, rules = suite.claims[name], suite.evidence
        measurements = claim.expectation.measurements
        static = self._is_static(suite, claim)
        before = earlier.seeds if earlier and not static else ()
        first = max(before, default=self.first_seed - 1) + 1
        most = 0 if static else self.seeds_max or (1 if before else suite.seeds.max)
        fresh: Sequence[int] = range(first, first + most)
        at_once = most if before else min(most, first_look(rules.alpha, rules.assume))

        def value(measurement: Measurement, seed: int) -> float:
            if earlier is not None and seed in before and suite.kind(measurement) != "static":
                return from_json(earlier.values[str(measurement)][before.index(seed)])
            return self._value(suite, measurement, seed)

        for many in range(at_once, most + 1):
            done = fresh[:many]
            self.ensure(
                [job for seed in done or [0] for m in measurements for job in self._jobs(suite, m, seed)]
            )
            seeds = (*before, *done)
            judgement = judge(
                claim.expectation,
                seeds,
                value,
                lambda m: suite.kind(m) == "static",
                rules.alpha,
                rules.assume,
            )
            if judgement.verdict != "undecided":
                break
        return Decided(
            claim=claim,
            expected=claim.expected(self.profile),
            judgement=judgement,
            seeds=seeds,
            values={
                m: tuple(value(m, seed) for seed in (seeds if suite.kind(m) != "static" else (0,)))
                for m in measurements
            },
            trials={
                (m.arm, seed): self._trial(suite, m.arm, seed)
                for m in measurements
                if suite.needs_training(m)
                for seed in done
            },
            rounds=tuple(
                self._round(suite, seed)
                for seed in done
                if any(suite.kind(m) == "timed" for m in measurements)
            ),
        )

    def draw(self, suite: Suite, trained: Mapping[tuple[str, int], str]) -> dict[str, bytes]:
        """The suite's pictures, as PNG files, of the first seed's nets, where all of their arms are `trained`
        with it.
        """
        first = min((seed for _, seed in trained), default=self.first_seed)
        wanted = dict[str, Drawing]()
        for name, picture in suite.pictures.items():
            trials = {
                arm: self._trial(suite, arm, first)
                for arm in picture.arms
                if suite.recipe_of(arm, self.profile)
            }
            if len(trials) == len(picture.arms) and all((arm, first) in trained for arm in trials):
                wanted[name] = drawing(picture.picture, picture.options, trials)
        self.ensure(list(wanted.values()))
        found = {name: self.store.read_picture(job.digest) for name, job in wanted.items()}
        return {name: content for name, content in found.items() if content is not None}

    def ensure(self, jobs: Sequence[Job]) -> None:
        """See to it that jobs are done: by this runner's executor, or by whoever else is at them."""
        self._do([job for job in jobs if isinstance(job, TrialSpec)])
        self._do([job for job in jobs if not isinstance(job, TrialSpec)])

    def _do(self, jobs: Sequence[Job]) -> None:
        todo = deque(job for job in {job.digest: job for job in jobs}.values() if not self._is_done(job))
        self.wanted |= {job.digest for job in todo}
        running: dict[Future[bool], Job] = {}
        deaths: Counter[str] = Counter()
        others: dict[str, float] = {}  # jobs that others are at, with when to look again
        self._tell()
        while todo or running:
            for _ in range(len(todo)):
                job = todo.popleft()
                if len(running) >= self.executor.room(job.device):
                    todo.appendleft(job)
                    break
                if self._is_done(job):
                    self.finished.add(job.digest)
                elif others.get(job.digest, 0.0) > time.monotonic():
                    todo.append(job)
                else:
                    running[self.executor.submit(job, self.store)] = job
            ended, _ = wait(running, timeout=0.2, return_when=FIRST_COMPLETED) if running else (set(), None)
            if not running:
                time.sleep(0.05)
            for future in ended:
                job = running.pop(future)
                try:
                    did_it = future.result()
                except BrokenExecutor:
                    deaths[job.digest] += 1
                    if deaths[job.digest] >= DEATHS:
                        raise ReproError(
                            f"{_name(job)}: its process died {DEATHS} times; is the memory enough?"
                        ) from None
                    did_it = False
                if did_it:
                    self.finished.add(job.digest)
                else:
                    others[job.digest] = time.monotonic() + 0.2
                    todo.append(job)
                self._tell()
            if time.monotonic() - self.told >= TELL_EVERY:
                self._tell()
        self._tell()

    def _tell(self) -> None:
        """Say, for the display, how far this process is with what it wants."""
        if self.wanted:
            status = {"wanted": sorted(self.wanted), "finished": sorted(self.finished & self.wanted)}
            self.store.tell(f"process-{os.getpid()}", status)
        self.told = time.monotonic()

    def close(self) -> None:
        self.executor.close()
        if self.wanted:
            self.store.tell(f"process-{os.getpid()}", {})

    def record(self, spec: TrialSpec | Round) -> dict[str, Any]:
        """The record of a trial, or of a round of timing, that is done."""
        if spec.digest not in self.records:
            found = self.store.read(spec.digest)
            if found is None:
                raise ReproError(
                    f"the record of {_name(spec)} has gone from {self.store.folder(spec.digest)}; run again"
                )
            self.records[spec.digest] = found
        return self.records[spec.digest]

    def _is_done(self, job: Job) -> bool:
        if isinstance(job, Number):
            return self.store.read_number(job.digest) is not None
        if isinstance(job, Drawing):
            return self.store.read_picture(job.digest) is not None
        return job.digest in self.records or self.store.read(job.digest) is not None

    def _is_static(self, suite: Suite, claim: Claim) -> bool:
        return all(suite.kind(m) == "static" for m in claim.expectation.measurements)

    def _trial(self, suite: Suite, arm: str, seed: int, *, trained: bool = True) -> TrialSpec:
        assert suite.task is not None  # or its measurements would be static or timed
        return specify(
            suite.task, suite.resolve(arm, self.profile), seed, self._device(suite), trained=trained
        )

    def _device(self, suite: Suite) -> Device:
        return self.device or suite.profiles[self.profile].device

    def _round(self, suite: Suite, number: int) -> Round:
        return round_of(suite, self.profile, number, self._device(suite))

    def _number(self, suite: Suite, measurement: Measurement, seed: int) -> Number:
        options = dict(measurement.options)
        if suite.kind(measurement) == "static":
            return count(measurement.name, options, suite.resolve(measurement.arm, self.profile))
        trained = options.pop("at", "end") == "end"
        return probe(measurement.name, options, self._trial(suite, measurement.arm, seed, trained=trained))

    def _jobs(self, suite: Suite, measurement: Measurement, seed: int) -> list[Job]:
        if suite.kind(measurement) == "metric":
            return [self._trial(suite, measurement.arm, seed)]
        if suite.kind(measurement) == "timed":
            return [self._round(suite, seed)]
        number = self._number(suite, measurement, seed)
        return [number] if number.trial is None or number.trial.recipe is None else [number.trial, number]

    def _value(self, suite: Suite, measurement: Measurement, seed: int) -> float:
        if suite.kind(measurement) == "metric":
            spec = self._trial(suite, measurement.arm, seed)
            measured = self.record(spec)["measurements"]
            if measurement.name not in measured:
                raise ReproError(f"task '{suite.task}' did not measure '{measurement.name}' of {_name(spec)}")
            return from_json(measured[measurement.name])
        if suite.kind(measurement) == "timed":
            return timed_value(
                measurement.name, self.record(self._round(suite, seed))["nets"][suite.timed_as(measurement)]
            )
        value = self.store.read_number(self._number(suite, measurement, seed).digest)
        assert value is not None
        return value


def timed_value(measure: str, net: Mapping[str, Any]) -> float:
    """A measure of what a round holds of one net."""
    return float(MEASURES.load(measure)(readings(net)))


def _name(job: Job) -> str:
    if isinstance(job, Round):
        return f"round {job.number} of timing {', '.join(job.nets)}"
    if isinstance(job, Drawing):
        return f"the picture '{job.picture}' of {', '.join(job.trials)}"
    model = job.model
    options = ", ".join(f"{key}={value}" for key, value in model.options.items())
    return f"{model.name}({options})" + (
        f", seed {job.seed}" if isinstance(job, TrialSpec) else f", {job.measure}"
    )
