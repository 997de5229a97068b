"""What `repro compare` says of two sets of results."""

import json
import math
import shlex

import numpy as np
import pytest
from click.testing import CliRunner
from kit.results import KEY, claim, result, timing, trial

from repro.cli import main
from repro.declaration import Declaration
from repro.nightly.compare import compare
from repro.nightly.compare_text import as_markdown, as_text
from repro.nightly.measured import sign
from repro.result import write


def run(error=0.3, speed=1000.0, memory=1e8, *, noise=0.02, seed=0, seeds=5, arms=("a",), **rest):
    """A result whose runs have noise: errors of the size `noise` times 0.1, costs of the share `noise`."""
    rng = np.random.default_rng(seed)

    def one(arm, seed):
        errors, speeds, memories = noise * rng.normal(size=3)
        return trial(
            arm,
            seed,
            error=error + 0.1 * errors,
            speed=speed * math.exp(speeds),
            memory=memory * math.exp(memories / 10),
        )

    return result([one(arm, seed) for arm in arms for seed in range(seeds)], **rest)


def kinds(comparison):
    return {(change.arm, change.quantity): change.kind for change in comparison.measurements}


def test_a_result_compared_with_itself_is_identical_and_untested():
    found = compare([run()], [run(night=2)])
    assert set(kinds(found).values()) == {"identical", "recorded"} and not found.regression
    assert all(change.p is None for change in found.measurements) and not found.claims and not found.notes


def test_the_commits_are_said_and_how_to_go_on_from_the_first_regression():
    base, new = run(), run(error=0.5, night=2)
    old, now = base.commit[:12], new.commit[:12]
    found = compare([base], [new])
    assert found.next == (f"repro show {new.id}", f"repro bisect {old} {now} suites/made-up.yaml")
    text = as_text(found)
    assert text.startswith(f"base: {old}\nnew: {now}\n")
    assert text.endswith("\n".join(f"- {command}" for command in found.next))
    trained = {"test_error(a)": (0.5,) * 5, "params(a)": (7.0,)}
    known = {"better": claim("refuted").model_copy(update={"values": trained})}
    of_claim = compare([base], [run(error=0.5, night=2, claims=known)]).next
    assert of_claim == (
        f"repro show {new.id} -k better",
        f"repro bisect {old} {now} suites/made-up.yaml -k better",
    )
    assert compare([base], [run(error=0.5)]).next == (f"repro show {base.id}",)  # no commit between
    static = claim("refuted").model_copy(update={"values": {"params(a)": (7.0,)}})
    of_counts = compare([base], [run(night=2, claims={"better": static})]).next
    assert of_counts == (f"repro show {new.id} -k better",)  # bisect trains, and compares nothing else
    spaced = new.model_copy(update={"file": "my nets/it's.yaml"})
    shown, found = compare([base], [spaced], folder="to night").next
    assert shown == f"repro show {new.id} --results 'to night'"
    assert shlex.split(found) == ["repro", "bisect", old, now, "my nets/it's.yaml"]
    assert compare([base], [run(error=0.1, night=2)]).next == ()  # a gain
    assert compare([run(arms="ab")], [run(night=2)]).next == ()  # what has gone is not bisected


def test_changes_that_were_not_committed_are_said_and_where_there_is_no_commit():
    def made(commit, dirty):
        made = run()
        facts = {**made.environment.facts, "commit": commit, "dirty": dirty}
        there = made.environment.model_copy(update={"facts": facts})
        return made.model_copy(update={"environment": there})

    commit = run().commit
    text = as_text(compare([made(commit, False)], [made(commit, True)]))
    assert text.startswith(f"base: {commit[:12]}\nnew: {commit[:12]} with changes\n")
    assert as_text(compare([made(None, None)], [made(commit, False)])).startswith("base: no commit\n")


def test_of_many_commits_a_few_are_said():
    nights = [run(suite=f"s{i}", night=i) for i in range(1, 6)]
    head = as_text(compare(nights, nights)).splitlines()[0]
    assert head == f"base: {', '.join(one.commit[:12] for one in nights[:3])} and 2 more"


