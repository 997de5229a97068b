"""Results as tables for other tools."""

import csv
import math

import pyarrow.parquet
import pytest
from click.testing import CliRunner
from kit.results import claim, result, timing, trial

from repro.cli import main
from repro.report.export import harmless, latex
from repro.report.tidy import NUMBERS, VERDICTS
from repro.result import write


@pytest.fixture
def results(tmp_path):
    write(result([trial("a", 0), trial("a", 1, error=None)]), tmp_path / "results")
    write(
        result([trial("b", 0, curves={"test_error": [(0, 0.9), (10, None)]})], night=2), tmp_path / "results"
    )
    return tmp_path / "results"


def repro(*arguments):
    return CliRunner().invoke(main, list(map(str, arguments)))


def test_csv_has_a_row_for_each_number_of_a_trial(results, tmp_path):
    run = repro("export", results, "--to", "csv", "-o", tmp_path / "new" / "trials.csv")
    assert run.exit_code == 0 and run.output == f"{tmp_path / 'new' / 'trials.csv'}: 20 numbers of 3 trials\n"
    with (tmp_path / "new" / "trials.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == NUMBERS and len(rows) == 20
    errors = [
        (row["run"], row["arm"], row["seed"], row["value"]) for row in rows if row["name"] == "test_error"
    ]
    first, second = (result(night=night).id for night in (1, 2))
    assert errors == [(first, "a", "0", "0.3"), (first, "a", "1", ""), (second, "b", "0", "0.3")]
    assert {row["kind"] for row in rows if row["name"] == "images_per_second"} == {"cost"}


def test_parquet_holds_the_same_with_types(results, tmp_path):
    assert repro("export", results, "--to", "parquet", "-o", tmp_path / "trials.parquet").exit_code == 0
    table = pyarrow.parquet.read_table(tmp_path / "trials.parquet")
    assert tuple(table.column_names) == NUMBERS and table.num_rows == 20
    assert (
        str(table.schema.field("seed").type) == "int64" and str(table.schema.field("value").type) == "double"
    )
    assert table.column("value").null_count == 4


def test_what_was_timed_has_rows_named_by_how_it_was(tmp_path):
    write(
        result([trial()], timings=[timing("a", 3, batch_size=8, latency=50.0, energy=0.25)]),
        tmp_path / "results",
    )
    run = repro("export", tmp_path / "results", "--to", "csv", "-o", tmp_path / "all.csv")
    assert run.output.endswith("12 numbers of 1 trials and 1 timings\n")
    with (tmp_path / "all.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["kind"] == "timing"]
    assert {(row["arm"], row["seed"], row["digest"]) for row in rows} == {
        ("a(batch_size=8)", "3", "round-3-50.0")
    }
    assert {row["name"]: float(row["value"]) for row in rows} == {
        "latency": 50.0,
        "throughput": 160.0,
        "peak_memory": 3e7,
        "energy": 0.25,
        "matmul_peak_flops_per_second": 1e12,
    }


ASKED = {
    "test_error(a)": (0.3,) * 5,  # of trials: they have it
    "test_error(a, images=40)": (0.1, 0.2, 0.3, 0.4, None),
    "test_error(treated)": (0.5,) * 5,
    "gradient_norm(a, layer=least)": (1.0, math.inf, 1.0, 1.0, 1.0),
    "params(a)": (7.0,),
    "latency(a, batch_size=8)": (50.0,) * 5,  # of timings
}


@pytest.fixture
def asked(tmp_path):
    """A claim that looks at more than trials and timings, and one of architecture."""
    texts = {
        "source": "Table 2, 50 % of A & B",
        "reported": {"test_error(a)": 0.25},
        "ledger": ("G01", "G02"),
    }
    claims = {
        "looks": claim().model_copy(update={"values": ASKED, **texts}),
        "open": claim(verdict="undecided").model_copy(update={"says": "It\nis so.", "why": "no value"}),
    }
    timings = [timing("a", seed, batch_size=8, latency=50.0) for seed in range(5)]
    made = result([trial("a", seed) for seed in range(5)], claims, timings=timings)
    write(made, tmp_path / "results")
    return tmp_path


def exported(folder, to, *options):
    out = folder / f"out.{to}"
    run = repro("export", folder / "results", "--to", to, "-o", out, *options)
    assert run.exit_code == 0, run.output
    return out


def rows_of(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_numbers_hold_what_claims_ask_beside_trials_and_timings_each_once(asked):
    found = [row for row in rows_of(exported(asked, "csv")) if not row["digest"]]
    by_name = {(row["arm"], row["kind"], row["name"]): [] for row in found}
    for row in found:
        by_name[row["arm"], row["kind"], row["name"]].append((row["seed"], row["value"]))
    seeds = "01234"
    assert by_name == {
        ("a", "metric", "test_error(images=40)"): [
            *zip(seeds, ("0.1", "0.2", "0.3", "0.4", ""), strict=True)
        ],
        ("treated", "metric", "test_error"): [(seed, "0.5") for seed in seeds],
        ("a", "probe", "gradient_norm(layer=least)"): [
            (seed, "inf" if seed == "1" else "1.0") for seed in seeds
        ],
        ("a", "count", "params"): [("", "7.0")],
        ("counted", "count", "params"): [("", "7.0")],
    }


def test_verdicts_have_a_row_each_with_their_evidence(asked):
    looks, is_open = rows_of(exported(asked, "csv", "--what", "verdicts"))
    assert tuple(looks) == VERDICTS
    assert (looks["claim"], looks["verdict"], looks["as_expected"]) == ("looks", "reproduced", "True")
    assert (looks["ledger"], looks["reported"]) == ("G01, G02", "test_error(a) = 0.25")
    assert [looks[name] for name in ("seeds", "margin", "low", "high")] == ["5", "0.1", "0.05", "inf"]
    assert (is_open["says"], is_open["why"], is_open["as_expected"]) == ("It is so.", "no value", "False")


def test_parquet_holds_verdicts_with_types(asked):
    table = pyarrow.parquet.read_table(exported(asked, "parquet", "--what", "verdicts"))
    types = {name: str(table.schema.field(name).type) for name in ("seeds", "margin", "as_expected", "says")}
    assert types == {"seeds": "int64", "margin": "double", "as_expected": "bool", "says": "string"}
    assert table.column("high").to_pylist() == [math.inf] * 2


def test_latex_is_a_table_of_verdicts_that_prints_what_is_special(asked):
    text = exported(asked, "latex").read_text()
    assert text.splitlines() == [
        r"\begin{tabular}{lllrrr}",
        r"\toprule",
        r"claim & source & verdict & seeds & margin & interval \\",
        r"\midrule",
        r"made-up: looks & Table 2, 50 \% of A \& B & reproduced & 5 & 0.1 & [0.05, $\infty$] \\",
        r"made-up: open &  & undecided (no value), expected reproduced & 5 & 0.1 & [0.05, $\infty$] \\",
        r"\bottomrule",
        r"\end{tabular}",
    ]
    assert latex("a_b\\{^~}#$<>") == (
        r"a\_b\textbackslash{}\{\textasciicircum{}\textasciitilde{}\}\#\$\textless{}\textgreater{}"
    )


def test_markdown_shows_words_of_others_as_code(asked):
    lines = exported(asked, "markdown").read_text().splitlines()
    assert lines[1] == "| --- | --- | --- | --: | --: | --: |"
    assert lines[2] == "| `made-up: looks` | `Table 2, 50 % of A & B` | reproduced | 5 | 0.1 | [0.05, ∞] |"


def test_numbers_for_people_are_means_over_seeds_and_none_where_a_seed_has_no_value(asked):
    lines = exported(asked, "markdown", "--what", "numbers").read_text().splitlines()
    cells = {tuple(line.split("`")[i] for i in (5, 7)): line.split("` ")[-1] for line in lines[2:]}
    assert cells["a", "test_error(images=40)"].endswith("| 5 | no value | no value | no value | no value |")
    (error,) = (line for line in lines if "`treated`" in line)
    assert error.endswith("| `share` | 5 | 0.5 | 0 | 0.5 | 0.5 |")
    (norm,) = (line for line in lines if "gradient_norm" in line)
    assert norm.endswith("| 5 | ∞ | no value | 1 | ∞ |")


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@sum", "\t=1"])
def test_a_text_that_a_spreadsheet_would_run_is_made_harmless_in_csv(text, tmp_path):
    assert harmless(text) == f"'{text}" and harmless("a-b") == "a-b"
    write(result([trial("a", digest=text)]), tmp_path)
    repro("export", tmp_path, "--to", "csv", "-o", tmp_path / "trials.csv")
    with (tmp_path / "trials.csv").open(newline="") as file:
        assert {row["digest"] for row in csv.DictReader(file) if row["kind"] == "metric"} == {f"'{text}"}


@pytest.fixture
def written(monkeypatch):
    """What a writer of TensorBoard is told: folder, name, value and step."""
    scalars = []

    class Writer:
        def __init__(self, folder):
            self.folder = folder

        def add_scalar(self, name, value, step):
            scalars.append((self.folder, name, str(value), step))

        def add_text(self, name, text):
            scalars.append((self.folder, name, text, None))

        def close(self):
            pass

    monkeypatch.setitem(
        __import__("sys").modules, "torch.utils.tensorboard", type("Module", (), {"SummaryWriter": Writer})
    )
    return scalars


def test_tensorboard_has_curves_of_each_trial_and_what_was_measured_over_seeds(results, tmp_path, written):
    run = repro("export", results, "--to", "tensorboard", "-o", tmp_path / "events")
    assert run.exit_code == 0 and " points of 2 results; tensorboard --logdir " in run.output
    folder = tmp_path / "events" / "made-up" / "cpu" / result(night=2).id
    assert [scalar[1:] for scalar in written if scalar[0] == str(folder / "b-0")] == [
        ("test_error", "0.9", 0),
        ("test_error", "nan", 10),
    ]
    assert (str(folder / "b"), "test_error", "0.3", 0) in written
    (table,) = (text for of, name, text, _ in written if (of, name) == (str(folder / "verdicts"), "verdicts"))
    assert table.startswith("| claim | source | verdict |") and "| `made-up: better` |" in table


def test_a_timing_is_a_run_with_the_seconds_of_each_pass_and_its_measurements_at_the_rounds_number(
    tmp_path, written
):
    found = result(timings=[timing("a", 3, batch_size=8, latency=50.0)])
    write(found, tmp_path / "results")
    run = repro("export", tmp_path / "results", "--to", "tensorboard", "-o", tmp_path / "events")
    assert run.exit_code == 0
    name = "a(batch_size=8)-round-3"
    of_round = [scalar[1:] for scalar in written if scalar[0].endswith(f"/{found.id}/{name}")]
    assert of_round == [
        ("pass_seconds", "0.05", 0),
        ("pass_seconds", str(50 / 900), 1),
        ("latency", "50.0", 3),
        ("matmul_peak_flops_per_second", "1000000000000.0", 3),
        ("peak_memory", "30000000.0", 3),
        ("throughput", "160.0", 3),
    ]


@pytest.mark.parametrize(
    ("what", "kinds"), [("numbers", {"b-0", "a", "b", "counted"}), ("verdicts", {"verdicts"})]
)
def test_tensorboard_has_numbers_or_verdicts_alone(what, kinds, results, tmp_path, written):
    repro("export", results, "--to", "tensorboard", "--what", what, "-o", tmp_path / "events")
    assert {folder.rpartition("/")[2] for folder, *_ in written} == kinds


def test_nothing_to_export_is_4_and_a_file_that_cannot_be_written_is_2(results, tmp_path):
    (tmp_path / "empty").mkdir()
    assert repro("export", tmp_path / "empty", "--to", "csv", "-o", tmp_path / "x.csv").exit_code == 4
    (tmp_path / "file").write_text("")
    run = repro("export", results, "--to", "csv", "-o", tmp_path / "file" / "x.csv")
    assert run.exit_code == 2 and "cannot be written" in run.output


def test_what_is_named_twice_is_exported_once(results, tmp_path):
    once, twice = tmp_path / "once.csv", tmp_path / "twice.csv"
    for names, out in (([results], once), ([results, results], twice)):
        assert repro("export", *names, "--to", "csv", "-o", out).exit_code == 0
    assert twice.read_text() == once.read_text()
