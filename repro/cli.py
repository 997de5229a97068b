"""The command `repro`. Exit codes: 0 as expected, 1 a claim not as expected, 2 wrong use or a bad suite, 4 nothing ran."""

import json
import shlex
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click

from repro.errors import ReproError
from repro.executors import EXECUTORS, executor

AS_EXPECTED, NOT_AS_EXPECTED, WRONG_USE, NOTHING_RAN = 0, 1, 2, 4
RESULTS = Path("results")


class Errors(click.Group):
    """Shows a user's mistakes as text, with exit code 2."""

    def invoke(self, context: click.Context) -> Any:
        try:
            return super().invoke(context)
        except ReproError as error:
            click.echo(str(error), err=True)
            sys.exit(WRONG_USE)
        except KeyboardInterrupt:
            click.echo("\ninterrupted: what is done is kept; the same command goes on from there", err=True)
            sys.exit(130)


@click.group(cls=Errors, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="repro")
def main() -> None:
    """Test the claims of the papers that made computer vision."""


SUITES = click.argument("suites", nargs=-1, type=click.Path(path_type=Path), metavar="[SUITE]...")


@main.command()
@SUITES
@click.option("--profile", default="cpu", show_default=True, help="The scale at which claims are tested.")
@click.option("--device", type=click.Choice(["cpu", "cuda", "mps"]), help="Train here instead of on the profile's device.")
@click.option("--seeds-max", type=click.IntRange(min=1), metavar="N", help="Allow N seeds instead of what the suite allows.")
@click.option("--fresh", is_flag=True, help="Train everything again instead of using what the store has.")
@click.option("--first-seed", type=click.IntRange(min=0), default=0, show_default=True, metavar="N", help="Seeds from N up.")
@click.option(
    "--continue",
    "before",
    type=click.Path(path_type=Path, exists=True),
    metavar="RESULT",
    help="Add fresh seeds (--seeds-max of them, or one) to the evidence of a result, or of the latest ones of a folder.",
)
@click.option("--pilot", is_flag=True, help="Try a recipe: seeds from 1000 up, which never judge, and no result.")
@click.option("--results", type=click.Path(path_type=Path, file_okay=False), default=RESULTS, show_default=True)
@click.option("--strict-claims", is_flag=True, help="Fail where a claim is undecided.")
@click.option("--jobs", "-j", type=click.IntRange(min=1), metavar="N", help="Trials at once (default: as many as cores).")
@click.option("--executor", "where", type=click.Choice(EXECUTORS), default="local", show_default=True, help="Where trials run.")
@click.option("-k", "only", metavar="TEXT", help="Only claims whose name contains the text.")
def run(
    suites: tuple[Path, ...],
    profile: str,
    device: Any,
    seeds_max: int | None,
    fresh: bool,
    first_seed: int,
    before: Path | None,
    pilot: bool,
    results: Path,
    strict_claims: bool,
    jobs: int | None,
    where: str,
    only: str | None,
) -> None:
    """Decide the claims of suites (files or folders; by default all under suites/) and write result JSONs."""
    import time

    from repro import result
    from repro.report.progress import Display, to_terminal
    from repro.report.text import claim_details, discoveries, verdicts
    from repro.runner import PILOT, Runner
    from repro.store import Store, home
    from repro.suite import load

    loaded = [(path, load(path)) for path in _files(suites)]
    chosen = [
        (path, suite, [name for name, _ in suite.claims_at(profile) if only is None or only in name]) for path, suite in loaded
    ]
    if not any(names for _, _, names in chosen):
        known = sorted({name for _, suite in loaded for name in suite.profiles})
        click.echo(
            f"nothing to run: no claim{f' like {only!r}' if only else ''} at profile '{profile}' (profiles: {', '.join(known)})",
            err=True,
        )
        sys.exit(NOTHING_RAN)
    store = Store(home(), newer_than=time.time() if fresh else 0.0)
    runner = Runner(store, executor(where, jobs), profile, device, seeds_max, first_seed=PILOT if pilot else first_seed)
    shown, written, failed = dict[str, Any](), list[Path](), False
    write, every = to_terminal()
    try:
        with Display(store, write, every):
            for path, suite, names in chosen:
                claims, trials = dict[str, Any](), dict[tuple[str, int], str]()
                earlier = result.continued(before, suite, profile) if before else None
                for name in names:
                    claim, used = result.conclude(runner, suite, name, earlier)
                    claims[name] = shown[f"{path}::{name}"] = claim
                    trials |= {(arm, seed): digest for arm, seed, digest in used}
                    failed |= not claim.as_expected and (strict_claims or claim.verdict != "undecided")
                if claims and not pilot:
                    command = _command(path, profile, device, seeds_max)
                    written.append(result.keep(runner, suite, str(path), claims, trials, command, Path.cwd(), results, earlier))
    finally:
        runner.close()
        if sys.stderr.isatty():
            click.echo("\r\033[K", nl=False, err=True)
    for name, claim in shown.items():
        if not claim.as_expected:
            click.echo(f"{name}\n{claim_details(claim)}\n")
    click.echo(verdicts(shown))
    for line in (discoveries(shown.values(), result.level(shown.values())), *(f"result: {path}" for path in written)):
        if line:
            click.echo(line)
    sys.exit(NOT_AS_EXPECTED if failed else AS_EXPECTED)