def test_an_arm_that_has_become_trivial_is_told():
    trivial = claim().model_copy(update={"trivial": ("b",)})
    base, new = run(), run(night=2, claims={"better": trivial})
    told = "made-up (cpu): TRIVIAL now in claim 'better': arm 'b' does no better than to answer everything"
    assert told in as_text(compare([base], [new]))
    assert "TRIVIAL" not in as_text(compare([new], [new])) + as_text(compare([new], [base]))


def test_noise_alone_is_no_change():
    found = compare([run(seed=1)], [run(seed=2, night=2)])
    assert kinds(found)["a", "test_error"] == "changed" and not found.regression


@pytest.mark.slow
def test_in_at_most_5_percent_of_comparisons_anything_unchanged_is_called_changed():
    arms = "abcdefgh"
    wrong = sum(
        any(
            kind in ("worse", "better")
            for kind in kinds(
                compare([run(seed=2 * i, arms=arms)], [run(seed=2 * i + 1, arms=arms)])
            ).values()
        )
        for i in range(60)
    )
    assert wrong <= 8  # 3 are expected at the level; more than 8 in 0.4 % of all cases


@pytest.mark.parametrize(
    ("new", "changed"),
    [
        ({"error": 0.35}, {("a", "test_error"): "worse"}),
        ({"error": 0.25}, {("a", "test_error"): "better"}),
    ],
)
def test_a_clear_change_is_found_with_its_direction(new, changed):
    found = compare([run(seed=1)], [run(seed=2, night=2, **new)])
    assert {key: kind for key, kind in kinds(found).items() if kind != "recorded"} == changed
    assert found.regression == ("worse" in changed.values())


@pytest.mark.parametrize("new", [{"speed": 100.0}, {"speed": 9000.0}, {"memory": 9e8}])
def test_the_cost_of_a_trial_is_a_record_that_is_shown_and_never_a_regression(new):
    found = compare([run(seed=1)], [run(seed=1, night=2, **new)])
    (quantity,) = ({"speed": "images_per_second", "memory": "peak_memory_bytes"}[next(iter(new))],)
    assert kinds(found)["a", quantity] == "recorded" and not found.regression
    (change,) = [change for change in found.measurements if change.quantity == quantity]
    assert change.p is None and change.difference == pytest.approx(change.new / change.base - 1, rel=0.1)
    assert f"- {quantity} {100 * change.difference:+.3g} % (median of 1 arm)" in as_text(found)


def test_the_difference_of_a_timing_is_a_share_and_its_interval_holds_it():
    found = compare([timed(seed=1)], [timed(14.0, seed=2)])
    (latency,) = [change for change in found.measurements if change.quantity == "latency"]
    low, high = latency.interval
    assert low < latency.difference < high < -0.2 and latency.difference == pytest.approx(-0.3, abs=0.05)


def test_a_timing_that_differs_by_less_than_1_percent_is_no_more_than_changed_however_certain():
    grown = {seed: 3e7 + 4096 + seed for seed in range(5)}
    base = result(timings=[timing(seed=seed) for seed in grown])
    new = result(timings=[timing(seed=seed, memory=memory) for seed, memory in grown.items()])
    assert kinds(compare([base], [new]))["a", "peak_memory"] == "changed"


def test_timings_on_another_device_are_refused_and_said_to_be():
    found = compare([run(seed=1)], [run(seed=2, speed=100.0, key={**KEY, "device": "cpu y"})])
    assert kinds(found) == {("a", "test_error"): "changed"} and not found.regression
    assert found.notes == (
        "made-up (cpu): TIMINGS AND MEMORY ARE NOT COMPARED, the environments differ: device cpu x → cpu y",
    )


def test_costs_of_trials_that_shared_a_gpu_are_refused_and_those_of_rounds_are_not():
    shared = {**KEY, "per_gpu": 8}
    found = compare([run(seed=1)], [run(seed=2, speed=100.0, key=shared)])
    assert kinds(found) == {("a", "test_error"): "changed"} and not found.regression
    change = "device cpu x → cpu x shared by 8 trials"
    said = f"WHAT TRIALS COST IS NOT COMPARED, they shared GPUs otherwise: {change}"
    assert found.notes == (f"made-up (cpu): {said}",)
    rounds = compare([timed(seed=1)], [timed(latency=50.0, seed=2, key=shared)])
    assert kinds(rounds)["a", "latency"] == "worse" and rounds.regression


