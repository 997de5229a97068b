"""What the commands share: the group, its exit codes, and the suites that are asked for.

Exit codes: 0 as expected, 1 a claim not as expected, 2 wrong use or a bad suite, 3 a regression, 4 nothing
ran, 5 a run that says nothing of the code.
"""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click

from repro.errors import ReproError
from repro.suite_files import suites_below

AS_EXPECTED, NOT_AS_EXPECTED, WRONG_USE, REGRESSION, NOTHING_RAN, NOT_THE_CODE = range(6)
RESULTS = Path("results")
SUITE_FOLDER = Path("suites")
SUITES = click.argument("suites", nargs=-1, type=click.Path(path_type=Path), metavar="[SUITE]...")
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


def suite_files(paths: Iterable[Path]) -> list[Path]:
    """Suite files, from files and folders. Raises `ReproError` where there are none."""
    given = list(paths) or [SUITE_FOLDER]
    found: list[Path] = []
    for path in given:
        if path.is_dir():
            found += suites_below(path)
        elif path.is_file():
            found.append(path)
        else:
            raise ReproError(f"{path}: no such file or folder")
    if not found:
        raise ReproError(f"no suites under {', '.join(map(str, given))}")
    return found
