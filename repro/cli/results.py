"""Commands on results: show and compare them, make pages, export them."""

import sys
from pathlib import Path
from typing import Any

import click

from repro.cli.group import AS_EXPECTED, FORMAT, NOTHING_RAN, REGRESSION, RESULTS, main
from repro.errors import ReproError


@main.command()
@click.argument("name", metavar="RESULT")
@click.option(
    "--results",
    type=click.Path(path_type=Path),
    default=RESULTS,
    show_default=True,
    help="Where run ids are looked up.",
)
@click.option(
    "-k", "only", metavar="TEXT", help="Only claims whose name contains the text, with every number."
)
def show(name: str, results: Path, only: str | None) -> None:
    """Show a result (a file, a run id, or a suite's name for its latest): its verdicts with their
    evidence.
    """
    from repro import result
    from repro.report.text import claim_details, discoveries, verdicts

    path = result.find(name, results)
    found = result.read(path)
    claims = {key: claim for key, claim in found.claims.items() if only is None or only in key}
    if not claims:
        raise ReproError(f"{path}: no claim like '{only}'; there are: {', '.join(found.claims)}")
    facts = found.environment.facts
    devices = ", ".join(
        sorted(
            {f"{key['device']} ({key['precision']}, torch {key['torch']})" for key in found.environment.key}
        )
    )
    commit = (
        f"commit {facts['commit'][:10]}{' with changes' if facts['dirty'] else ''}"
        if facts.get("commit")
        else "no commit"
    )
    click.echo(
        f"{found.suite} at profile {found.profile}, {found.finished}, {devices or facts['cpu']}, {commit}\n"
    )
    if only is not None:
        click.echo("\n\n".join(f"{key}\n{claim_details(claim)}" for key, claim in claims.items()) + "\n")
    click.echo(verdicts(claims))
    for picture in found.pictures.values():
        click.echo(f"picture: {path.parent / picture.file}: {' '.join(picture.says.split())}")
    for line in (discoveries(claims.values(), found.false_discovery_level), f"again: {found.command}"):
        if line:
            click.echo(line)


@main.command()
@click.argument("results", nargs=-1, type=click.Path(path_type=Path), metavar="[RESULT]...")
@click.option(
    "--out",
    "-o",
    type=click.Path(path_type=Path),
    default=Path("site"),
    show_default=True,
    help="The site's folder.",
)
def report(results: tuple[Path, ...], out: Path) -> None:
    """Make a static site of results (files or folders; by default all under results/)."""
    from repro.site.build import build

    site = build(results or (RESULTS,), out)
    for problem in site.problems:
        click.echo(problem, err=True)
    click.echo(f"{site.pages} pages on {site.claims} claims from {site.runs} runs: {site.front}")


@main.command()
@click.argument("base", metavar="BASE")
@click.argument("new", metavar="NEW")
@click.option(
    "--results",
    type=click.Path(path_type=Path),
    default=RESULTS,
    show_default=True,
    help="Where names are looked up.",
)
@click.option(
    "--alpha", type=click.FloatRange(0, 1, min_open=True, max_open=True), default=0.05, show_default=True
)
@FORMAT
def compare(base: str, new: str, results: Path, alpha: float, form: str) -> None:
    """Say what has changed between two results (files, run ids or suites) or folders of results.

    Ends with 0, with 3 on a regression (a verdict that no longer is as expected, a measurement that is worse
    beyond chance), with 4 if nothing can be compared.
    """
    from repro.nightly import compare_text
    from repro.nightly.compare import compare, load

    found = compare(load(base, results), load(new, results), alpha)
    if not found.compared:
        click.echo(f"nothing to compare: {base} and {new} have no suite and profile in common", err=True)
        sys.exit(NOTHING_RAN)
    if form == "json":
        click.echo(found.model_dump_json(indent=1))
    else:
        click.echo(compare_text.as_markdown(found) if form == "markdown" else compare_text.as_text(found))
    sys.exit(REGRESSION if found.regression else AS_EXPECTED)


@main.command()
@click.argument("names", nargs=-1, required=True, metavar="RESULT...")
@click.option("--to", type=click.Choice(["csv", "parquet", "tensorboard"]), required=True)
@click.option(
    "-o", "out", type=click.Path(path_type=Path), required=True, help="The file; for tensorboard a folder."
)
@click.option(
    "--results",
    type=click.Path(path_type=Path),
    default=RESULTS,
    show_default=True,
    help="Where names are looked up.",
)
def export(names: tuple[str, ...], to: Any, out: Path, results: Path) -> None:
    """Write the trials and timings of results (files, folders, run ids or suites) as one table, or as curves
    for TensorBoard.
    """
    from repro.nightly.compare import load
    from repro.report.export import export

    found = [result for name in names for result in load(name, results)]
    if not found:
        click.echo(f"nothing to export: no results in {', '.join(names)}", err=True)
        sys.exit(NOTHING_RAN)
    click.echo(export(found, to, out))
