"""Claims about speed and memory, from the suite to the result. The clock is made up here."""

import json

import jsonschema
import pytest
from click.testing import CliRunner

from repro.cli import main
from repro.document import DocumentError
from repro.environment import cpu_name
from repro.experiment import Experiment
from repro.reading import load
from repro.recipe import Timing
from repro.result import read
from repro.schema import of_results, of_suites
from repro.work import execute as execution

SUITE = """\
suite: speed
arms:
  fast: {model: resnet, depth: 18}
  slow: {model: resnet, depth: 34}
profiles:
  cpu:
    timing: {size: 64, runs: 2}
claims:
  deeper-is-slower: {says: Deeper nets take longer., expect: latency(slow) > 1.5 * latency(fast)}
  batches:
    says: Batches help.
    expect: throughput(fast, batch_size=8) > throughput(fast) and params(fast) < params(slow)
  alike: {says: They take the same memory., expect: "peak_memory(fast) == approx(peak_memory(slow), rel=0.1)"}
  joules: {says: It takes energy., expect: energy(fast) < 1}
"""
SECONDS = {"fast": 0.01, "slow": 0.02, "fast(batch_size=8)": 0.04}


@pytest.fixture
def suite(tmp_path, monkeypatch):
    monkeypatch.setenv("REPRO_HOME", str(tmp_path / "store"))
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "speed.yaml"
    path.write_text(SUITE)
    return path


@pytest.fixture
def rounds(monkeypatch):
    """The rounds that were timed."""
    timed = []

    def time_round(job, store, device_index):  # noqa: ARG001
        timed.append(job)
        nets = {
            name: {
                "timing": net.timing.model_dump(mode="json"),
                "region": "a pass",
                "seconds": [SECONDS[name] * (1 + 0.01 * job.number)] * 3,
                "peak_memory_bytes": 1000 + job.number,
                "joules": None,
                "matmul_peak_flops_per_second": 1e11,
                "environment": {"device": cpu_name(), "driver": None, "torch": "2", "precision": "fp32"},
            }
            for name, net in job.nets.items()
        }
        return {"round": job.model_dump(mode="json"), "nets": nets, "seconds": 7.0}

    monkeypatch.setattr(execution, "time_round", time_round)
    return timed


def repro(*arguments):
    return CliRunner().invoke(main, list(map(str, arguments)))


def test_a_measurement_s_options_change_how_the_profile_times_nets(suite):
    asked = Experiment(load(suite), "cpu")
    of_all, batches = Timing(size=64, runs=2), Timing(size=64, runs=2, batch_size=8)
    assert asked.timed == {
        "slow": ("slow", of_all),
        "fast": ("fast", of_all),
        "fast(batch_size=8)": ("fast", batches),
    }
    (joules,) = asked.quantities(asked.suite.claims["joules"])
    assert joules.timed and joules.trained == []


def test_rounds_are_to_timed_claims_what_seeds_are_to_trained_ones(suite, rounds, tmp_path):
    run = repro("run", suite, "-k", "deeper", "-j", 1)
    assert run.exit_code == 0, run.output
    assert [job.number for job in rounds] == [0, 1, 2, 3, 4]
    # All that the suite times, together
    assert all(list(job.nets) == ["slow", "fast", "fast(batch_size=8)"] for job in rounds)
    # They are there for other claims
    assert repro("run", suite, "-k", "batches", "-j", 1).exit_code == 0 and len(rounds) == 5
    first, second = sorted(
        tmp_path.glob("results/runs/speed/cpu/*.json"), key=lambda path: path.stat().st_mtime_ns
    )
    result = read(first)
    claim = result.claims["deeper-is-slower"]
    assert claim.verdict == "reproduced" and claim.seconds == 35.0
    assert claim.values["latency(slow)"] == pytest.approx((20, 20.2, 20.4, 20.6, 20.8))
    assert read(second).claims["batches"].values["throughput(fast, batch_size=8)"][0] == pytest.approx(200)


