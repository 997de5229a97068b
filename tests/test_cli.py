"""The command `repro`: what it says, and its exit codes."""

import json

import jsonschema
import pytest
from click.testing import CliRunner
from conftest import TINY

from repro.cli import main
from repro.result import Result
from repro.schema import of_recipes, of_results, of_suites


def repro(*arguments):
    return CliRunner().invoke(main, list(map(str, arguments)))


def test_a_run_as_expected_ends_with_0_the_verdicts_and_a_result(tiny, tmp_path):
    run = repro("run", tiny, "-k", "learns", "-j", 1)
    assert run.exit_code == 0, run.output
    assert "learns  reproduced" in run.output and "result: results/runs/tiny/cpu/" in run.output
    (path,) = tmp_path.glob("results/runs/tiny/cpu/*.json")
    result = json.loads(path.read_text())
    jsonschema.validate(result, of_results())
    assert result["schema"] == 2 and result["suite"] == "tiny" and result["profile"] == "cpu"
    assert result["claims"]["learns"]["evidence"]["decided_at"] == 5
    assert {"arm", "seed", "measurements", "curves", "cost"} <= result["trials"][0].keys()
    assert result["trials"][0]["cost"]["images_per_second"] > 0


@pytest.mark.parametrize(
    ("claims", "options", "code"),
    [
        ("order", (), 0),
        ("known", (), 0),
        ("sizes", (), 1),
        ("upside-down", (), 1),
        ("coin", (), 0),
        ("coin", ("--strict-claims",), 1),
    ],
)
def test_the_exit_code_says_whether_all_is_as_expected(tiny, claims, options, code):
    assert repro("run", tiny, "-k", claims, "-j", 1, *options).exit_code == code


@pytest.mark.parametrize(("options", "code"), [((), 0), (("--strict-claims",), 1)])
def test_a_claim_that_is_decided_though_it_was_not_to_be_is_told_and_fails_a_strict_run(tiny, options, code):
    tiny.write_text(TINY.replace("verdict: refuted, because", "verdict: undecided, because"))
    done = repro("run", tiny, "-k", "known", "-j", 1, *options)
    assert done.exit_code == code and "refuted, expected undecided" in done.output


def test_a_claim_not_as_expected_is_shown_with_its_numbers(tiny):
    run = repro("run", tiny, "-k", "sizes")
    assert "refuted, expected reproduced: They are equally large." in run.output
    assert "params(large)  11,094" in run.output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(("-k", "nothing"), "no claim like 'nothing'"), (("--profile", "x"), "profiles: cpu, missing")],
)
def test_nothing_to_run_is_4(tiny, arguments, said):
    run = repro("run", tiny, *arguments)
    assert run.exit_code == 4 and said in run.output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("run", "nowhere.yaml"), "nowhere.yaml: no such file or folder"),
        (("run", "tiny.yaml", "--profile", "missing", "-k", "learns", "-j", "1"), "REPRO_DATA"),
        (("check", "nowhere"), "nowhere: no such file or folder"),
        (("show", "nothing"), "no result 'nothing'"),
        (("run", "tiny.yaml", "--seeds-max", "0"), "'--seeds-max'"),
        (("run", "tiny.yaml", "--device", "tpu"), "'--device'"),
        (("frobnicate",), "frobnicate"),
    ],
)
@pytest.mark.usefixtures("tiny")
def test_wrong_use_is_2_with_a_message_and_no_traceback(arguments, said):
    run = repro(*arguments)
    assert run.exit_code == 2 and said in run.output and "Traceback" not in run.output


def test_check_says_everything_that_is_wrong(tiny):
    assert repro("check", tiny).exit_code == 0
    tiny.write_text(TINY.replace("lr: 0}", "lr: nil}").replace("suite: tiny", "suite: tiny\nsuit: 1"))
    run = repro("check", tiny)
    assert run.exit_code == 2
    assert (
        f"{tiny}:2:1: unknown key 'suit'; did you mean 'suite'?" in run.output and f"{tiny}:6:" in run.output
    )