@pytest.mark.parametrize(("peak", "refused"), [(1.05e12, False), (0.8e12, True), (1.3e12, True)])
def test_timings_of_a_machine_that_was_at_another_speed_itself_are_refused(peak, refused):
    found = compare([timed(seed=1)], [timed(40.0, seed=2, peak=peak)])
    assert ("latency" not in {change.quantity for change in found.measurements}) == refused
    assert found.regression != refused and kinds(found)["a", "peak_memory"] == "changed"
    said = f"the machine itself was at another speed: a matrix product ran at {peak / 1e12:.3g} times"
    assert any(said in note for note in found.notes) == refused


def timed(latency=20.0, memory=3e7, energy=0.5, *, seed=0, noise=0.02, peak=1e12, settings=None, **rest):
    """A result of five rounds of timing one net, each with noise."""
    rng = np.random.default_rng(seed)

    def one(number):
        slow, large = np.exp(noise * rng.normal(size=2) * [1.0, 0.1])
        costs = {"latency": latency * slow, "memory": memory * large, "energy": energy * slow}
        return timing("a", number, **costs, peak=peak, **(settings or {}))

    return result(timings=[one(number) for number in range(5)], **rest)


def test_what_is_worse_and_what_is_better_is_known_of_each_timed_measure():
    found = timed()
    worse = {clock: sign(found, clock) for clock in ("latency", "throughput", "peak_memory", "energy")}
    assert worse == {"latency": 1, "throughput": -1, "peak_memory": 1, "energy": 1}


@pytest.mark.parametrize(
    ("new", "changed"),
    [
        ({}, {}),
        ({"latency": 26.0}, {("a", "latency"): "worse"}),
        ({"latency": 14.0}, {("a", "latency"): "better"}),
        ({"memory": 4e7}, {("a", "peak_memory"): "worse"}),
        ({"energy": 0.3}, {("a", "energy"): "better"}),
    ],
)
def test_timings_are_compared_round_by_round_and_latency_stands_for_throughput(new, changed):
    found = compare([timed(seed=1)], [timed(seed=2, night=2, **new)])
    assert kinds(found) == {("a", name): "changed" for name in ("latency", "energy", "peak_memory")} | changed
    assert found.regression == ("worse" in changed.values()) and found.notes == ()
    assert {change.base_seeds for change in found.measurements} == {(0, 1, 2, 3, 4)}


def test_rounds_are_paired_so_what_slows_a_round_on_both_sides_is_no_noise():
    days = [1.0, 3.0, 0.5, 2.0, 1.5]
    base, new = (
        result(timings=[timing(seed=n, latency=v * day) for n, day in enumerate(days)]) for v in (20.0, 20.6)
    )
    (found,) = [change for change in compare([base], [new]).measurements if change.quantity == "latency"]
    assert found.kind == "worse" and found.difference == pytest.approx(0.03)


def test_an_arm_that_is_trained_and_timed_twice_is_three_things():
    def run(latency):
        batches = [timing("a", n, batch_size=8, latency=latency + n) for n in range(5)]
        return result(
            [trial("a", n) for n in range(5)], timings=[*(timing("a", n) for n in range(5)), *batches]
        )

    found = kinds(compare([run(100.0)], [run(200.0)]))
    assert found["a(batch_size=8)", "latency"] == "worse"
    others = {
        kind for (name, quantity), kind in found.items() if (name, quantity) != ("a(batch_size=8)", "latency")
    }
    assert others == {"identical", "recorded"} and {name for name, _ in found} == {"a", "a(batch_size=8)"}


@pytest.mark.parametrize(
    ("new", "said"),
    [
        ({"size": 224}, "size 64 → 224"),
        ({"region": "both passes", "threads": 2}, "region a forward pass → both passes; threads None → 2"),
    ],
)
def test_a_net_that_was_timed_in_another_way_is_not_compared_and_that_is_said(new, said):
    def run(latency, **way):
        return result(
            timings=[
                timing(seed=n, latency=latency + n, **way).model_copy(update={"name": "a"}) for n in range(5)
            ]
        )

    found = compare([run(20.0)], [run(90.0, **new)])
    assert found.measurements == () and not found.regression
    assert found.notes == (
        f"made-up (cpu): TIMINGS OF a ARE NOT COMPARED, it was timed in another way: {said}",
    )


