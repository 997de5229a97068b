"""Which files are suites: the same ones for both faces."""

import shutil
import subprocess
import sys

import pytest
from click.testing import CliRunner
from conftest import TINY

import repro
from repro.cli import main
from repro.document import DocumentError
from repro.errors import ReproError
from repro.suite_files import is_suite, recipes_below, suite_files, suites_below

QUIET = ("--collect-only", "-q", "-p", "no:cacheprovider", "-p", "no:benchmark")


def of_command(*arguments):
    return CliRunner().invoke(main, list(map(str, arguments)))


def named(name: str) -> str:
    """The small suite under another name."""
    return TINY.replace("suite: tiny", f"suite: {name}")


def indented(text: str) -> str:
    return "---\n" + "".join(f"  {line}\n" for line in text.splitlines())


FLOW = (
    "{task: classification, suite: flow, arms: {a: {model: cifar_resnet, depth: 8}}, profiles: {cpu: {data: "
    "{name: fashion-mnist-small}}}, claims: {x: {says: s, expect: params(a) > 0}}}"
)
SUITES = {
    "plain.yaml": named("plain"),
    "short.yml": named("short"),
    "marked.yaml": "\ufeff" + named("marked"),
    "quoted.yaml": named("quoted").replace("suite:", '"suite" :', 1),
    "single.yaml": named("single").replace("suite:", "'suite':", 1),
    "indented.yaml": indented(named("indented")),
    "flow.yaml": FLOW,
    "asked.yaml": named("asked").replace("suite: asked", "? suite\n: asked"),
    "late.yaml": named("late").replace("suite: late\n", "") + "suite: late\n",
    "lines.yaml": named("lines").replace("\n", "\r\n"),
    "deep/er/below.yaml": named("below"),
}
# What says that it is a suite, and is none that can be read.
BROKEN = {
    "wide.yaml": named("wide").encode("utf-16"),
    "wider.yaml": named("wider").encode("utf-16-be"),
    "torn.yaml": (named("torn") + "claims: {").encode(),
    "tabs.yaml": b"task: classification\n\tx\nsuite: tabs\n",
    "second.yaml": b"name: first\n---\nsuite: second\n",
    "nameless.yaml": named("x").replace("suite: x\n", "").encode(),
    "latin.yaml": named("latin").replace("Training", "Tr\xe4ning").encode("latin-1"),
}
# What is no suite, though its name ends as that of one.
OTHERS = {
    "ci.yml": "name: ci\non: [push]\njobs: {test: {steps: [{uses: suite}]}}\n",
    "nested.yaml": "tests:\n  suite: tiny\n",
    "listed.yaml": "- suite: tiny\n",
    "text.yaml": "suite\n",
    "said.yaml": "about: |\n  suite: tiny\n",
    "template.yaml": "{{ define }}\n  suite: {{ name }}\n",
    "empty.yaml": "",
    "recipes.yaml": "suite: {steps: 1, batch_size: 1, optimizer: {name: sgd, lr: 0.1}}\n",
    ".hidden.yaml": named("hidden"),
    "._plain.yaml": named("fork"),
    ".github/workflows/suite.yaml": named("workflow"),
    ".venv/lib/suite.yaml": named("installed"),
    "env/pyvenv.cfg": "",
    "env/lib/suite.yaml": named("environment"),
    "node_modules/x/suite.yaml": named("module"),
    "build/suite.yaml": named("built"),
}


