"""What a shell may complete: names of suites, their profiles and claims, and suites that have results.

`eval "$(_REPRO_COMPLETE=bash_source repro)"` switches it on in bash (`zsh_source` and `fish_source` give
what those shells need). Whatever is in the way completes nothing: a shell shows no errors.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from click import Context, Parameter
from click.shell_completion import CompletionItem

from repro.errors import ReproError
from repro.places import RESULTS, SUITES, project

Items = list[CompletionItem]
PATH = CompletionItem("", type="file")  # the shell's own: files and folders


def suites(context: Context, parameter: Parameter, incomplete: str) -> Items:  # noqa: ARG001
    """Names, and topics of what comes with the package; else files."""
    from repro.new_project import topics
    from repro.suite_files import by_name

    return _beginning(incomplete, [*by_name(), *topics()]) or [PATH]


def bundled(context: Context, parameter: Parameter, incomplete: str) -> Items:  # noqa: ARG001
    """Topics and names of what comes with the package."""
    from repro.new_project import topics
    from repro.places import bundled
    from repro.suite_files import by_name

    return _beginning(incomplete, [*topics(), *by_name(bundled())])


def profiles(context: Context, parameter: Parameter, incomplete: str) -> Items:  # noqa: ARG001
    """Those of the suites that stand before."""
    return _beginning(incomplete, _keys(context, "profiles"))


def claims(context: Context, parameter: Parameter, incomplete: str) -> Items:  # noqa: ARG001
    """Those of the suites that stand before."""
    return _beginning(incomplete, _keys(context, "claims"))


def results(context: Context, parameter: Parameter, incomplete: str) -> Items:  # noqa: ARG001
    """Suites that have results in the project; else files."""
    below = (project(Path.cwd()) / RESULTS).glob("*/*/*/*.json")
    return _beginning(incomplete, {path.parents[1].name for path in below}) or [PATH]


def _keys(context: Context, part: str) -> list[str]:
    """The names below `profiles` or `claims` of the suites that were typed, or of all under suites/."""
    from repro.document import read
    from repro.suite_files import suite_files

    typed = map(Path, context.params.get("suites") or context.args)  # behind `-k` no argument is parsed yet
    found = dict[str, None]()
    try:
        for file in suite_files([*typed] or [SUITES]):
            content: Any = read(file).data
            found.update(dict.fromkeys(content[part]))
    except (ReproError, OSError, LookupError, TypeError):
        """What is in the way is told by the command."""
    return list(found)


def _beginning(incomplete: str, words: Iterable[str]) -> Items:
    return [CompletionItem(word) for word in sorted({*words}) if word.startswith(incomplete)]
