"""Commands on suites: run, check and list them, and their schema."""

import json
import shlex
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from repro.cli import completion, options
from repro.cli.group import (
    AS_EXPECTED,
    ASKED,
    DEFAULT,
    NOT_AS_EXPECTED,
    NOTHING_RAN,
    WRONG_USE,
    Place,
    Word,
    end,
    leave_out,
    main,
    say,
    say_verdicts,
)
from repro.errors import ReproError
from repro.places import RUNS, SUITES, bundled, shown, typed
from repro.suite_files import RECIPES

if TYPE_CHECKING:
    from repro.document import Problem
    from repro.options import Options
    from repro.report.progress import Display
    from repro.suite import Suite

LOGGED_EVERY = 10.0  # seconds, where there is no terminal
LEFT_OUT = "left out, since they cannot be measured here:"
NO_TIME = "left for another night:"


@main.command(short_help="Decide the claims of suites.")
@ASKED
@options.asked(options.WHERE)
@click.option(
    "--fresh",
    is_flag=True,
    help="Train everything again instead of using what is stored; a run that is killed starts over.",
)
@click.option(
    "--results",
    type=Place(file_okay=False),
    help=f"Where result JSONs go (default: {RUNS.as_posix()}, in the suites' project).",
)
@click.option(
    "--strict-claims",
    is_flag=True,
    help="Fail where a claim is undecided, or expected to be, and the verdict is not the expected one.",
)
@click.option(
    "--hours",
    type=options.Hours(),
    metavar="H",
    help="Take the suites whose oldest verdict is oldest first, and leave what takes longer than H hours.",
)
@click.option(
    "--earlier",
    type=Place(exists=True, file_okay=False),
    help="For --hours: the results of earlier runs (default: results, in the suites' project).",
)
def run(
    suites: tuple[Path, ...],
    asked: "Options",
    fresh: bool,
    results: Path | None,
    strict_claims: bool,
    hours: float | None,
    earlier: Path | None,
) -> None:
    """Decide the claims of suites and write result JSONs. SUITE is a file, a folder, or the name of a suite,
    of your own or of those that come with repro; by default all under suites/.

    What cannot be measured is listed at the end, and ends nothing.
    """
    from repro.report.progress import Display, Told, on
    from repro.report.text import claim_details, failures, left_for, summary
    from repro.result import ClaimResult
    from repro.suite_files import project_of

    def no_time(why: Mapping[str, str]) -> None:
        display.show(None)
        say("\n".join([NO_TIME, *left_for(why), ""]), to_stderr=True)

    def damaged(error: ReproError) -> None:
        display.show(None)
        leave_out(error)

    verdicts, written = dict[str, ClaimResult](), list[Path]()
    with Display(Told("trials and numbers done"), *on()) as display:
        display.doing("reading suites")
        from repro import api
        from repro.executors.scale import offer

        root = project_of(suites or DEFAULT)
        try:
            found = api.run(
                suites or DEFAULT,
                **vars(asked),
                fresh=fresh,
                results=results or root / RUNS,
                decided=lambda path, name, claim: verdicts.update({f"{typed(path)}::{name}": claim}),
                kept=written.append,
                missing=partial(_left_out, display),
                begins=display.begin,
                hours=hours,
                earlier=earlier,
                left=no_time,
                damaged=damaged,
            )
        except api.NothingRan as error:
            display.show(None)
            end(NOTHING_RAN, str(error))
    for name, claim in verdicts.items():
        if not claim.as_expected:
            say(f"{name}\n{claim_details(claim)}\n")
    say_verdicts(verdicts)
    for line in summary(verdicts, map(shown, written)):
        say(line)
    if larger := offer(asked.profile, lambda: _profiles(suites)):
        say(larger)
    if found.failed:
        end(WRONG_USE, "\n".join(["", *failures(found.failed)]))
    tolerated = (claim.is_tolerated(strict_claims) for claim in verdicts.values())
    sys.exit(AS_EXPECTED if all(tolerated) else NOT_AS_EXPECTED)


@main.command(short_help="Train what is missing, without a verdict.")
@ASKED
@options.asked()
def work(suites: tuple[Path, ...], asked: "Options") -> None:
    """Train what suites need and nobody has trained yet, or is training, until nothing is left. No verdict is
    told, noted or kept: that is for `repro run`, which then finds it done.

    Any number of these may be at work on one store, on one machine or on many that share its disk
    (REPRO_HOME); one that is killed leaves its trial to the others. Timings are left to `repro run`.
    """
    from repro.report.progress import Display, Told, on
    from repro.report.text import failures

    with Display(Told("trials and numbers done"), *on()) as display:
        display.doing("reading suites")
        from repro import api

        try:
            failed = api.work(
                suites or DEFAULT,
                asked,
                missing=partial(_left_out, display),
                begins=display.begin,
            )
        except api.NothingRan as error:
            display.show(None)
            end(NOTHING_RAN, str(error))
    if failed:
        end(WRONG_USE, "\n".join(failures(failed)))
    say("nothing is left to do")


def _left_out(display: "Display", why: Mapping[str, ReproError]) -> None:
    from repro.report.text import failures

    display.show(None)
    say("\n".join([LEFT_OUT, *failures(why), ""]), to_stderr=True)


