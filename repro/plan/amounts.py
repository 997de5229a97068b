"""What a plan says: of a suite, of all together, and of the machine that is there."""

from collections.abc import Iterator, Sequence

from repro.format import size
from repro.plan.supplies import Supply
from repro.recipe import Strict

MANY = (5, 10)  # seeds: when verdicts come first, and when most have come


class Amount(Strict):
    """What has to be done. Shared trials are those that a suite before this one has asked for, too."""

    trials: int  # for five seeds
    shared: int
    done: int
    missing: int
    flops: float | None  # of the missing ones; None where some are not known
    hours: tuple[float | None, float | None]  # of training and evaluation, at 5 seeds and at 10
    device_memory: int | None  # bytes of one GPU: an equal part for all that may share it; None on a CPU
    data_beside_the_net: bool | None  # whether the largest set fits there too
    host_memory: int | None  # bytes, of all that trains at once
    disk: int | None  # bytes, at 10 seeds
    rounds: int  # of timing, whose hours nobody knows beforehand
    timed: int  # nets in them, each as often as it is timed


class SuitePlan(Strict):
    suite: str
    file: str
    amount: Amount
    supplies: tuple[str, ...]
    problems: tuple[str, ...] = ()


class There(Strict):
    """What this machine has, or the GPU that is planned for."""

    device: str
    at_once: int  # trials
    device_memory: int | None
    host_memory: int
    disk: int


class Plan(Strict):
    profile: str
    there: There
    suites: tuple[SuitePlan, ...]
    total: Amount
    supplies: tuple[Supply, ...]
    hours: float | None  # that are allowed
    does_not_fit: tuple[str, ...]  # why

    @property
    def fits(self) -> bool:
        return not self.does_not_fit


def together(amounts: Sequence[Amount]) -> Amount:
    """Of suites, one after another: what they share is done once."""

    def largest(values: list[int | None]) -> int | None:
        known = [value for value in values if value is not None]
        return max(known, default=None)

    disk = summed([a.disk for a in amounts])
    beside = [a.data_beside_the_net for a in amounts if a.data_beside_the_net is not None]
    return Amount(
        trials=sum(a.trials - a.shared for a in amounts),
        shared=0,
        done=sum(a.done for a in amounts),
        missing=sum(a.missing for a in amounts),
        flops=summed([a.flops for a in amounts]),
        hours=(summed([a.hours[0] for a in amounts]), summed([a.hours[1] for a in amounts])),
        device_memory=largest([a.device_memory for a in amounts]),
        data_beside_the_net=all(beside) if beside else None,
        host_memory=largest([a.host_memory for a in amounts]),
        disk=None if disk is None else int(disk),
        rounds=sum(a.rounds for a in amounts),
        timed=sum(a.timed for a in amounts),
    )


def summed(values: Sequence[float | None]) -> float | None:
    """None where one of them is not known."""
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None


def lacking(total: Amount, there: There, found: tuple[Supply, ...], hours: float | None) -> Iterator[str]:
    """Why it would not go here."""
    for supply in found:
        if not (supply.is_here or supply.downloads):
            yield supply.problem
    for what, wanted, has in (
        ("memory of a GPU", total.device_memory, there.device_memory),
        ("memory of the machine", total.host_memory, there.host_memory),
        ("room on the store's disk", total.disk, there.disk),
    ):
        if wanted is not None and has is not None and wanted > has:
            yield f"{what}: {size(wanted)} wanted, {size(has)} there"
    wanted_hours = total.hours[0]
    if hours is not None and wanted_hours is None:
        yield f"hours: how many are not known, {hours:g} allowed"
    elif hours is not None and wanted_hours is not None and wanted_hours > hours:
        yield f"hours: {wanted_hours:.3g} at {MANY[0]} seeds, {hours:g} allowed"