def test_on_another_device_no_timing_is_compared_and_on_a_machine_at_another_speed_memory_alone():
    elsewhere = compare([timed(seed=1)], [timed(latency=50.0, seed=2, key={**KEY, "device": "cpu y"})])
    assert elsewhere.measurements == () and "TIMINGS AND MEMORY ARE NOT COMPARED" in elsewhere.notes[0]
    slower = compare([timed(seed=1)], [timed(latency=50.0, seed=2, peak=0.5e12)])
    assert (
        kinds(slower) == {("a", "peak_memory"): "changed"}
        and "a matrix product ran at 0.5 times" in slower.notes[0]
    )


def test_the_machines_speed_is_that_of_the_same_products_on_both_sides():
    """Of bf16 or of more threads a product is another one: more such rounds do not make a machine faster."""

    def run(rounds):
        fast = [timing("fast", n, peak=8e12, precision="bf16", latency=5.0) for n in range(rounds)]
        return result(timings=[*(timing("a", n, peak=1e12) for n in range(5)), *fast])

    assert compare([run(3)], [run(9)]).notes == ()


def test_a_net_that_is_no_longer_timed_is_a_regression_and_a_new_one_is_listed():
    base, new = result(timings=[timing()]), result(timings=[timing(batch_size=8)])
    found = compare([base], [new])
    assert found.gone == ("timing a of made-up (cpu)",) and found.regression
    assert found.only_new == ("timing a(batch_size=8) of made-up (cpu)",) and found.measurements == ()


def test_the_difference_of_a_timing_is_shown_as_a_share():
    text = as_text(compare([timed(seed=1)], [timed(latency=26.0, seed=2)]))
    (row,) = [line for line in text.splitlines() if "latency(a)" in line]
    assert "WORSE" in row and " %" in row


def measuring(metric, values, **rest):
    """A result whose trials measured one metric."""
    trials = [trial(seed=seed) for seed in range(len(values))]
    pairs = zip(trials, values, strict=True)
    return result([one.model_copy(update={"measurements": {metric: value}}) for one, value in pairs], **rest)


def kind_of_change(metric, base, new):
    (found,) = [change for change in compare([base], [new]).measurements if change.quantity == metric]
    return found.kind


@pytest.mark.parametrize(
    ("task", "metric", "value"), [("classification", "test_loss", 0.3), ("segmentation", "miou", 0.7)]
)
def test_a_value_that_has_gone_is_a_regression_and_one_that_came_is_none(task, metric, value):
    base, new = (measuring(metric, [value, each], task=task) for each in (value, None))
    assert kind_of_change(metric, base, new) == "lost" and compare([base], [new]).regression
    assert kind_of_change(metric, new, base) == "found" and not compare([new], [base]).regression
    assert kind_of_change(metric, new, new) == "identical"
    text = as_text(compare([base], [new]))
    assert "NO VALUE" in text and "1 have no value now" in text


@pytest.mark.parametrize(("metric", "bad"), [("test_loss", math.inf), ("margin", -math.inf)])
def test_a_run_that_diverges_and_did_not_is_worse_without_a_test(metric, bad):
    declared = {"margin": Declaration(better="higher")}
    base, new = (measuring(metric, [0.3, 0.3, each], quantities=declared) for each in (0.3, bad))
    assert kind_of_change(metric, base, new) == "worse" and compare([base], [new]).regression
    assert kind_of_change(metric, new, base) == "better"


@pytest.mark.parametrize(
    ("better", "new", "kind"),
    [("lower", 0.5, "worse"), ("lower", 0.1, "better"), ("higher", 0.5, "better"), ("higher", 0.1, "worse")],
)
def test_a_metric_of_ones_own_is_worse_in_the_way_that_was_declared_though_its_task_is_gone(
    better, new, kind
):
    declared = {"miss_rate": Declaration(unit="share", better=better)}
    rest = {"task": "of-a-package-that-is-gone", "quantities": declared}
    base, new = (
        measuring("miss_rate", [value + 0.001 * seed for seed in range(5)], **rest) for value in (0.3, new)
    )
    assert kind_of_change("miss_rate", base, new) == kind


