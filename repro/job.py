"""Jobs: what is done once and remembered, named by the digest of all that determines it. Imports no torch.

Each job knows what it needs of a machine, and which jobs come before it. What kinds there are: `repro.trial`,
`repro.counting`, `repro.round`.
"""

import hashlib
import json
from collections.abc import Callable, Iterable
from functools import cache, cached_property
from importlib.metadata import version
from typing import Any, ClassVar

from repro import source
from repro.recipe import Named, Strict
from repro.suite import Device


class Needs(Strict):
    """What a job needs of a machine while it is done."""

    device: Device = "cpu"
    places: int = 1  # cores, or GPUs; 0 for what is done at once
    alone: bool = False  # nothing else of this harness may run on the machine


class Job(Strict):
    """What is done once and remembered. Its record stands in the store under `kind` and `digest`."""

    kind: ClassVar[str]

    code: str  # of the modules that do it
    torch: str

    @cached_property
    def digest(self) -> str:
        return digest(self.model_dump(mode="json"))

    @property
    def label(self) -> str:
        """What it is, for a person."""
        raise NotImplementedError

    @property
    def needs(self) -> Needs:
        raise NotImplementedError

    @property
    def after(self) -> "tuple[Job, ...]":
        """The jobs whose records and files it takes up."""
        return ()


def closure(jobs: Iterable[Job], unless: Callable[[Job], bool] = lambda _: False) -> list[Job]:
    """Jobs, each once, behind what comes before them; without those that `unless` is true of, and theirs."""
    found: dict[str, Job] = {}
    skipped: set[str] = set()

    def add(job: Job) -> None:
        if job.digest in found or job.digest in skipped:
            return
        if unless(job):
            skipped.add(job.digest)
            return
        for before in job.after:
            add(before)
        found[job.digest] = job

    for job in jobs:
        add(job)
    return list(found.values())


def digest(content: Any) -> str:
    """The name of some plain data: a hash of its canonical JSON."""
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()[:32]


def code_of(*targets: str) -> dict[str, str]:
    """The fields `code` and `torch` of a job that these classes and functions do."""
    return {"code": source.digest(frozenset(targets)), "torch": torch_version()}


@cache
def torch_version() -> str:
    return version("torch")


def written(model: Named) -> str:
    """A net with its options, for a person: `resnet(depth=20)`."""
    options = ", ".join(f"{key}={value}" for key, value in model.options.items())
    return f"{model.name}({options})"
