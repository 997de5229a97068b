"""Training curves: a panel an arm, over its seeds."""

import re

import pytest
from kit.judged_results import ARMS, trial

from repro.site.curves import drawn, explained, of_claim, panels, quantities

UNITS = {"test_error": "share", "test_loss": "nats"}


def test_curves_of_one_quantity_are_drawn_together():
    found = quantities(list(ARMS), [trial("plain20", 0, steps=60), trial("plain56", 0, steps=60)])
    assert set(found) == {"error", "loss"}
    assert set(found["error"]["plain20"]) == {"batch_error", "test_error", "train_error"}
    assert list(found["error"]) == ["plain20", "plain56"]


def test_a_curve_is_the_mean_over_seeds_with_the_lowest_and_the_highest():
    trials = [trial("plain20", seed, steps=60) for seed in range(3)]
    row = quantities(["plain20"], trials)["loss"]["plain20"]["batch_loss"].rows[17]
    values = [each.curves["batch_loss"][16][1] for each in trials]
    assert row == (pytest.approx(sum(values) / 3), min(values), max(values), 3)


def test_a_value_that_diverged_is_left_out_and_a_spike_does_not_flatten_the_rest():
    made = trial("plain20", 0, steps=100)
    curve = [
        (step, 1e9 if step == 50 else None if step > 80 else value)
        for step, value in made.curves["batch_loss"]
    ]
    shown = panels(drawn(["plain20"], [made.model_copy(update={"curves": {"batch_loss": curve}})]), UNITS)
    assert (
        max(
            quantities(["plain20"], [made.model_copy(update={"curves": {"batch_loss": curve}})])["loss"][
                "plain20"
            ]["batch_loss"].rows
        )
        == 80
    )
    assert "What lies beyond the upper edge is drawn at it." in shown
    assert "1 G" not in shown and "step 100" not in shown


def test_what_was_measured_once_is_a_dot_with_its_range_beside_the_curve_of_training():
    curves = [
        {"batch_loss": [(1, 2.0), (500, 1.0)], "test_loss": [(500, 0.5 + seed / 10)]} for seed in range(3)
    ]
    trials = [trial("plain20", seed).model_copy(update={"curves": made}) for seed, made in enumerate(curves)]
    shown = panels(drawn(["plain20"], trials), UNITS)
    assert "<circle" in shown and "test_loss 0.6 (0.5 to 0.7)" in shown


def test_a_panel_shows_its_arm_before_the_others_and_says_its_values():
    shown = panels(drawn(list(ARMS), [trial(arm, seed) for arm in ARMS for seed in range(2)]), UNITS)
    charts = re.findall(r"<figure.*?</figure>", shown)
    assert len(charts) == 8  # 4 arms, loss and error
    drawn_once = [re.search('id="(.*?)" class="line behind" d="(M[^M]*){4}"', chart) for chart in charts]
    assert [bool(found) for found in drawn_once] == 2 * [True, False, False, False]
    assert [
        re.search('<use href="#(.*?)" class="line behind"', chart)[1] for chart in charts if "<use" in chart
    ] == (3 * ["all-error"] + 3 * ["all-loss"])
    assert "step 200: batch_error" in charts[0] and "; test_error" in charts[0]
    assert all(len(re.findall("<title>", chart)) <= 50 for chart in charts)


def test_a_curve_that_diverged_from_the_first_step_on_is_no_curve():
    made = trial("plain20", 0).model_copy(update={"curves": {"batch_loss": [(1, None), (2, None)]}})
    assert "figure" not in panels(drawn(["plain20"], [made]), UNITS)


def test_a_quantity_that_was_measured_only_once_has_no_panel():
    made = trial("plain20", 0).model_copy(
        update={"curves": {"batch_loss": [(1, 2.0), (2, 1.0)], "miou": [(2, 0.5)]}}
    )
    shown = panels(drawn(["plain20"], [made]), UNITS)
    assert "batch_loss" in shown and "miou" not in shown


def test_of_a_claim_its_arms_are_drawn_in_what_it_compares_them_by_else_in_their_loss():
    found = drawn(list(ARMS), [trial(arm, 0) for arm in ARMS])
    shown = of_claim(found, ["plain20", "plain56"], ["train_error", "params"])
    assert {quantity: list(arms) for quantity, arms in shown.items()} == {"error": ["plain20", "plain56"]}
    assert list(of_claim(found, ["plain20"], ["gradient_norm"])) == ["loss"]
    assert not of_claim(found, ["other"], ["train_error"])


def test_a_long_curve_is_drawn_through_few_steps_with_the_last_one():
    shown = panels(drawn(["plain20"], [trial("plain20", seed, steps=1000) for seed in range(2)]), UNITS)
    lines = re.findall('class="line[^"]*" d="([^"]*)"', shown)
    assert lines and max(line.count(",") for line in lines) <= 65
    assert "step 1,000: " in shown and shown.count("<title>") <= 50


def test_of_what_was_measured_of_the_training_images_at_the_end_there_is_an_open_dot():
    made = [
        trial("plain20", seed, measurements={"train_error": 0.1 * seed, "params": 5.0}) for seed in (1, 2)
    ]
    found = quantities(["plain20"], made)
    assert found["error"]["plain20"]["train_error"].rows == {200: (pytest.approx(0.15), 0.1, 0.2, 2)}
    assert "params" not in found
    shown = panels(drawn(["plain20"], made), UNITS)
    assert 'class="dot open"' in shown and "train_error 0.15 (0.1 to 0.2)" in shown


def test_of_a_claim_what_it_measures_comes_first_and_what_it_does_not_is_left_out():
    found = drawn(list(ARMS), [trial(arm, 0) for arm in ARMS])
    arms = ["plain20", "plain56"]
    assert list(of_claim(found, arms, ["train_error"])["error"]["plain20"]) == ["train_error", "batch_error"]
    assert list(of_claim(found, arms, ["test_error"])["error"]["plain20"]) == ["test_error", "batch_error"]
    assert list(of_claim(found, arms, ["mean_lesion_error"])) == ["error"]
    both = drawn(["plain20"], [with_losses()])
    assert list(of_claim(both, ["plain20"], ["test_loss", "train_error"])) == ["loss", "error"]


def with_losses():
    made = trial("plain20", 0)
    return made.model_copy(update={"curves": made.curves | {"test_loss": [(200, 1.0)]}})


@pytest.mark.parametrize(
    ("metrics", "said"),
    [
        (["test_error"], ""),  # it has a curve
        (
            ["train_error"],
            "train_error is measured once, after the last step: the dots at the end. "
            "What is drawn over the steps is batch_error, of the images that each step trains on.",
        ),
        (["train_error", "test_loss"], "train_error and test_loss are measured once, after the last step"),
        (["gradient_norm"], "gradient_norm is measured once for each net, without a curve. What is drawn"),
        (["steps_to_loss"], "steps_to_loss is read off a curve of the training. What is drawn"),
    ],
)
def test_why_another_curve_is_shown_is_told(metrics, said):
    shown = of_claim(drawn(["plain20"], [with_losses()]), ["plain20"], metrics)
    assert shown
    assert explained(shown, metrics).startswith(said) and bool(explained(shown, metrics)) == bool(said)
