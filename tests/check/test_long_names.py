"""Names end up in files' names: one that would not fit is found before anything is trained."""

import pytest
from click.testing import CliRunner

from repro.cli import main
from repro.result import Result
from repro.suite import LONGEST

LONG, FITTING = "x" * (LONGEST + 1), "x" * LONGEST
TOO_LONG = f"a name of {LONGEST + 1} characters: {LONGEST} is the most"
PICTURES = "pictures:\n  drawn: {picture: predictions, arms: [plain20], says: One.}\n"


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ("suite: small", "suite: {}", "1:8"),
        ("  worse:", "  {}:", "22:3"),
        ("  gpu:", "  {}:", "17:3"),
        ("  resnet20: {", "  {}: {{", "6:3"),
        ("  drawn:", "  {}:", "29:3"),
    ],
    ids=["suite", "claim", "profile", "arm", "picture"],
)
def test_a_name_that_fits_no_file_s_name_is_a_mistake(errors, old, new, place):
    pictured = ("    ledger: [A1]\n", f"    ledger: [A1]\n{PICTURES}")
    with_it = [line for line in errors(pictured, (old, new.format(LONG))) if TOO_LONG in line]
    assert with_it == [f"{place}: {TOO_LONG}"]
    assert not any(TOO_LONG in line for line in errors(pictured, (old, new.format(FITTING))))


@pytest.mark.slow
def test_the_longest_names_go_through_a_run_to_results_pictures_and_pages(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REPRO_HOME", str(tmp_path / "store"))
    names = {part: part.lower() * LONGEST for part in "SAPCD"}
    (tmp_path / "suite.yaml").write_text(LONGEST_NAMES.format(**names))
    run = CliRunner().invoke(main, ["run", "suite.yaml", "--profile", names["P"], "-j", "1"])
    assert run.exit_code == 0, run.output
    (path,) = tmp_path.glob(f"results/runs/{names['S']}/{names['P']}/*.json")
    result = Result.model_validate_json(path.read_text())
    assert list(result.claims) == [names["C"]] and list(result.arms) == [names["A"]]
    assert (path.parent / result.pictures[names["D"]].file).is_file()
    assert CliRunner().invoke(main, ["report", "results", "-o", "site"]).exit_code == 0


LONGEST_NAMES = """\
suite: {S}
task: segmentation
arms:
  {A}: {{model: encoder_decoder, upsample: nearest}}
profiles:
  {P}:
    data: {{name: scenes, size: 32, train: 32, test: 8}}
    model: {{widths: [4, 4], depths: [1, 1], context: 4, decoder: [4]}}
    recipe: {{steps: 1, batch_size: 8, optimizer: {{name: sgd, lr: 0.1}}}}
claims:
  {C}:
    says: It is not perfect.
    expect: miou({A}) < 1
pictures:
  {D}: {{picture: predictions, arms: [{A}], images: 1, says: One.}}
"""
