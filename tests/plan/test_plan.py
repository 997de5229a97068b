"""`repro plan`: what suites would take, without training them."""

import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner
from conftest import TINY
from kit.tiny import install, spec

from repro.cli import main
from repro.plan.arms import PROCESS, step_of
from repro.plan.gpus import Gpu
from repro.plan.plan import plan as plan_of
from repro.reading import load
from repro.store import Store
from repro.training.pace import Pace


@pytest.fixture
def tiny(tiny, tmp_path, monkeypatch):
    """The suite, with a store in which nothing is done."""
    monkeypatch.setenv("REPRO_HOME", str(tmp_path / "home"))
    return tiny


def plan(*arguments):
    return CliRunner().invoke(main, ["plan", *map(str, arguments)])


def as_json(*arguments):
    done = plan(*arguments, "--format", "json")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


@pytest.mark.slow
def test_trials_are_counted_once_and_those_that_are_done_are_left_out(tiny, tmp_path):
    (tmp_path / "twin.yaml").write_text(TINY.replace("suite: tiny", "suite: twin"))
    assert CliRunner().invoke(main, ["run", str(tiny), "-k", "coin", "-j", "1"]).exit_code == 0
    found = as_json(tiny, tmp_path / "twin.yaml")
    first, second = (one["amount"] for one in found["suites"])
    assert (first["trials"], first["shared"], first["done"], first["missing"]) == (10, 0, 5, 5)
    assert (second["trials"], second["shared"], second["done"], second["missing"]) == (10, 10, 0, 0)
    total = found["total"]
    assert (total["trials"], total["done"], total["missing"]) == (10, 5, 5)
    assert total["flops"] == first["flops"] > 0 and second["hours"] == [0, 0]
    assert 0 < first["hours"][0] < first["hours"][1]


@pytest.mark.slow
def test_what_is_done_here_says_how_long_the_rest_takes(tiny):
    assert CliRunner().invoke(main, ["run", str(tiny), "-k", "coin", "-j", "1"]).exit_code == 0
    records = [json.loads(path.read_text()) for path in Path(os.environ["REPRO_HOME"]).glob("trials/*.json")]
    seconds = sorted(r["cost"]["seconds"] + r["cost"]["evaluation_seconds"] for r in records)
    assert len(seconds) == 5
    found = as_json(tiny, "-j", "1")["total"]
    assert (
        found["hours"][1] > 5 * seconds[2] / 3600
    )  # the frozen arm's other five, and ten of the trained one


def test_a_second_plan_measures_nothing_again(tiny, monkeypatch):
    def fails(*_):
        raise AssertionError("it is known")

    first = as_json(tiny)
    monkeypatch.setattr("repro.plan.plan.pace", fails)
    monkeypatch.setattr("repro.plan.arms.footprint", fails)
    monkeypatch.setattr("repro.plan.arms._form", fails)
    assert as_json(tiny)["suites"] == first["suites"]
    longer = TINY.replace("steps: ", "steps: 1")
    assert longer != TINY
    tiny.write_text(longer)
    assert as_json(tiny)["total"]["hours"][0] > first["total"]["hours"][0]
    tiny.write_text(TINY.replace("batch_size: ", "batch_size: 1"))
    assert "it is known" in as_json(tiny)["suites"][0]["problems"][0]


def test_a_plan_says_at_which_arm_it_is_before_it_looks_at_it(tiny, tmp_path):
    said = []
    plan_of(
        {tiny: load(tiny)},
        "cpu",
        Store(tmp_path / "home"),
        device="A100",
        begins=lambda *at: said.append(at),
    )
    assert said == [(0, 2, "tiny: small"), (1, 2, "tiny: frozen")]


def test_trials_on_several_places_leave_room_for_fewer_at_once(tiny, monkeypatch):
    monkeypatch.setattr("repro.plan.plan.count", lambda _: 8)
    monkeypatch.setattr("repro.plan.plan.pace", lambda *_: Pace(step=1.0, image=0.0))
    text = tiny.read_text()
    for places, at_once in ((1, 8), (4, 2), (8, 1)):
        tiny.write_text(text.replace("      steps:", f"      places: {places}\n      steps:"))
        found = as_json(tiny, "-j", "8")
        assert found["total"]["hours"][0] == pytest.approx(10 * 20 / 3600 / at_once)  # ten trials of 20 steps
        assert found["total"]["host_memory"] > places * at_once * PROCESS and found["does_not_fit"] == []


