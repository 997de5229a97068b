"""Commands of the nightly run: nominate suspects, and confirm them."""

import json
import sys
from pathlib import Path

import click

from repro.cli.group import (
    AS_EXPECTED,
    ASKED,
    DEFAULT,
    FORMAT,
    NOT_THE_CODE,
    NOTHING_RAN,
    REGRESSION,
    Place,
    as_json,
    end,
    main,
    say,
)
from repro.errors import ReproError


@main.command()
@click.argument("history", type=Place(exists=True, file_okay=False))
@click.argument("tonight", type=Place())
@click.option(
    "--suspects",
    type=click.FloatRange(0, min_open=True),
    default=1.0,
    show_default=True,
    help="False ones to expect in 30 nights.",
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

    Ends with 0, with 3 if a suspect is to be confirmed, with 4 if nothing was measured tonight, with 5 if the
    run was no fair one: results that cannot be read, suites, trials or timings that are missing, another
    device.
    """
    from repro.archive import load
    from repro.nightly.history_text import watch_text
    from repro.nightly.watch import watch

    try:
        measured = load(str(tonight), tonight) if tonight.exists() else []
        before = load(str(history), history)
    except ReproError as error:
        end(NOT_THE_CODE, str(error))
    if not measured:
        end(NOTHING_RAN, f"{tonight}: nothing was measured")
    found = watch(before, measured, suspects)
    if out is not None:
        out.write_text(found.model_dump_json(indent=1), encoding="utf-8")
    say(as_json(found) if form == "json" else watch_text(found, markdown=form == "markdown"))
    if found.problems:
        sys.exit(NOT_THE_CODE)
    sys.exit(REGRESSION if any(suspect.due for suspect in found.suspects) else AS_EXPECTED)


@main.command()
@click.argument("suspects", type=Place(dir_okay=False, exists=True))
@ASKED
@click.option("--base", required=True, metavar="COMMAND", help="The `repro` of the old code's installation.")
@click.option(
    "--new",
    default="repro",
    show_default=True,
    metavar="COMMAND",
    help="The `repro` of the new code's installation.",
)
@click.option("--turns", type=click.IntRange(min=1), default=20, show_default=True, help="Runs of either.")
@click.option(
    "--seeds", type=click.IntRange(min=1), default=1, show_default=True, help="Fresh seeds in each turn."
)
@click.option(
    "--results",
    type=Place(file_okay=False),
    required=True,
    help="Where the turns' results go.",
)
@FORMAT
def confirm(
    suspects: Path,
    suites: tuple[Path, ...],
    base: str,
    new: str,
    turns: int,
    seeds: int,
    results: Path,
    form: str,
) -> None:
    """Measure what `repro watch -o SUSPECTS` nominated again: old and new code in turns, and decide.

    Ends with 0, with 3 if a regression is confirmed, with 5 if a run failed.
    """
    from functools import partial

    import numpy as np

    from repro.nightly.history_text import decisions_text
    from repro.nightly.turns import decide, fewest_turns, take_turns
    from repro.nightly.watch import Watch
    from repro.reading import load_all
    from repro.suite_files import suite_files

    try:
        due = [
            suspect
            for suspect in Watch.model_validate_json(suspects.read_text(encoding="utf-8")).suspects
            if suspect.due
        ]
    except (OSError, ValueError):
        raise ReproError(f"{suspects}: not what `repro watch -o` writes") from None
    if not due:
        say("no suspect is due to be confirmed")
        sys.exit(AS_EXPECTED)
    if turns < fewest_turns(len(due)):
        raise ReproError(
            f"{turns} turns cannot confirm {len(due)} suspects: --turns "
            f"must be {fewest_turns(len(due))} at least"
        )
    loaded = load_all(suite_files(suites or DEFAULT))
    files = {suite.suite: path for path, suite in loaded.items()}
    try:
        taken = take_turns(
            (base, new),
            files,
            due,
            turns,
            seeds,
            results,
            np.random.default_rng(),
            partial(say, to_stderr=True),
        )
        decisions = decide(due, taken)
    except ReproError as error:
        end(NOT_THE_CODE, str(error))
    if form == "json":
        say(json.dumps([decision.model_dump() for decision in decisions], indent=1))
    else:
        say(decisions_text(decisions, markdown=form == "markdown"))
    sys.exit(
        REGRESSION if any(found.confirmed and found.way == "worse" for found in decisions) else AS_EXPECTED
    )
