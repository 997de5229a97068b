"""What each arm chooses for itself on pilot seeds. Nothing is trained here: errors are made up."""

import math

import pytest
from kit.made_up import MadeUp, arm_of, suite

from repro.errors import ReproError
from repro.experiment import Experiment
from repro.result import read
from repro.runner import Runner
from repro.session import Session
from repro.trial import Evaluating, TrialSpec
from repro.tuning import SEEDS, _loss, tune

RATES = [0.01, 0.03, 0.1]
BEST = {"good": 0.03, "bad": 0.01, "other": 0.1}  # each arm's own
BETTER = "test_error(good) < test_error(bad)"


def tuned(by="test_error", **grid):
    return {"tune": {"by": by, **(grid or {"optimizer.lr": RATES})}}


def rate(trial: TrialSpec) -> float:
    return trial.recipe.optimizer.options["lr"]


def by_rate(trial: TrialSpec) -> dict[str, float]:
    """An error that is least at the arm's own rate; the second arm's is larger."""
    far = abs(math.log10(rate(trial)) - math.log10(BEST[arm_of(trial.model)]))
    error = 0.1 + 0.1 * far + (0.2 if arm_of(trial.model) == "bad" else 0.0) + 0.001 * (trial.seed % 1000)
    return {"test_error": error, "train_error": 1 - error}


def session(store, executor):
    return Session(Runner(store, executor), "cpu")


def tuning(store, measure, arm="good", **profile):
    executor = MadeUp(measure)
    experiment = Experiment(suite(claim=BETTER, profile=profile or tuned()), "cpu")
    return tune(experiment, arm, Runner(store, executor)), executor


def test_a_profile_that_leaves_nothing_open_tunes_nothing(store):
    executor = MadeUp(by_rate)
    experiment = Experiment(suite(claim=BETTER), "cpu")
    assert tune(experiment, "good", Runner(store, executor)) is None and executor.asked == []


def test_every_value_is_tried_on_both_pilot_seeds_and_the_whole_grid_is_told(store):
    found, executor = tuning(store, by_rate)
    assert SEEDS == (1000, 1001) == found.seeds and found.by == "test_error"
    assert sorted((rate(job), job.seed) for job in executor.done) == [
        (value, seed) for value in RATES for seed in SEEDS
    ]
    assert [point.values for point in found.grid] == [{"optimizer.lr": value} for value in RATES]
    assert found.grid[1].measured == pytest.approx((0.1, 0.101)) and found.chosen == {"optimizer.lr": 0.03}


def test_of_several_places_every_combination_is_tried(store):
    grid = {"optimizer.lr": [0.01, 0.1], "optimizer.momentum": [0.0, 0.9], "steps": [5, 7]}

    def error(trial):
        momentum = trial.recipe.optimizer.options["momentum"]
        return {"test_error": 1 - momentum * trial.recipe.steps + rate(trial)}

    found, executor = tuning(store, error, **tuned(**grid))
    assert len(found.grid) == 8 and len(executor.done) == 16
    assert found.chosen == {"optimizer.lr": 0.01, "optimizer.momentum": 0.9, "steps": 7}
    tried = {(rate(job), job.recipe.optimizer.options["momentum"], job.recipe.steps) for job in executor.done}
    assert len(tried) == 8


def measuring(*values):
    """What the rates give, one after the other: the mean over both seeds counts, not the better one."""
    of_rate = dict(zip(RATES, values, strict=True))
    return lambda trial: {"test_error": of_rate[rate(trial)][trial.seed - 1000]}


@pytest.mark.parametrize(
    ("measured", "chosen"),
    [
        (((0.3, 0.3), (0.2, 0.2), (0.1, 0.1)), 0.1),
        (((0.1, 0.4), (0.2, 0.2), (0.3, 0.15)), 0.03),  # the mean decides
        (((0.2, 0.3), (0.3, 0.2), (0.25, 0.25)), 0.01),  # of equals the first
        (((0.3, 0.3), (0.2, 0.2), (0.2, 0.2)), 0.03),
        (((0.0, math.nan), (0.9, 0.9), (0.8, math.inf)), 0.03),  # what has no value or diverged is worst
        (((0.0, math.nan), (math.nan, 0.0), (math.inf, math.inf)), 0.01),
    ],
)
def test_the_value_of_the_least_error_is_taken(store, measured, chosen):
    found, _ = tuning(store, measuring(*measured))
    assert found.chosen == {"optimizer.lr": chosen}


