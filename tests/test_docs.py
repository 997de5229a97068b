"""What the documentation shows can be done, is done; what it quotes stands in its file."""

import doctest
import re
import shlex
import subprocess
from pathlib import Path

import click
import pytest
import yaml
from kit import forked

import repro
from repro.cli import main
from repro.suite import merge

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = [page for page in sorted(DOCS.rglob("*.md")) if not {"made", "_build"} & {*page.parts}]
TEXTS = {page.relative_to(ROOT).as_posix(): page.read_text(encoding="utf-8") for page in PAGES}
QUOTED = re.compile(
    r"# ([\w/.]+)\n(.*)", re.DOTALL
)  # a block whose first line names the file that it is from
TUTORIAL = TEXTS["docs/tutorial.md"]


def blocks(text, *languages):
    return re.findall(rf"```(?:{'|'.join(languages)})\n(.*?)```", text, re.DOTALL)


def suites_shown(text):
    """Each whole suite of a page, and the first one with what is shown to go into it."""
    base = None
    for block in blocks(text, "yaml"):
        if QUOTED.match(block):
            continue
        content = yaml.safe_load(block)
        base = base or content
        yield block if "suite" in content else yaml.safe_dump(merge(base, content), sort_keys=False)


@pytest.mark.parametrize("page", [page for page, text in TEXTS.items() if any(suites_shown(text))])
def test_suites_that_are_shown_have_no_mistakes(page, tmp_path):
    for number, suite in enumerate(suites_shown(TEXTS[page])):
        path = tmp_path / f"{number}" / "suite.yaml"
        path.parent.mkdir()
        path.write_text(suite, encoding="utf-8")
        assert repro.check(path) == []


@pytest.mark.parametrize("page", TEXTS)
def test_what_is_quoted_stands_in_its_file(page):
    for block in blocks(TEXTS[page], "yaml", "python", "toml"):
        if quoted := QUOTED.match(block):
            assert quoted[2] in (ROOT / quoted[1]).read_text(encoding="utf-8")


def test_quotes_and_suites_are_found():
    assert sum(bool(QUOTED.match(block)) for text in TEXTS.values() for block in blocks(text, "python")) >= 4
    assert len(list(suites_shown(TEXTS["docs/reference/suites.md"]))) >= 8


def commands(text):
    """What follows `repro` where it is called, in blocks and between backticks."""
    lines = [line for block in blocks(text, "sh") for line in block.splitlines()]
    spans = re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
    return re.findall(r"^(?:\w+=\S+ )*repro (\w[^;|\n]*)", "\n".join([*lines, *spans]), re.MULTILINE)


@pytest.mark.parametrize("page", ["README.md", *TEXTS])
def test_commands_that_are_shown_have_the_options_that_there_are(page):
    text = TEXTS.get(page) or (ROOT / page).read_text(encoding="utf-8")
    for called in commands(text):
        name, *arguments = shlex.split(called.partition(" >")[0], comments=True)
        if name != "COMMAND":
            command = main.commands[name]
            command.make_parser(click.Context(command)).parse_args(arguments)  # raises for what is no option


def test_commands_are_found():
    assert len([called for text in TEXTS.values() for called in commands(text)]) > 40


@pytest.mark.journey
@pytest.mark.usefixtures("one_core")
def test_what_is_done_from_python_gives_what_is_shown(tmp_path, monkeypatch):
    monkeypatch.setenv("REPRO_HOME", str(tmp_path))
    monkeypatch.chdir(ROOT)
    (code,) = blocks(TEXTS["docs/reference/api.md"], "python")
    report = list[str]()
    shown = doctest.DocTestParser().get_doctest(code, {}, "api.md", "api.md", 0)
    doctest.DocTestRunner().run(shown, out=report.append)
    assert report == []
    assert set(re.findall(r"repro\.(\w+)\(", code)) == set(repro.__all__) - {"__version__", "ReproError"}


@pytest.mark.journey
@pytest.mark.usefixtures("one_core")
def test_the_tutorial_can_be_followed_word_for_word(tmp_path, monkeypatch):
    """All but the installation and the pilot."""
    suite, claim = blocks(TUTORIAL, "yaml")
    lines = [line for block in blocks(TUTORIAL, "sh") for line in block.splitlines()]
    lines = [
        line for line in lines if "pip install" not in line and ".venv" not in line and "--pilot" not in line
    ]
    assert lines[0].startswith("mkdir") and len(lines) == 6
    made = subprocess.run(["bash", "-ec", f"{lines[0]} && pwd"], cwd=tmp_path, capture_output=True, text=True)
    folder = Path(made.stdout.strip())
    file = folder / "suites" / "first.yaml"
    monkeypatch.delenv("REPRO_HOME", raising=False)

    def said(line):
        run = forked.command(*shlex.split(line), cwd=folder)
        assert run.returncode == 0, run.stdout + run.stderr
        return run.stdout

    file.write_text(suite, encoding="utf-8")
    (checked,) = [shown for shown in blocks(TUTORIAL, "text") if "no mistakes found" in shown]
    assert said(lines[1]) == checked
    assert "trains-faster  reproduced" in said(lines[2]) and "train_loss(plain)" in said(lines[3])
    file.write_text(suite + claim.partition("claims:")[2].lstrip("\n"), encoding="utf-8")
    assert "costs-few-parameters  reproduced" in said(lines[4]) and " 2 passed" in said(lines[5])
    assert folder == tmp_path / "mine" and (folder / "results/runs/first/cpu").is_dir()


@pytest.fixture
def made(monkeypatch):
    monkeypatch.syspath_prepend(DOCS)
    import made

    return made


def test_the_reference_has_every_command_with_its_options(made):
    text = made.commands()
    for name, command in main.commands.items():
        section = text.partition(f"## repro {name}\n")[2].partition("\n## ")[0]
        options = [option for option in command.params if isinstance(option, click.Option)]
        assert section and all(option.opts[0] in section for option in options)
    assert "| `--strict-claims` | " in made.pytest_options()
    assert "| 3 | a regression |" in made.exit_codes()


def test_the_reference_has_every_name_with_its_options_and_every_metric(made):
    text = made.names()
    for of in made.CATALOGUES.values():
        assert all(f"\n| `{name}` | " in text for name in of.builtin)
    assert "| `cifar_resnet` | `depth`, `residual: true`, `shortcut: A`, `width: 16` | " in text
    assert "| `latency` |  | ms | lower | " in text
    assert "| segmentation | `miou` | share | higher |" in text


def test_the_reference_has_the_keys_of_suites_and_results_with_their_values(made):
    keys = made.suite_keys()
    assert "| `claims` | mapping of [Claim](#claim) | required | " in keys
    assert "## Evaluation\n" in keys and "| `groups` | mapping of mapping of numbers | " in keys
    assert "| `precision` | `fp32`, `bf16` | `fp32` | " in keys
    results = made.result_keys()
    assert "| `trials` | list of [TrialResult](#trialresult) | required | " in results
    assert "| `curves` | mapping of list of pair of integers, number or `inf`, `-inf` or null | " in results
