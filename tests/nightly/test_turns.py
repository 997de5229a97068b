"""The second step: old and new code in turns. Both installations are scripts that write made-up results."""

import json
import sys

import numpy as np
import pytest
from click.testing import CliRunner
from kit.results import result, timing, trial

from repro.cli import main
from repro.errors import ReproError
from repro.nightly.turns import LEVEL, decide, fewest_turns, take_turns
from repro.nightly.watch import Suspect, Watch

SUITE = """\
suite: made-up
task: classification
arms: {a: {model: cifar_resnet, depth: 8}}
profiles:
  cpu:
    data: {name: fashion-mnist-small, size: 7}
    recipe: {steps: 2, batch_size: 8, optimizer: {name: sgd, lr: 0.1}}
claims: {c: {says: It is small., expect: params(a) < 1e9}}
"""
INSTALLATION = """\
#!{python} -I
import json, math, os, pathlib, random, sys
options = dict(zip(sys.argv[3::2], sys.argv[4::2]))
with open({log!r}, "a") as log:
    asked = [{name!r}, options["--first-seed"], options["--seeds-max"], os.environ["REPRO_HOME"]]
    log.write(" ".join(asked) + "\\n")
if {fails}:
    sys.exit("no space left")
pathlib.Path(os.environ["REPRO_HOME"]).mkdir(parents=True)
made = json.loads({result!r})
(trial,) = made["trials"]
trial["seed"] = int(options["--first-seed"])
noise = random.Random({name!r} + options["--first-seed"]).gauss(0, 0.02)
trial["cost"]["images_per_second"] = {speed} * math.exp(noise)
pathlib.Path(options["--results"]).mkdir(parents=True)
pathlib.Path(options["--results"], "made.json").write_text(json.dumps(made))
sys.exit({code})  # 1: a claim is undecided with one seed
"""


def suspect(quantity="images_per_second", way="worse", **rest):
    given = {
        "suite": "made-up",
        "profile": "cpu",
        "arm": "a",
        "evidence": 400.0,
        "p": None,
        "nights": 0,
        "since": None,
        "between": None,
    }
    return Suspect(quantity=quantity, way=way, **{**given, **rest})


def turns(count, **new):
    rng = np.random.default_rng(0)

    def side(night, **change):
        error, speed = rng.normal(size=2)
        fields = {"error": 0.3 + 0.01 * error, "speed": 1000 * np.exp(0.02 * speed)}
        return [
            result([trial(seed=night, **{key: value + change.get(key, 0) for key, value in fields.items()})])
        ]

    return [(side(night), side(night, **new)) for night in range(count)]


def test_a_slowdown_of_5_percent_is_confirmed_and_noise_is_not():
    (decision,) = decide([suspect()], turns(16, speed=-50.0))
    assert (
        decision.confirmed and decision.p <= LEVEL and decision.difference == pytest.approx(-0.05, abs=0.02)
    )
    assert not decide([suspect()], turns(16))[0].confirmed
    assert not decide([suspect(way="better")], turns(16, speed=-50.0))[0].confirmed


def test_an_error_that_is_worse_is_confirmed():
    (decision,) = decide([suspect("test_error")], turns(16, error=0.03))
    assert decision.confirmed and decision.difference == pytest.approx(0.03, abs=0.01)


def test_what_was_timed_is_confirmed_over_rounds_and_told_from_the_trained_arm_of_its_name():
    rng = np.random.default_rng(0)

    def side(night, latency):
        noise = np.exp(0.02 * rng.normal())
        timings = [
            timing("a", night, latency=20.0),
            timing("a", night, batch_size=8, latency=latency * noise),
        ]
        return [result([trial("a", night)], timings=timings)]

    both = [(side(2000 + turn, 100.0), side(2000 + turn, 106.0)) for turn in range(16)]
    slower, same = decide([suspect("latency", arm="a(batch_size=8)"), suspect("latency")], both)
    assert slower.confirmed and slower.difference == pytest.approx(0.06, abs=0.02)
    assert not same.confirmed and same.difference == 0.0


def test_values_that_are_bit_identical_in_all_turns_confirm_nothing():
    same = [([result([trial()])], [result([trial()])])] * 16
    assert decide([suspect(), suspect("test_error")], same)[0].p == 1.0


def test_suspects_are_corrected_for_one_another():
    alone, among = (
        decide([suspect(), *[suspect("test_error")] * more], turns(16, speed=-30.0))[0].p for more in (0, 9)
    )
    assert among == pytest.approx(10 * alone)


@pytest.mark.parametrize("suspects", [1, 2, 7])
def test_so_many_turns_can_confirm_and_one_less_cannot(suspects):
    enough = fewest_turns(suspects)
    assert suspects * 2.0**-enough <= LEVEL < suspects * 2.0 ** -(enough - 1)