def test_what_diverged_and_what_has_no_value_stand_in_the_grid_as_they_are(store):
    found, _ = tuning(store, measuring((0.1, math.nan), (0.2, 0.2), (math.inf, 0.3)))
    assert [point.measured for point in found.grid] == [(0.1, None), (0.2, 0.2), (math.inf, 0.3)]


@pytest.mark.parametrize(
    ("measured", "chosen"),
    [
        (((0.3, 0.3), (0.5, 0.5), (0.4, 0.4)), 0.03),
        (((0.5, 0.5), (0.5, 0.5), (0.4, 0.4)), 0.01),
        (((0.9, math.nan), (0.1, 0.1), (0.0, 0.0)), 0.03),
    ],
)
def test_where_higher_is_better_the_highest_is_taken(store, measured, chosen):
    of_rate = dict(zip(RATES, measured, strict=True))
    asked = suite(claim="miou(good) > miou(bad)", profile=tuned("miou"), rest={"task": "segmentation"})
    executor = MadeUp(lambda trial: {"miou": of_rate[rate(trial)][trial.seed - 1000]})
    found = tune(Experiment(asked, "cpu"), "good", Runner(store, executor))
    assert found.chosen == {"optimizer.lr": chosen}


def test_a_metric_that_the_task_did_not_measure_is_an_error_that_names_it(store):
    with pytest.raises(ReproError, match="the task did not measure 'test_error' of good"):
        tuning(store, lambda _: {"train_error": 0.1})


# ---- in a run


def test_each_arm_is_judged_with_what_it_chose_on_seeds_that_it_was_not_chosen_on(store, tmp_path):
    executor = MadeUp(by_rate)
    one, asked = session(store, executor), suite(claim=BETTER, profile=tuned())
    decided = one.decide(asked, "claim")
    judging = [job for job in executor.done if job.seed < 1000]
    assert {(arm_of(job.model), rate(job)) for job in judging} == {("good", 0.03), ("bad", 0.01)}
    assert sorted({job.seed for job in judging}) == [0, 1, 2, 3, 4] and len(judging) == 10
    assert len(executor.done) - len(judging) == 2 * len(RATES) * len(SEEDS)
    assert {digest for *_, digest in decided.trials} == {job.digest for job in judging}
    assert decided.claim.seconds == 20.0  # of what judges

    result = one.keep(asked, "x.yaml", {"claim": decided}, store.root, tmp_path / "results")
    assert {arm: found.chosen for arm, found in result.tuning.items()} == {
        "good": {"optimizer.lr": 0.03},
        "bad": {"optimizer.lr": 0.01},
    }
    assert all(len(found.grid) == 3 and found.seeds == SEEDS for found in result.tuning.values())
    assert {arm: found.recipe["optimizer"]["lr"] for arm, found in result.arms.items()} == {
        "good": 0.03,
        "bad": 0.01,
    }
    assert {trial.seed for trial in result.trials} == {0, 1, 2, 3, 4}
    assert read(tmp_path / "results" / result.path) == result


def test_all_values_of_an_arm_are_tried_at_once(store):
    asked = []

    class Watched(Runner):
        def ensure(self, jobs):
            jobs = list(jobs)
            asked.append(len({job.digest for job in jobs}))
            super().ensure(jobs)

    Session(Watched(store, MadeUp(by_rate)), "cpu").decide(suite(claim=BETTER, profile=tuned()), "claim")
    assert asked == [6, 6, 10]


def test_an_arm_finds_out_once_in_a_run_what_it_takes(store, monkeypatch):
    found, asked = [], suite(one=BETTER, two=BETTER, profile=tuned())
    monkeypatch.setattr(
        "repro.session.tune",
        lambda experiment, arm, runner: (found.append(arm), tune(experiment, arm, runner))[1],
    )
    one = session(store, MadeUp(by_rate))
    decided = {claim: one.decide(asked, claim) for claim in asked.claims}
    one.keep(asked, "x.yaml", decided, store.root, None)
    assert sorted(found) == ["bad", "good"]


def test_an_arm_that_several_claims_use_is_tuned_once_and_a_claim_that_trains_nothing_tunes_nothing(store):
    executor = MadeUp(by_rate)
    asked = suite(
        one=BETTER,
        two="train_error(bad) < 1",
        sizes="params(other) > 1",
        start="gradient_norm(other, at=start) > 0",
        profile=tuned(),
    )
    one = session(store, executor)
    decided = {claim: one.decide(asked, claim) for claim in asked.claims}
    pilots = [
        (arm_of(job.model), rate(job), job.seed) for job in executor.done if getattr(job, "seed", 0) > 999
    ]
    assert sorted(pilots) == sorted(
        (arm, value, seed) for arm in ("good", "bad") for value in RATES for seed in SEEDS
    )
    assert set(one.keep(asked, "x.yaml", decided, store.root, None).tuning) == {"good", "bad"}


