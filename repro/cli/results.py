"""Commands on results: show, keep and compare them, make pages, export them."""

import sys
from pathlib import Path
from typing import Any

import click

from repro.cli import completion, options
from repro.cli.group import (
    AS_EXPECTED,
    FORMAT,
    LOOKED_UP,
    NOTHING_RAN,
    REGRESSION,
    Place,
    Word,
    as_json,
    end,
    here,
    leave_out,
    main,
    say,
)
from repro.errors import ReproError
from repro.places import KEPT, REGISTER, RESULTS, RUNS


@main.command(short_help="Show verdicts with their evidence.")
@click.argument("name", type=Word(), metavar="RESULT", shell_complete=completion.results)
@LOOKED_UP
@click.option(
    "-k",
    "only",
    type=Word(),
    metavar="TEXT",
    help="Only claims whose name contains the text, with every number.",
)
def show(name: str, results: Path, only: str | None) -> None:
    """Show verdicts with their evidence: of a result (a file or a run id), or what stands of a suite after
    all its runs (by its name; at the profile that was run last).
    """
    from repro.archive import find, standings
    from repro.report.standing import as_text

    found = find(name, results, leave_out)
    of_name = list(standings(found.values()).values())
    if len(of_name) != 1:
        raise ReproError(f"{name}: holds {len(of_name)} suites' results; name a file, a run id or a suite")
    say(as_text(of_name[0], {result.id: path.parent for path, result in found.items()}, only))


@main.command(short_help="Put results under version control.")
@click.argument("names", type=Word(), nargs=-1, metavar="[RESULT]...", shell_complete=completion.results)
@click.option("--dirty", is_flag=True, help="Keep results of a commit with changes, or of none, too.")
@click.option("--tables", is_flag=True, help="Keep nothing new: only make the tables anew.")
def keep(names: tuple[str, ...], dirty: bool, tables: bool) -> None:
    """Keep results (files, folders, run ids or suites) under version control: copy them from results/runs to
    results/kept, in the place of what was kept of the same claims. By default what stands of each suite that
    was run completely.

    Makes the tables of README.md, results/README.md and suites/README.md anew.
    """
    from repro.keep import NothingToKeep, keep
    from repro.report import kept

    if tables and (names or dirty):
        raise click.UsageError("--tables keeps nothing new: it goes with no RESULT, and without --dirty")
    kept.check(here(Path()))
    try:
        lines = [] if tables else keep(names, here(RUNS), here(KEPT), dirty=dirty, damaged=leave_out)
    except NothingToKeep as error:
        end(NOTHING_RAN, str(error))
    for line in lines:
        say(line)
    for path in kept.write(here(Path())):
        say(f"made anew: the table in {path}")


@main.command(short_help="Make a static site of results.")
@click.argument("results", nargs=-1, type=Place(), metavar="[RESULT]...")
@click.option(
    "--out",
    "-o",
    type=Place(),
    default=Path("site"),
    show_default=True,
    help="The site's folder.",
)
def report(results: tuple[Path, ...], out: Path) -> None:
    """Make a static site of results (files or folders; by default all below results/)."""
    from repro.register import Register
    from repro.site.build import build

    site = build(results or (here(RESULTS),), out, Register(here(REGISTER)))
    for problem in site.problems:
        say(problem, to_stderr=True)
    say(f"{site.pages} pages on {site.claims} claims from {site.runs} runs: {site.front}")


@main.command(short_help="Say what has changed between results.")
@click.argument("base", type=Word(), metavar="BASE", shell_complete=completion.results)
@click.argument("new", type=Word(), metavar="NEW", shell_complete=completion.results)
@LOOKED_UP
@click.option(
    "--alpha", type=options.Finite(0, 1, min_open=True, max_open=True), default=0.05, show_default=True
)
@click.option("--metrics", is_flag=True, help="Metrics alone: no verdicts, timings or costs.")
@click.option("-k", "only", type=Word(), metavar="TEXT", help="Only claims whose name contains the text.")
@FORMAT
def compare(
    base: str, new: str, results: Path, alpha: float, metrics: bool, only: str | None, form: str
) -> None:
    """Say what has changed between two results (files, run ids or suites) or folders of results: of each
    suite what stands on either side, seed by seed.

    Ends with 0; with 3 on a regression: a verdict that no longer is as expected, a measurement that is worse
    beyond chance or has no value, a claim, an arm or a timing that has gone, seeds that are all alike. With 4
    if nothing can be compared.
    """
    from repro.archive import load
    from repro.nightly import compare_text
    from repro.nightly.compare import compare

    before, after = (load(name, results, leave_out) for name in (base, new))
    folder = new if Path(new).is_dir() else None
    found = compare(before, after, alpha, metrics=metrics, only=only or "", folder=folder)
    if not found.compared:
        whose = f" with a claim like '{only}'" if only else ""
        end(NOTHING_RAN, f"nothing to compare: {base} and {new} have no suite and profile in common{whose}")
    if form == "json":
        say(as_json(found), whole=True)
    else:
        say(compare_text.as_markdown(found) if form == "markdown" else compare_text.as_text(found))
    sys.exit(REGRESSION if found.regression else AS_EXPECTED)


@main.command(short_help="Write results as a table, or their curves.")
@click.argument(
    "names", type=Word(), nargs=-1, required=True, metavar="RESULT...", shell_complete=completion.results
)
@click.option(
    "--to",
    type=click.Choice(["csv", "parquet", "markdown", "latex", "tensorboard", "wandb", "mlflow"]),
    required=True,
    help="Markdown and LaTeX (for booktabs) are short tables for people; the others hold all there is. "
    "W&B and MLflow are written to offline.",
)
@click.option(
    "--what",
    type=click.Choice(["numbers", "verdicts"]),
    help="Every number (metrics, costs, timings, counts, probes), or verdicts with their evidence "
    "(default: verdicts in markdown and latex, numbers in csv and parquet, else both).",
)
@click.option(
    "-o", "out", type=Place(), required=True, help="The file; for tensorboard, wandb and mlflow a folder."
)
@LOOKED_UP
def export(names: tuple[str, ...], to: Any, what: Any, out: Path, results: Path) -> None:
    """Write what results hold (files, folders or run ids; of a suite what stands of it) as one table, or with
    their curves for TensorBoard, W&B or MLflow.
    """
    from repro.archive import latest, load
    from repro.report.export import export
    from repro.result import Result

    found = dict[Path, Result]()  # what is named twice is there once
    for name in names:
        of_name = load(name, results, leave_out)
        asked = of_name if Path(name).exists() else latest(of_name).values()
        found.update((one.path, one) for one in asked)
    if not found:
        end(NOTHING_RAN, f"nothing to export: no results in {', '.join(names)}")
    say(export(list(found.values()), to, out, what))
