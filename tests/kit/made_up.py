"""Jobs that nobody works at: an executor makes up their records, of nets that say whose they are."""

import json
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from repro.counting import Counting
from repro.job import Job, Needs
from repro.recipe import Named
from repro.round import Round
from repro.store import Store
from repro.suite import Suite
from repro.trial import Drawing, Evaluating, Probing, Subject, TrialSpec

ARMS = {"good": 8, "bad": 14, "other": 20}  # by depth: that is how a trial tells whose it is
NAMES = {depth: name for name, depth in ARMS.items()}
ENVIRONMENT = {"device": "made up", "driver": None, "torch": "2", "precision": "fp32"}
PROFILE = {
    "data": {"name": "fashion-mnist-small", "size": 7},
    "recipe": {"steps": 5, "batch_size": 8, "optimizer": {"name": "sgd", "lr": 0.1}},
}

Measure = Callable[[TrialSpec], Mapping[str, float]]


def suite(
    *, arms: Any = None, profile: Any = None, pictures: Any = None, rest: Any = None, **claims: Any
) -> Suite:
    """Claims by their expectation, or with all that is said of them; `rest` are further sections."""
    asked = {
        name.replace("_", "-"): {"says": "Any.", "expect": claim} if isinstance(claim, str) else claim
        for name, claim in claims.items()
    }
    known = {name: {"model": "cifar_resnet", "depth": depth} for name, depth in ARMS.items()}
    content = {
        "suite": "made-up",
        "task": "classification",
        "arms": {**known, **(arms or {})},
        "profiles": {"cpu": {**PROFILE, **(profile or {})}},
        "claims": asked,
        "pictures": pictures or {},
        **(rest or {}),
    }
    return Suite.model_validate_json(json.dumps(content))


def arm_of(net: Named) -> str:
    """The arm that a net is of."""
    return NAMES[net.options["depth"]]


def better(trial: TrialSpec) -> dict[str, float]:
    """One arm is better for every seed, by about the same."""
    error = {"good": 0.1, "bad": 0.2, "other": 0.3}[arm_of(trial.model)] + 0.001 * trial.seed
    return {"test_error": error, "train_error": error}


def alternating(trial: TrialSpec) -> dict[str, float]:
    """Seed by seed another arm is better."""
    return {"test_error": 0.5 + (0.1 if arm_of(trial.model) == "bad" else -0.1) * (-1) ** trial.seed}


def half(_: TrialSpec) -> dict[str, float]:
    return {"test_error": 0.5}


class MadeUp:
    """Does jobs with numbers from a function of the trial; the first `elsewhere` are another process's."""

    def __init__(
        self,
        measure: Measure = half,
        *,
        slots: int = 4,
        elsewhere: int = 0,
        deaths: int = 0,
        error: Exception | None = None,
    ):
        self.measure, self.slots, self.error = measure, slots, error
        self.elsewhere, self.deaths = elsewhere, deaths
        self.asked: list[Job] = []
        self.done: list[Job] = []

    def submit(self, job: Job, store: Store) -> Future[bool]:
        future: Future[bool] = Future()
        self.asked.append(job)
        if self.error:
            future.set_exception(self.error)
        elif self.deaths:
            self.deaths -= 1
            future.set_exception(BrokenProcessPool())
        elif self.elsewhere:
            self.elsewhere -= 1
            future.set_result(False)
        else:
            self.do(job, store)
            future.set_result(True)
        return future

    def do(self, job: Job, store: Store) -> None:
        self.done.append(job)
        files = {}
        if isinstance(job, Drawing):
            files = store.write_file(job, job.file, ", ".join(job.subjects).encode())
        store.write(job, {**self.record(job), "files": files})

    def record(self, job: Job) -> dict[str, Any]:
        match job:
            case TrialSpec():
                cost = {"seconds": 2.0}
                return {
                    "measurements": self.measure(job),
                    "trivial": {"test_error": 0.9},
                    "curves": {},
                    "cost": cost,
                    "environment": ENVIRONMENT,
                }
            case Evaluating():
                return {"measurements": self.measure(job.subject.trial)}
            case Counting():
                return {"value": float(job.model.options["depth"])}
            case Probing():
                return {"value": float(job.subject.trial.model.options["depth"])}
            case Round():
                nets = {timed: self.timed(timed, job) for timed in job.nets}
                return {"round": job.model_dump(mode="json"), "nets": nets, "seconds": 7.0}
        return {}

    def timed(self, net: str, job: Round) -> dict[str, Any]:
        """A millisecond for each of a net's layers, a little more in later rounds."""
        layers = job.nets[net].model.options["depth"]
        return {
            "timing": job.nets[net].timing.model_dump(mode="json"),
            "region": "a pass",
            "seconds": [layers * 1e-3 * (1 + 0.01 * job.number)],
            "peak_memory_bytes": None,
            "joules": None,
            "matmul_peak_flops_per_second": 1e11,
            "environment": ENVIRONMENT,
        }

    def room(self, needs: Needs) -> int:  # noqa: ARG002
        return self.slots

    def close(self) -> None:
        """Nothing is open."""

    @property
    def trained(self) -> list[tuple[str, int]]:
        """Whose trials were done, and with which seed."""
        return [(arm_of(job.model), job.seed) for job in self.done if isinstance(job, TrialSpec)]


def probe(trial: TrialSpec, measure: str = "gradient_norm") -> Probing:
    return Probing(measure=measure, options={}, subject=Subject(trial=trial), code="", torch="")