def test_what_a_result_declares_stands_before_what_is_installed_today():
    other = {"test_error": Declaration(better="higher")}
    assert sign(result(quantities=other), "test_error") == -1 and sign(result(), "test_error") == 1


def test_of_a_metric_whose_better_way_is_declared_nowhere_any_change_is_a_regression():
    base, higher = (
        measuring("oddity", [value + 0.001 * seed**2 for seed in range(5)]) for value in (0.3, 0.5)
    )
    for old, new in ((base, higher), (higher, base)):
        assert kind_of_change("oddity", old, new) == "different" and compare([old], [new]).regression
    assert "DIFFERENT" in as_text(compare([base], [higher]))
    endless = measuring("oddity", [0.3, 0.301, 0.304, 0.309, -math.inf])
    assert kind_of_change("oddity", base, endless) == "different"


def test_the_correction_is_for_all_that_is_tested_together():
    drop = {"error": 0.306, "noise": 0.02}
    alone = compare([run(seed=1)], [run(seed=5, **drop)])
    (error,) = [change for change in alone.measurements if change.quantity == "test_error"]
    crowd = [run(seed=100 + i, suite=f"other{i}") for i in range(30)]
    others = [run(seed=200 + i, suite=f"other{i}") for i in range(30)]
    (among,) = [
        c
        for c in compare([run(seed=1), *crowd], [run(seed=5, **drop), *others]).measurements
        if c.suite == "made-up"
    ][:1]
    assert among.p > 10 * error.p


def test_below_three_seeds_on_a_side_nothing_is_tested_and_that_is_said():
    found = compare([run(seed=1, seeds=2)], [run(error=0.9, seed=2)])
    assert kinds(found)["a", "test_error"] == "untested" and not found.regression
    assert "too few seeds" in as_text(found)
    assert "1 changed in value on too few seeds to be tested (below 3)" in as_text(found)


def from_seed(first, values):
    return result([trial(seed=first + i, error=value) for i, value in enumerate(values)])


@pytest.mark.parametrize(
    ("new", "kind"),
    [
        ([0.31, 0.29, 0.30, 0.32, 0.28], "changed"),
        ([0.51, 0.49, 0.50, 0.52, 0.48], "worse"),
        ([0.11, 0.09, 0.10, 0.12, 0.08], "better"),
        ([0.9], "untested"),
        ([0.31, 0.29, math.inf], "worse"),
        ([0.31, 0.29, None, 0.30], "lost"),
    ],
)
def test_sides_without_common_seeds_are_compared_unpaired_and_that_is_said(new, kind):
    base = from_seed(0, [0.30, 0.31, 0.29, 0.33, 0.28])
    found = compare([base], [from_seed(5, new)])
    (change,) = [change for change in found.measurements if change.quantity == "test_error"]
    assert (change.kind, change.base_seeds, change.new_seeds[0]) == (kind, (0, 1, 2, 3, 4), 5)
    last = 4 + len(new)
    seeds = f"0 to 4 and 5 to {last}" if last > 5 else "0 to 4 and 5"
    said = f"made-up (cpu): UNPAIRED, for want of common seeds (seeds {seeds}): test_error(a)"
    assert said in found.notes
    if kind not in ("changed", "untested"):
        assert f"5 and {len(new)}" in as_text(found)


def test_two_common_seeds_are_not_enough_for_a_test_but_enough_to_tell_that_nothing_has_changed():
    base = from_seed(0, [0.30, 0.31, 0.29, 0.33, 0.28])
    equal = from_seed(3, [0.33, 0.28, 0.9, 0.9, 0.9])
    (change,) = [c for c in compare([base], [equal]).measurements if c.quantity == "test_error"]
    assert (change.kind, change.base_seeds) == ("identical", (3, 4))
    other = from_seed(3, [0.9, 0.91, 0.92, 0.9, 0.9])
    (change,) = [c for c in compare([base], [other]).measurements if c.quantity == "test_error"]
    assert (change.kind, change.new_seeds) == ("worse", (3, 4, 5, 6, 7)) and not change.is_paired


