"""What trackers of experiments find, by their own readers: extras `tensorboard`, `wandb` and `mlflow`."""

import json
import math
import subprocess
import sys
from collections import Counter

import pytest
from click.testing import CliRunner
from kit.results import claim, result, timing, trial

from repro.cli import main
from repro.report.tracked import scalars, tracked
from repro.result import write

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of what is beneath trackers

CURVES = {"test_error": [(0, 0.9), (10, None)], "train_loss": [(0, 2.0), (5, math.inf)]}
ASKED = {
    "test_error(a)": (0.3,) * 5,  # of trials: they have it
    "gradient_norm(a, layer=least)": (1.0, math.inf, 1.0, 1.0, 1.0),
    "test_error(treated)": (0.5, None, 0.5, 0.5, 0.5),
    "params(a)": (7.0,),
}


def made():
    asks = claim(verdict="refuted").model_copy(update={"values": ASKED, "source": "Table | 2"})
    trials = [trial("a", 0, curves=CURVES), *(trial("a", seed, error=None) for seed in range(1, 5))]
    timings = [timing("a", 3, batch_size=8, latency=50.0)]
    return result(trials, {"asks": asks}, timings=timings, arms={"a": {"depth": 20}})


@pytest.fixture
def exported(tmp_path):
    """Exports to a tracker, and what is said of it."""
    write(made(), tmp_path / "results")

    def export(to, *options):
        command = ["export", str(tmp_path / "results"), "--to", to, "-o", str(tmp_path / to), *options]
        run = CliRunner().invoke(main, command)
        assert run.exit_code == 0, run.output
        return tmp_path / to, run.output

    return export


def test_there_is_a_run_for_each_trial_timing_net_and_claim():
    found = {one.name: one for one in tracked([made()])}
    assert {name: one.kind for name, one in found.items()} == {
        **{f"a-{seed}": "trial" for seed in range(5)},
        "a(batch_size=8)-round-3": "timing",
        **{f"treated-{seed}": "net" for seed in range(5)},
        "a": "net",  # what is the same for every seed
        "asks": "claim",
    }
    assert found["a-1"].numbers["test_error"] is None
    assert found["a-1"].numbers["gradient_norm(layer=least)"] == math.inf
    assert found["a-0"].settings["options"] == {"depth": 20}
    assert found["a(batch_size=8)-round-3"].settings["timing"]["batch_size"] == 8
    assert found["asks"].settings["verdict"] == "refuted" and found["asks"].numbers["margin"] == 0.1
    assert len({one.digest for one in found.values()}) == len(found)


def test_numbers_or_verdicts_alone():
    kinds = {what: {one.kind for one in tracked([made()], what)} for what in ("numbers", "verdicts")}
    assert kinds == {"numbers": {"trial", "timing", "net"}, "verdicts": {"claim"}}


def test_curves_are_what_is_there_at_each_step():
    curves = {"error": [(0, 0.9), (10, 0.8)], "loss": [(5, 2.0), (0, 3.0)]}
    assert scalars(curves) == [(0, {"error": 0.9, "loss": 3.0}), (5, {"loss": 2.0}), (10, {"error": 0.8})]


@pytest.mark.parametrize(
    ("to", "module", "told"),
    [
        ("tensorboard", "torch.utils.tensorboard", "TensorBoard is not installed"),
        ("wandb", "wandb", "W&B is not installed"),
        ("mlflow", "mlflow", "MLflow is not installed"),
        ("mlflow", "alembic", "MLflow is not installed"),
    ],
)
def test_a_tracker_that_is_not_installed_is_named_with_the_extra_that_has_it(
    to, module, told, tmp_path, monkeypatch
):
    write(made(), tmp_path / "results")
    monkeypatch.setitem(sys.modules, module, None)
    run = CliRunner().invoke(main, ["export", str(tmp_path), "--to", to, "-o", str(tmp_path / "out")])
    assert (run.exit_code, run.output) == (2, f"{told}: pip install 'repro[{to}]'\n")


@pytest.mark.slow
def test_tensorboard_reads_curves_measurements_over_seeds_and_verdicts(exported):
    reader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    folder, told = exported("tensorboard")
    assert "points of 1 result; tensorboard --logdir" in told

    def read(run):
        found = reader.EventAccumulator(str(folder / "made-up" / "cpu" / made().id / run))
        found.Reload()
        return found

    def points(run, name):
        return [(event.step, event.value) for event in read(run).Scalars(name)]

    assert points("a-0", "train_loss") == [(0, 2.0), (5, math.inf)]
    assert [step for step, value in points("a-0", "test_error") if math.isnan(value)] == [10]
    assert points("a", "gradient_norm(layer=least)")[:2] == [(0, 1.0), (1, math.inf)]
    assert points("a", "params") == [(0, 7.0)]
    assert points("a(batch_size=8)-round-3", "latency") == [(3, 50.0)]
    (text,) = read("verdicts").Tensors("verdicts/text_summary")
    assert b"`made-up: asks` | `Table \\| 2` | `refuted" in text.tensor_proto.string_val[0]
    assert " 0 points of" in exported("tensorboard")[1]


