"""Results as tables for other tools."""

import csv
import importlib.util

import pyarrow.parquet
import pytest
from click.testing import CliRunner
from kit.results import result, timing, trial

from repro.cli import main
from repro.report.export import COLUMNS, harmless
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
    assert run.exit_code == 0 and run.output == f"{tmp_path / 'new' / 'trials.csv'}: 18 numbers of 3 trials\n"
    with (tmp_path / "new" / "trials.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == COLUMNS and len(rows) == 18
    errors = [
        (row["run"], row["arm"], row["seed"], row["value"]) for row in rows if row["name"] == "test_error"
    ]
    first, second = (result(night=night).id for night in (1, 2))
    assert errors == [(first, "a", "0", "0.3"), (first, "a", "1", ""), (second, "b", "0", "0.3")]
    assert {row["kind"] for row in rows if row["name"] == "images_per_second"} == {"cost"}


def test_parquet_holds_the_same_with_types(results, tmp_path):
    assert repro("export", results, "--to", "parquet", "-o", tmp_path / "trials.parquet").exit_code == 0
    table = pyarrow.parquet.read_table(tmp_path / "trials.parquet")
    assert tuple(table.column_names) == COLUMNS and table.num_rows == 18
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
    assert run.output.endswith("11 numbers of 1 trials and 1 timings\n")
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


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@sum", "\t=1"])
def test_a_text_that_a_spreadsheet_would_run_is_made_harmless_in_csv(text, tmp_path):
    assert harmless(text) == f"'{text}" and harmless("a-b") == "a-b"
    write(result([trial("a", digest=text)]), tmp_path)
    repro("export", tmp_path, "--to", "csv", "-o", tmp_path / "trials.csv")
    with (tmp_path / "trials.csv").open(newline="") as file:
        assert {row["digest"] for row in csv.DictReader(file)} == {f"'{text}"}


@pytest.mark.skipif(importlib.util.find_spec("tensorboard") is not None, reason="TensorBoard is installed")
def test_without_tensorboard_it_says_what_to_install(results, tmp_path):
    run = repro("export", results, "--to", "tensorboard", "-o", tmp_path / "events")
    assert run.exit_code == 2 and run.output == "TensorBoard is not installed: pip install tensorboard\n"


@pytest.fixture
def written(monkeypatch):
    """What a writer of TensorBoard is told: folder, name, value and step."""
    scalars = []

    class Writer:
        def __init__(self, folder):
            self.folder = folder

        def add_scalar(self, name, value, step):
            scalars.append((self.folder, name, str(value), step))

        def close(self):
            pass

    monkeypatch.setitem(
        __import__("sys").modules, "torch.utils.tensorboard", type("Module", (), {"SummaryWriter": Writer})
    )
    return scalars


def test_curves_become_scalars_of_a_run_for_each_trial(results, tmp_path, written):
    run = repro("export", results, "--to", "tensorboard", "-o", tmp_path / "events")
    assert run.exit_code == 0 and "2 points of 3 trials" in run.output
    folder = str(tmp_path / "events" / "made-up" / "cpu" / result(night=2).id / "b-0")
    assert written == [(folder, "test_error", "0.9", 0), (folder, "test_error", "nan", 10)]


def test_a_timing_is_a_run_with_the_seconds_of_each_pass_and_its_measurements_at_the_rounds_number(
    tmp_path, written
):
    found = result(timings=[timing("a", 3, batch_size=8, latency=50.0)])
    write(found, tmp_path / "results")
    run = repro("export", tmp_path / "results", "--to", "tensorboard", "-o", tmp_path / "events")
    assert run.exit_code == 0 and "5 points of 0 trials and 1 timings" in run.output
    assert {folder for folder, *_ in written} == {
        str(tmp_path / "events" / "made-up" / "cpu" / found.id / "a(batch_size=8)-round-3")
    }
    assert [scalar[1:] for scalar in written] == [
        ("pass_seconds", "0.05", 0),
        ("pass_seconds", str(50 / 900), 1),
        ("latency", "50.0", 3),
        ("peak_memory", "30000000.0", 3),
        ("throughput", "160.0", 3),
    ]


def test_nothing_to_export_is_4_and_a_file_that_cannot_be_written_is_2(results, tmp_path):
    (tmp_path / "empty").mkdir()
    assert repro("export", tmp_path / "empty", "--to", "csv", "-o", tmp_path / "x.csv").exit_code == 4
    (tmp_path / "file").write_text("")
    run = repro("export", results, "--to", "csv", "-o", tmp_path / "file" / "x.csv")
    assert run.exit_code == 2 and "cannot be written" in run.output