def write(folder, files):
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder of suites, and of YAML that is none."""
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "mixed", SUITES | OTHERS)
    return tmp_path / "mixed"


@pytest.mark.parametrize("name", SUITES)
def test_a_suite_says_that_it_is_one_in_any_way_that_yaml_has(folder, name):
    assert is_suite(folder / name)
    assert repro.load(folder / name).suite == (folder / name).stem


@pytest.mark.parametrize("name", BROKEN)
def test_what_says_so_and_cannot_be_read_is_one_too_so_that_it_is_told(tmp_path, name):
    write(tmp_path, {name: BROKEN[name]})
    assert is_suite(tmp_path / name) and repro.check(tmp_path) != []


@pytest.mark.parametrize("name", [name for name in OTHERS if "/" not in name])
def test_other_yaml_is_none_unless_it_is_named(folder, name):
    assert not is_suite(folder / name)
    assert is_suite(folder / name, named=True) == (name != "recipes.yaml")


def test_the_suites_below_a_folder_are_those_in_folders_that_are_not_hidden_or_installed(folder):
    assert {str(path.relative_to(folder)) for path in suites_below(folder)} == set(SUITES)
    assert suite_files([folder / ".venv"]) == [folder / ".venv" / "lib" / "suite.yaml"]  # it was asked for


def test_both_faces_find_the_same_suites_in_a_folder(folder, pytester):
    checked = of_command("check", folder)
    assert checked.exit_code == 0, checked.output
    assert checked.output.startswith(f"{len(SUITES)} suites with ")
    shutil.copytree(folder, pytester.path / "mixed")
    run = pytester.runpytest_inprocess("mixed", *QUIET)
    collected = {line.partition("::")[0] for line in run.outlines if "::" in line}
    assert collected == {f"mixed/{name}" for name in SUITES} and run.ret == 0


@pytest.mark.parametrize("name", BROKEN)
def test_what_one_face_refuses_is_an_error_of_the_other(name, pytester, monkeypatch):
    monkeypatch.chdir(pytester.path)
    write(pytester.path / "mixed", {name: BROKEN[name], "plain.yaml": SUITES["plain.yaml"]})
    checked = of_command("check", "mixed")
    assert checked.exit_code == 2 and f"mixed/{name}:" in checked.output
    run = pytester.runpytest_inprocess("mixed", *QUIET)
    assert run.ret == pytest.ExitCode.INTERRUPTED
    run.stdout.fnmatch_lines([f"*mixed/{name}:*", f"ERROR mixed/{name}*"])


def test_a_run_of_a_folder_leaves_out_what_is_no_suite(folder, shared_home, monkeypatch):
    monkeypatch.setenv("REPRO_HOME", str(shared_home))
    write(folder, {"broken.yaml": "name: [\n"})
    run = of_command("run", folder, "-k", "order", "-j", 1)
    assert run.exit_code == 0 and run.output.count("result: ") == len(SUITES) - 1  # that of flow asks another


def test_folders_that_lead_to_each_other_are_entered_once(tmp_path):
    write(tmp_path, {"real/a.yaml": named("a")})
    (tmp_path / "real" / "up").symlink_to(tmp_path)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert suite_files([tmp_path]) == [tmp_path / "link" / "a.yaml"]


def test_a_suite_is_one_however_often_it_is_named(folder):
    found = suite_files([folder / "plain.yaml", folder, folder / "deep" / ".." / "plain.yaml"])
    assert found[0] == folder / "plain.yaml" and len(found) == len(SUITES)


@pytest.mark.parametrize("name", ["notes.txt", "suite.yaml.bak", "suite"])
def test_a_file_that_is_not_called_as_suites_are_is_none_even_if_it_is_named(tmp_path, name):
    (tmp_path / name).write_text(TINY)
    with pytest.raises(ReproError, match=rf"{name}: not a suite: the name of one ends in \.yaml or \.yml"):
        suite_files([tmp_path / name])


def test_recipes_are_found_where_suites_are(folder):
    write(folder, {"deep/recipes.yaml": "", ".venv/recipes.yaml": ""})
    assert recipes_below(folder) == [folder / "deep" / "recipes.yaml", folder / "recipes.yaml"]


@pytest.mark.slow  # processes
@pytest.mark.usefixtures("folder")
def test_finding_suites_imports_no_torch_and_is_quick():
    code = (
        "import sys, time; from pathlib import Path; began = time.perf_counter()\n"
        "from repro.suite_files import suite_files; found = len(suite_files([Path('mixed')]))\n"
        "heavy = {'torch', 'pydantic', 'numpy'} & set(sys.modules)\n"
        "print(found, heavy, time.perf_counter() - began < 1)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == f"{len(SUITES)} set() True\n"


# ---- two of one name


@pytest.fixture
def twice(pytester, monkeypatch):
    """Two suites of one name in a folder."""
    monkeypatch.chdir(pytester.path)
    write(
        pytester.path,
        {"suites/a.yaml": TINY, "suites/b.yaml": "# mine\n" + TINY, "suites/c.yaml": named("c")},
    )
    return pytester


SAID = "suites/b.yaml:2:8: another suite is called 'tiny' too: {}suites/a.yaml:1:8"


@pytest.mark.usefixtures("twice")
@pytest.mark.parametrize("command", ["check", "run", "list"])
def test_two_suites_of_one_name_are_an_error_that_names_both_files(command):
    run = of_command(command, "suites")
    assert run.exit_code == 2 and run.output == SAID.format("") + "\n"


@pytest.mark.usefixtures("twice")
def test_two_suites_of_one_name_are_an_error_from_python_too():
    assert repro.check("suites") == [SAID.format("")]
    with pytest.raises(DocumentError, match="another suite is called 'tiny' too"):
        repro.run("suites")


@pytest.mark.usefixtures("twice")
@pytest.mark.parametrize("asked", ["a", "b"])
def test_a_suite_is_not_run_whose_name_another_of_the_project_has(asked):
    other, line = ("b", 2) if asked == "a" else ("a", 1)
    here, there = f"suites/{asked}.yaml:{3 - line}:8", f"suites/{other}.yaml:{line}:8"
    said = f"{here}: another suite is called 'tiny' too: {there}"
    for command in ("run", "check"):
        run = of_command(command, f"suites/{asked}.yaml")
        assert run.exit_code == 2 and run.output == said + "\n"


def test_a_copy_without_a_change_is_the_same_suite(twice):
    write(twice.path, {"suites/b.yaml": TINY})
    assert of_command("check", "suites/b.yaml").exit_code == 0
    assert of_command("check", "suites").exit_code == 2


def test_names_are_of_the_project_that_a_path_is_in(pytester, monkeypatch):
    mine, mines = "# mine\n" + TINY, "# another\n" + TINY
    for name, files in {
        "p": {
            "pytest.ini": "",
            "suites/own.yaml": mine,
            "suites/inner/pytest.ini": "",
            "suites/inner/i.yaml": "# inner\n" + TINY,
        },
        "q": {"pytest.ini": "", "suites/a.yaml": TINY, "suites/old/a.yaml": mines},
        "r": {"pytest.ini": "", "suites/c.yaml": "# of r\n" + named("c")},
    }.items():
        write(pytester.path / name, files)
    (pytester.path / "p/suites/link.yaml").symlink_to(pytester.path / "q/suites/a.yaml")
    monkeypatch.chdir(pytester.path)
    for clash, other in (
        ("p/suites/link.yaml", "p/suites/own.yaml"),
        ("q/suites/a.yaml", "q/suites/old/a.yaml"),
    ):
        run = of_command("check", clash)
        assert run.exit_code == 2 and f"{other}:2:8" in run.output
    assert of_command("check", "p/suites/inner/i.yaml").exit_code == 0  # a project of its own
    write(pytester.path / "p", {"suites/own.yaml": named("c")})
    assert of_command("check", "p/suites/link.yaml").exit_code == 0
    assert of_command("check", "p/suites/link.yaml", "r/suites/c.yaml").exit_code == 0  # p has a `c`, too


@pytest.mark.slow  # processes
@pytest.mark.parametrize("asked", ["a", "b"])
def test_a_suite_whose_name_another_has_is_an_error_of_pytest(twice, asked):
    run = twice.runpytest_subprocess(f"suites/{asked}.yaml", "-k", "order", "-p", "no:cacheprovider")
    assert run.ret == pytest.ExitCode.INTERRUPTED
    run.stdout.fnmatch_lines([f"*suites/{asked}.yaml:*another suite is called 'tiny' too*", "ERROR suites*"])


@pytest.mark.slow  # processes
@pytest.mark.parametrize("workers", [(), ("-n", "1")], ids=["alone", "with a worker"])
def test_two_suites_of_one_name_are_an_error_of_pytest(twice, workers):
    run = twice.runpytest_subprocess("suites", "-k", "order", "-p", "no:cacheprovider", *workers)
    assert run.ret == (pytest.ExitCode.TESTS_FAILED if workers else pytest.ExitCode.INTERRUPTED)
    run.stdout.fnmatch_lines([f"*{SAID.format(f'{twice.path}/')}", "ERROR suites/b.yaml*"])
