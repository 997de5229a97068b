"""The harness from Python."""

import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import TINY
from kit import forked
from kit.made_up import MadeUp

import repro
from repro import api
from repro.api import NothingRan, Results
from repro.document import DocumentError
from repro.errors import ReproError
from repro.evidence import decide
from repro.result import Result


def python(code: str, *arguments: object) -> str:
    """What a fresh process prints."""
    command = [sys.executable, "-W", "error", "-c", code, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


# ---- run


@pytest.mark.journey
@pytest.mark.usefixtures("tiny")
def test_a_suite_runs_in_a_script_and_its_results_can_be_printed_and_shown(tmp_path):
    code = """
import warnings
warnings.simplefilter("error")
import repro
if __name__ == "__main__":
    (result,) = results = repro.run("tiny.yaml", only="learns", jobs=1)
    print(result.claims["learns"].verdict, len(result.trials), result.environment.facts["repro"])
    print(results)
    print(results._repr_html_())
"""
    (tmp_path / "script.py").write_text(code)
    done = forked.command("script")
    assert done.returncode == 0, done.stderr
    first, *table, html = done.stdout.splitlines()
    assert first == f"reproduced 10 {repro.__version__}"
    assert [line.split()[:4] for line in table] == [
        ["claim", "verdict", "seeds", "margin"],
        ["tiny:", "learns", "reproduced", "(frozen"],
    ]
    assert html.startswith("<p>tiny at profile cpu, ") and ">learns</td>" in html
    assert [path.name for path in Path("results").iterdir()] == ["register.jsonl"]


def test_claims_are_told_as_they_are_decided_and_results_as_they_are_kept(tiny, tmp_path):
    decided, kept = [], []
    results = repro.run(
        [tiny],
        only="order",
        jobs=1,
        results=tmp_path / "kept",
        decided=lambda path, name, claim: decided.append((path, name, claim.verdict)),
        kept=kept.append,
    )
    assert decided == [(tiny, "order", "reproduced")]
    (path,) = (tmp_path / "kept").glob("tiny/cpu/*.json")
    assert kept == [path] and [repro.read(path)] == results
    assert results[0].command == "repro run tiny.yaml --profile cpu"


def test_a_claim_is_told_again_where_another_took_further_seeds_since(tiny, tmp_path, monkeypatch):
    margins = [0.3, 0.19, 0.35, 0.4, 0.3, -0.9, -0.8]

    def measured(trial):
        is_frozen = trial.recipe.optimizer.options["lr"] == 0
        return {"test_error": 0.5 + margins[trial.seed] if is_frozen else 0.5}

    monkeypatch.setenv("REPRO_HOME", str(tmp_path / "store"))
    monkeypatch.setattr(api, "executor", lambda *_: MadeUp(measured))
    sections, _, _ = tiny.read_text().partition("  large:")
    _, _, profiles = TINY.partition("profiles:")
    profiles, _, _ = profiles.partition("  missing:")
    quick = "{says: Any., expect: test_error(small) < test_error(frozen)}"
    slow = "{says: Any., expect: test_error(small) < test_error(frozen) - 0.2}"
    claims = f"claims:\n  quick: {quick}\n  slow: {slow}\nseeds: {{max: 7}}\n"
    tiny.write_text(f"{sections}profiles:{profiles}{claims}")
    heard = []
    found = repro.run(
        tiny, decided=lambda _, name, claim: heard.append((name, claim.verdict, claim.contested))
    )
    assert heard == [
        ("quick", "reproduced", False),
        ("slow", "undecided", False),
        ("quick", "reproduced", True),
    ]
    assert found[0].claims["quick"].contested


@pytest.mark.usefixtures("tiny")
def test_a_folder_of_suites_gives_a_result_for_each_that_is_asked_something(tmp_path):
    folder = tmp_path / "suites"
    folder.mkdir()
    for name in ("one", "two"):
        text = TINY.replace("suite: tiny", f"suite: {name}")
        (folder / f"{name}.yaml").write_text(
            text.replace("order:", "order-of-one:") if name == "one" else text
        )
    results = repro.run(folder, only="order", jobs=1)
    assert [(result.suite, list(result.claims)) for result in results] == [
        ("one", ["order-of-one"]),
        ("two", ["order"]),
    ]
    assert [result.suite for result in repro.run(folder, only="-of-one", jobs=1)] == ["one"]


@pytest.mark.slow
def test_options_of_a_run_reach_it(tiny, tmp_path):
    def seeds(**options):
        (result,) = repro.run(tiny, only="coin", jobs=1, **options)
        return result.claims["coin"].evidence.seeds, result.command

    used, command = seeds(seeds_max=2, first_seed=30)
    assert used == (30, 31) and command == "repro run tiny.yaml --profile cpu --seeds-max 2 --first-seed 30"
    pilot = seeds(seeds_max=1, pilot=True, first_seed=1200, results=tmp_path / "kept")
    assert pilot[0] == (1200,) and not (tmp_path / "kept").exists()  # pilots leave no result
    with pytest.raises(ReproError, match="device 'mps' is not available"):
        seeds(device="mps", seeds_max=1)


def test_fresh_counts_and_trains_again(tiny, shared_home):
    def finished():
        return {path: path.stat().st_mtime_ns for path in shared_home.glob("numbers/*.json")}

    repro.run(tiny, only="order", jobs=1)
    before = finished()
    repro.run(tiny, only="order", jobs=1)
    assert finished() == before
    repro.run(tiny, only="order", jobs=1, fresh=True)
    assert sum(finished()[path] > then for path, then in before.items()) == 2


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"only": "nothing"}, r"no claim like 'nothing' at profile 'cpu' \(profiles: cpu, missing\)"),
        ({"profile": "gpu"}, r"no claim at profile 'gpu' \(profiles: cpu, missing\)"),
    ],
)
def test_nothing_to_run_is_an_error_of_its_own_that_says_what_there_is(tiny, options, said):
    with pytest.raises(NothingRan, match=rf"^nothing to run: {said}$"):
        repro.run(tiny, **options)


