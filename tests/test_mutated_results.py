"""Results that somebody has changed: every command says what is wrong with them, or shows them."""

import copy
import json
import random
import shutil

import pytest
from click.testing import CliRunner
from kit.judged_results import compared, picture, result, sized, timed, trial

from repro.cli import main
from repro.result import Result, write

MUTANTS = 160
ODD = [
    *(None, True, 0, -1, 0.5, -0.5, 5e-324, 1.7e308, -1.7e308, 2**31, 2**63, 10**30, 10**400),
    *("", "x", "inf", "-inf", "nan", "0.1", "../../up", "/etc", "a\nb", "\0", "ü" * 300, "=1+1", "<b>"),
    *([], {}, [None], [[]], {"": {}}),
]
NIGHTS = [f"resnet-degradation/cpu/20261101T0{night}0000Z-00000{night}.json" for night in range(2)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two nights of a suite with claims of every kind."""
    folder = tmp_path_factory.mktemp("results")
    slower, timings = timed(rounds=5)
    for night in range(2):
        claims = {
            "better": compared(3.0, 6, reported={"test_error(plain20)": 0.1}),
            "open": compared(0.1, 6),
            "size": sized(),
            "slower": slower,
        }
        trials = [trial(arm, seed, steps=20) for arm in ("plain20", "plain56") for seed in range(3 + night)]
        made = result(claims, run=night, trials=trials, timings=timings)
        write(made.model_copy(update={"pictures": picture(folder, made)}), folder)
    return folder


def places(content, above=()):
    """The keys that lead to everything in a JSON document. Of trials there are few: they are all curves."""
    inside = {}
    if isinstance(content, dict):
        inside = content
    elif isinstance(content, list):
        inside = dict(enumerate(content[:4]))
    for key, value in inside.items():
        yield (*above, key)
        yield from places(value, (*above, key))


def at(content, place):
    for key in place:
        content = content[key]
    return content


def change(content, draw):
    """Put something else at a place of a document, or take it away, or have it twice, or by another name."""
    known = list(places(content))
    *above, key = draw.choice(known)
    holder, elsewhere = at(content, above), copy.deepcopy(at(content, draw.choice(known)))
    changes = [
        lambda: holder.__setitem__(key, draw.choice(ODD)),
        lambda: holder.__setitem__(key, draw.choice(ODD)),
        lambda: holder.__setitem__(key, elsewhere),
        lambda: holder.pop(key),
    ]
    if isinstance(holder, list):
        changes.append(lambda: holder.insert(key, copy.deepcopy(holder[key])))
    else:
        changes.append(lambda: holder.__setitem__(draw.choice(["", "x", "../x", "<b>"]), holder.pop(key)))
    draw.choice(changes)()


def mutant(content, draw):
    """A document that differs in a few places."""
    changed = copy.deepcopy(content)
    for _ in range(draw.choice([1, 1, 1, 2, 3])):
        change(changed, draw)
    return changed


def commands(base, changed, file, out):
    """On the file of a folder that has been changed, on either side where there are two."""
    yield "show", file
    yield "show", file, "-k", "e"
    for sides in ((base, changed), (changed, base)):
        yield from (("compare", *sides, "--format", form) for form in ("text", "json", "markdown"))
        yield "watch", *sides, "--format", "markdown"
    yield from (("export", changed, "--to", form, "-o", out / f"table.{form}") for form in ("csv", "parquet"))
    yield "report", changed, "-o", out / "site"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # of numbers at the end of what a float can be
def test_no_command_breaks_down_over_a_result_that_was_changed(folder, tmp_path):
    draw, read = random.Random(0), 0
    changed = tmp_path / "changed"
    shutil.copytree(folder, changed)
    for number in range(MUTANTS):
        night = draw.choice(NIGHTS)  # of the older one a page shows but little
        original = (folder / night).read_text()
        text = json.dumps(mutant(json.loads(original), draw))
        (changed / night).write_text(text)
        known = list(commands(folder, changed, changed / night, tmp_path))
        try:
            Result.model_validate_json(text)
            asked = [*known[:2], *draw.sample(known[2:], 3)]  # all of them would take minutes
            read += 1
        except ValueError:
            asked = draw.sample(known, 1)
        for command in asked:
            ended = CliRunner().invoke(main, list(map(str, command)))
            said = (number, command, ended.output, repr(ended.exception))
            assert ended.exception is None or isinstance(ended.exception, SystemExit), said
            assert ended.exit_code != 2 or str(changed / night) in ended.output, said
        (changed / night).write_text(original)
    assert 30 < read < MUTANTS / 2  # some are still results
