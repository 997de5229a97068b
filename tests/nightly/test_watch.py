"""From histories to suspects, and what makes a night no fair one."""

import json
import math

import numpy as np
import pytest
from click.testing import CliRunner
from kit.results import KEY, claim, commit, result, timing, trial

from repro.cli import main
from repro.nightly.history_text import watch_text
from repro.nightly.watch import AGAIN, Watch, watch
from repro.result import write


def nights(count, *, slower_from=None, worse_from=None, by=0.05, seed=0, arms=("a", "b"), **rest):
    """Results with fresh seeds each night; from a night on arm `a` is slower by `by`, or 1 sd worse."""
    rng = np.random.default_rng(seed)

    def one(night, arm, i):
        slow = by if arm == "a" and slower_from is not None and night >= slower_from else 0.0
        worse = 0.01 if arm == "a" and worse_from is not None and night >= worse_from else 0.0
        error, memory = rng.normal(size=2)
        return trial(
            arm,
            5 * night + i,
            error=0.3 + 0.01 * error + worse,
            speed=1000 * (1 - slow),
            memory=1e8 * math.exp(memory / 100),
        )

    def noisy(trials):
        machine = math.exp(0.02 * rng.normal())  # that night, for all
        return [
            t.model_copy(
                update={
                    "cost": {k: v * machine if k == "images_per_second" else v for k, v in t.cost.items()}
                }
            )
            for t in trials
        ]

    found = []
    for night in range(1, count + 1):
        trials = [t for arm in arms for t in noisy([one(night, arm, i) for i in range(5)])]
        found.append(result(trials, night=night, **rest))
    return found


def suspects(results, **options):
    return {(s.arm, s.quantity, s.way): s for s in watch(results[:-1], results[-1:], **options).suspects}


def test_quiet_nights_have_no_suspects():
    for count in (12, 30, 50):
        found = watch(nights(count - 1), nights(count)[-1:])
        assert found.suspects == () and found.problems == () and found.watched == 8 and found.young == 0


def test_a_slowdown_is_nominated_and_located():
    results = nights(38, slower_from=31, by=0.08)
    (suspect,) = [s for key, s in suspects(results).items() if key == ("a", "images_per_second", "worse")]
    assert suspect.evidence >= 8 and suspect.since == results[30].id
    before, after = suspect.between
    assert before <= results[29].id and results[30].id <= after


def test_an_error_worse_by_one_sd_is_nominated_with_its_direction():
    assert ("a", "test_error", "worse") in suspects(nights(38, worse_from=31))


def test_a_sudden_gain_is_nominated_too():
    assert ("a", "images_per_second", "better") in suspects(nights(38, slower_from=31, by=-0.08))


def test_the_threshold_is_the_number_of_measurements_over_the_suspects_allowed():
    results = nights(12)
    assert watch(results[:-1], results[-1:]).threshold == 8
    assert watch(results[:-1], results[-1:], suspects=0.05).threshold == 160


@pytest.mark.slow
def test_a_suspect_is_due_on_its_night_and_again_after_a_week():
    due = [suspects(nights(count, slower_from=25, by=0.2)) for count in range(26, 41)]
    speeds = [
        found["a", "images_per_second", "worse"]
        for found in due
        if ("a", "images_per_second", "worse") in found
    ]
    assert [s.nights for s in speeds] == list(range(len(speeds))) and len(speeds) > AGAIN + 1
    assert [s.due for s in speeds[: AGAIN + 1]] == [True, *[False] * (AGAIN - 1), True]


def test_a_net_that_broke_is_a_suspect_on_the_same_night_even_without_a_history():
    broken = result([trial("a", seed, error=0.9 + 0.01 * seed**0.5) for seed in range(5)], night=2)
    fine = result(
        [trial("a", seed, error=0.3 + 0.01 * seed**0.5 + 0.001 * seed) for seed in range(5)], night=1
    )
    (suspect,) = watch([fine], [broken]).suspects
    assert (suspect.quantity, suspect.way, suspect.due, suspect.since) == (
        "test_error",
        "worse",
        True,
        broken.id,
    )
    assert suspect.p < 0.01 and suspect.evidence is None and watch([fine], [broken]).base == commit(1)


