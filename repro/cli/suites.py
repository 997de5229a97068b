"""Commands on suites: run, check and list them, and their schema."""

import json
import shlex
import sys
from pathlib import Path
from typing import Any

import click

from repro.cli.group import (
    AS_EXPECTED,
    NOT_AS_EXPECTED,
    NOTHING_RAN,
    RESULTS,
    SUITES,
    WRONG_USE,
    main,
    suite_files,
)
from repro.executors import EXECUTORS, executor


@main.command()
@SUITES
@click.option("--profile", default="cpu", show_default=True, help="The scale at which claims are tested.")
@click.option(
    "--device",
    type=click.Choice(["cpu", "cuda", "mps"]),
    help="Train here instead of on the profile's device.",
)
@click.option(
    "--seeds-max",
    type=click.IntRange(min=1),
    metavar="N",
    help="Allow N seeds instead of what the suite allows.",
)
@click.option("--fresh", is_flag=True, help="Train everything again instead of using what the store has.")
@click.option(
    "--first-seed",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    metavar="N",
    help="Seeds from N up.",
)
@click.option(
    "--continue",
    "before",
    type=click.Path(path_type=Path, exists=True),
    metavar="RESULT",
    help="Add fresh seeds (--seeds-max of them, or one) to the evidence of a result, or of the latest ones of a folder.",
)
@click.option(
    "--pilot", is_flag=True, help="Try a recipe: seeds from 1000 up, which never judge, and no result."
)
@click.option(
    "--results", type=click.Path(path_type=Path, file_okay=False), default=RESULTS, show_default=True
)
@click.option("--strict-claims", is_flag=True, help="Fail where a claim is undecided.")
@click.option(
    "--jobs",
    "-j",
    type=click.IntRange(min=1),
    metavar="N",
    help="Trials at once (default: as many as cores).",
)
@click.option(
    "--executor",
    "where",
    type=click.Choice(EXECUTORS),
    default="local",
    show_default=True,
    help="Where trials run.",
)
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

    from repro import conclusion, result
    from repro.check import load
    from repro.report.progress import Display, to_terminal
    from repro.report.text import claim_details, discoveries, verdicts
    from repro.runner import PILOT, Runner
    from repro.store import Store, home

    loaded = [(path, load(path)) for path in suite_files(suites)]
    chosen = [
        (path, suite, [name for name, _ in suite.claims_at(profile) if only is None or only in name])
        for path, suite in loaded
    ]
    if not any(names for _, _, names in chosen):
        known = sorted({name for _, suite in loaded for name in suite.profiles})
        click.echo(
            f"nothing to run: no claim{f' like {only!r}' if only else ''} at profile '{profile}' (profiles: {', '.join(known)})",
            err=True,
        )
        sys.exit(NOTHING_RAN)
    store = Store(home(), newer_than=time.time() if fresh else 0.0)
    runner = Runner(
        store, executor(where, jobs), profile, device, seeds_max, first_seed=PILOT if pilot else first_seed
    )
    shown, written, failed = dict[str, Any](), list[Path](), False
    write, every = to_terminal()
    try:
        with Display(store, write, every):
            for path, suite, names in chosen:
                decided = dict[str, conclusion.Concluded]()
                earlier = conclusion.continued(before, suite, profile) if before else None
                for name in names:
                    decided[name] = conclusion.conclude(runner, suite, name, earlier)
                    claim = shown[f"{path}::{name}"] = decided[name].claim
                    failed |= not claim.as_expected and (strict_claims or claim.verdict != "undecided")
                if decided and not pilot:
                    command = _command(path, profile, device, seeds_max)
                    made = conclusion.build(runner, suite, str(path), decided, command, Path.cwd(), earlier)
                    written.append(conclusion.keep(runner, suite, made, results))
    finally:
        runner.close()
        if sys.stderr.isatty():
            click.echo("\r\033[K", nl=False, err=True)
    for name, claim in shown.items():
        if not claim.as_expected:
            click.echo(f"{name}\n{claim_details(claim)}\n")
    click.echo(verdicts(shown))
    for line in (
        discoveries(shown.values(), result.level(shown.values())),
        *(f"result: {path}" for path in written),
    ):
        if line:
            click.echo(line)
    sys.exit(NOT_AS_EXPECTED if failed else AS_EXPECTED)


@main.command()
@SUITES
@click.option(
    "--plugins",
    is_flag=True,
    help="Hold what other packages add by entry points to its contract; suites only where some are named.",
)
def check(suites: tuple[Path, ...], plugins: bool) -> None:
    """Read suites and say everything that is wrong with them, without running anything."""
    from repro.check import load
    from repro.document import DocumentError

    faults = _check_plugins() if plugins else 0
    files, claims, bad = [] if plugins and not suites else suite_files(suites), 0, 0
    for path in files:
        try:
            claims += len(load(path).claims)
        except DocumentError as error:
            click.echo(str(error), err=True)
            bad += 1
    if files and not bad:
        click.echo(f"{len(files)} suites with {claims} claims: no mistakes found")
    if bad or faults:
        sys.exit(WRONG_USE)


def _check_plugins() -> int:
    """The number of faults, which are shown."""
    from repro.conformance.entries import plugins

    count, faults = plugins()
    for fault in faults:
        click.echo(fault, err=True)
    entries = f"{count} entry point{'' if count == 1 else 's'}"
    click.echo(f"{entries}: {len(faults) or 'no'} fault{'' if len(faults) == 1 else 's'} found")
    return len(faults)


@main.command("list")
@SUITES
def list_(suites: tuple[Path, ...]) -> None:
    """List suites with their claims, and where each is asked."""
    from repro.check import load
    from repro.report.text import table

    rows = [("claim", "profiles", "says")]
    for path in suite_files(suites):
        suite = load(path)
        for name, claim in suite.claims.items():
            profiles = [
                p + (f" ({claim.at[p].verdict})" if p in claim.at else "")
                for p in claim.profiles or suite.profiles
            ]
            rows.append((f"{path}::{name}", ", ".join(profiles), " ".join(claim.says.split())))
    click.echo(table(rows))


@main.command()
@click.option("--result", "of_result", is_flag=True, help="The schema of result JSONs instead.")
def schema(of_result: bool) -> None:
    """Print the JSON Schema of suites, for completion in editors."""
    from repro.schema import of_results, of_suites

    click.echo(json.dumps(of_results() if of_result else of_suites(), indent=1, sort_keys=True))


def _command(path: Path, profile: str, device: str | None, seeds_max: int | None) -> str:
    options = {"--profile": profile, "--device": device, "--seeds-max": seeds_max}
    return " ".join(
        ["repro run", shlex.quote(str(path)), *(f"{k} {v}" for k, v in options.items() if v is not None)]
    )