def test_what_has_no_value_on_either_side_is_left_out_of_a_test():
    base = measuring("test_loss", [0.3, 0.31, 0.29, None, 0.30])
    new = measuring("test_loss", [0.6, 0.61, 0.59, None, 0.605])
    assert kind_of_change("test_loss", base, new) == "worse"


def test_seeds_that_all_end_alike_and_did_not_are_a_regression():
    base, new = (measuring("test_error", values) for values in ([0.3, 0.31, 0.32], [0.31] * 3))
    found = compare([base], [new])
    assert found.alike == ("arm a of made-up (cpu): 3 seeds",) and found.regression
    assert "ALL SEEDS ALIKE, which is a regression" in as_text(found)
    assert compare([new], [new]).alike == () and not compare([new], [new]).regression
    two = measuring("test_error", [0.31] * 2)
    assert compare([base], [two]).alike == ()


def test_runs_that_diverge_on_other_seeds_than_before_are_the_same_as_far_as_can_be_told():
    base = measuring("test_loss", [math.inf, 0.3, 0.3, 0.3, 0.3])
    new = measuring("test_loss", [0.3, math.inf, 0.3, 0.3, 0.3])
    assert kind_of_change("test_loss", base, new) == "changed"
    elsewhere = result([one.model_copy(update={"seed": 5 + one.seed}) for one in new.trials])
    assert kind_of_change("test_loss", base, elsewhere) == "changed"


@pytest.mark.parametrize(
    ("old", "new", "regression"),
    [
        (claim(), claim("undecided"), True),
        (claim(), claim("refuted"), True),
        (claim("refuted", "refuted"), claim("reproduced", "refuted"), True),  # what is pinned is so no longer
        (claim("undecided"), claim("refuted"), False),
        (claim("undecided", "undecided"), claim("refuted", "undecided"), False),
        (claim("undecided", "undecided"), claim("reproduced", "undecided"), False),
        (claim("undecided", "undecided"), claim("refuted"), True),
        (claim("undecided"), claim(), False),
    ],
)
def test_a_claim_is_a_regression_if_its_verdict_was_as_expected_and_no_longer_is(old, new, regression):
    found = compare([run(claims={"c": old})], [run(claims={"c": new})])
    (change,) = found.claims
    assert (change.base, change.new, change.regression, found.regression) == (
        old.verdict,
        new.verdict,
        regression,
        regression,
    )


def test_a_claim_that_is_decided_though_it_was_not_to_be_is_told():
    base, new = (result(claims={"c": claim(verdict, "undecided")}) for verdict in ("undecided", "refuted"))
    found = compare([base], [new])
    assert not found.regression and "refuted  decided, expected undecided" in as_text(found)
    assert compare([new], [base]).claims[0].chance == ""


@pytest.mark.parametrize(
    ("now", "is_regression"),
    [
        (claim("undecided"), False),
        (claim("refuted"), True),
        (claim("undecided").model_copy(update={"why": "log(a) has no value"}), True),
    ],
)
def test_what_other_numbers_leave_undecided_is_no_regression_in_another_environment(now, is_regression):
    base = result(claims={"c": claim()})
    there = compare([base], [result(claims={"c": now}, key={**KEY, "torch": "3"})])
    assert there.regression == is_regression
    assert ("undecided in another environment" in as_text(there)) != is_regression
    assert compare([base], [result(claims={"c": now})]).regression


def test_a_claim_or_an_arm_that_has_gone_is_a_regression_and_a_whole_suite_is_a_note():
    base = [run(arms=("a", "b"), claims={"c": claim(), "d": claim()}), run(suite="gone")]
    found = compare(base, [run(arms=("a", "z"), claims={"c": claim()}), run(suite="added", profile="gpu")])
    assert found.gone == ("claim made-up::d (cpu)", "arm b of made-up (cpu)") and found.regression
    assert found.only_base == ("suite gone (cpu)",)
    assert found.only_new == ("suite added (gpu)", "arm z of made-up (cpu)")
    assert [(side.suite, side.profile) for side in found.compared] == [("made-up", "cpu")]
    assert "GONE, which is a regression: base has them, new has not\n- claim made-up::d" in as_text(found)


