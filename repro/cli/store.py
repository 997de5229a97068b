"""The command on the store."""

from pathlib import Path

import click

from repro.cli.group import ASKED, DEFAULT, main, say


@main.command(short_help="Say how large the store is, and prune it.")
@ASKED
@click.option("--prune", is_flag=True, help="Remove the trials, and boxes in images, that no suite names.")
def store(suites: tuple[Path, ...], prune: bool) -> None:
    """Say how large the store is, and how much of it no suite names (by default none of those under suites/),
    with today's code and torch: trials, and boxes that a search has found in images. A store that several
    projects share, by REPRO_HOME, is pruned with the suites of all.
    """
    from repro import inventory, proposals
    from repro.format import counted, size, table
    from repro.places import home
    from repro.reading import load_all
    from repro.store import Store
    from repro.suite_files import project_of, suite_files

    given = suites or DEFAULT
    found, asked = Store(home(project_of(given))), load_all(suite_files(given)).values()
    shelves = inventory.shelves(found)
    rows = [("", "records", "", "files")]
    rows += [(one.kind, str(one.records), size(one.record_bytes), size(one.file_bytes)) for one in shelves]
    say(table(rows, right=(1, 2, 3)))
    unnamed = inventory.unnamed(found, asked)
    say(f"\n{found.root}: {size(sum(one.bytes for one in shelves))}")
    of_all = f"{counted(len(unnamed), 'trial')} that no suite names"
    if prune:
        say(f"removed {of_all}: {size(inventory.prune(found, unnamed))}")
    else:
        say(f"{of_all}: {size(sum(one.bytes for one in unnamed))}; `--prune` removes them")
    if not proposals.files(found):
        return
    from repro.plan.searches import searches  # imports torch

    boxes = inventory.unasked(found, searches(asked))
    of_all = f"{counted(len(boxes), 'file')} of boxes in images that no suite's nets ask for"
    if prune:
        say(f"removed {of_all}: {size(inventory.remove(boxes))}")
    else:
        say(f"{of_all}: {size(sum(boxes.values()))}; `--prune` removes them")
