"""The table of verdicts on a terminal."""

import re

import pytest
from kit.results import claim

from repro.format import broken
from repro.report.terminal import verdicts

FILES = ("suites/segmentation/fcn_skips.yaml", "suites/classification/resnet_degradation.yaml")
CLAIMS = {
    f"{FILES[0]}::skips-help": claim(),
    f"{FILES[0]}::skips-help-at-boundaries": claim("undecided"),
    f"{FILES[1]}::gradients-have-not-vanished": claim("refuted"),
}


def lines(width, **options):
    return verdicts(CLAIMS, width, **options).splitlines()


@pytest.mark.parametrize("width", [200, 100, 80, 60, 46])
def test_it_fits_and_breaks_no_word(width):
    shown = lines(width, colour=False)
    assert max(map(len, shown)) <= width
    words = {word for line in shown for word in line.split()}
    told = ("skips-help", "skips-help-at-boundaries", "gradients-have-not-vanished", *FILES)
    assert words >= {*told, "reproduced", "undecided,", "refuted,", "expected"}


def test_claims_stand_below_their_suites_with_one_head_and_aligned():
    assert lines(80, colour=False) == [
        FILES[0],
        "claim                          verdict            seeds  margin  interval   time",
        "skips-help                     reproduced             5     0.1  [0.05, ∞]  0:10",
        "! skips-help-at-boundaries     undecided,             5     0.1  [0.05, ∞]  0:10",
        "                               expected",
        "                               reproduced",
        FILES[1],
        "! gradients-have-not-vanished  refuted, expected      5     0.1  [0.05, ∞]  0:10",
        "                               reproduced",
    ]


@pytest.mark.parametrize(
    ("width", "columns"),
    [
        (80, ["claim", "verdict", "seeds", "margin", "interval", "time"]),
        (70, ["claim", "verdict", "seeds", "margin", "interval"]),
        (60, ["claim", "verdict", "seeds", "margin"]),
        (52, ["claim", "verdict", "margin"]),
        (46, ["claim", "verdict"]),
    ],
)
def test_a_narrow_one_does_without_the_columns_that_matter_least(width, columns):
    assert lines(width, colour=False)[1].split() == columns


def test_colours_tell_verdicts_apart_and_names_of_others_have_none():
    reproduced, undecided, refuted = (
        next(line for line in lines(100) if word in line) for word in ("reproduced ", "undecided", "refuted")
    )
    assert "\x1b[32m" in reproduced and "\x1b[33m" in undecided and "\x1b[1;31m" in refuted
    assert "[red]x\\u001b[2J" in re.sub(r"\x1b\[[0-9;]*m", "", verdicts({"[red]x\x1b[2J": claim()}, 100))


def test_claims_without_a_file_have_no_heading():
    assert verdicts({"a": claim()}, 80, colour=False).splitlines()[1].split() == [
        *("a", "reproduced", "5", "0.1", "[0.05,", "∞]", "0:10")
    ]


def test_a_long_line_is_broken_between_words_alone():
    assert broken("short", 20) == ["short"]
    assert broken("  again: repro run suites/a-very-long-name.yaml -k x", 20) == [
        "  again: repro run",
        "    suites/a-very-long-name.yaml",
        "    -k x",
    ]
