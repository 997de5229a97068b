"""The second step: old and new code in turns. Both installations are scripts that write made-up results."""

import json
import sys

import numpy as np
import pytest
from click.testing import CliRunner
from kit.results import result, timing, trial

from repro.cli import main
from repro.errors import ReproError
from repro.nightly.changes import flips_cross
from repro.nightly.confirm import Run, Turns, confirm, plan
from repro.nightly.turns import LEVEL, decide, direction, fewest_turns, looks, pair
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
    asked = [options["--first-seed"], options["--seeds-max"], os.environ["REPRO_HOME"], options["-k"]]
    log.write(" ".join([{name!r}, *asked]) + "\\n")
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
        "before": 1000.0,
        "now": 950.0,
        "commits": ("0123456789abcdef", "fedcba9876543210"),
        "file": "suites/made_up.yaml",
        "claims": {"c": 5.0},
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


def decided(found, taken, suspects=1, most=16):
    """What `taken` turns say of a suspect, of so many in all."""
    pairs = [pair(found, turn) for turn in taken]
    return decide(found, pairs, direction(found, taken[-1]), looks(suspects, most), suspects)


def test_a_slowdown_of_5_percent_is_confirmed_and_noise_is_not():
    decision = decided(suspect(), turns(16, speed=-50.0))
    assert decision.state == "confirmed" and decision.p <= LEVEL
    assert decision.difference == pytest.approx(-0.05, abs=0.02)
    assert decision.new / decision.base == pytest.approx(0.95, abs=0.02)
    assert decided(suspect(), turns(16)).state != "confirmed"
    assert decided(suspect(way="better"), turns(16, speed=-50.0)).state == "given up"


def test_an_error_that_is_worse_is_confirmed():
    decision = decided(suspect("test_error"), turns(16, error=0.03))
    assert decision.state == "confirmed" and decision.difference == pytest.approx(0.03, abs=0.01)
    assert decision.alarming and not decided(suspect("test_error", way="better"), turns(16)).alarming


def test_ten_turns_that_all_agree_confirm_and_nine_do_not():
    broken = turns(16, error=0.5)
    assert decided(suspect("test_error"), broken[:9]).state == "open"
    decision = decided(suspect("test_error"), broken[:10])
    assert decision.state == "confirmed" and decision.p == 2.0**-10


def test_a_suspect_whose_turns_speak_against_it_is_given_up():
    assert decided(suspect("test_error"), turns(10, error=-0.02)).state == "given up"


def side_of(value, seed):
    measured = trial(seed=seed).model_copy(update={"measurements": {"test_error": value}})
    return [result([measured])]


def test_a_value_that_is_lost_counts_as_the_worst_and_its_loss_is_confirmed():
    lost = [(side_of(0.3, n), side_of(None, n)) for n in range(10)]
    decision = decided(suspect("test_error", way="lost"), lost)
    assert decision.state == "confirmed" and (decision.base, decision.new) == (pytest.approx(0.3), None)
    assert decision.difference is None and decision.alarming
    assert decided(suspect("test_error", way="better"), lost).state == "given up"
    neither = [(side_of(None, n), side_of(None, n)) for n in range(10)]
    assert decided(suspect("test_error", way="lost"), neither).p == 1.0


def test_a_number_without_a_direction_is_confirmed_either_way_at_twice_the_price():
    odd = suspect("oddity", way="different")

    def side(value, seed):
        measured = trial(seed=seed).model_copy(update={"measurements": {"oddity": value}})
        return [result([measured])]

    for step in (0.5, -0.5):
        both = [(side(1.0, n), side(1.0 + step, n)) for n in range(16)]
        assert decided(odd, both[:10]).state == "open" and decided(odd, both[:10]).p == 2 * 2.0**-10
        decision = decided(odd, both)
        assert decision.state == "confirmed" and decision.alarming and decision.difference == step


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
    slower, same = (
        decided(found, both) for found in (suspect("latency", arm="a(batch_size=8)"), suspect("latency"))
    )
    assert slower.state == "confirmed" and slower.difference == pytest.approx(0.06, abs=0.02)
    assert same.state == "given up" and same.difference == 0.0


def test_values_that_are_bit_identical_in_all_turns_confirm_nothing():
    same = [([result([trial()])], [result([trial()])])] * 16
    assert {decided(found, same).p for found in (suspect(), suspect("test_error"))} == {1.0}


def test_suspects_are_corrected_for_one_another():
    slower = turns(16, speed=-30.0)
    alone, among = (decided(suspect(), slower, suspects=many).p for many in (1, 10))
    assert among == pytest.approx(10 * alone)


