"""Commands of the nightly run: nominate suspects, confirm them, and find the commit that did it."""

import json
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from repro.cli import options
from repro.cli.group import (
    AS_EXPECTED,
    ASKED,
    DEFAULT,
    FORMAT,
    NOT_THE_CODE,
    NOTHING_RAN,
    REGRESSION,
    Place,
    Word,
    as_json,
    end,
    main,
    say,
)
from repro.errors import ReproError

if TYPE_CHECKING:
    from repro.nightly.bisect import LookedFor
    from repro.result import Result

EXACT_TURNS = 20  # as many are enumerated in no time


@main.command(short_help="Look for steps in the history of measurements.")
@click.argument("history", type=Place(exists=True, file_okay=False))
@click.argument("tonight", type=Place())
@click.option(
    "--suspects",
    type=options.Finite(0, min_open=True),
    default=1.0,
    show_default=True,
    help="How many false suspects to expect in 30 nights.",
)
@click.option(
    "-o",
    "out",
    type=Place(dir_okay=False),
    help="Write the suspects to a file, for `repro confirm`.",
)
@FORMAT
def watch(history: Path, tonight: Path, suspects: float, out: Path | None, form: str) -> None:
    """Look for steps in the history of each measurement, and nominate suspects. TONIGHT is a folder of
    results, as HISTORY is.

    Ends with 0; with 3 if something broke tonight (a claim, an arm or a timing that has gone, seeds that are
    all alike) or a suspect is to be confirmed; else with 5 if the run was no fair one: results of TONIGHT
    that cannot be read, suites, trials or timings that are missing, but for suites that `repro run --hours`
    left. With 4 if nothing was measured. What cannot be read in HISTORY is named, and left out.
    """
    from repro.archive import load
    from repro.nightly.history_text import watch_text
    from repro.nightly.watch import watch
    from repro.plan.rota import noted

    damaged: tuple[list[str], list[str]] = [], []  # of the history, and of tonight

    def results(folder: Path, lines: list[str]) -> list["Result"]:
        return load(str(folder), folder, lambda error: lines.append(" ".join(str(error).split())))

    try:
        before = results(history, damaged[0])
        measured = results(tonight, damaged[1]) if tonight.exists() else []
    except ReproError as error:
        end(NOT_THE_CODE, str(error))
    if not measured:
        code = NOT_THE_CODE if damaged[1] else NOTHING_RAN
        end(code, "\n".join([*damaged[1], f"{tonight}: nothing was measured"]))
    found = watch(before, measured, suspects, noted(tonight), damaged)
    if out is not None:
        out.write_text(found.model_dump_json(indent=1), encoding="utf-8")
    say(
        as_json(found) if form == "json" else watch_text(found, markdown=form == "markdown"),
        whole=form == "json",
    )
    if found.alarms or found.due:  # first: what broke is seen on one night only
        sys.exit(REGRESSION)
    sys.exit(NOT_THE_CODE if found.problems else AS_EXPECTED)