def test_a_turn_that_did_not_measure_a_suspect_is_an_error():
    with pytest.raises(ReproError, match=r"a turn did not measure miou\(a\) of made-up \(cpu\)"):
        decide([suspect("miou")], turns(2))


@pytest.fixture
def installation(tmp_path):
    """Makes an executable that stands for `repro` of an installation; they log their calls to `log`."""

    def make(name, speed=1000.0, fails=False, code=1):
        path = tmp_path / f"repro-{name}"
        made = result([trial()]).model_dump_json(by_alias=True)
        values = {"python": sys.executable, "log": str(tmp_path / "log"), "result": made}
        path.write_text(INSTALLATION.format(name=name, speed=speed, fails=fails, code=code, **values))
        path.chmod(0o755)
        return str(path)

    return make


@pytest.fixture
def suite(tmp_path):
    path = tmp_path / "made_up.yaml"
    path.write_text(SUITE)
    return path


def test_each_turn_runs_both_on_the_same_fresh_seeds_in_random_order_with_stores_of_their_own(
    installation, suite, tmp_path
):
    commands = installation("base"), installation("new")
    taken = take_turns(
        commands,
        {"made-up": suite},
        [suspect()],
        6,
        2,
        tmp_path / "turns",
        np.random.default_rng(0),
        lambda _: None,
    )
    calls = [line.split() for line in (tmp_path / "log").read_text().splitlines()]
    assert [int(seed) for _, seed, _, _ in calls] == [2000 + 2 * turn for turn in range(6) for _ in range(2)]
    assert {seeds for _, _, seeds, _ in calls} == {"2"}
    firsts = [name for name, *_ in calls[::2]]
    assert {"base", "new"} == set(firsts) and all(
        {a[0], b[0]} == {"base", "new"} for a, b in zip(calls[::2], calls[1::2], strict=True)
    )
    assert len({store for *_, store in calls}) == 12 and not list((tmp_path / "turns").rglob("store"))
    assert len(taken) == 6 and all(base[0].trials[0].seed == new[0].trials[0].seed for base, new in taken)


def repro(*arguments):
    return CliRunner().invoke(main, list(map(str, arguments)))


def watched(path, *suspects):
    path.write_text(
        Watch(watched=1, young=0, threshold=1, suspects=suspects, base=None, problems=()).model_dump_json()
    )
    return path


@pytest.mark.slow
def test_confirm_ends_with_3_on_a_confirmed_regression_and_with_0_otherwise(installation, suite, tmp_path):
    suspects, base = watched(tmp_path / "watch.json", suspect()), installation("base")
    options = ("--base", base, "--turns", 11)
    slow = repro(
        "confirm",
        suspects,
        suite,
        *options,
        "--new",
        installation("slow", 800.0),
        "--results",
        tmp_path / "1",
    )
    assert (
        slow.exit_code == 3
        and "CONFIRMED: worse" in slow.output
        and "1 of 1 suspects confirmed" in slow.output
    )
    same = repro(
        "confirm",
        suspects,
        suite,
        *options,
        "--new",
        installation("same"),
        "--results",
        tmp_path / "2",
        "--format",
        "json",
    )
    assert same.exit_code == 0 and not json.loads(same.stdout)[0]["confirmed"]


def test_a_run_that_fails_is_5_and_no_regression(installation, suite, tmp_path):
    confirm = ("confirm", watched(tmp_path / "watch.json", suspect()), suite, "--new", installation("new"))
    found = repro(*confirm, "--base", installation("base", fails=True), "--results", tmp_path / "1")
    assert found.exit_code == 5 and "no space left" in found.output
    half = repro(*confirm, "--base", installation("half", code=2), "--results", tmp_path / "3")
    assert half.exit_code == 5 and "ended with 2" in half.output
    missing = repro(*confirm, "--base", tmp_path / "nothing", "--results", tmp_path / "2")
    assert missing.exit_code == 5 and "cannot be run" in missing.output


def test_too_few_turns_old_results_and_a_file_that_is_none_are_refused_before_anything_runs(suite, tmp_path):
    suspects = watched(tmp_path / "watch.json", suspect())
    few = repro("confirm", suspects, suite, "--base", "x", "--turns", 5, "--results", tmp_path / "1")
    assert (
        few.exit_code == 2 and "5 turns cannot confirm 1 suspects: --turns must be 10 at least" in few.output
    )
    assert repro("confirm", suite, suite, "--base", "x", "--results", tmp_path / "1").exit_code == 2
    full = repro("confirm", suspects, suite, "--base", "x", "--results", tmp_path)
    assert full.exit_code == 5 and "not empty" in full.output


def test_suspects_that_are_not_due_are_not_measured_again(suite, tmp_path):
    suspects = watched(tmp_path / "watch.json", suspect(nights=3))
    assert repro("confirm", suspects, suite, "--base", "x", "--results", tmp_path / "1").exit_code == 0
