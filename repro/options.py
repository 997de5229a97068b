"""What a run is asked for, whichever face it is asked by."""

from collections.abc import Iterable
from dataclasses import dataclass

from repro.errors import ReproError
from repro.executors import EXECUTORS, SHARES
from repro.executors.lease import cores, count
from repro.plan.ahead import Ahead
from repro.register import Register
from repro.runner import Runner
from repro.session import Session
from repro.store import Store
from repro.suite import Device, Suite


@dataclass(frozen=True)
class Options:
    """Raises `ReproError` for what cannot be asked."""

    profile: str = "cpu"
    only: str | None = None  # claims whose name contains the text
    device: Device | None = None  # instead of the profile's
    seeds_max: int | None = None  # instead of what a suite allows
    first_seed: int | None = None
    pilot: bool = False  # seeds from 1000 up, which never judge
    jobs: int | None = None  # trials at once; as many as cores, if not given
    per_gpu: int = 1  # trials that share a GPU
    where: str = "local"  # the executor's name

    def __post_init__(self) -> None:
        if self.where not in EXECUTORS:
            raise ReproError(f"where: must be {' or '.join(map(repr, EXECUTORS))}, not {self.where!r}")
        if self.only == "":
            raise ReproError("only: the text is empty, and every name contains that")
        for name, number, least in (
            ("seeds_max", self.seeds_max, 1),
            ("first_seed", self.first_seed, 0),
            ("jobs", self.jobs, 1),
        ):
            if number is not None and number < least:
                raise ReproError(f"{name}: must be {least} or more, not {number}")
        if not 1 <= self.per_gpu <= SHARES:
            raise ReproError(f"per_gpu: must be from 1 to {SHARES}, not {self.per_gpu}")

    def session(self, runner: Runner, register: Register | None = None) -> Session:
        """That of a run. A pilot's verdicts are noted in no register."""
        return Session(
            runner,
            self.profile,
            device=self.device,
            seeds_max=self.seeds_max,
            first_seed=self.first_seed,
            pilot=self.pilot,
            per_gpu=self.per_gpu,
            register=None if self.pilot else register,
        )

    def ahead(self, store: Store) -> Ahead:
        """What tells before the first trial that it cannot be done here. Of a cluster nothing is known."""
        return Ahead(store, None if self.where == "ray" else self.jobs or cores(), self.per_gpu)

    def names(self, suite: Suite) -> list[str]:
        """Of the claims of a suite that are asked."""
        return [name for name, _ in suite.claims_at(self.profile) if self.only is None or self.only in name]

    def at_once(self, devices: Iterable[Device]) -> int:
        """Trials at once, on the device kind that most of what is asked is for."""
        kinds = list(devices) or ["cpu"]
        return max(1, min(self.jobs or cores(), count(max({*kinds}, key=kinds.count), self.per_gpu)))