@pytest.mark.parametrize("suspects", [1, 2, 7, 40])
def test_so_many_turns_can_confirm_and_one_less_cannot(suspects):
    enough = fewest_turns(suspects)
    assert suspects * 2.0**-enough <= LEVEL < suspects * 2.0 ** -(enough - 1)


@pytest.mark.parametrize("suspects", [1, 2, 3, 10, 100])
def test_the_looks_spend_the_level_of_all_suspects_and_no_more(suspects):
    spent = looks(suspects, 20)
    levels = [spent[turn] for turn in sorted(spent)]
    assert levels == sorted(levels) and levels[-1] == LEVEL / suspects and max(spent) == 20
    first = min(spent)
    assert int(spent[first] * 2**first) >= 1  # turns that all agree cross
    assert looks(1, 20) == {10: 2.0**-10, 15: pytest.approx((2.0**-10 + LEVEL) / 2), 20: LEVEL}
    assert looks(1, 10) == {10: LEVEL}


@pytest.mark.slow
@pytest.mark.parametrize("noise", ["normal", "heavy-tailed"])
def test_of_equal_code_no_more_than_the_level_is_confirmed(noise):
    rng = np.random.default_rng(0)
    draw = {"normal": rng.normal, "heavy-tailed": lambda size: rng.standard_t(2, size)}[noise]
    times, most = 6000, looks(1, 14)
    confirmed = sum(flips_cross(draw(size=14), most) for _ in range(times))
    assert 2 <= confirmed <= 22  # 10 are expected at the level; more in 0.1 % of all cases


def test_a_turn_that_did_not_measure_a_suspect_is_an_error():
    with pytest.raises(ReproError, match=r"a turn did not measure miou\(a\) of made-up \(cpu\)"):
        pair(suspect("miou"), turns(1)[0])


def names(suspects):
    return [(found.quantity, found.arm) for found in suspects]


def test_the_worst_are_tested_by_their_quickest_claim_and_what_there_is_no_time_for_is_left():
    lost = suspect("miou", way="lost", claims={"slow": 300.0, "quick": 50.0})
    slower = suspect(claims={"slow": 300.0}, evidence=1e6)
    better = suspect("test_loss", way="better", claims={"slow": 300.0, "quick": 50.0}, p=1e-9)
    tested, left = plan([better, slower, lost], turns=20, seeds=1)
    assert names(one.suspect for one in tested) == names([lost, slower, better]) and left == []
    assert [one.run.claim for one in tested] == ["quick", "slow", "quick"]
    # 10 turns of 2 runs of 10 + 50 seconds are 20 minutes; one of 10 + 300 seconds does not fit beside them
    tested, left = plan([better, slower, lost], turns=20, seeds=1, minutes=25.0)
    assert names(one.suspect for one in tested) == names([lost, better]) and names(left) == names([slower])
    assert plan([lost], turns=20, seeds=1, minutes=19.0) == ([], [lost])
    assert plan([lost], turns=20, seeds=5, minutes=25.0) == ([], [lost])


def test_no_more_suspects_are_tested_than_the_turns_can_confirm():
    many = [suspect("test_error", arm=f"a{i}") for i in range(50)]
    tested, left = plan(many, turns=14, seeds=1)
    assert fewest_turns(len(tested)) == 14 < fewest_turns(len(tested) + 1) and len(left) == 50 - len(tested)


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


@pytest.fixture
def takes(installation, suite, tmp_path):
    """Turns of two installations; `new` is how the second one differs."""

    def make(seeds=1, folder="turns", **new):
        commands, said = (installation("base"), installation("new", **new)), lambda _: None
        rng = np.random.default_rng(0)
        return Turns(commands, {"made-up": suite}, seeds, tmp_path / folder, rng, said)

    return make


def calls(tmp_path):
    """Name, first seed, seeds, store and claim of each run."""
    return [line.split() for line in (tmp_path / "log").read_text().splitlines()]


def test_each_turn_runs_both_on_the_same_fresh_seeds_in_random_order_with_stores_of_their_own(
    takes, tmp_path
):
    found = takes(seeds=2)
    taken = [found.take([Run("cpu", "made-up", "c")]) for _ in range(6)]
    made = calls(tmp_path)
    assert [int(seed) for _, seed, *_ in made] == [2000 + 2 * turn for turn in range(6) for _ in range(2)]
    assert {(seeds, claim) for _, _, seeds, _, claim in made} == {("2", "c")}
    firsts = [name for name, *_ in made[::2]]
    assert {"base", "new"} == set(firsts) and all(
        {a[0], b[0]} == {"base", "new"} for a, b in zip(made[::2], made[1::2], strict=True)
    )
    assert len({store for *_, store, _ in made}) == 12 and not list((tmp_path / "turns").rglob("store"))
    assert all(base[0].trials[0].seed == new[0].trials[0].seed for base, new in taken)


