"""What `repro compare` says of two sets of results."""

import json
import math

import numpy as np
import pytest
from click.testing import CliRunner
from kit.results import KEY, claim, result, timing, trial

from repro.cli import main
from repro.declaration import Declaration
from repro.errors import ReproError
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
    assert set(kinds(found).values()) == {"identical"} and not found.regression
    assert all(change.p is None for change in found.measurements) and not found.claims and not found.notes


def test_noise_alone_is_no_change():
    found = compare([run(seed=1)], [run(seed=2, night=2)])
    assert set(kinds(found).values()) == {"same"} and not found.regression


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
        ({"speed": 700.0}, {("a", "images_per_second"): "worse", ("a", "evaluation_seconds"): "worse"}),
        ({"speed": 1400.0}, {("a", "images_per_second"): "better", ("a", "evaluation_seconds"): "better"}),
        ({"memory": 2e8}, {("a", "peak_memory_bytes"): "worse"}),
    ],
)
def test_a_clear_change_is_found_with_its_direction(new, changed):
    found = compare([run(seed=1)], [run(seed=2, night=2, **new)])
    assert {key: kind for key, kind in kinds(found).items() if kind != "same"} == changed
    assert found.regression == ("worse" in changed.values())


def test_the_difference_of_a_cost_is_a_share_and_its_interval_holds_it():
    found = compare([run(seed=1)], [run(seed=2, speed=700.0)])
    (speed,) = [change for change in found.measurements if change.quantity == "images_per_second"]
    low, high = speed.interval
    assert low < speed.difference < high < -0.2 and speed.difference == pytest.approx(-0.3, abs=0.05)


def test_a_cost_that_differs_by_less_than_1_percent_is_the_same_however_certain():
    grown = {seed: 1e8 + 4096 + seed for seed in range(5)}
    base = result([trial(seed=seed) for seed in grown])
    new = result([trial(seed=seed, memory=memory) for seed, memory in grown.items()])
    assert kinds(compare([base], [new]))["a", "peak_memory_bytes"] == "same"


def test_timings_on_another_device_are_refused_and_said_to_be():
    found = compare([run(seed=1)], [run(seed=2, speed=100.0, key={**KEY, "device": "cpu y"})])
    assert kinds(found) == {("a", "test_error"): "same"} and not found.regression
    assert found.notes == (
        "made-up (cpu): TIMINGS AND MEMORY ARE NOT COMPARED, the environments differ: device cpu x → cpu y",
    )


@pytest.mark.parametrize(("peak", "refused"), [(1.05e12, False), (0.8e12, True), (1.3e12, True)])
def test_timings_of_a_machine_that_was_at_another_speed_itself_are_refused(peak, refused):
    base, new = (
        result([trial(seed=s, speed=v + s, peak=p) for s in range(5)])
        for v, p in ((1000.0, 1e12), (500.0, peak))
    )
    found = compare([base], [new])
    assert ("images_per_second" not in {change.quantity for change in found.measurements}) == refused
    assert found.regression != refused and "peak_memory_bytes" in {
        change.quantity for change in found.measurements
    }
    assert (
        any(
            f"the machine itself was at another speed: a matrix product ran at {peak / 1e12:.3g} times"
            in note
            for note in found.notes
        )
        == refused
    )


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
    assert kinds(found) == {("a", name): "same" for name in ("latency", "energy", "peak_memory")} | changed
    assert found.regression == ("worse" in changed.values()) and found.notes == ()
    assert {change.seeds for change in found.measurements} == {(0, 1, 2, 3, 4)}


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
    assert others == {"identical"} and {name for name, _ in found} == {"a", "a(batch_size=8)"}


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
        kinds(slower) == {("a", "peak_memory"): "same"}
        and "a matrix product ran at 0.5 times" in slower.notes[0]
    )


def test_the_machines_speed_is_that_of_the_same_products_on_both_sides():
    """Of bf16 or of more threads a product is another one: more such rounds do not make a machine faster."""

    def run(rounds):
        fast = [timing("fast", n, peak=8e12, precision="bf16", latency=5.0) for n in range(rounds)]
        return result(timings=[*(timing("a", n, peak=1e12) for n in range(5)), *fast])

    assert compare([run(3)], [run(9)]).notes == ()


