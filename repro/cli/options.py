"""Options that commands on suites share."""

import math
from collections.abc import Callable
from functools import wraps
from typing import Any

import click

from repro.cli import completion
from repro.cli.group import Word
from repro.executors import EXECUTORS, SHARES


class Finite(click.FloatRange):
    """A number in a range, which is neither infinite nor `nan`: click takes that for one in any range."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        found = super().convert(value, param, ctx)
        if not math.isfinite(found) and isinstance(value, str):  # a default may be infinite
            self.fail(f"{value!r} is not a finite number.", param, ctx)
        return found


class Hours(Finite):
    """A number of hours above 0."""

    def __init__(self) -> None:
        super().__init__(min=0, min_open=True)


PROFILE = click.option(
    "--profile",
    type=Word(),
    default="cpu",
    show_default=True,
    shell_complete=completion.profiles,
    help="The scale at which claims are tested: cpu, gpu or paper.",
)
DEVICE = click.option(
    "--device",
    type=click.Choice(["cpu", "cuda", "mps"]),
    help="Train here instead of on the profile's device.",
)
SEEDS_MAX = click.option(
    "--seeds-max",
    type=click.IntRange(min=1),
    metavar="N",
    help="Allow N seeds instead of what the suite allows.",
)
FIRST_SEED = click.option(
    "--first-seed",
    type=click.IntRange(min=0),
    metavar="N",
    help="Seeds from N up instead of what the suite says.",
)
PILOT = click.option(
    "--pilot", is_flag=True, help="Try a recipe: seeds from 1000 up, which never judge, and no result."
)
JOBS = click.option(
    "--jobs",
    "-j",
    type=click.IntRange(min=1),
    metavar="N",
    help="How many trials run at once (default: one per core).",
)
PER_GPU = click.option(
    "--per-gpu",
    type=click.IntRange(1, SHARES),
    default=1,
    show_default=True,
    metavar="N",
    help="Trials that share a GPU, each with an equal part of its memory; small nets leave most of one idle.",
)
ONLY = click.option(
    "-k",
    "only",
    type=Word(),
    metavar="TEXT",
    shell_complete=completion.claims,
    help="Only claims whose name contains the text.",
)
WHERE = click.option(
    "--executor",
    "where",
    type=click.Choice(EXECUTORS),
    default="local",
    show_default=True,
    help="Where trials run.",
)


def asked(*more: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """What says how suites are asked, and these options: the command is given `repro.options.Options`, as
    `asked`, of all of them.
    """
    of_all = (PROFILE, DEVICE, SEEDS_MAX, FIRST_SEED, PILOT, JOBS, PER_GPU, *more, ONLY)

    def decorate(command: Callable[..., Any]) -> Any:
        @wraps(command)
        def bundled(**given: Any) -> Any:
            from dataclasses import fields

            from repro.options import Options

            names = given.keys() & {field.name for field in fields(Options)}
            return command(asked=Options(**{name: given.pop(name) for name in names}), **given)

        for option in reversed(of_all):
            bundled = option(bundled)
        return bundled

    return decorate
