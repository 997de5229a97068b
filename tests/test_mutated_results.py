"""Results that somebody has changed, by hand or by accident: every command says what is wrong, or shows them."""

import copy
import json
import random

import pytest
from click.testing import CliRunner
from kit.judged_results import compared, picture, result, sized, timed, trial

from repro.cli import main
from repro.result import Result, write

MUTANTS = 400
ODD = [None, True, 0, -1, 0.5, -0.5, 5e-324, 1.7e308, -1.7e308, 2**31, 2**63, 10**30, 10**400]
ODD += [
    "",
    "x",
    "inf",
    "-inf",
    "nan",
    "0.1",
    "../../up",
    "/etc/passwd",
    "a\nb",
    "\0",
    "ü" * 300,
    "=1+1",
    "<b>",
]
ODD += [[], {}, [None], [[]], {"": {}}]


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
    """The keys that lead to everything in a JSON document."""
    yield above
    inside = (
        content.items()
        if isinstance(content, dict)
        else enumerate(content)
        if isinstance(content, list)
        else ()
    )
    for key, value in inside:
        yield from places(value, (*above, key))


def at(content, place):
    for key in place:
        content = content[key]
    return content


def mutant(content, draw):
    """The same document with another value, or without one, or with one twice, or elsewhere."""
    changed = copy.deepcopy(content)
    known = list(places(changed))
    # Most of a result is curves: those are no more worth a look than the rest.
    known = [place for place in known if place and (place[0] != "trials" or draw.random() < 0.05)]
    for _ in range(draw.choice([1, 1, 1, 2, 3])):
        *above, key = draw.choice(known)
        try:
            holder = at(changed, above)
            match draw.randrange(5):
                case 0 | 1:
                    holder[key] = draw.choice(ODD)
                case 2:
                    holder[key] = copy.deepcopy(at(changed, draw.choice(known)))
                case 3:
                    del holder[key]
                case 4 if isinstance(holder, list):
                    holder.insert(draw.randrange(len(holder) + 1), copy.deepcopy(holder[key]))
                case 4:
                    holder[draw.choice(["", "x", "../x", "<b>", str(key) + " "])] = holder.pop(key)
        except (KeyError, IndexError, TypeError):
            continue  # an earlier change took it away
    return changed


def commands(base, changed, site):
    """Each on what has been changed, on either side where there are two."""
    file = next(changed.rglob("*-000001.json"))
    yield "show", file
    yield "show", file, "-k", "e"
    for sides in ((base, changed), (changed, base)):
        for form in ("text", "json", "markdown"):
            yield "compare", *sides, "--format", form
        yield "watch", *sides, "--format", "markdown"
    for form in ("csv", "parquet"):
        yield "export", changed, "--to", form, "-o", site / f"table.{form}"
    yield "report", changed, "-o", site / "pages"


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # numbers at the end of what a float can be
def test_no_command_breaks_down_over_a_result_that_was_changed(folder, tmp_path):
    draw, read = random.Random(0), 0
    original = json.loads(next(folder.rglob("*-000001.json")).read_text())
    changed = tmp_path / "changed"
    file = changed / "resnet-degradation" / "cpu" / "20261101T010000Z-000001.json"
    file.parent.mkdir(parents=True)
    before = next(folder.rglob("*-000000.json"))
    (file.parent / before.name).write_bytes(before.read_bytes())
    for number in range(MUTANTS):
        text = json.dumps(mutant(original, draw))
        file.write_text(text)
        try:
            Result.model_validate_json(text)
            read += 1
        except ValueError:
            pass
        for command in commands(folder, changed, tmp_path):
            ended = CliRunner().invoke(main, list(map(str, command)))
            expected = ended.exception is None or isinstance(ended.exception, SystemExit)
            assert expected, (number, command, repr(ended.exception))
            assert ended.exit_code != 2 or str(file) in ended.output, (number, command, ended.output)
    assert MUTANTS / 5 < read < MUTANTS  # some are still results
