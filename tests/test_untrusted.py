"""Names and texts in results of others: shown as they are, and inert."""

import json
import re

import pytest
from click.testing import CliRunner
from kit.results import claim, result, timing, trial

from repro.cli import main
from repro.format import MARKDOWN, TEXT, markdown_table, printable, table, verbatim
from repro.nightly.confirm import Confirmation
from repro.nightly.confirm_text import confirmation_text
from repro.nightly.history_text import watch_text
from repro.nightly.turns import Decision
from repro.nightly.watch import Suspect, Watch

ESCAPES = "\x1b[2J\x1b]0;title\x07\x9b31m\x7f\x00\r\u202e\u2028"
MARKUP = "@everyone [a](http://x) <img src=x onerror=y> **b** `c` ``d`` | e | #1 http://x"
FORGED = "x\n| all | fine |\n\n# 0 worse"
EVIL = ESCAPES + MARKUP + FORGED


def is_plain(text: str) -> bool:
    """Whether nothing in it moves a cursor, but for the ends of lines."""
    return all(sign.isprintable() or sign == "\n" for sign in text)


def without_code(markdown: str) -> str:
    """Markdown without its code spans, by CommonMark: a run of backticks to the next one as long."""
    return re.sub(r"(?<!`)(`+)(?!`).*?(?<!`)\1(?!`)", "CODE", markdown)


# ---- one text


@pytest.mark.parametrize(
    "sign", ["\x1b", "\x9b", "\x00", "\r", "\n", "\t", "\x7f", "\u202e", "\u2028", "\u200b", "\ufeff"]
)
def test_control_characters_are_shown_as_json_shows_them(sign):
    shown = printable(f"a{sign}b")
    assert is_plain(shown) and "\n" not in shown and json.loads(f'"{shown}"') == f"a{sign}b"


def test_other_text_stays_as_it_is():
    assert printable("Größer → 中 😀 \\ |") == "Größer → 中 😀 \\ |"


@pytest.mark.parametrize(
    "text", ["a", "`", "``a`", "a`", " a ", " ", "a ``` b", "|", "\\|", MARKUP, FORGED, EVIL]
)
def test_text_in_markdown_is_one_span_of_code(text):
    made = verbatim(text)
    assert without_code(made) == "CODE" and is_plain(made) and "\n" not in made
    fence = re.match("`+", made)[0]
    inside = made.removeprefix(fence).removesuffix(fence)
    assert inside in (printable(text), f" {printable(text)} ")


def test_no_text_is_no_span():
    assert verbatim("") == ""


def test_a_cell_stays_in_its_column():
    rows = [("name", "n"), (verbatim("a | b"), "1"), (verbatim("c\n| d |"), "2")]
    made = markdown_table(rows, right=[1]).splitlines()
    assert made[:2] == ["| name | n |", "| --- | --: |"]
    assert [len(re.split(r"(?<!\\)\|", line)) for line in made] == [4, 4, 4, 4]


def test_a_table_s_cell_is_one_line():
    assert table([("a", "b"), ("x\ny", "\x1b[2J")]) == "a     b\nx\\ny  \\u001b[2J"


def test_both_styles_write_the_same_of_names_that_mean_no_harm():
    rows = [("name", "n"), ("fcn::learns (cpu)", "1")]
    assert TEXT.name("fcn::learns (cpu)") == "fcn::learns (cpu)"
    assert TEXT.table(rows, [1]).split() == ["name", "n", "fcn::learns", "(cpu)", "1"]
    assert MARKDOWN.name("fcn::learns (cpu)") == "`fcn::learns (cpu)`"


# ---- commands