@main.command()
@SUITES
def check(suites: tuple[Path, ...]) -> None:
    """Read suites and say everything that is wrong with them, without running anything."""
    from repro.document import DocumentError
    from repro.suite import load

    files, claims, bad = _files(suites), 0, 0
    for path in files:
        try:
            claims += len(load(path).claims)
        except DocumentError as error:
            click.echo(str(error), err=True)
            bad += 1
    if bad:
        sys.exit(WRONG_USE)
    click.echo(f"{len(files)} suites with {claims} claims: no mistakes found")


@main.command("list")
@SUITES
def list_(suites: tuple[Path, ...]) -> None:
    """List suites with their claims, and where each is asked."""
    from repro.report.text import table
    from repro.suite import load

    rows = [("claim", "profiles", "says")]
    for path in _files(suites):
        suite = load(path)
        for name, claim in suite.claims.items():
            profiles = [p + (f" ({claim.at[p].verdict})" if p in claim.at else "") for p in claim.profiles or suite.profiles]
            rows.append((f"{path}::{name}", ", ".join(profiles), " ".join(claim.says.split())))
    click.echo(table(rows))


@main.command()
@click.argument("name", metavar="RESULT")
@click.option(
    "--results", type=click.Path(path_type=Path), default=RESULTS, show_default=True, help="Where run ids are looked up."
)
@click.option("-k", "only", metavar="TEXT", help="Only claims whose name contains the text, with every number.")
def show(name: str, results: Path, only: str | None) -> None:
    """Show a result (a file, a run id, or a suite's name for its latest): its verdicts with their evidence."""
    from repro import result
    from repro.report.text import claim_details, discoveries, verdicts

    path = result.find(name, results)
    found = result.read(path)
    claims = {key: claim for key, claim in found.claims.items() if only is None or only in key}
    if not claims:
        raise ReproError(f"{path}: no claim like '{only}'; there are: {', '.join(found.claims)}")
    facts = found.environment.facts
    devices = ", ".join(sorted({f"{key['device']} ({key['precision']}, torch {key['torch']})" for key in found.environment.key}))
    commit = f"commit {facts['commit'][:10]}{' with changes' if facts['dirty'] else ''}" if facts.get("commit") else "no commit"
    click.echo(f"{found.suite} at profile {found.profile}, {found.finished}, {devices or facts['cpu']}, {commit}\n")
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
@click.option("--out", "-o", type=click.Path(path_type=Path), default=Path("site"), show_default=True, help="The site's folder.")
def report(results: tuple[Path, ...], out: Path) -> None:
    """Make a static site of results (files or folders; by default all under results/)."""
    from repro.site.build import build

    site = build(results or (RESULTS,), out)
    for problem in site.problems:
        click.echo(problem, err=True)
    click.echo(f"{site.pages} pages on {site.claims} claims from {site.runs} runs: {site.front}")


@main.command()
@click.option("--result", "of_result", is_flag=True, help="The schema of result JSONs instead.")
def schema(of_result: bool) -> None:
    """Print the JSON Schema of suites, for completion in editors."""
    from repro.schema import of_results, of_suites

    click.echo(json.dumps(of_results() if of_result else of_suites(), indent=1, sort_keys=True))


def _files(paths: Iterable[Path]) -> list[Path]:
    """Suite files, from files and folders. Raises `ReproError` where there are none."""
    given = list(paths) or [Path("suites")]
    found: list[Path] = []
    for path in given:
        if path.is_dir():
            found += sorted(p for p in path.rglob("*.y*ml") if p.suffix in (".yaml", ".yml"))
        elif path.is_file():
            found.append(path)
        else:
            raise ReproError(f"{path}: no such file or folder")
    if not found:
        raise ReproError(f"no suites under {', '.join(map(str, given))}")
    return found


def _command(path: Path, profile: str, device: str | None, seeds_max: int | None) -> str:
    options = {"--profile": profile, "--device": device, "--seeds-max": seeds_max}
    return " ".join(["repro run", shlex.quote(str(path)), *(f"{k} {v}" for k, v in options.items() if v is not None)])


REGRESSION, NOT_THE_CODE = 3, 5
FORMAT = click.option("--format", "form", type=click.Choice(["text", "markdown", "json"]), default="text", show_default=True)