def test_an_arm_that_is_listed_and_was_never_measured_cannot_go():
    base, new = (result([trial()], arms=arms) for arms in ({"b": {}}, {}))
    assert "b" in base.arms and not compare([base], [new]).regression
    suite_alone = compare([base, run(suite="gone")], [new])
    assert suite_alone.only_base == ("suite gone (cpu)",) and not suite_alone.regression


def probed(at_end, at_start=(1.0, 1.1, 0.9), measure="mean_lesion_error"):
    """A claim on a probe of the net after training, of it before, of a treated arm, and on a count."""
    values = {
        f"{measure}(a)": tuple(at_end),
        "gradient_norm(a, at=start)": tuple(at_start),
        "test_error(a_crf)": (0.2, 0.3, 0.25),
        "test_error(a)": (0.3, 0.3, 0.3),
        "params(a)": (1000.0,),
        "latency(a)": (20.0, 20.0, 20.0),
    }
    seeds = {"evidence": claim().evidence.model_copy(update={"seeds": (0, 1, 2)})}
    return claim().model_copy(update={"values": values, **seeds})


def of_claims(**claims):
    return result([trial(seed=seed) for seed in range(3)], claims=claims)


def test_what_claims_measure_beside_trials_is_compared_as_metrics_are():
    base, new = of_claims(c=probed([0.1, 0.11, 0.12])), of_claims(c=probed([0.5, 0.51, 0.53]))
    found = kinds(compare([base], [new]))
    assert found["a", "mean_lesion_error"] == "worse"  # as its probe declares
    assert found["a(at=start)", "gradient_norm"] == found["a_crf", "test_error"] == "identical"
    assert {quantity for _, quantity in found} & {"params", "latency"} == set()
    other = of_claims(c=probed([0.1, 0.11, 0.12], at_start=(9.0, 9.1, 8.9)))
    assert kinds(compare([base], [other]))["a(at=start)", "gradient_norm"] == "different"
    lost = of_claims(c=probed([0.1, 0.11, None]))
    assert kinds(compare([base], [lost]))["a", "mean_lesion_error"] == "lost"


def test_metrics_alone_are_neither_verdicts_nor_claims_nor_timings():
    base = result(
        [trial(seed=s) for s in range(3)],
        timings=[timing(seed=s, latency=20.0 + s) for s in range(3)],
        claims={"c": claim(), "d": claim()},
    )
    new = result([trial(seed=s) for s in range(3)], claims={"c": claim("refuted")}, key={**KEY, "torch": "3"})
    assert compare([base], [new]).regression and not compare([base], [new], metrics=True).regression
    found = compare([base], [new], metrics=True)
    assert kinds(found) == {("a", "test_error"): "identical"} and found.claims == found.notes == ()
    worse = result([trial(seed=s, error=0.9 + 0.001 * s) for s in range(3)])
    assert compare([base], [worse], metrics=True).regression
    gone = compare([base], [result([trial("b", s) for s in range(3)])], metrics=True)
    assert gone.gone == ("arm a of made-up (cpu)",)


def test_only_what_some_claims_measure_can_be_compared():
    good, bad = probed([0.1, 0.11, 0.12]), probed([0.5, 0.51, 0.53], measure="interior_miou")
    of_b = bad.model_copy(update={"values": {"interior_miou(b)": bad.values["interior_miou(a)"]}})
    trials = [trial(arm, seed) for arm in ("a", "b") for seed in range(3)]
    base = result(trials, claims={"good": good, "bad": of_b})
    new = result([trial(arm, seed) for arm in ("a",) for seed in range(3)], claims={"good": good})
    assert compare([base], [new]).gone == ("claim made-up::bad (cpu)", "arm b of made-up (cpu)")
    narrowed = compare([base], [new], only="good")
    assert not narrowed.regression and {change.arm for change in narrowed.measurements} >= {
        "a",
        "a(at=start)",
    }
    assert compare([base], [new], only="nothing").compared == ()


