"""The command on the store."""

from pathlib import Path

import click

from repro.cli.group import ASKED, DEFAULT, main, say


@main.command(short_help="Say how large the store is, and prune it.")
@ASKED
@click.option("--prune", is_flag=True, help="Remove the trials that none of these suites names.")
def store(suites: tuple[Path, ...], prune: bool) -> None:
    """Say how large the store is, and how much of it no suite names (by default none of those under suites/),
    with today's code and torch. A store that several projects share, by REPRO_HOME, is pruned with the suites
    of all.
    """
    from repro import inventory
    from repro.format import counted, size, table
    from repro.places import home
    from repro.reading import load_all
    from repro.store import Store
    from repro.suite_files import project_of, suite_files

    given = suites or DEFAULT
    found = Store(home(project_of(given)))
    shelves = inventory.shelves(found)
    rows = [("", "records", "", "files")]
    rows += [(one.kind, str(one.records), size(one.record_bytes), size(one.file_bytes)) for one in shelves]
    say(table(rows, right=(1, 2, 3)))
    unnamed = inventory.unnamed(found, load_all(suite_files(given)).values())
    say(f"\n{found.root}: {size(sum(one.bytes for one in shelves))}")
    of_all = f"{counted(len(unnamed), 'trial')} that no suite names"
    if prune:
        say(f"removed {of_all}: {size(inventory.prune(found, unnamed))}")
    else:
        say(f"{of_all}: {size(sum(one.bytes for one in unnamed))}; `--prune` removes them")