@pytest.fixture
def sharing(tiny):
    """A folder of two suites that name a recipe of their folder."""
    folder = tiny.parent / "suites"
    recipe = TINY[TINY.index("\n      steps: 20") : TINY.index("\n  missing")]
    (folder / "below").mkdir(parents=True)
    (folder / "recipes.yaml").write_text(f"suite:{recipe}\n")  # a name that suites have as a key
    for path in (folder / "one.yaml", folder / "below" / "two.yaml"):
        path.write_text(TINY.replace(recipe, " suite").replace("suite: tiny", f"suite: {path.stem}"))
    return folder


@pytest.mark.usefixtures("sharing")
@pytest.mark.parametrize("given", [(), ("suites",), ("suites/recipes.yaml", "suites/one.yaml")])
def test_check_reads_suites_and_the_recipes_that_they_share(given):
    run = repro("check", *given)
    assert run.exit_code == 0, run.output
    assert "1 named recipe: no mistakes found" in run.output


def test_check_says_once_what_is_wrong_with_a_recipe_that_suites_share(sharing):
    recipes, one = sharing / "recipes.yaml", sharing / "one.yaml"
    recipes.write_text(recipes.read_text().replace("steps: 20", "steps: x"))
    one.write_text(one.read_text().replace("depth: 14", "depth: x"))
    assert repro("check", "suites").output.splitlines() == [
        "suites/one.yaml:6:39: depth: expected a whole number, not 'x'",
        "suites/recipes.yaml:2:14: steps: expected a whole number, not 'x'",
    ]
    assert repro("check", "suites/recipes.yaml").exit_code == 2
    assert "suites/recipes.yaml:2:14: " in repro("check", "suites/below").output


def test_recipes_that_suites_share_are_no_suite(sharing):
    run = repro("run", "suites", "-k", "order", "-j", 1)
    assert run.exit_code == 0 and len(list((sharing.parent / "results" / "runs").glob("*/*/*.json"))) > 0
    assert "it is no suite" in repro("run", "suites/recipes.yaml").output
    assert "recipes.yaml" not in repro("list", "suites").output


@pytest.mark.usefixtures("sharing")
def test_the_schema_of_suites_has_the_names_of_recipes():
    printed = json.loads(repro("schema").output)
    assert printed == of_suites(["suite"]) != of_suites()
    assert json.loads(repro("schema", "--recipes").output) == of_recipes()


def test_a_schema_is_not_printed_without_the_names_of_recipes_that_cannot_be_read(sharing):
    (sharing / "recipes.yaml").write_text("suite: {}\n")
    run = repro("schema")
    assert run.exit_code == 2 and "recipes.yaml:1:1: 'steps' is missing" in run.output


def test_list_shows_claims_with_their_profiles(tiny):
    run = repro("list", tiny)
    assert run.exit_code == 0
    assert any(
        line.split() == ["tiny.yaml::known", "cpu", "(refuted),", "missing", "Training", "hurts."]
        for line in run.output.replace(str(tiny), "tiny.yaml").splitlines()
    )


def test_show_finds_a_result_by_file_by_run_id_and_by_suite(tiny, tmp_path):
    repro("run", tiny, "-k", "order")
    (path,) = tmp_path.glob("results/runs/tiny/cpu/*.json")
    shown = {name: repro("show", name).output for name in (path, path.stem, path.stem[:-3], "tiny")}
    assert len(set(shown.values())) == 1 and "order  reproduced" in shown[path]
    of_claim = repro("show", "tiny", "-k", "order").output
    assert "params(small)" in of_claim
    whole = next(line for line in shown[path].splitlines() if line.startswith("again: repro run "))
    assert of_claim.splitlines()[-1] == f"{whole} -k order"
    assert repro("show", "tiny", "-k", "missing").exit_code == 2