def test_what_is_timed_on_one_side_only_is_listed():
    base, new = result(timings=[timing()]), result(timings=[timing(batch_size=8)])
    found = compare([base], [new])
    assert found.only_base == ("timing a of made-up (cpu)",) and found.only_new == (
        "timing a(batch_size=8) of made-up (cpu)",
    )
    assert found.measurements == ()


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


def test_a_metric_whose_better_way_is_declared_nowhere_is_an_error_that_names_it():
    base, new = (measuring("oddity", [value] * 5) for value in (0.3, 0.5))
    said = r"made-up \(2026.*\): which way 'oddity' is better is declared neither in the result nor by "
    with pytest.raises(ReproError, match=said):
        compare([base], [new])


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


def test_below_three_common_seeds_nothing_is_tested():
    found = compare([run(seed=1, seeds=2)], [run(error=0.9, seed=2)])
    assert set(kinds(found).values()) == {"untested"} and not found.regression


def test_runs_that_diverge_on_other_seeds_than_before_are_the_same_as_far_as_can_be_told():
    base = measuring("test_loss", [math.inf, 0.3, 0.3, 0.3, 0.3])
    new = measuring("test_loss", [0.3, math.inf, 0.3, 0.3, 0.3])
    assert kind_of_change("test_loss", base, new) == "same"


@pytest.mark.parametrize(
    ("old", "new", "regression"),
    [
        (claim(), claim("undecided"), True),
        (claim(), claim("refuted"), True),
        (
            claim("undecided", "undecided"),
            claim("reproduced", "undecided"),
            True,
        ),  # what is pinned no longer is so
        (claim("undecided"), claim("refuted"), False),
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


def test_what_is_on_one_side_only_is_listed():
    base = [run(arms=("a", "b"), claims={"c": claim(), "d": claim()}), run(suite="gone")]
    found = compare(base, [run(arms=("a", "z"), claims={"c": claim()}), run(suite="added", profile="gpu")])
    assert found.only_base == ("suite gone (cpu)", "claim made-up::d (cpu)", "arm b of made-up (cpu)")
    assert found.only_new == ("suite added (gpu)", "arm z of made-up (cpu)")
    assert [(side.suite, side.profile) for side in found.compared] == [("made-up", "cpu")]


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
    assert (
        "the suite's file has changed (digest dddddddd → eeeeeeee)" in notes
        and "arm 'a' is another one now: other options" in notes
    )
    assert "1 trials of the same digest ended with other numbers" in notes and "holds only some" in notes


def test_of_several_results_of_a_suite_what_stands_is_compared():
    base = [run(night=1, claims={"a": claim(), "b": claim()}, arms=("a", "b"))]
    new = [*base, run(night=2, error=0.9, claims={"b": claim("refuted")}, arms=("b",), complete=False)]
    found = compare(base, new)
    (side,) = found.compared
    assert (side.base, side.new) == (base[0].id, new[1].id)
    assert [(change.claim, change.new) for change in found.claims] == [("b", "refuted")]
    assert kinds(found)["a", "test_error"] == "identical" and kinds(found)["b", "test_error"] == "worse"
    assert found.only_base == found.only_new == found.notes == ()


def test_text_and_markdown_show_the_same_rows_and_the_error_rate():
    base = run(seed=1, claims={"c": claim()})
    new = run(seed=2, error=0.5, speed=2000.0, claims={"c": claim("refuted")})
    found = compare([base], [new])
    for shown in (as_text(found), as_markdown(found)):
        assert "REGRESSION: was as expected" in shown and "test_error(a)" in shown and "WORSE" in shown
        assert "A sudden gain may be a fault too" in shown and "with probability 95%" in shown
        assert "1 suite compared, 4 measurements: 0 identical, 4 tested: 1 worse, 2 better" in shown
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


def test_nothing_to_compare_is_4(tmp_path):
    write(run(), tmp_path / "base")
    write(run(suite="other"), tmp_path / "new")
    (tmp_path / "empty").mkdir()
    for new in ("new", "empty"):
        found = repro("compare", tmp_path / "base", tmp_path / new)
        assert found.exit_code == 4 and "no suite and profile in common" in found.output


def test_wrong_input_is_2_and_a_broken_file_is_named(tmp_path):
    write(run(), tmp_path)
    broken = tmp_path / "made-up" / "cpu" / "broken.json"
    broken.write_text("{")
    found = repro("compare", tmp_path, tmp_path)
    assert found.exit_code == 2 and f"{broken}: not a result" in found.output
    assert repro("compare", "nowhere", tmp_path).exit_code == 2