def test_two_processes_choose_alike_and_train_nothing_twice(store):
    first, second = MadeUp(by_rate), MadeUp(by_rate)
    asked = suite(claim=BETTER, profile=tuned())
    one, other = session(store, first), session(store, second)
    decided = one.decide(asked, "claim")
    assert other.decide(asked, "claim") == decided and second.asked == []
    results = [each.keep(asked, "x.yaml", {"claim": decided}, store.root, None) for each in (one, other)]
    assert results[0].tuning == results[1].tuning and results[0].arms == results[1].arms


def test_who_only_writes_the_result_finds_out_what_the_others_chose(store):
    """As the process does that gathers what the workers of pytest-xdist have decided."""
    asked = suite(claim=BETTER, profile=tuned())
    decided = session(store, MadeUp(by_rate)).decide(asked, "claim")
    writer = MadeUp(by_rate)
    result = session(store, writer).keep(asked, "x.yaml", {"claim": decided}, store.root, None)
    assert result.arms["bad"].recipe["optimizer"]["lr"] == 0.01 and set(result.tuning) == {"good", "bad"}
    assert writer.asked == []


DEPENDENT = {
    "tuned": {"model": "cifar_resnet", "depth": 14, "weights": {"name": "trial", "arm": "good"}},
    "cut": {"of": "tuned", "after": {"name": "lesion", "block": 0}},
}


def test_an_arm_that_starts_from_another_is_tuned_on_what_that_one_chose(store):
    executor = MadeUp(by_rate)
    asked = suite(claim="test_error(cut) < 1", arms=DEPENDENT, profile=tuned())
    one = session(store, executor)
    decided = {"claim": one.decide(asked, "claim")}
    started = [job for job in executor.done if isinstance(job, TrialSpec) and job.start]
    assert {rate(job.start) for job in started} == {0.03}
    assert all(job.start.seed == job.seed for job in started)
    assert {job.seed for job in started} == {0, 1, 2, 3, 4, *SEEDS}
    judged = [job.subject.trial for job in executor.done if isinstance(job, Evaluating)]
    assert {(rate(trial), rate(trial.start)) for trial in judged} == {(0.01, 0.03)}
    result = one.keep(asked, "x.yaml", decided, store.root, None)
    assert set(result.tuning) == {"good", "tuned"}  # a treated arm has the recipe of the one it is of
    assert result.arms["cut"].recipe == result.arms["tuned"].recipe
    assert result.arms["tuned"].recipe["optimizer"]["lr"] == 0.01


def test_what_a_net_starts_from_is_tuned_though_it_is_looked_at_before_the_first_step(store):
    executor = MadeUp(by_rate)
    asked = suite(claim="gradient_norm(tuned, at=start) > 0", arms=DEPENDENT, profile=tuned())
    session(store, executor).decide(asked, "claim")
    judging = [job for job in executor.done if isinstance(job, TrialSpec) and job.seed < 1000]
    assert {(arm_of(job.model), rate(job)) for job in judging} == {("good", 0.03)}


def test_seeds_that_tuning_saw_do_not_judge(store):
    tuned_suite = suite(claim=BETTER, profile=tuned())
    for first in (1000, 1001):
        late = Session(Runner(store, MadeUp(by_rate)), "cpu", first_seed=first)
        with pytest.raises(ReproError, match=f"seeds {first} to .* are for pilots"):
            late.decide(tuned_suite, "claim")
    pilot = Session(Runner(store, MadeUp(by_rate)), "cpu", pilot=True)
    assert pilot.decide(tuned_suite, "claim").claim.evidence.seeds[0] == 1000


def test_nothing_is_chosen_where_no_value_has_a_metric(store):
    with pytest.raises(ReproError, match="'test_error' has no value for any of what is tuned"):
        tuning(store, lambda _: {"test_error": math.nan})


@pytest.mark.parametrize(
    ("better", "chosen"), [("lower", [[0.0, 0.9], [0.4, 0.4]]), ("higher", [[1.0, 0.1], [0.6, 0.6]])]
)
def test_both_seeds_count_where_they_disagree(better, chosen):
    first, second = (_loss(values, better) for values in chosen)
    assert second < first