def test_a_result_holds_every_reading_and_what_was_timed(suite, rounds, tmp_path):
    assert repro("run", suite, "-k", "deeper", "-j", 1).exit_code == 0
    (path,) = tmp_path.glob("results/runs/speed/cpu/*.json")
    jsonschema.validate(json.loads(path.read_text()), of_results())
    result = read(path)
    assert len(result.timings) == 15 and not result.trials
    timing = next(one for one in result.timings if one.name == "fast(batch_size=8)" and one.seed == 2)
    assert timing.arm == "fast" and timing.region == "a pass" and timing.digest == rounds[2].digest
    assert timing.timing == Timing(size=64, runs=2, batch_size=8).model_dump(mode="json")
    assert timing.seconds == pytest.approx([0.0408] * 3)
    assert timing.measurements == pytest.approx(
        {"latency": 40.8, "throughput": 8 / 0.0408, "peak_memory": 1002}
    )
    assert result.environment.key == (
        {"device": cpu_name(), "driver": None, "torch": "2", "precision": "fp32"},
    )


def test_fresh_times_again(suite, rounds):
    for _ in range(2):
        assert repro("run", suite, "-k", "deeper", "-j", 1, "--fresh").exit_code == 0
    assert len(rounds) == 10


def test_a_claim_may_ask_whether_two_nets_take_the_same(suite, rounds):
    run = repro("run", suite, "-k", "alike", "-j", 1)
    assert run.exit_code == 0 and "reproduced" in run.output and rounds


def test_energy_on_a_device_that_does_not_count_it_is_an_error_with_the_remedy(suite, rounds):
    run = repro("run", suite, "-k", "joules", "-j", 1)
    assert (
        run.exit_code == 2
        and "energy: needs an NVIDIA GPU" in run.output
        and "repro[gpu]" in run.output
        and rounds
    )


def test_another_machine_times_for_itself(suite, rounds, monkeypatch):
    assert repro("run", suite, "-k", "deeper", "-j", 1).exit_code == 0
    monkeypatch.setattr("repro.environment.cpu_name", lambda: "another CPU")
    assert repro("run", suite, "-k", "deeper", "-j", 1).exit_code == 0
    assert len({job.digest for job in rounds}) == 10


def test_more_rounds_are_added_to_those_that_are_there_but_not_to_those_of_another_machine(
    suite, rounds, monkeypatch
):
    assert repro("run", suite, "-k", "alike", "-j", 1, "--seeds-max", 4).exit_code == 0
    assert repro("run", suite, "-k", "alike", "-j", 1).exit_code == 0
    assert [job.number for job in rounds] == [0, 1, 2, 3, 4]
    monkeypatch.setattr("repro.environment.cpu_name", lambda: "another CPU")
    assert repro("run", suite, "-k", "alike", "-j", 1).exit_code == 0
    assert [job.number for job in rounds[5:]] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            "batch_size=8",
            "batchsize=8",
            "12:13: measure 'throughput' has no option 'batchsize'; did you mean 'batch_size'?",
        ),
        ("batch_size=8", "batch_size=0.5", "12:13: batch_size: expected a whole number, not 0.5"),
        ("runs: 2", "run: 2", "7:24: unknown key 'run'; did you mean 'runs'?"),
        ("size: 64", "size: 0", "7:20: size: must be above 0, not 0"),
        (
            "> 1.5 *",
            "==",
            "9:62: 'latency(slow) == latency(fast)': a trained or measured number is never exactly equal",
        ),
    ],
)
def test_what_is_wrong_with_how_a_suite_times(suite, old, new, expected):
    assert old in SUITE
    suite.write_text(SUITE.replace(old, new, 1))
    with pytest.raises(DocumentError) as error:
        load(suite)
    (line,) = str(error.value).splitlines()
    assert line.startswith(f"{suite}:{expected}")


def test_editors_know_how_nets_are_timed():
    schema = of_suites()
    jsonschema.Draft202012Validator.check_schema(schema)
    assert "batch_size" in schema["$defs"]["Timing"]["properties"]