@main.command()
@click.argument("base", metavar="BASE")
@click.argument("new", metavar="NEW")
@click.option("--results", type=click.Path(path_type=Path), default=RESULTS, show_default=True, help="Where names are looked up.")
@click.option("--alpha", type=click.FloatRange(0, 1, min_open=True, max_open=True), default=0.05, show_default=True)
@FORMAT
def compare(base: str, new: str, results: Path, alpha: float, form: str) -> None:
    """Say what has changed between two results (files, run ids or suites) or folders of results.

    Ends with 0, with 3 on a regression (a verdict that no longer is as expected, a measurement that is worse beyond chance),
    with 4 if nothing can be compared.
    """
    from repro.report import compare_text
    from repro.report.compare import compare, load

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
@click.argument("history", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.argument("tonight", type=click.Path(path_type=Path))
@click.option(
    "--suspects",
    type=click.FloatRange(0, min_open=True),
    default=1.0,
    show_default=True,
    help="False ones to expect in 30 nights.",
)
@click.option(
    "-o", "out", type=click.Path(path_type=Path, dir_okay=False), help="Write the suspects to a file, for `repro confirm`."
)
@FORMAT
def watch(history: Path, tonight: Path, suspects: float, out: Path | None, form: str) -> None:
    """Look for steps in the history of each measurement, and nominate suspects. TONIGHT is a folder of results, as HISTORY is.

    Ends with 0, with 3 if a suspect is to be confirmed, with 4 if nothing was measured tonight, with 5 if the run was no fair
    one: results that cannot be read, suites or trials that are missing, another device.
    """
    from repro.report.compare import load
    from repro.report.history_text import watch_text
    from repro.report.watch import watch

    try:
        measured = load(str(tonight), tonight) if tonight.exists() else []
        before = load(str(history), history)
    except ReproError as error:
        click.echo(str(error), err=True)
        sys.exit(NOT_THE_CODE)
    if not measured:
        click.echo(f"{tonight}: nothing was measured", err=True)
        sys.exit(NOTHING_RAN)
    found = watch(before, measured, suspects)
    if out is not None:
        out.write_text(found.model_dump_json(indent=1), encoding="utf-8")
    click.echo(found.model_dump_json(indent=1) if form == "json" else watch_text(found, markdown=form == "markdown"))
    if found.problems:
        sys.exit(NOT_THE_CODE)
    sys.exit(REGRESSION if any(suspect.due for suspect in found.suspects) else AS_EXPECTED)


@main.command()
@click.argument("suspects", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@SUITES
@click.option("--base", required=True, metavar="COMMAND", help="The `repro` of the old code's installation.")
@click.option("--new", default="repro", show_default=True, metavar="COMMAND", help="The `repro` of the new code's installation.")
@click.option("--turns", type=click.IntRange(min=1), default=20, show_default=True, help="Runs of either.")
@click.option("--seeds", type=click.IntRange(min=1), default=1, show_default=True, help="Fresh seeds in each turn.")
@click.option("--results", type=click.Path(path_type=Path, file_okay=False), required=True, help="Where the turns' results go.")
@FORMAT
def confirm(
    suspects: Path, suites: tuple[Path, ...], base: str, new: str, turns: int, seeds: int, results: Path, form: str
) -> None:
    """Measure what `repro watch -o SUSPECTS` nominated again: old and new code in turns, and decide.

    Ends with 0, with 3 if a regression is confirmed, with 5 if a run failed.
    """
    from functools import partial

    import numpy as np

    from repro.report.history_text import decisions_text
    from repro.report.turns import decide, fewest_turns, take_turns
    from repro.report.watch import Watch
    from repro.suite import load

    try:
        due = [suspect for suspect in Watch.model_validate_json(suspects.read_text(encoding="utf-8")).suspects if suspect.due]
    except (OSError, ValueError):
        raise ReproError(f"{suspects}: not what `repro watch -o` writes") from None
    if not due:
        click.echo("no suspect is due to be confirmed")
        sys.exit(AS_EXPECTED)
    if turns < fewest_turns(len(due)):
        raise ReproError(f"{turns} turns cannot confirm {len(due)} suspects: --turns must be {fewest_turns(len(due))} at least")
    files = {load(path).suite: path for path in _files(suites)}
    try:
        taken = take_turns((base, new), files, due, turns, seeds, results, np.random.default_rng(), partial(click.echo, err=True))
        decisions = decide(due, taken)
    except ReproError as error:
        click.echo(str(error), err=True)
        sys.exit(NOT_THE_CODE)
    if form == "json":
        click.echo(json.dumps([decision.model_dump() for decision in decisions], indent=1))
    else:
        click.echo(decisions_text(decisions, markdown=form == "markdown"))
    sys.exit(REGRESSION if any(found.confirmed and found.way == "worse" for found in decisions) else AS_EXPECTED)


@main.command()
@click.argument("names", nargs=-1, required=True, metavar="RESULT...")
@click.option("--to", type=click.Choice(["csv", "parquet", "tensorboard"]), required=True)
@click.option("-o", "out", type=click.Path(path_type=Path), required=True, help="The file; for tensorboard a folder.")
@click.option("--results", type=click.Path(path_type=Path), default=RESULTS, show_default=True, help="Where names are looked up.")
def export(names: tuple[str, ...], to: Any, out: Path, results: Path) -> None:
    """Write the trials of results (files, folders, run ids or suites) as one table, or their curves for TensorBoard."""
    from repro.export import export
    from repro.report.compare import load

    found = [result for name in names for result in load(name, results)]
    if not found:
        click.echo(f"nothing to export: no results in {', '.join(names)}", err=True)
        sys.exit(NOTHING_RAN)
    click.echo(export(found, to, out))