def test_rounds_of_timing_are_told_on_a_gpu_with_how_long_they_take(tiny):
    text = tiny.read_text() + "  quick: {says: It is., expect: latency(small) < latency(large)}\n"
    tiny.write_text(text.replace("  cpu:\n", "  cpu:\n    timing: {runs: 1}\n"))
    assert "5 rounds of timing come on top, which take as long as they take." in plan(tiny).output
    found = as_json(tiny, "--device", "A100")["total"]
    assert (found["rounds"], found["timed"]) == (5, 10)
    told = "5 rounds of timing come on top, of 10 nets in all: about 1:00, 6 s each as on an H200."
    assert told in plan(tiny, "--device", "A100").output


def test_a_trial_on_more_places_than_there_are_does_not_fit(tiny):
    text = tiny.read_text().replace("      steps:", "      places: 4\n      steps:")
    tiny.write_text(text.replace("  cpu:\n", "  cpu:\n    device: cuda\n"))
    found = as_json(tiny, "--device", "A100")["does_not_fit"]
    assert found == [f"tiny: arm '{arm}' needs 4 GPUs, here is 1" for arm in ("small", "frozen")]


def test_a_damaged_memory_of_plans_is_found_out_anew(tiny):
    first = as_json(tiny)["suites"][0]["amount"]
    (memory,) = (Path(os.environ["REPRO_HOME"]) / "plans").glob("*.json")
    memory.write_text(memory.read_text().replace('"flops": ', '"flops": 1'))
    assert as_json(tiny)["suites"][0]["amount"]["flops"] == first["flops"]


@pytest.mark.parametrize(
    ("recipe", "is_alike"),
    [
        ({"steps": 7}, True),
        ({"optimizer": {"lr": 0.7}}, True),
        ({"optimizer": {"name": "adamw", "lr": 0.1}}, False),
        ({"batch_size": 7}, False),
        ({"precision": "bf16"}, False),
    ],
)
def test_steps_are_alike_however_many_there_are_and_at_which_rate(recipe, is_alike):
    assert (step_of(spec()) == step_of(spec(**recipe))) == is_alike


def test_data_that_is_not_here_is_named_with_its_size_and_where_it_is(tiny, monkeypatch, tmp_path):
    monkeypatch.setenv("REPRO_DATA", str(tmp_path / "nowhere"))
    found = as_json(tiny, "--profile", "missing", "--device", "a100")
    (cifar,) = found["supplies"]
    assert cifar["name"] == "cifar10" and not cifar["is_here"] and cifar["bytes"] == 170_498_071
    assert "https://www.cs.toronto.edu/~kriz/cifar.html" in cifar["source"]
    assert "is not in" in found["does_not_fit"][0] and "REPRO_DATA" in found["does_not_fit"][0]
    assert found["there"]["device"] == "A100" and found["total"]["hours"][0] > 0
    assert 600 * 2**20 < found["total"]["device_memory"] < found["there"]["device_memory"] == 80 * 2**30
    assert found["total"]["data_beside_the_net"] is True
    text = plan(tiny, "--profile", "missing", "--device", "a100").output
    assert "cifar10" in text and "missing 170 MB" in text and "does not fit: data set 'cifar10'" in text


@pytest.mark.parametrize(
    ("own", "options", "times"),
    [
        (Pace(0.0, 0.0), ("--per-gpu", 8), 1.54 / 8),  # the host has it all to do
        (Pace(9.0, 9.0), ("--per-gpu", 8), None),  # the GPU has, one trial after the other
        (Pace(0.0, 0.0), ("--per-gpu", 8, "-j", 1), 1.0),
        (Pace(0.0, 0.0), ("--per-gpu", 8, "-j", 3), (1 + 0.54 * 2 / 7) / 3),
        (Pace(0.0, 0.0), ("--per-gpu", 3), (1 + 0.54 * 2 / 7) / 3),
    ],
    ids=str,
)
def test_trials_that_share_a_gpu_take_what_the_host_or_the_gpu_has_to_do(
    tiny, monkeypatch, own, options, times
):
    monkeypatch.setattr(Gpu, "work", lambda *_: own)
    alone = as_json(tiny, "--device", "a100")["total"]
    beside = as_json(tiny, "--device", "a100", *options)
    if times is None:
        assert beside["total"]["hours"] == pytest.approx(alone["hours"])
    else:
        assert beside["total"]["hours"][0] == pytest.approx(alone["hours"][0] * times)
    part_of_each = options[1]  # whether as many run at once or not
    assert beside["total"]["device_memory"] == part_of_each * alone["device_memory"]


