"""A plan, as text: a row a suite, a total, and what is missing."""

from collections.abc import Iterator

from repro.format import duration, size, table
from repro.plan.amounts import MANY, Amount, Plan
from repro.plan.gpus import TIMED
from repro.plan.supplies import Supply

HEAD = ("suite", "trials", "shared", "done", "missing", "PFLOP", *(f"h, {many} seeds" for many in MANY))
MEMORY = ("GPU", "host", "disk")


def as_text(plan: Plan) -> str:
    return "\n".join(_lines(plan))


def _lines(plan: Plan) -> Iterator[str]:
    rows = [(*HEAD, *MEMORY)]
    rows += [_row(one.suite, one.amount) for one in plan.suites]
    rows.append(_row("all", plan.total))
    yield table(rows, right=range(1, len(rows[0])))
    there = plan.there
    memory = f", {size(there.device_memory)} of memory" if there.device_memory else ""
    yield ""
    yield (
        f"On {there.device}{memory}, {there.at_once} at once; the machine has {size(there.host_memory)} of "
        f"memory, and {size(there.disk)} free where the store is."
    )
    yield (
        "Hours are of training and evaluation; probes, treatments, what is loaded, and searches for regions "
        "come on top."
    )
    if plan.total.rounds:
        yield f"{plan.total.rounds} rounds of timing come on top, {_rounds(plan)}."
    if plan.total.data_beside_the_net is False:
        yield "Some data sets do not fit on the GPU beside the net, and stay in the machine's memory."
    if plan.supplies:
        yield ""
        yield table([("data and weights", "", ""), *map(_supply, plan.supplies)])
    yield ""
    yield from (f"does not fit: {why}" for why in plan.does_not_fit)
    if plan.fits:
        yield "fits" + (f" into {plan.hours:g} hours" if plan.hours is not None else "")


def _rounds(plan: Plan) -> str:
    if plan.there.device_memory is None:
        return "which take as long as they take"
    seconds = TIMED * plan.total.timed
    return f"of {plan.total.timed} nets in all: about {duration(seconds)}, {TIMED:g} s each as on an H200"


def _row(name: str, amount: Amount) -> tuple[str, ...]:
    numbers = (amount.trials, amount.shared, amount.done, amount.missing)
    memory = (amount.device_memory, amount.host_memory, amount.disk)
    flops = "?" if amount.flops is None else f"{amount.flops / 1e15:.3g}"
    return (name, *map(str, numbers), flops, *map(_hours, amount.hours), *map(_size, memory))


def _hours(hours: float | None) -> str:
    return "?" if hours is None else f"{hours:.2f}" if hours < 10 else f"{hours:.0f}"


def _size(count: int | None) -> str:
    return "-" if count is None else size(count)


def _supply(supply: Supply) -> tuple[str, str, str]:
    if supply.is_here:
        return (supply.name, "here", "")
    amount = "" if supply.bytes is None else size(supply.bytes)
    state = "is downloaded" if supply.downloads else "missing"
    return (supply.name, f"{state} {amount}".rstrip(), supply.source)
