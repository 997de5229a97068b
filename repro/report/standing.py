"""What stands of a suite at a profile, as text."""

import shlex
from collections.abc import Iterable, Mapping
from pathlib import Path

from repro.archive import Standing
from repro.environment import device_of
from repro.errors import ReproError
from repro.format import printable
from repro.report.text import claim_details, promise, verdicts
from repro.result import Result


def as_text(standing: Standing, folders: Mapping[str, Path], only: str | None = None) -> str:
    """The verdicts; with `only`, of the claims whose name contains it, and every number of them. `folders`
    are those that results are in, by run id.

    Raises `ReproError` if there is no such claim.
    """
    claims = {name: one.claim for name, one in standing.claims.items() if only is None or only in name}
    if not claims:
        raise ReproError(f"no claim like '{only}'; there are: {printable(', '.join(standing.claims))}")
    whole = standing.together
    blocks = [printable(_origin(whole))]
    if only is not None:
        blocks += [f"{printable(name)}\n{claim_details(claim)}" for name, claim in claims.items()]
    below = [
        verdicts(claims),
        *map(printable, _older(standing, claims)),
        *map(printable, _pictures(standing, folders)),
        promise(claims.values(), whole.falsely_reproduced) if only is None else "",
        printable(f"again: {whole.command}{'' if only is None else f' -k {shlex.quote(only)}'}"),
    ]
    return "\n\n".join([*blocks, "\n".join(filter(None, below))])


def _origin(result: Result) -> str:
    """Where and when it was run, and of which commit."""
    keys, facts = result.environment.key, result.environment.facts
    devices = {f"{device_of(key)} ({key['precision']}, torch {key['torch']})" for key in keys}
    commit = "no commit"
    if result.commit:
        commit = f"commit {result.commit[:10]}{' with changes' if facts['dirty'] else ''}"
    where = ", ".join(sorted(devices)) or facts["cpu"]
    return f"{result.suite} at profile {result.profile}, {result.finished}, {where}, {commit}"


def _older(standing: Standing, claims: Iterable[str]) -> Iterable[str]:
    """The claims that the newest run did not ask."""
    for result in standing.results[1:]:
        names = [name for name in claims if standing.claims[name].result is result]
        if names:
            yield f"from {result.finished} ({result.id}): {', '.join(names)}"


def _pictures(standing: Standing, folders: Mapping[str, Path]) -> Iterable[str]:
    for picture, result in standing.pictures.values():
        yield f"picture: {folders[result.id] / picture.file}: {' '.join(picture.says.split())}"
