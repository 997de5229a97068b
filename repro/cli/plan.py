"""The command on what suites would take."""

from pathlib import Path

import click

from repro.cli import completion
from repro.cli.group import ASKED, DEFAULT, Word, as_json, main, say
from repro.cli.options import PER_GPU, Hours

LOGGED_EVERY = 10.0  # seconds, where there is no terminal


@main.command(short_help="Say what suites would take, without training.")
@ASKED
@click.option(
    "--profile",
    type=Word(),
    default="cpu",
    show_default=True,
    shell_complete=completion.profiles,
    help="The scale that is planned for.",
)
@click.option(
    "--device",
    type=Word(),
    metavar="GPU",
    help="A GPU that this machine does not have: A100, H100, 'RTX 4090' …",
)
@click.option(
    "--hours",
    type=Hours(),
    metavar="H",
    help="The time that all must fit into.",
)
@click.option("--jobs", "-j", type=click.IntRange(min=1), metavar="N", help="How many trials run at once.")
@PER_GPU
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
def plan(
    suites: tuple[Path, ...],
    profile: str,
    device: str | None,
    hours: float | None,
    jobs: int | None,
    per_gpu: int,
    form: str,
) -> None:
    """Say what suites would take (files, folders or names; by default all under suites/) without training
    them: trials, FLOPs, hours, memory, disk, data and weights.

    How quick this machine is comes from trials in the store, or from some steps of each arm; of another GPU
    from its maker's figures.
    """
    from repro.places import home
    from repro.reading import load_all
    from repro.report.progress import Display, Told, on
    from repro.store import Store
    from repro.suite_files import project_of, suite_files

    given, told = suites or DEFAULT, Told("arms looked at")
    with Display(told, *on(logged_every=LOGGED_EVERY)) as display:
        display.doing("reading suites")
        store, read = Store(home(project_of(given))), load_all(suite_files(given))
        display.doing("importing torch")
        from repro.plan.plan import plan
        from repro.plan.text import as_text

        found = plan(
            read, profile, store, device=device, hours=hours, jobs=jobs, per_gpu=per_gpu, begins=told.at
        )
    say(as_json(found) if form == "json" else as_text(found), whole=form == "json")