@pytest.mark.slow
def test_wandb_reads_offline_runs_with_curves_measurements_and_verdicts(exported):
    pytest.importorskip("wandb")
    folder, told = exported("wandb")
    assert told.startswith(f"{folder}: 13 new runs of 1 result; wandb sync {folder}/wandb/offline-run-*")
    found = [records(run) for run in (folder / "wandb").glob("offline-run-*")]
    runs = {one["run"][0]["display_name"]: one for one in found}
    run = runs["a-0"]["run"][0]
    assert (run["project"], run["run_group"], run["job_type"]) == (
        "repro",
        f"made-up/cpu/{made().id}",
        "trial",
    )
    assert run["config"]["update"]["options"] == {"depth": 20}
    history = [(item["_step"], item.get("train_loss"), item.get("test_error")) for item in items(runs["a-0"])]
    assert history == [(0, 2.0, 0.9), (5, "Infinity", None), (10, None, "NaN")]
    assert summary(runs["a-0"])["test_error"] == 0.3  # and not the last of its curve
    assert summary(runs["a-1"])["gradient_norm(layer=least)"] == "Infinity"
    assert summary(runs["treated-1"])["test_error"] is None
    assert summary(runs["a(batch_size=8)-round-3"])["latency"] == 50.0
    told = summary(runs["asks"])
    assert (told["verdict"], told["source"], told["margin"]) == ("refuted", "Table | 2", 0.1)
    assert ": 0 new runs" in exported("wandb")[1]


def records(run):
    """The records of an offline run by type, as `wandb leet inspect` reads them."""
    command = [sys.executable, "-m", "wandb", "leet", "inspect", "--json", str(run)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = {}
    for record in map(json.loads, done.stdout.splitlines()):
        found.setdefault(record["type"], []).append(record[record["type"]])
    return found


def items(found):
    return [record["item"] for record in found["history"]]


def summary(found):
    told = {}
    for record in found["summary"]:
        told |= record["update"]
    return told


@pytest.mark.slow
def test_mlflow_reads_runs_with_curves_measurements_and_verdicts(exported):
    pytest.importorskip("alembic")
    mlflow = pytest.importorskip("mlflow")
    folder, told = exported("mlflow")
    assert told.startswith(f"{folder}: 13 new runs of 1 result; mlflow ui --backend-store-uri sqlite:///")
    client = mlflow.MlflowClient(tracking_uri=f"sqlite:///{folder}/mlflow.db")
    experiment = client.get_experiment_by_name("made-up").experiment_id
    found = client.search_runs([experiment])
    assert Counter(run.data.tags["kind"] for run in found) == {"trial": 5, "timing": 1, "net": 6, "claim": 1}
    runs = {run.info.run_name: run for run in found}
    first = runs["a-0"]
    assert (first.info.status, first.data.params["options.depth"]) == ("FINISHED", "20")
    assert first.data.params["seed"] == "0" and first.data.tags["run"] == made().id
    history = client.get_metric_history(first.info.run_id, "train_loss")
    assert [(point.step, point.value) for point in history] == [(0, 2.0), (5, sys.float_info.max)]
    assert first.data.metrics["test_error"] == 0.3  # and not the last of its curve
    assert math.isnan(runs["a-1"].data.metrics["test_error"])
    assert runs["a-1"].data.metrics["gradient_norm/layer:least"] == sys.float_info.max
    assert runs["a(batch_size=8)-round-3"].data.metrics["latency"] == 50.0
    (refuted,) = client.search_runs([experiment], "params.verdict = 'refuted'")
    assert (refuted.info.run_name, refuted.data.metrics["margin"]) == ("asks", 0.1)
    assert ": 0 new runs" in exported("mlflow")[1]


@pytest.mark.slow
def test_a_database_that_is_none_is_named(tmp_path):
    pytest.importorskip("alembic")
    pytest.importorskip("mlflow")
    write(made(), tmp_path / "results")
    (tmp_path / "mlflow").mkdir()
    (tmp_path / "mlflow" / "mlflow.db").write_text("no database, but a text of some length" * 100)
    command = ["export", str(tmp_path / "results"), "--to", "mlflow", "-o", str(tmp_path / "mlflow")]
    run = CliRunner().invoke(main, command)
    assert run.exit_code == 2 and run.output.startswith(f"{tmp_path}/mlflow: MLflow cannot write there: ")
    assert run.output.count("\n") == 1