def test_a_timing_is_not_compared_with_the_run_before_since_machines_have_days():
    fast, slow = (
        result([trial(seed=s, speed=v + s) for s in range(5)], night=n) for n, v in ((1, 1000.0), (2, 500.0))
    )
    assert watch([fast], [slow]).suspects == ()


@pytest.mark.parametrize(
    ("tonight", "said"),
    [
        ({"complete": False}, "holds only some of the suite's claims"),
        ({"suite": "another"}, "made-up (cpu): measured on 2026-01-01, but not tonight"),
    ],
)
def test_what_is_wrong_with_the_run_is_a_problem(tonight, said):
    found = watch([result([trial()])], [result([trial()], night=2, **tonight)])
    assert any(
        said in problem for problem in found.problems
    ) and f"NOT THE CODE BUT THE RUN: {found.problems[0]}" in watch_text(found)


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ({**KEY, "device": "cpu y"}, "cpu y, not cpu x"),
        ({**KEY, "driver": "570"}, "cpu x (driver 570), not cpu x"),
        ({**KEY, "per_gpu": 8}, "cpu x shared by 8 trials, not cpu x"),
    ],
)
def test_an_unknown_machine_is_a_note_and_its_timings_start_a_new_history(key, said):
    before = nights(20)
    elsewhere = nights(21, slower_from=21, by=0.9)[-1].model_copy(
        update={"environment": result(key=key).environment}
    )
    found = watch(before, [elsewhere])
    assert found.notes == (f"made-up (cpu): a machine that the history does not know: {said}",)
    assert found.problems == found.alarms == found.suspects == () and f"- {found.notes[0]}" in watch_text(
        found
    )
    assert (found.watched, found.young) == (2, 6)  # errors go on, costs begin


def test_a_claim_or_an_arm_that_has_gone_from_a_whole_run_is_an_alarm_and_from_a_part_of_one_a_problem():
    before = result([trial("a"), trial("b")], claims={"c": claim(), "d": claim()})
    tonight = {"trials": [trial("a")], "claims": {"c": claim()}, "night": 2}
    found = watch([before], [result(**tonight)])
    assert found.alarms == (
        f"claim made-up::d (cpu): gone, {before.id} has it",
        f"arm b of made-up (cpu): gone, {before.id} has it",
    )
    assert found.problems == () and found.base == commit(1)
    assert f"BROKE TONIGHT: {found.alarms[0]}" in watch_text(found)
    assert f"git log {commit(1)[:12]}..{commit(2)[:12]}" in watch_text(found)
    part = watch([before], [result(**tonight, complete=False)])
    assert part.alarms == () and "holds only some" in part.problems[0]


def test_seeds_that_all_end_alike_are_an_alarm():
    before, tonight = (
        result([trial(seed=seed, error=error) for seed, error in enumerate(errors)], night=night)
        for night, errors in ((1, (0.3, 0.31, 0.32)), (2, (0.31, 0.31, 0.31)))
    )
    (alarm,) = watch([before], [tonight]).alarms
    assert (
        alarm == f"arm a of made-up (cpu): 3 seeds ended with the same numbers, in {before.id} they did not"
    )


def looked_at(night, values, *, claims=("deep",)):
    """A night whose claims measured a probe after training and one before; 40 seconds a seed."""
    measured = {"mean_lesion_error(a)": tuple(values[0]), "gradient_norm(a, at=start)": tuple(values[1])}
    seeds = {"evidence": claim().evidence.model_copy(update={"seeds": (0, 1, 2)}), "seconds": 120.0}
    made = claim().model_copy(update={"values": measured, **seeds})
    return result([trial(seed=seed) for seed in range(3)], claims=dict.fromkeys(claims, made), night=night)