def test_a_suite_with_mistakes_does_not_run_and_all_of_them_are_said(tiny):
    tiny.write_text(
        TINY.replace("depth: 14", "depth: x").replace("test_error(frozen) < 0.9", "x(frozen) < 1")
    )
    with pytest.raises(DocumentError) as caught:
        repro.run(tiny)
    assert len(str(caught.value).splitlines()) == 2


def test_what_is_missing_is_an_error_with_the_remedy_and_nothing_stays_open(tiny, shared_home):
    with pytest.raises(ReproError, match="REPRO_DATA"):
        repro.run(tiny, "missing", only="learns", jobs=1)
    assert list(shared_home.glob("running/*.json")) == []


# ---- what a notebook shows


def test_names_and_texts_of_results_are_escaped_in_a_notebook_and_not_in_print(tiny):
    (result,) = repro.run(tiny, only="order", jobs=1)
    claims = {"<b>order</b>": result.claims["order"]}
    odd = Results([result.model_copy(update={"suite": "<i>tiny</i>", "claims": claims})])
    html = odd._repr_html_()
    assert "<b>" not in html and "<i>" not in html and "&lt;b&gt;order" in html and "&lt;i&gt;tiny" in html
    assert "<i>tiny</i>: <b>order</b>" in str(odd)


def test_no_results_are_an_empty_table():
    assert str(Results()).split()[0] == "claim" and Results()._repr_html_() == ""


# ---- check, load, read, decide


def test_check_says_what_is_wrong_with_files_and_folders_and_nothing_of_what_is_sound(tiny, tmp_path):
    assert repro.check(tiny) == repro.check([str(tiny)]) == []
    bad = tmp_path / "below" / "bad.yaml"
    bad.parent.mkdir()
    bad.write_text(TINY.replace("suite: tiny", "suite: tiny\nsuit: 1").replace("lr: 0}", "lr: nil}"))
    found = repro.check(tmp_path)
    assert [line.partition(": ")[0] for line in found] == [f"{bad}:2:1", f"{bad}:6:68"]
    assert found[0] == f"{bad}:2:1: unknown key 'suit'; did you mean 'suite'?"
    with pytest.raises(ReproError, match="nowhere: no such file or folder"):
        repro.check("nowhere")
    assert repro.check(tiny) == []  # whatever has been imported since


def test_a_suite_is_loaded_and_a_result_read(tiny, tmp_path):
    assert next(iter(repro.load(tiny).claims)) == "learns"
    (result,) = repro.run(tiny, only="order", jobs=1, results=tmp_path / "kept")
    assert isinstance(repro.read(tmp_path / "kept" / result.path), Result)
    with pytest.raises(ReproError, match="not a result"):
        repro.read(tiny)
    assert repro.decide is decide


# ---- importing


def test_importing_it_imports_nothing_heavy_and_is_quick():
    code = (
        "import sys, time; began = time.perf_counter(); import repro; took = time.perf_counter() - began\n"
        "repro.__version__\n"
        "heavy = {'torch', 'numpy', 'pydantic', 'yaml', 'repro.api'} & set(sys.modules)\n"
        "print(sorted(heavy), took)"
    )
    heavy, _, took = python(code).strip().rpartition(" ")
    assert heavy == "[]" and float(took) < 0.3


def test_checking_suites_imports_no_torch(tiny):
    code = "import sys, repro; print(repro.check(sys.argv[1]), 'torch' in sys.modules, repro.run.__name__)"
    assert python(code, tiny) == "[] False run\n"


def test_a_name_that_it_does_not_have_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'repro' has no attribute 'rum'"):
        repro.rum  # noqa: B018
    assert set(repro.__all__) == {"ReproError", "__version__", "check", "decide", "load", "read", "run"}
    assert all(getattr(repro, name) for name in repro.__all__)


def test_python_m_repro_is_the_command():
    began = time.monotonic()
    run = subprocess.run(
        [sys.executable, "-m", "repro", "--version"], capture_output=True, text=True, check=True
    )
    assert run.stdout == f"repro, version {repro.__version__}\n" and time.monotonic() - began < 10
    wrong = subprocess.run([sys.executable, "-m", "repro", "frobnicate"], capture_output=True, text=True)
    assert wrong.returncode == 2 and "Usage: repro" in wrong.stderr


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"seeds_max": 0}, "seeds_max: must be 1 or more, not 0"),
        ({"first_seed": -2}, "first_seed: must be 0 or more, not -2"),
        ({"jobs": 0}, "jobs: must be 1 or more, not 0"),
        ({"where": "zz"}, "where: must be 'local' or 'ray', not 'zz'"),
    ],
)
def test_what_cannot_be_asked_is_told_before_anything_runs(tiny, options, said):
    with pytest.raises(ReproError, match=said):
        repro.run(tiny, **options)