@pytest.mark.slow
def test_turns_end_as_soon_as_all_is_decided_and_a_suite_runs_while_a_suspect_of_it_is_open(takes, tmp_path):
    found = confirm([suspect()], takes(speed=500.0), most=20)
    assert [(one.state, one.turns) for one in found.decisions] == [("confirmed", 10)] and found.regression
    assert len(calls(tmp_path)) == 20
    (tmp_path / "log").unlink()
    found = confirm([suspect()], takes(folder="faster", speed=1500.0), most=20)
    assert [(one.state, one.turns) for one in found.decisions] == [("given up", 10)] and not found.regression
    assert len(calls(tmp_path)) == 20


@pytest.mark.slow
def test_when_the_time_is_up_what_is_undecided_is_left(takes):
    hours = iter(range(1000))
    found = confirm(
        [suspect()], takes(speed=500.0), most=20, minutes=200.0, clock=lambda: 3600.0 * next(hours)
    )
    assert found.decisions == () and names(found.left) == names([suspect()])


def repro(*arguments):
    return CliRunner().invoke(main, list(map(str, arguments)))


def watched(path, *suspects, alarms=()):
    found = Watch(
        watched=1,
        young=0,
        threshold=1,
        suspects=suspects,
        base=None,
        alarms=alarms,
        problems=(),
        notes=(),
    )
    path.write_text(found.model_dump_json())
    return path


@pytest.mark.slow
def test_confirm_ends_with_3_on_a_confirmed_regression_and_says_what_a_person_needs(
    installation, suite, tmp_path
):
    suspects, base = watched(tmp_path / "watch.json", suspect()), installation("base")
    options = ("--base", base, "--turns", 11, "--repository", "https://code/x")
    slow = repro(
        "confirm",
        suspects,
        suite,
        *options,
        "--new",
        installation("slow", 800.0),
        "--results",
        tmp_path / "1",
        "--format",
        "markdown",
    )
    assert slow.exit_code == 3 and "1 of 1 suspect confirmed" in slow.output
    for said in (
        "CONFIRMED `made-up (cpu) images_per_second(a)`: ",
        "in 10 turns",
        "- commits: `0123456789ab..fedcba987654`",
        "- what changed: https://code/x/compare/0123456789abcdef...fedcba9876543210",
        "- claims that hang on it: `c`",
        "- the suite: https://code/x/blob/fedcba9876543210/suites/made_up.yaml",
        "- to find the commit: `repro bisect 0123456789abcdef fedcba9876543210 suites/made_up.yaml -k c`",
        "| CONFIRMED: worse |",
    ):
        assert said in slow.output, said
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
    assert same.exit_code == 0 and json.loads(same.stdout)["decisions"][0]["state"] != "confirmed"


def test_what_broke_for_certain_is_an_alarm_without_a_turn(suite, tmp_path):
    suspects = watched(tmp_path / "watch.json", alarms=("claim made-up::d (cpu): gone",))
    found = repro("confirm", suspects, suite, "--base", "x", "--results", tmp_path / "1")
    assert found.exit_code == 3 and "BROKE TONIGHT: claim made-up::d (cpu): gone" in found.output


def test_a_suspect_that_there_is_no_time_for_is_named_and_the_night_is_no_fair_one(suite, tmp_path):
    suspects = watched(tmp_path / "watch.json", suspect())
    found = repro("confirm", suspects, suite, "--base", "x", "--minutes", 1, "--results", tmp_path / "1")
    assert found.exit_code == 5
    assert (
        "LEFT for want of time or turns, 1 suspect:\n- made-up (cpu) images_per_second(a), worse"
        in found.output
    )


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
    assert few.exit_code == 2 and "5 turns cannot confirm anything: --turns must be at least 10" in few.output
    assert repro("confirm", suite, suite, "--base", "x", "--results", tmp_path / "1").exit_code == 2
    full = repro("confirm", suspects, suite, "--base", "x", "--results", tmp_path)
    assert full.exit_code == 5 and "not empty" in full.output


def test_suspects_that_are_not_due_are_not_measured_again(suite, tmp_path):
    suspects = watched(tmp_path / "watch.json", suspect(nights=3))
    assert repro("confirm", suspects, suite, "--base", "x", "--results", tmp_path / "1").exit_code == 0