@pytest.mark.parametrize(
    ("tonight", "name", "way"),
    [
        (((0.5, 0.51, 0.53), (1.0, 1.1, 1.2)), ("a", "mean_lesion_error"), "worse"),
        (((0.01, 0.02, 0.012), (1.0, 1.1, 1.2)), ("a", "mean_lesion_error"), "better"),
        (((0.1, 0.11, None), (1.0, 1.1, 1.2)), ("a", "mean_lesion_error"), "lost"),
        (((0.1, 0.11, 0.12), (9.0, 9.1, 9.4)), ("a(at=start)", "gradient_norm"), "different"),
    ],
)
def test_a_probe_of_a_claim_is_watched_in_the_way_it_declares_or_for_any_change(tonight, name, way):
    before = looked_at(1, ((0.1, 0.11, 0.12), (1.0, 1.1, 1.2)))
    (suspect,) = watch([before], [looked_at(2, tonight)]).suspects
    assert ((suspect.arm, suspect.quantity), suspect.way, suspect.due) == (name, way, True)
    assert suspect.commits == (commit(1), commit(2))
    assert suspect.claims == {"deep": 40.0} and suspect.file == "suites/made-up.yaml"


def test_a_suspect_says_what_it_was_and_what_it_is_and_which_claims_measure_its_arm():
    trained, untrained = looked_at(1, ((0.1,) * 3, (1.0,) * 3)).claims["deep"], claim()
    untrained = untrained.model_copy(update={"values": {"gradient_norm(a, at=start)": (1.0,) * 5}})
    claims = {"deep": trained, "at-start": untrained}
    before, tonight = (
        result([trial(seed=s, error=error + 0.001 * s) for s in range(3)], claims=claims, night=night)
        for night, error in ((1, 0.3), (2, 0.9))
    )
    (suspect,) = watch([before], [tonight]).suspects
    assert (suspect.before, suspect.now) == pytest.approx((0.301, 0.901))
    assert suspect.claims == {"deep": 40.0}  # the other one trains nothing
    assert "0.301" in watch_text(watch([before], [tonight]))


def test_before_and_now_of_a_step_in_a_cost_are_in_its_own_unit():
    (suspect,) = [
        s
        for key, s in suspects(nights(38, slower_from=31, by=0.08)).items()
        if key == ("a", "images_per_second", "worse")
    ]
    assert (suspect.before, suspect.now) == pytest.approx((1000, 920), rel=0.02)
    assert suspect.commits[1] == commit(38)


def test_trials_that_are_missing_are_a_problem():
    asked = claim().model_copy(update={"values": {"params(b)": (1.0,)}})  # so the arm is still measured
    both = {"arms": {"b": {}}, "claims": {"c": asked}}
    found = watch([result([trial("a"), trial("b")], **both)], [result([trial("a")], night=2, **both)])
    assert found.problems == (f"made-up (cpu): no trials of b, which {result(night=1).id} has",)
    assert found.alarms == ()


def test_a_night_that_went_on_with_the_claims_left_out_at_first_is_a_whole_one():
    def night(number, error=0.3):
        both = result([trial("a"), trial("b")], claims={"a": claim(), "b": claim()}, night=number)
        again = result(
            [trial("b", seed, error=error) for seed in range(5)],
            claims={"b": claim()},
            night=number + 1,
            complete=False,
        )
        return [both, again]

    assert watch(night(1), night(3)).problems == ()
    (lost,) = watch(night(1), [result([trial("b")], arms={"a": {}}, night=3)]).problems
    assert lost.startswith("made-up (cpu): no trials of a, which ")
    (suspect,) = watch(night(1), night(3, error=0.9)).suspects
    assert (suspect.arm, suspect.quantity, suspect.way) == ("b", "test_error", "worse")