@main.command(short_help="Measure suspects again, old and new code in turns.")
@click.argument("suspects", type=Place(dir_okay=False, exists=True))
@ASKED
@click.option(
    "--base",
    type=Word(),
    required=True,
    metavar="COMMAND",
    help="The `repro` of the old code's installation.",
)
@click.option(
    "--new",
    type=Word(),
    default="repro",
    show_default=True,
    metavar="COMMAND",
    help="The `repro` of the new code's installation.",
)
@click.option(
    "--turns",
    type=click.IntRange(1, EXACT_TURNS),
    default=EXACT_TURNS,
    show_default=True,
    help="The most runs of each code.",
)
@click.option(
    "--seeds", type=click.IntRange(min=1), default=1, show_default=True, help="Fresh seeds in each turn."
)
@click.option(
    "--minutes",
    type=options.Finite(0, min_open=True),
    default=math.inf,
    show_default="no limit",
    help="The time there is: the worst suspects come first, and what is left is not measured.",
)
@click.option(
    "--results",
    type=Place(file_okay=False),
    required=True,
    help="Where the turns' results go.",
)
@click.option(
    "--repository", type=Word(), metavar="URL", help="The repository's address on the web, for links."
)
@FORMAT
def confirm(
    suspects: Path,
    suites: tuple[Path, ...],
    base: str,
    new: str,
    turns: int,
    seeds: int,
    minutes: float,
    results: Path,
    repository: str | None,
    form: str,
) -> None:
    """Measure what `repro watch -o SUSPECTS` nominated again: old and new code in turns, and decide.

    Ends with 0; with 3 if a regression is confirmed, or something broke that needs no measuring again; else
    with 5 if a run failed, or a suspect was left for want of time.
    """
    from functools import partial

    import numpy as np

    from repro.nightly.confirm import Turns, confirm
    from repro.nightly.confirm_text import confirmation_text
    from repro.nightly.turns import fewest_turns
    from repro.nightly.watch import Watch
    from repro.reading import load_all
    from repro.suite_files import suite_files

    try:
        watched = Watch.model_validate_json(suspects.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise ReproError(f"{suspects}: not what `repro watch -o` writes") from None
    if turns < fewest_turns(1):
        raise ReproError(f"{turns} turns cannot confirm anything: --turns must be at least {fewest_turns(1)}")
    loaded = load_all(suite_files(suites or DEFAULT))
    files = {suite.suite: path for path, suite in loaded.items()}
    try:
        takes = Turns(
            (base, new), files, seeds, results, np.random.default_rng(), partial(say, to_stderr=True)
        )
        found = confirm(watched.due, takes, turns, minutes)
    except ReproError as error:
        end(NOT_THE_CODE, str(error))
    if form == "json":
        say(json.dumps({"alarms": watched.alarms, **found.model_dump(mode="json")}, indent=1))
    else:
        say(confirmation_text(found, watched, markdown=form == "markdown", repository=repository))
    if found.regression or watched.alarms:
        sys.exit(REGRESSION)
    sys.exit(NOT_THE_CODE if found.left else AS_EXPECTED)


@main.command(short_help="Find the commit that changed a measurement.")
@click.argument("good", type=Word())
@click.argument("bad", type=Word())
@click.argument("suite", type=Place(exists=True, dir_okay=False))
@click.option("-k", "only", type=Word(), metavar="TEXT", help="Only claims whose name contains the text.")
@click.option(
    "--profile", type=Word(), default="cpu", show_default=True, help="The scale at which it is measured."
)
@click.option(
    "--seeds", type=click.IntRange(min=1), default=5, show_default=True, help="Seeds of each commit, from 0."
)
@click.option(
    "--look-for",
    type=click.Choice(["worse", "better", "changed"]),
    default="worse",
    show_default=True,
    help="What makes a commit bad; `changed` is any difference, which is exact on a CPU.",
)
def bisect(
    good: str, bad: str, suite: Path, only: str | None, profile: str, seeds: int, look_for: "LookedFor"
) -> None:
    """Find the first commit after GOOD, up to BAD, that measures otherwise than GOOD: metrics alone, of
    SUITE as it is in each commit. Nothing is installed, and the folder is left as it is.

    Ends with 0 and the commit; with 5 if the commits do not tell.
    """
    from functools import partial

    from repro.nightly.bisect import Bisection, NothingFound, repository_of
    from repro.nightly.compare_text import as_text

    repository, path = repository_of(suite)
    options = ["--profile", profile, "--seeds-max", str(seeds), *(["-k", only] if only else [])]
    try:
        commit, found = Bisection(
            repository, path, options, look_for, partial(say, to_stderr=True)
        ).first_bad(good, bad)
    except NothingFound as error:
        end(NOT_THE_CODE, str(error))
    say(f"{as_text(found)}\n\nthe first {look_for} commit: {commit}")
