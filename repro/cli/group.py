"""What the commands share: the group, its exit codes, and the suites that are asked for.

Exit codes: 0 as expected, 1 a claim not as expected, 2 wrong use or a bad suite, 3 a regression, 4 nothing
ran, 5 a run that says nothing of the code.
"""

import sys
from pathlib import Path
from typing import Any

import click

from repro.errors import ReproError
from repro.places import RESULTS

AS_EXPECTED, NOT_AS_EXPECTED, WRONG_USE, REGRESSION, NOTHING_RAN, NOT_THE_CODE = range(6)
DEFAULT = (Path("suites"),)
SUITES = click.argument("suites", nargs=-1, type=click.Path(path_type=Path), metavar="[SUITE]...")
LOOKED_UP = click.option(
    "--results",
    type=click.Path(path_type=Path),
    default=RESULTS,
    show_default=True,
    help="The folder below which run ids and suites are looked up: of what runs wrote, and what is kept.",
)
FORMAT = click.option(
    "--format", "form", type=click.Choice(["text", "markdown", "json"]), default="text", show_default=True
)


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