@pytest.fixture
def evil(tmp_path, monkeypatch):
    """Two folders of results whose every text is made to do harm. (What is no name is refused as one.)"""
    monkeypatch.chdir(tmp_path)
    texts = {"says": EVIL, "expect": EVIL, "source": EVIL, "because": EVIL}
    for night, folder, verdict, error in ((1, "base", "reproduced", 0.1), (2, "new", "refuted", 0.3)):
        claims = {"better": claim(verdict).model_copy(update=texts)}
        trials = [trial("a", seed, error=error + seed / 100) for seed in range(5)]
        key = {"device": folder + EVIL, "driver": EVIL, "torch": EVIL, "precision": EVIL}
        made = result(trials, claims, night=night, key=key, timings=[timing("a", region=EVIL)])
        made = made.model_copy(update={"about": EVIL, "file": EVIL, "command": EVIL})
        made.environment.facts.update({"dirty": True})
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "x.json").write_text(made.model_dump_json(by_alias=True))
    return tmp_path


def repro(*arguments):
    run = CliRunner().invoke(main, list(map(str, arguments)))
    assert run.exception is None or isinstance(run.exception, SystemExit), run.exception
    return run


COMMANDS = [
    ("show", "new"),
    ("show", "new", "-k", ""),
    ("show", "new", "-k", "nothing"),
    ("compare", "base", "new"),
    ("watch", "base", "new"),
    ("keep", "new/x.json"),
    ("export", "base", "--to", "csv", "-o", "out.csv"),
]


@pytest.mark.usefixtures("evil")
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_no_command_passes_control_characters_on(command):
    output = repro(*command).output
    assert output and is_plain(output) and "| all | fine |" not in output.splitlines()


@pytest.mark.usefixtures("evil")
@pytest.mark.parametrize("command", [("compare", "base", "new"), ("watch", "base", "new")])
def test_markdown_of_what_others_wrote_is_inert(command):
    text = repro(*command, "--format", "markdown").output
    left = "\n".join(without_code(line) for line in text.splitlines())
    assert "CODE" in left and is_plain(text)
    for piece in ("@everyone", "[a]", "<img", "http", "**", "#1", "# 0", "fine"):
        assert piece in text and piece not in left


@pytest.mark.usefixtures("evil")
@pytest.mark.parametrize("command", [("compare", "base", "new"), ("watch", "base", "new")])
def test_json_says_all_as_it_is_in_characters_that_every_stream_has(command):
    text = repro(*command, "--format", "json").output
    assert text.isascii() and is_plain(text)
    assert json.dumps(EVIL)[1:-1] in text and json.loads(text)


@pytest.fixture
def watch():
    """What a history that others made says tonight."""
    of = {"suite": EVIL, "profile": EVIL, "arm": EVIL, "quantity": EVIL, "file": EVIL, "claims": {EVIL: 1.0}}
    numbers = {"evidence": 20.0, "p": None, "nights": 0, "before": 1.0, "now": 2.0}
    suspect = Suspect(**of, **numbers, way="worse", since=EVIL, between=(EVIL, EVIL), commits=(EVIL, EVIL))
    said = {"alarms": (EVIL,), "problems": (EVIL,), "notes": (EVIL,), "base": EVIL}
    return Watch(suspects=(suspect,), watched=1, young=0, threshold=20.0, **said)


def test_suspects_are_inert_in_the_summary_of_a_job(watch):
    shown = watch_text(watch, markdown=True)
    assert shown.count("@everyone") >= 7 and "@everyone" not in without_code(shown) and is_plain(shown)


def test_what_becomes_an_issue_is_inert(watch):
    of = {"suite": EVIL, "profile": EVIL, "arm": EVIL, "quantity": EVIL}
    numbers = {"turns": 20, "base": 1.0, "new": 2.0, "difference": 1.0, "p": 1e-6}
    decision = Decision(**of, **numbers, way="worse", state="confirmed")
    found = Confirmation(decisions=(decision,), left=watch.suspects)
    issue = confirmation_text(found, watch, markdown=True, repository="https://code.example/of/ours")
    left = without_code(issue)
    assert issue.count("@everyone") >= 5 and is_plain(issue) and not set("@<[") & set(left)
    assert [word for word in left.split() if "http" in word and not word.startswith("https://code.ex")] == []