def test_a_net_that_is_slower_to_run_is_nominated():
    rng = np.random.default_rng(0)
    results = []
    for night in range(1, 39):
        costs = {
            "latency": 20 * math.exp(0.02 * rng.normal()) * (1.08 if night > 30 else 1.0),
            "memory": 3e7 + 4096 * (night % 5),
        }
        timings = [timing("a", 5 * night + n, batch_size=8, **costs) for n in range(5)]
        results.append(result(timings=timings, night=night))
    assert ("a(batch_size=8)", "latency", "worse") in suspects(results)
    assert suspects(results[:29]) == {}


def test_timings_that_are_missing_are_a_problem():
    found = watch(
        [result(timings=[timing("a"), timing("b")])], [result(timings=[timing("a")], night=2, arms={"b": {}})]
    )
    assert found.problems == (f"made-up (cpu): no timings of b, which {result(night=1).id} has",)


def test_a_new_torch_version_or_a_first_night_is_no_problem():
    assert watch([], [result([trial()])]).problems == ()
    assert (
        watch([result([trial()])], [result([trial()], night=2, key={**KEY, "torch": "3.0"})]).problems == ()
    )


def repro(*arguments):
    return CliRunner().invoke(main, list(map(str, arguments)))


@pytest.fixture
def folders(tmp_path):
    """Writes (history, tonight) and gives their folders."""

    def keep(results):
        for found in results[:-1]:
            write(found, tmp_path / "history")
        write(results[-1], tmp_path / "tonight")
        return tmp_path / "history", tmp_path / "tonight"

    return keep


def test_exit_code_3_and_a_file_of_suspects_when_one_is_due(folders, tmp_path):
    results = nights(60, slower_from=31, by=0.2)
    first = next(n for n in range(32, 60) if suspects(results[:n]))
    found = repro("watch", *folders(results[:first]), "-o", tmp_path / "watch.json", "--format", "markdown")
    assert found.exit_code == 3 and "(a)` | worse, new tonight, to be measured again |" in found.output
    written = Watch.model_validate_json((tmp_path / "watch.json").read_text())
    night = int(written.base[:4], 16)
    assert night <= 30 and results[night - 1].id == min(suspect.between[0] for suspect in written.suspects)


def test_exit_code_0_on_a_quiet_night_5_on_a_broken_one_and_4_when_nothing_was_measured(folders, tmp_path):
    history, tonight = folders(nights(12))
    quiet = repro("watch", history, tonight, "--format", "json")
    assert quiet.exit_code == 0 and json.loads(quiet.stdout)["watched"] == 8
    broken = history / "made-up" / "cpu" / "broken.json"
    broken.write_text("{")
    found = repro("watch", history, tonight)
    assert found.exit_code == 0 and f"left out: {broken}: not a result" in found.output
    broken.rename(tonight / "broken.json")
    assert repro("watch", history, tonight).exit_code == 5
    (tmp_path / "empty").mkdir()
    for nothing in ("empty", "missing"):
        assert repro("watch", history, tmp_path / nothing).exit_code == 4
    write(result([trial()], night=50, complete=False, claims={"better": claim()}), tmp_path / "partial")
    assert repro("watch", history, tmp_path / "partial").exit_code == 5


def test_what_broke_comes_before_what_is_wrong_with_the_run(folders, tmp_path):
    before = [result([trial("a"), trial("b")], claims={"c": claim(), "d": claim()}), result(suite="other")]
    history, tonight = folders([*before, result([trial("a"), trial("b")], claims={"c": claim()}, night=2)])
    found = repro("watch", history, tonight, "-o", tmp_path / "watch.json")
    assert found.exit_code == 3
    assert "NOT THE CODE BUT THE RUN: other (cpu)" in found.output and "BROKE TONIGHT: claim" in found.output
    written = Watch.model_validate_json((tmp_path / "watch.json").read_text())
    assert written.base == commit(1) and written.alarms and written.problems