@pytest.mark.parametrize("content", ["{", "[]", '{"schema": 3}', "\x00"])
def test_show_names_a_file_that_is_no_result(tmp_path, content):
    path = tmp_path / "broken.json"
    path.write_text(content)
    run = repro("show", path)
    assert run.exit_code == 2 and f"{path}: not a result" in run.output


def test_the_schema_of_results_is_that_of_the_class():
    printed = json.loads(repro("schema", "--result").output)
    assert printed == of_results() and set(printed["properties"]) == {
        f.alias or n for n, f in Result.model_fields.items()
    }


PICTURED = """\
suite: pictured
task: segmentation
arms:
  nearest: {model: encoder_decoder, upsample: nearest}
  other: {model: encoder_decoder, upsample: nearest}
profiles:
  cpu:
    data: {name: scenes, size: 32, train: 32, test: 8}
    model: {widths: [4, 4], depths: [1, 1], context: 4, decoder: [4]}
    recipe: {steps: 2, batch_size: 8, optimizer: {name: sgd, lr: 0.1}}
claims:
  equal: {says: The same twice., expect: 'miou(nearest) == approx(miou(other), abs=0.5)'}
  size: {says: It is small., expect: params(nearest) < 10000}
pictures:
  scenes: {picture: predictions, arms: [nearest, other], images: 2, says: Not much can be seen.}
"""


@pytest.mark.slow
def test_pictures_stand_beside_the_result_that_names_them(tiny, tmp_path):
    tiny.write_text(PICTURED)
    run = repro("run", tiny, "-j", 1)
    assert run.exit_code == 0, run.output
    (path,) = tmp_path.glob("results/runs/pictured/cpu/*.json")
    result = Result.model_validate_json(path.read_text())
    picture = result.pictures["scenes"]
    assert (path.parent / picture.file).read_bytes().startswith(b"\x89PNG") and picture.arms == (
        "nearest",
        "other",
    )
    assert (
        f"picture: results/runs/pictured/cpu/{picture.file}: Not much can be seen."
        in repro("show", "pictured").output
    )
    assert result.arms["nearest"].options == {
        "upsample": "nearest",
        "widths": [4, 4],
        "depths": [1, 1],
        "context": 4,
        "decoder": [4],
    }


def test_a_picture_is_drawn_only_of_what_was_trained(tiny, tmp_path):
    tiny.write_text(PICTURED)
    assert repro("run", tiny, "-j", 1, "-k", "size").exit_code == 0
    (path,) = tmp_path.glob("results/runs/pictured/cpu/*.json")
    assert Result.model_validate_json(path.read_text()).pictures == {}


@pytest.mark.slow
def test_a_pilot_run_uses_other_seeds_and_leaves_no_result(tiny, tmp_path):
    run = repro("run", tiny, "-k", "upside-down", "-j", 1, "--pilot")
    assert run.exit_code == 1 and "1004" in run.output and not (tmp_path / "results").exists()


@pytest.mark.slow
def test_a_run_that_allows_more_seeds_trains_only_the_missing_ones(tiny, tmp_path, monkeypatch):
    monkeypatch.setenv("REPRO_HOME", str(tmp_path / "own"))

    def seeds(*more):
        assert repro("run", tiny, "-k", "coin", "-j", 1, *more).exit_code == 0
        trials = {path.name: path.stat().st_mtime_ns for path in tmp_path.glob("own/trials/*.json")}
        newest = max(tmp_path.glob("results/runs/tiny/cpu/*.json"), key=lambda path: path.stat().st_mtime_ns)
        return Result.model_validate_json(newest.read_text()).claims["coin"].evidence.seeds, trials

    first, few = seeds("--seeds-max", 2)
    second, more = seeds("--seeds-max", 4)
    assert (first, second) == ((0, 1), (0, 1, 2, 3)) and (len(few), len(more)) == (2, 4)
    assert few.items() <= more.items()