def test_a_suite_that_cannot_be_planned_is_named_and_the_others_are_planned(tiny):
    other = tiny.with_name("other.yaml")
    other.write_text(TINY.replace("suite: tiny", "suite: other").replace("size: 7}", "classes: [0]}"))
    found = as_json(tiny, other)
    assert [one["suite"] for one in found["suites"]] == ["tiny"]
    assert "other.yaml: data set 'fashion-mnist-small' wants `classes`" in found["does_not_fit"][0]
    alone = plan(other)
    assert alone.exit_code == 2 and "other.yaml: data set" in alone.output


def test_what_cannot_be_trained_does_not_fit(tiny):
    tiny.write_text(TINY.replace("batch_size: 32", "batch_size: 1000000"))
    (why, *_) = as_json(tiny)["does_not_fit"]
    assert "tiny.yaml: batch_size" in why and "more than the 10000 training images" in why


@pytest.mark.slow
def test_what_does_not_go_into_the_hours_does_not_fit(tiny):
    assert "fits into 5 hours" in plan(tiny, "--hours", 5).output
    assert "does not fit: hours: " in plan(tiny, "--hours", 1e-9).output


@pytest.mark.slow
def test_a_net_that_fails_is_told_and_the_others_are_planned(tiny, tmp_path, monkeypatch):
    install(tmp_path / "nets", monkeypatch)
    broken = "  broken: {model: habits, fails: nobody knows}\n"
    claim = "  fails: {says: Nothing., expect: test_error(broken) < test_error(small)}\n"
    text = TINY.replace("    model: {width: 4}\n", "").replace("  large:", broken + "  large:")
    tiny.write_text(text + claim)
    done = plan(tiny)
    assert done.exit_code == 0 and "ValueError: nobody knows" in done.output
    found = as_json(tiny)["suites"][0]
    assert found["amount"]["trials"] == 15 and len(found["problems"]) == 1


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--device", "abacus"), "no figures for device 'abacus'"),
        (("--profile", "x"), "nothing to plan: no claim at profile 'x' (profiles: cpu, missing)"),
    ],
)
def test_what_cannot_be_planned_is_2_and_says_what_can(tiny, options, said):
    done = plan(tiny, *options)
    assert done.exit_code == 2 and said in done.output


@pytest.mark.slow
def test_a_run_says_what_is_missing_before_it_trains_anything_and_does_the_rest(tiny, monkeypatch, tmp_path):
    monkeypatch.setenv("REPRO_DATA", str(tmp_path / "nowhere"))
    far = "  far: {model: cifar_resnet, depth: 8, data: {name: cifar10, size: 32}}\n"
    claims = "  far-off: {says: Far., expect: test_error(large) < test_error(far)}\n"
    tiny.write_text(TINY.replace("  large:", far + "  large:", 1) + claims)
    run = CliRunner().invoke(main, ["run", str(tiny), "-k", "o", "-j", "1"])  # far-off, known, coin, order …
    assert run.exit_code == 2
    assert "left out, since they cannot be measured here" in run.output
    assert "data set 'cifar10' is not in" in run.output and "known  " in run.output
    models = {
        json.loads(path.read_text())["spec"]["model"]["depth"]
        for path in Path(os.environ["REPRO_HOME"]).glob("trials/*.json")
    }
    assert models == {8}  # nothing of the claim that could not be measured


@pytest.mark.parametrize("hours", ["nan", "inf", "0", "-1"])
def test_hours_are_a_number_above_0(tiny, hours):
    for command in ("plan", "run"):
        done = CliRunner().invoke(main, [command, str(tiny), "--hours", hours])
        assert done.exit_code == 2 and "Invalid value for '--hours'" in done.output
