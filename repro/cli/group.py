"""What the commands share: the group, its exit codes, how they speak, and the suites that are asked for."""

import json
import sys
from pathlib import Path
from shutil import get_terminal_size
from typing import TYPE_CHECKING, Any, NoReturn

import click

from repro import streams
from repro.cli import completion
from repro.errors import ReproError
from repro.format import broken, printable
from repro.interrupt import GOES_ON, INTERRUPTED
from repro.places import RESULTS, SUITES, project, shown
from repro.release import version

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import BaseModel

    from repro.result import ClaimResult

AS_EXPECTED, NOT_AS_EXPECTED, WRONG_USE, REGRESSION, NOTHING_RAN, NOT_THE_CODE = range(6)
NOBODY_READS = 141  # a shell's
CODES = {
    AS_EXPECTED: "everything is as expected",
    NOT_AS_EXPECTED: "a claim is not as expected",
    WRONG_USE: "wrong use, a mistake in a suite, or something that could not be measured or kept",
    REGRESSION: "a regression",
    NOTHING_RAN: "nothing to run, to compare or to export",
    NOT_THE_CODE: "a nightly run or a bisection that says nothing about the code",
    INTERRUPTED: "interrupted",
    NOBODY_READS: "the output was closed before its end, as by `head`",
}
DEFAULT = (SUITES,)


EMPTY = "the name is empty"


class Word(click.types.StringParamType):
    """A text that is not empty: a variable of a shell that is not set names nothing."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value == "":
            self.fail(EMPTY, param, ctx)
        return super().convert(value, param, ctx)


class Place(click.Path):
    """A path. The empty text is none: it is not the current folder."""

    def __init__(self, **checks: Any):
        super().__init__(path_type=Path, **checks)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value == "":
            self.fail(EMPTY, param, ctx)
        return super().convert(value, param, ctx)


ASKED = click.argument(
    "suites", nargs=-1, type=Place(), metavar="[SUITE]...", shell_complete=completion.suites
)
LOOKED_UP = click.option(
    "--results",
    type=Place(),
    default=lambda: here(RESULTS),
    show_default="results, in the project's folder",
    help="The folder below which run ids and suites are looked up: of what runs wrote, and what is kept.",
)
FORMAT = click.option(
    "--format", "form", type=click.Choice(["text", "markdown", "json"]), default="text", show_default=True
)


def here(place: Path) -> Path:
    """A place in the project that one stands in."""
    return Path(shown(project(Path.cwd()) / place))


def say(text: str, *, to_stderr: bool = False, whole: bool = False) -> None:
    """Names in results are other people's: control characters are shown, and do nothing. On a terminal long
    lines are broken between words, unless they are to stay whole.
    """
    stream = sys.stderr if to_stderr else sys.stdout
    lines = list(map(printable, text.split("\n")))
    if stream.isatty() and not whole:
        width = get_terminal_size().columns
        lines = [part for line in lines for part in broken(line, width)]
    stream.write("\n".join([*lines, ""]))
    stream.flush()


def leave_out(error: ReproError) -> None:
    """Name a file that is no result, in one line; the others are of use."""
    say(f"left out: {' '.join(str(error).split())}", to_stderr=True)


def say_verdicts(claims: "Mapping[str, ClaimResult]") -> None:
    """Their table: on a terminal one that fits it, in colours."""
    from repro.report import terminal, text

    if not sys.stdout.isatty():
        say(text.verdicts(claims))
        return
    sys.stdout.write(terminal.verdicts(claims, get_terminal_size().columns) + "\n")
    sys.stdout.flush()


def as_json(content: "BaseModel") -> str:
    return json.dumps(content.model_dump(mode="json"), indent=1)


def end(code: int, why: str) -> NoReturn:
    say(why, to_stderr=True)
    sys.exit(code)


class Errors(click.Group):
    """Shows a user's mistakes as text, with exit code 2."""

    def main(self, *arguments: Any, **options: Any) -> Any:
        streams.prepare()
        try:
            Path.cwd()
        except OSError:
            end(WRONG_USE, "the current folder has been deleted: go to one that exists")
        return super().main(*arguments, **options)

    def invoke(self, context: click.Context) -> Any:
        try:
            return super().invoke(context)
        except ReproError as error:
            end(WRONG_USE, str(error))
        except BrokenPipeError:
            streams.give_up(sys.stdout)
            sys.exit(NOBODY_READS)
        except OSError as error:
            if error.filename is None:
                streams.give_up(sys.stdout)
            end(WRONG_USE, f"{error.filename or 'the output'}: {error.strerror or error}")
        except KeyboardInterrupt:
            end(INTERRUPTED, f"\n{GOES_ON}")


@click.group(
    cls=Errors,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="\n".join(["\b", "Exit codes:", *(f"  {code:3}  {means}" for code, means in CODES.items())]),
)
@click.version_option(version())
def main() -> None:
    """Test the claims of the papers that made computer vision."""