def test_what_limits_a_comparison_is_noted():
    base = result([trial(seed=0, digest="x")], arms={"a": {"depth": 8}})
    new = result(
        [trial(seed=0, digest="x", error=0.31)],
        arms={"a": {"depth": 20}},
        suite_digest="e" * 32,
        complete=False,
        night=2,
    )
    notes = "\n".join(compare([base], [new]).notes)
    assert "the suite reads otherwise (its file, or what files mean; digest dddddddd → eeeeeeee)" in notes
    assert "arm 'a' is another one now: other options" in notes
    assert "1 trials of the same digest ended with other numbers" in notes and "holds only some" in notes


def test_of_several_results_of_a_suite_what_stands_is_compared():
    base = [run(night=1, claims={"a": claim(), "b": claim()}, arms=("a", "b"))]
    new = [*base, run(night=2, error=0.9, claims={"b": claim("refuted")}, arms=("b",), complete=False)]
    found = compare(base, new)
    (side,) = found.compared
    assert (side.base, side.new) == (base[0].id, new[1].id)
    assert [(change.claim, change.new) for change in found.claims] == [("b", "refuted")]
    assert kinds(found)["a", "test_error"] == "identical" and kinds(found)["b", "test_error"] == "worse"
    assert found.gone == found.only_base == found.only_new == found.notes == ()


def test_text_and_markdown_show_the_same_rows_and_the_error_rate():
    def both(error, latency, verdict):
        timings = [timing(seed=seed, latency=latency + seed) for seed in range(5)]
        trials = [trial(seed=seed, error=error + 0.001 * seed**2) for seed in range(5)]
        return result(trials, timings=timings, claims={"c": claim(verdict)})

    base, new = both(0.3, 50.0, "reproduced"), both(0.5, 20.0, "refuted")
    found = compare([base], [new])
    for shown in (as_text(found), as_markdown(found)):
        assert "REGRESSION: was as expected" in shown and "test_error(a)" in shown and "WORSE" in shown
        assert "A sudden gain may be a fault too" in shown and "with\nprobability 95%" in shown
        assert "1 suite compared, 3 measurements: 1 identical, 0 changed in value, within" in shown
        assert "chance, 1 worse, 0 different, 1 better" in shown
    rows = [line for line in as_markdown(found).splitlines() if line.startswith("|")]
    assert len({line.count("|") for line in rows if "test_error" in line or "measurement" in line}) == 1


def repro(*arguments):
    return CliRunner().invoke(main, list(map(str, arguments)))


def test_exit_codes_and_formats(tmp_path):
    same = write(run(seed=1), tmp_path / "base")
    worse = write(run(seed=2, error=0.9, night=2), tmp_path / "new")
    assert repro("compare", same, same).exit_code == 0
    found = repro("compare", tmp_path / "base", tmp_path / "new", "--format", "json")
    assert found.exit_code == 3 and json.loads(found.stdout)["alpha"] == 0.05
    assert repro("compare", worse, same, "--format", "markdown").stdout.startswith("### What has changed")
    assert repro("compare", "made-up", same.stem, "--results", tmp_path / "base").exit_code == 0
    refuted = write(run(seed=1, night=3, claims={"better": claim("refuted")}), tmp_path / "refuted")
    assert repro("compare", same, refuted).exit_code == 3
    assert repro("compare", same, refuted, "--metrics").exit_code == 0
    none = repro("compare", same, refuted, "-k", "nothing")
    assert none.exit_code == 4 and none.output.endswith(" in common with a claim like 'nothing'\n")


def test_nothing_to_compare_is_4(tmp_path):
    write(run(), tmp_path / "base")
    write(run(suite="other"), tmp_path / "new")
    (tmp_path / "empty").mkdir()
    for new in ("new", "empty"):
        found = repro("compare", tmp_path / "base", tmp_path / new)
        assert found.exit_code == 4 and "no suite and profile in common" in found.output


def test_wrong_input_is_2_and_a_broken_file_is_named(tmp_path):
    broken = tmp_path / "broken.json"
    broken.write_text("{")
    found = repro("compare", broken, tmp_path)
    assert found.exit_code == 2 and f"{broken}: not a result" in found.output
    assert repro("compare", "nowhere", tmp_path).exit_code == 2
