"""A round of timing, as a job. Imports no torch."""

from functools import cached_property
from typing import ClassVar

from repro.job import Job, Needs, digest
from repro.recipe import Named, Strict, Timing
from repro.suite import Device

CLOCK = "repro.work.timing:time_net"


class TimedNet(Strict):
    """A net, and how it is timed."""

    model: Named
    data: Named | None  # for the numbers of channels and classes
    timing: Timing


class Round(Job):
    """One round of timing: nets one after another, each in a fresh process, with the machine to themselves.

    Rounds are to timings what seeds are to trainings: what is compared is compared within each.
    """

    kind: ClassVar[str] = "rounds"

    nets: dict[str, TimedNet]  # by the name of what is timed
    number: int  # also the seed of the nets' weights; in odd rounds the order is turned round
    device: Device
    machine: tuple[str, ...]  # CPU and GPUs: what one machine takes says nothing of another

    @cached_property
    def digest(self) -> str:
        return digest([self.model_dump(mode="json"), list(self.nets)])

    @property
    def label(self) -> str:
        return f"round {self.number} of timing {', '.join(self.nets)}"

    @property
    def needs(self) -> Needs:
        return Needs(device=self.device, alone=True)

    @property
    def in_turn(self) -> list[tuple[str, TimedNet]]:
        nets = list(self.nets.items())
        return nets[::-1] if self.number % 2 else nets