def _profiles(suites: tuple[Path, ...]) -> set[str]:
    from repro.reading import load_all
    from repro.suite_files import suite_files

    read = load_all(suite_files(suites or DEFAULT))
    return {name for suite in read.values() for name in suite.profiles}


@main.command(short_help="Find the mistakes in suites.")
@ASKED
@click.option(
    "--plugins",
    is_flag=True,
    help="Try what other packages add through entry points; suites are checked only if named.",
)
@click.option(
    "--build",
    is_flag=True,
    help="Build each arm's net, too, without numbers, and see whether it takes images of its data's size.",
)
def check(suites: tuple[Path, ...], plugins: bool, build: bool) -> None:
    """Read suites and say everything that is wrong with them, without running anything."""
    from repro.document import DocumentError
    from repro.format import counted
    from repro.reading import check_all

    faults = _check_plugins() if plugins else 0
    if suites or build or not plugins:
        found = check_all(suites or DEFAULT)
        problems = found.problems + (_build(found.sound) if build else [])
        if problems:
            raise DocumentError(problems)
        suites_read = f"{counted(found.suites, 'suite')} with {counted(found.claims, 'claim')}"
        say(f"{suites_read}, {counted(found.recipes, 'named recipe')}: no mistakes found")
        if suites and found.suites == 1 and not build:
            say("whether the nets can be built: `repro check --build`", to_stderr=True)
    if faults:
        sys.exit(WRONG_USE)


def _build(suites: "Mapping[Path, Suite]") -> "list[Problem]":
    from repro.report.progress import Display, Told, on

    told = Told("arms built")
    with Display(told, *on(logged_every=LOGGED_EVERY)) as display:
        display.doing("importing torch")
        from repro.plan.built import unbuildable

        return unbuildable(suites, told.at)


def _check_plugins() -> int:
    """The number of faults, which are shown."""
    from repro.conformance.entries import plugins
    from repro.format import counted

    count, faults = plugins()
    for fault in faults:
        say(fault, to_stderr=True)
    found = counted(len(faults), "fault") if faults else "no faults"
    say(f"{counted(count, 'entry point')}: {found} found")
    return len(faults)


@main.command("list", short_help="List suites and their claims.")
@ASKED
def list_(suites: tuple[Path, ...]) -> None:
    """List suites with their claims, and where each is asked: those under suites/, or else those that come
    with repro, by name.
    """
    from repro.format import table
    from repro.reading import load_all
    from repro.suite_files import suite_files

    rows = [("claim", "profiles", "says")]
    own = suites or SUITES.is_dir()
    for path, suite in load_all(suite_files((suites or DEFAULT) if own else (bundled(),))).items():
        shown_as = typed(path) if own else suite.suite
        for name, claim in suite.claims.items():
            profiles = [
                p + (f" ({claim.at[p].verdict})" if p in claim.at else "")
                for p in claim.profiles or suite.profiles
            ]
            rows.append((f"{shown_as}::{name}", ", ".join(profiles), " ".join(claim.says.split())))
    say(table(rows))


@main.command(short_help="Print the JSON Schema of suites, recipes or results.")
@click.option("--result", "of", flag_value="result", help="The schema of result JSONs instead.")
@click.option("--recipes", "of", flag_value="recipes", help="The schema of recipes.yaml instead.")
def schema(of: str | None) -> None:
    """Print the JSON Schema of suites, for completion in editors; it has the names of suites/recipes.yaml."""
    from repro import named_recipes
    from repro.document import DocumentError
    from repro.schema import of_recipes, of_results, of_suites

    match of:
        case "result":
            made = of_results()
        case "recipes":
            made = of_recipes()
        case _:
            known = named_recipes.above(DEFAULT[0] / RECIPES)
            if known.problems:
                raise DocumentError(known.problems)
            made = of_suites(known.recipes)
    say(json.dumps(made, indent=1, sort_keys=True), whole=True)


@main.command(short_help="Begin a project of your own.")
@click.argument(
    "asked", type=Word(), nargs=-1, metavar="[TOPIC | SUITE]...", shell_complete=completion.bundled
)
@click.option(
    "--to",
    "folder",
    type=Place(file_okay=False),
    default=Path(),
    help="The folder, which may be a new one (default: the current one).",
)
def init(asked: tuple[str, ...], folder: Path) -> None:
    """Begin a folder of your own: copies of suites that come with repro (a topic such as segmentation, or a
    suite's name; by default all), pytest.ini, .gitignore and a nightly workflow. No file that is there is
    changed.
    """
    from repro.new_project import begin, quickest

    copied = begin(folder, asked)
    for path, was_there in copied:
        say(f"{'left as it was' if was_there else 'new'}: {path}")
    first = quickest(path for path, _ in copied)
    into = "" if folder == Path() else f"cd {shlex.quote(str(folder))} && "
    if first is not None:
        claim = shlex.quote(f"{first.file.relative_to(folder).as_posix()}::{first.claim}")
        say(f"now decide a claim, the quickest: {into}pytest {claim}")
    if first is None or first.of > 1:
        say(f"{'then' if first else 'now'} edit, and decide all{f' {first.of}' if first else ''}: pytest -v")
