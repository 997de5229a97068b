"""What a claim costs until it is decided, and what is kept of a run. Nothing is trained here."""

import math
from collections import Counter

import pytest
from kit.made_up import ENVIRONMENT, NAMES, PROFILE, MadeUp, arm_of, better, suite

from repro.catalogue import TASKS
from repro.counting import Counting
from repro.declaration import Declaration
from repro.errors import ReproError
from repro.nightly.compare import compare
from repro.result import ClaimResult, file, read, verdict, verdict_rows
from repro.runner import Runner
from repro.session import Session
from repro.store import Store
from repro.trial import Drawing, Evaluating, Probing, TrialSpec

BETTER = "test_error(good) < test_error(bad)"


def apart(margins):
    """What measures the good arm at .1 and the bad one at as much more as is said for each seed."""

    def measured(trial):
        return {"test_error": 0.1 + (margins[trial.seed] if arm_of(trial.model) == "bad" else 0.0)}

    return measured


UNCERTAIN = [0.2, -0.05, 0.2, 0.2, 0.2, -0.1, 0.2, 0.2, -0.2, 0.1, 0.2, -0.25]  # until the last
LATE = [0.2, 0.2, -0.05, 0.2, 0.2, 0.2, 0.2, 0.2]  # decided at the second look
TURNING = [0.2, 0.2, 0.2, 0.2, 0.2, -0.5, -0.6, -0.7]  # decided at the first look, and then


def session(store, executor=None, **options):
    return Session(Runner(store, executor or MadeUp()), "cpu", **options)


def decide(store, executor=None, claim=BETTER, *, options=None, **rest):
    """The claim alone in its suite, decided; and what its trials were."""
    return session(store, executor, **(options or {})).decide(suite(claim=claim, **rest), "claim")


def keep(one, asked, *names, folder=None, here=None):
    decided = {name: one.decide(asked, name) for name in names or asked.claims}
    return one.keep(asked, "made-up.yaml", decided, here or one.runner.store.root, folder)


# ---- how many seeds


@pytest.mark.parametrize(
    ("claim", "verdict"), [(BETTER, "reproduced"), ("test_error(good) > test_error(bad)", "refuted")]
)
def test_no_more_seeds_are_trained_than_the_verdict_needs(store, claim, verdict):
    executor = MadeUp(better)
    decided = decide(store, executor, claim)
    assert decided.claim.verdict == verdict and decided.claim.as_expected == (verdict == "reproduced")
    assert decided.claim.evidence.seeds == tuple(range(5))
    assert sorted(executor.trained) == sorted((arm, seed) for arm in ("good", "bad") for seed in range(5))


def test_seeds_are_added_look_by_look_until_a_late_verdict(store):
    executor = MadeUp(apart(LATE))
    evidence = decide(store, executor).claim.evidence
    assert evidence.decided_at == len(evidence.seeds) == 7
    assert len(executor.trained) == 2 * 7


def test_no_seed_is_trained_once_no_verdict_can_come_any_more(store):
    executor = MadeUp(apart([-0.5, 0.1, -0.4, 0.6, -0.1] * 2))
    claim = decide(store, executor).claim
    assert claim.verdict == "undecided" and not claim.as_expected
    assert claim.evidence.seeds == tuple(range(5)) and len(executor.trained) == 10


def test_while_one_can_come_all_seeds_are_used_up(store):
    claim = decide(store, MadeUp(apart(UNCERTAIN))).claim
    assert claim.verdict == "undecided" and claim.evidence.seeds == tuple(range(10))


def test_a_false_part_that_needs_no_seeds_refutes_before_anything_is_trained(store):
    executor = MadeUp(better)
    claim = decide(store, executor, f"{BETTER} and params(good) > params(bad)").claim
    assert (claim.verdict, claim.evidence.seeds) == ("refuted", ())
    assert executor.trained == [] and claim.values == {"params(good)": (8.0,), "params(bad)": (14.0,)}


def test_seeds_that_are_there_already_are_never_left_out(store):
    one = session(store, MadeUp(better))
    asked = suite(claim=BETTER)
    one.runner.ensure(one.experiment(asked).trial(arm, seed) for arm in ("good", "bad") for seed in range(7))
    claim = decide(store, MadeUp(better)).claim
    assert claim.evidence.seeds == tuple(range(7)) and claim.evidence.decided_at == 5


def test_of_all_that_are_there_the_first_twenty_are_looked_at(store):
    one, asked = session(store, MadeUp(better)), suite(claim=BETTER)
    one.runner.ensure(one.experiment(asked).trial(arm, seed) for arm in ("good", "bad") for seed in range(22))
    assert decide(store, MadeUp(better)).claim.evidence.seeds == tuple(range(20))


def test_seeds_that_another_claim_took_later_are_in_the_result_and_can_contest_the_verdict(store):
    one = session(store, MadeUp(apart(TURNING)))
    asked = suite(claim=BETTER)
    first = one.decide(asked, "claim")
    assert (first.claim.verdict, first.claim.contested) == ("reproduced", False)
    one.runner.ensure(one.experiment(asked).trial(arm, 5) for arm in ("good", "bad"))
    found = one.keep(asked, "made-up.yaml", {"claim": first}, store.root, None).claims["claim"]
    assert found.evidence.seeds == tuple(range(6)) and found.evidence.decided_at == 5
    assert (found.verdict, found.contested, found.as_expected) == ("reproduced", True, False)

    known = {"cpu": {"verdict": "undecided", "because": "later seeds speak against it"}}
    found = keep(one, suite(claim={"says": "Any.", "expect": BETTER, "at": known})).claims["claim"]
    assert (found.verdict, found.contested, found.as_expected) == ("reproduced", True, True)
    assert verdict(found) == "reproduced (as known; contested)"


@pytest.mark.parametrize(("most", "used"), [(1, 1), (2, 2), (5, 5), (6, 5), (7, 7), (12, 10)])
def test_the_option_for_seeds_overrules_the_suite_and_none_is_trained_in_vain(store, most, used):
    executor = MadeUp(apart(UNCERTAIN))
    claim = decide(store, executor, options={"seeds_max": most}).claim
    assert claim.verdict == "undecided"
    assert claim.evidence.seeds == tuple(range(used)) and len(executor.trained) == 2 * used


def test_seeds_may_start_elsewhere(store):
    executor = MadeUp(better)
    seeds = decide(store, executor, options={"first_seed": 2000}).claim.evidence.seeds
    assert seeds == tuple(range(2000, 2005)) == tuple(sorted({seed for _, seed in executor.trained}))
    from_nought = decide(store, executor, options={"first_seed": 0}, rest={"seeds": {"first": 20}})
    assert from_nought.claim.evidence.seeds == tuple(range(5))


def test_seeds_that_judge_do_not_run_into_those_of_pilots(store):
    executor = MadeUp(better)
    for first in (991, 999, 1000, 1999):
        with pytest.raises(
            ReproError, match=rf"seeds {first} to {first + 9}: .* for pilots.* at 990 at most"
        ):
            decide(store, executor, options={"first_seed": first})
    assert executor.trained == []
    decide(store, executor, options={"pilot": True})
    last = decide(store, MadeUp(better), options={"first_seed": 995, "seeds_max": 5})
    assert last.claim.evidence.seeds == tuple(range(995, 1000))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"pilot": True, "first_seed": 3}, "seed 3 may judge; pilots are trained on seeds from 1000 up"),
        ({"pilot": True, "first_seed": 1991}, "seeds 1991 to 2000: .* confirm .*; pilots end with seed 1999"),
        ({"first_seed": 2**63 - 9}, "there are none after 9223372036854775807"),
        ({"first_seed": 10**20, "pilot": True}, "there are none after 9223372036854775807"),
    ],
)
def test_seeds_that_cannot_be_meant_are_refused_before_anything_is_trained(store, options, said):
    executor = MadeUp(better)
    with pytest.raises(ReproError, match=said):
        decide(store, executor, options=options)
    assert executor.asked == []


def test_a_pilot_may_begin_later(store):
    seeds = decide(store, MadeUp(better), options={"pilot": True, "first_seed": 1005}).claim.evidence.seeds
    assert seeds == tuple(range(1005, 1010))


def test_a_static_claim_trains_nothing(store):
    executor = MadeUp()
    decided = decide(store, executor, "params(good) < params(bad)")
    assert decided.claim.verdict == "reproduced" and decided.claim.evidence.seeds == ()
    assert decided.trials == () and decided.claim.seconds == 0
    assert [type(job) for job in executor.done] == [Counting, Counting]
    assert decided.claim.values == {"params(good)": (8.0,), "params(bad)": (14.0,)}


def test_a_number_that_is_the_same_for_every_seed_stands_beside_those_that_are_not_once(store):
    values = decide(store, MadeUp(better), "test_error(good) < test_error(bad) < params(other)").claim.values
    assert {name: len(each) for name, each in values.items()} == {
        "test_error(good)": 5,
        "test_error(bad)": 5,
        "params(other)": 1,
    }


def test_a_claim_about_timings_has_a_round_for_each_seed_and_trains_nothing(store):
    executor = MadeUp()
    decided = decide(store, executor, "latency(bad) > latency(good)")
    assert decided.claim.verdict == "reproduced" and decided.claim.evidence.seeds == (0, 1, 2, 3, 4)
    assert [job.number for job in executor.done] == [0, 1, 2, 3, 4] and executor.trained == []
    assert decided.rounds == tuple(job.digest for job in executor.done) and decided.trials == ()
    assert decided.claim.seconds == 35.0
    assert decided.claim.values["latency(good)"] == pytest.approx([8, 8.08, 8.16, 8.24, 8.32])


# ---- what is trained


def test_the_values_and_trials_of_every_seed_are_kept_in_pairs(store):
    executor = MadeUp(better)
    decided = decide(store, executor)
    assert decided.claim.values["test_error(good)"] == pytest.approx([0.1 + 0.001 * s for s in range(5)])
    assert decided.claim.values["test_error(bad)"] == pytest.approx([0.2 + 0.001 * s for s in range(5)])
    whose = {job.digest: (NAMES[job.model.options["depth"]], job.seed) for job in executor.done}
    assert {(arm, seed) for arm, seed, _ in decided.trials} == {
        (arm, seed) for arm in ("good", "bad") for seed in range(5)
    }
    assert all(whose[digest] == (arm, seed) for arm, seed, digest in decided.trials)
    assert decided.claim.seconds == 20.0


def test_what_two_arms_share_is_paid_for_once(store):
    executor = MadeUp(better)
    twin = {"twin": {"model": "cifar_resnet", "depth": 8}}
    decided = decide(store, executor, "test_error(good) < test_error(twin) + 0.1", arms=twin)
    assert len(decided.trials) == 10 and len(executor.trained) == 5
    assert decided.claim.seconds == 10.0


def test_suites_of_one_name_that_say_different_things_are_told_apart_in_a_run(store):
    executor = MadeUp(better)
    one = session(store, executor)
    larger = {**PROFILE["recipe"], "steps": 7}
    for asked in (suite(claim=BETTER), suite(claim=BETTER, profile={"recipe": larger})):
        one.decide(asked, "claim")
    steps = [job.recipe.steps for job in executor.done]
    assert (steps.count(5), steps.count(7)) == (10, 10)


def test_a_probe_at_the_start_trains_nothing_and_one_at_the_end_waits_for_its_trial(store):
    executor = MadeUp()
    start = decide(store, executor, "gradient_norm(good, at='start') < gradient_norm(bad, at='start')")
    assert start.claim.verdict == "reproduced" and start.trials == () and start.claim.seconds == 0
    assert [type(job) for job in executor.done] == [Probing] * 10
    executor = MadeUp()
    end = decide(store, executor, "gradient_norm(good) < 10")
    looks = [job for job in executor.done if isinstance(job, Probing)]
    assert len(looks) == 5 and len(executor.done) == 10
    for look in looks:
        assert executor.done.index(look.subject.trial) < executor.done.index(look)
    assert {look.subject.trial.digest for look in looks} == {digest for *_, digest in end.trials}


def test_a_trial_that_several_claims_need_is_trained_once(store):
    executor = MadeUp(better)
    asked = suite(one=BETTER, two="test_error(bad) < test_error(other)", three="test_error(good) < 1")
    one = session(store, executor)
    for name in asked.claims:
        one.decide(asked, name)
    assert len(executor.trained) == len(set(executor.trained)) == 15
    again = MadeUp()
    for name in asked.claims:
        assert session(store, again).decide(asked, name).claim.verdict == "reproduced"
    assert again.asked == []


def test_all_trials_of_the_first_look_are_asked_for_at_once_and_once(store):
    asked = []

    class Watched(Runner):
        def ensure(self, jobs):
            jobs = list(jobs)
            asked.append(len({job.digest for job in jobs}))
            super().ensure(jobs)

    claim = "test_error(good) + train_error(good) < test_error(bad) + train_error(bad)"
    Session(Watched(store, MadeUp(better)), "cpu").decide(suite(claim=claim), "claim")
    assert asked == [10]


def test_a_finished_store_is_read_without_writing_or_locking_anything(store, monkeypatch):
    asked = suite(claim=BETTER, static="params(good) < params(bad)")
    for name in asked.claims:
        session(store, MadeUp(better)).decide(asked, name)
    for call in ("write", "take", "tell"):
        monkeypatch.setattr(store, call, lambda *_: pytest.fail("written"))
    reader = session(store)
    for name in asked.claims:
        assert reader.decide(asked, name).claim.verdict == "reproduced"
    reader.close()


def test_fresh_trains_again_what_is_older(store):
    decide(store, MadeUp(better))
    executor = MadeUp(better)
    decide(store.anew(), executor)
    assert len(executor.trained) == 10


def test_a_trial_whose_record_has_gone_is_trained_again_though_what_was_probed_of_it_is_there(store):
    asked = "gradient_norm(good) < 10"
    trials = decide(store, MadeUp(), asked).trials
    (store.root / "trials" / f"{trials[2][2]}.json").unlink()
    executor = MadeUp()
    assert decide(store, executor, asked).claim.seconds == 10.0
    assert executor.trained == [("good", 2)] and len(executor.done) == 1


# ---- values that are infinite, or none


def losses(good, bad):
    of_arm = {"good": good, "bad": bad}
    return MadeUp(lambda trial: {"train_loss": of_arm[arm_of(trial.model)]})


LESS = "train_loss(good) < train_loss(bad)"


def test_a_run_that_diverged_counts_as_infinitely_bad(store):
    claim = decide(store, losses(0.3, math.inf), LESS).claim
    assert claim.verdict == "reproduced" and claim.values["train_loss(bad)"] == (math.inf,) * 5
    assert claim.evidence.interval == (math.inf, None)
    assert ClaimResult.model_validate_json(claim.model_dump_json()) == claim
    assert verdict_rows({"c": claim})[1][3:5] == ("∞", "[∞, ∞]")


@pytest.mark.parametrize(
    ("good", "bad"), [(math.inf, math.inf), (0.3, math.nan)], ids=["both diverged", "one has no value"]
)
def test_what_is_not_a_number_is_no_evidence_and_no_further_seeds_are_tried(store, good, bad):
    asked = {"says": "Any.", "expect": LESS, "at": {"cpu": {"verdict": "undecided", "because": "so it is"}}}
    executor = losses(good, bad)
    claim = decide(store, executor, asked).claim
    assert claim.verdict == claim.expected == "undecided" and not claim.as_expected
    assert claim.why.startswith("train_loss(bad)") and not claim.evidence.is_tried
    assert claim.evidence.seeds == (0, 1, 2, 3, 4) and len(executor.trained) == 10
    assert claim.values["train_loss(bad)"] == ((math.inf,) * 5 if bad == math.inf else (None,) * 5)


def test_for_a_claim_with_a_count_that_has_no_value_nothing_is_trained(store):
    class Countless(MadeUp):
        def record(self, job):
            return {"value": None} if isinstance(job, Counting) else super().record(job)

    executor = Countless(better)
    claim = decide(store, executor, f"{BETTER} and params(good) > 1").claim
    assert (claim.verdict, claim.why) == ("undecided", "params(good) has no value")
    assert not claim.as_expected and executor.trained == []


def test_a_measurement_that_the_task_did_not_make_is_an_error_that_names_it_and_its_arm(store):
    executor = MadeUp(lambda _: {"train_error": 0.5})
    with pytest.raises(ReproError, match="the task did not measure 'test_error' of good"):
        decide(store, executor, "test_error(good) < 1")


def test_a_torn_record_ends_the_claim_with_its_file(store):
    path = store.root / "trials" / f"{decide(store, MadeUp(better)).trials[2][2]}.json"
    path.write_text(path.read_text()[:50])
    with pytest.raises(ReproError, match=rf"{path}: torn or not a record"):
        decide(store)


def test_an_arm_that_answers_everything_with_one_class_is_told(store):
    def stuck(trial):
        error = {"good": 0.1, "bad": 0.9, "other": 0.95}[arm_of(trial.model)]
        return {"test_error": error if trial.seed != 1 else 0.3}

    claim = decide(
        store, MadeUp(stuck), "test_error(good) < 0.5 * (test_error(bad) + test_error(other))"
    ).claim
    assert claim.trivial == ("bad", "other")
    assert verdict(claim).endswith(" (bad is trivial; other is trivial)")


def test_one_that_is_so_on_half_of_the_seeds_is_not_trivial(store):
    half = MadeUp(lambda trial: {"test_error": 0.9 - 0.1 * (trial.seed % 2)})
    assert decide(store, half, "test_error(good) < 1", options={"seeds_max": 2}).claim.trivial == ()


def test_what_is_a_little_better_than_one_class_is_not_trivial(store):
    assert decide(store, MadeUp(lambda _: {"test_error": 0.899}), "test_error(good) < 1").claim.trivial == ()


# ---- treated arms, and arms that start from others


TREATED = {"cut": {"of": "good", "after": {"name": "lesion", "block": 1}}}


def test_a_treated_arm_is_evaluated_on_the_nets_of_the_arm_it_is_of_which_are_trained_once(store):
    executor = MadeUp(better)
    decided = decide(store, executor, "test_error(cut) >= test_error(good)", arms=TREATED)
    assert executor.trained == [("good", seed) for seed in range(5)]
    evaluations = [job for job in executor.done if isinstance(job, Evaluating)]
    assert [job.subject.trial.seed for job in evaluations] == list(range(5))
    assert {job.subject.treatment.name for job in evaluations} == {"lesion"}
    assert {(arm, seed) for arm, seed, _ in decided.trials} == {("good", seed) for seed in range(5)}
    assert decided.claim.values["test_error(cut)"] == decided.claim.values["test_error(good)"]


@pytest.mark.parametrize(
    ("measurement", "split", "images"),
    [
        ("test_error(cut)", "test", None),
        ("train_loss(cut)", "train", None),
        ("test_error(good, images=40)", "test", 40),
        ("train_error(cut, images=7)", "train", 7),
    ],
)
def test_what_a_trial_did_not_measure_is_evaluated_on_the_images_that_are_asked_for(
    store, measurement, split, images
):
    executor = MadeUp(lambda _: {"test_error": 0.1, "train_error": 0.1, "train_loss": 0.1})
    decide(store, executor, f"{measurement} < 1", arms=TREATED)
    (asked,) = {(job.split, job.images) for job in executor.done if isinstance(job, Evaluating)}
    assert asked == (split, images)


def test_metrics_of_one_evaluation_are_evaluated_once(store):
    executor = MadeUp(lambda _: {"test_error": 0.1, "test_loss": 0.1})
    decide(store, executor, "test_error(cut) < 1 and test_loss(cut) < 1", arms=TREATED)
    assert sum(isinstance(job, Evaluating) for job in executor.done) == 5


def test_a_probe_of_a_treated_arm_looks_at_the_treated_net(store):
    executor = MadeUp()
    decide(store, executor, "gradient_norm(cut) <= gradient_norm(good)", arms=TREATED)
    looks = [job.subject.treatment for job in executor.done if isinstance(job, Probing)]
    assert looks.count(None) == 5 and len(looks) == 10 and len(executor.trained) == 5


STARTING = {
    "tuned": {"model": "cifar_resnet", "depth": 14, "weights": {"name": "trial", "arm": "good"}},
    "twice": {"model": "cifar_resnet", "depth": 20, "weights": {"name": "trial", "arm": "tuned"}},
}


def test_an_arm_that_starts_from_another_is_trained_after_it_and_both_are_listed_and_paid_for(store):
    executor = MadeUp(better)
    decided = decide(store, executor, "test_error(twice) < 1", arms=STARTING)
    assert len(executor.trained) == 15
    assert all(
        executor.done.index(job.start) < executor.done.index(job) for job in executor.done if job.start
    )
    trials = {(arm, seed): digest for arm, seed, digest in decided.trials}
    assert trials.keys() == {(arm, seed) for arm in ("good", "tuned", "twice") for seed in range(5)}
    for job in executor.done:
        assert (
            trials[{8: "good", 14: "tuned", 20: "twice"}[job.model.options["depth"]], job.seed] == job.digest
        )
        assert job.start is None or job.start.seed == job.seed
    assert decided.claim.seconds == 30.0


def test_what_such_a_net_starts_from_is_trained_though_it_is_looked_at_before_the_first_step(store):
    executor = MadeUp()
    decided = decide(store, executor, "gradient_norm(tuned, at=start) < 20", arms=STARTING)
    assert executor.trained == [("good", seed) for seed in range(5)]
    assert {(arm, seed) for arm, seed, _ in decided.trials} == {("good", seed) for seed in range(5)}


# ---- results


def test_a_result_lists_the_arms_that_its_claims_use_with_those_they_come_from_in_the_suite_s_order(store):
    asked = suite(
        arms={**STARTING, "cut": {"of": "tuned", "after": {"name": "lesion", "block": 0}}},
        cut="test_error(cut) < 1",
        bad="params(bad) > 1",
        other={"says": "Any.", "expect": "params(other) > 1", "profiles": ["cpu"]},
    )
    result = keep(session(store, MadeUp(better)), asked, "cut", "bad")
    assert list(result.arms) == ["good", "bad", "tuned", "cut"] and not result.complete
    assert {trial.arm for trial in result.trials} == {"good", "tuned"}
    cut, tuned = result.arms["cut"], result.arms["tuned"]
    assert (cut.of, cut.after, cut.model) == ("tuned", {"name": "lesion", "block": 0}, "cifar_resnet")
    assert tuned.weights == {"name": "trial", "arm": "good"} and (tuned.of, tuned.after) == (None, None)
    assert keep(session(store), asked).complete


def test_a_result_says_what_it_measured_in_which_unit_and_which_way_is_better(store):
    trained = keep(session(store, MadeUp(better)), suite(claim=BETTER))
    assert trained.declared("test_error").better == "lower" and trained.units["test_error"] == "share"
    assert set(trained.quantities) == {"train_error", "test_error", "train_loss", "test_loss"}
    timed = keep(session(store), suite(claim="latency(good) < latency(bad)"))
    assert {"latency", "throughput"} <= set(timed.quantities) and timed.units["latency"] == "ms"
    assert timed.declared("throughput").better == "higher"


def test_what_a_task_of_ones_own_declares_is_kept_and_tells_the_better_of_two_nights_without_it(
    store, tmp_path, monkeypatch
):
    declared = {"miss_rate": {"unit": "share", "better": "lower"}}
    (tmp_path / "finding.py").write_text(f"class Finding:\n    metrics = {declared}\n")
    monkeypatch.syspath_prepend(tmp_path)
    asked = suite(claim="miss_rate(good) < miss_rate(bad)", rest={"task": "finding"})
    nights = []
    with monkeypatch.context() as installed:
        installed.setitem(TASKS.targets, "finding", "finding:Finding")
        for base in (0.1, 0.5):
            missed = lambda trial, base=base: {"miss_rate": base + 0.01 * trial.seed}  # noqa: E731
            nights.append(keep(session(Store(store.root / str(base)), MadeUp(missed)), asked))
    assert nights[0].quantities == {"miss_rate": Declaration(unit="share", better="lower")}
    for old, new, kind in [(*nights, "worse"), (*nights[::-1], "better")]:
        changes = compare([old], [new]).measurements
        assert {(change.quantity, change.kind) for change in changes} == {("miss_rate", kind)}


def test_a_result_holds_every_trial_with_its_cost_and_the_claims_in_full(store, tmp_path):
    executor = MadeUp(better)
    asked = suite(claim=BETTER, sized="params(good) < params(bad)", timed="latency(good) < latency(bad)")
    result = keep(session(store, executor), asked, folder=tmp_path / "results")
    assert [(trial.arm, trial.seed) for trial in result.trials] == [
        (arm, seed) for arm in ("bad", "good") for seed in range(5)
    ]
    digests = {job.digest for job in executor.done if isinstance(job, TrialSpec)}
    assert {trial.digest for trial in result.trials} == digests
    assert all(trial.cost == {"seconds": 2.0} for trial in result.trials)
    timings = {(timing.arm, timing.seed): timing.measurements for timing in result.timings}
    assert timings.keys() == {(arm, number) for number in range(5) for arm in ("good", "bad")}
    assert timings["good", 0] == {"latency": 8.0, "throughput": 125.0}
    assert result.environment.key == (ENVIRONMENT,)
    assert list(result.claims) == ["claim", "sized", "timed"] and result.complete
    assert (result.suite, result.profile, result.file) == ("made-up", "cpu", "made-up.yaml")
    assert read(tmp_path / "results" / result.path) == result


def test_the_command_of_a_result_repeats_its_options(store):
    plain = session(store)
    assert plain.command("a.yaml") == "repro run a.yaml --profile cpu"
    options = {"device": "cuda", "seeds_max": 12, "first_seed": 3, "per_gpu": 4}
    assert session(store, **options).command("a b.yaml", "claim") == (
        "repro run 'a b.yaml' -k claim --profile cpu --device cuda --seeds-max 12 --first-seed 3 --per-gpu 4"
    )


def test_trials_are_trained_on_the_device_that_the_run_names_instead_of_the_profile_s(store):
    executor = MadeUp(better)
    decide(store, executor, options={"device": "cuda"})
    assert {job.device for job in executor.done} == {"cuda"}


PICTURES = {
    "both": {"picture": "predictions", "arms": ["bad", "good"], "says": "Two."},
    "cut": {"picture": "predictions", "arms": ["good", "cut"], "says": "One of them is cut."},
    "third": {"picture": "predictions", "arms": ["good", "other"], "says": "One was not trained."},
}


def test_pictures_are_drawn_of_the_first_seed_where_all_their_nets_were_trained(store, tmp_path):
    executor = MadeUp(better)
    asked = suite(arms=TREATED, pictures=PICTURES, claim=BETTER)
    result = keep(session(store, executor, first_seed=2), asked, folder=tmp_path)
    assert list(result.pictures) == ["both", "cut"] and result.pictures["both"].arms == ("bad", "good")
    beside = (tmp_path / result.path).parent
    assert (beside / result.pictures["both"].file).read_bytes() == b"bad, good"
    drawn = [job for job in executor.done if isinstance(job, Drawing)]
    seeds = {subject.trial.seed for job in drawn for subject in job.subjects.values()}
    assert seeds == {2} and drawn[1].subjects["cut"].treatment.name == "lesion"
    assert read(tmp_path / result.path).pictures == result.pictures


def test_a_finished_run_reads_a_record_twice_however_many_claims_rest_on_it(store, tmp_path, monkeypatch):
    """For verdicts, and for the result, which has the curves."""
    claims = {f"claim{number}": BETTER for number in range(6)}
    keep(session(store, MadeUp(better)), suite(**claims), folder=tmp_path)
    reads, read_record = Counter(), Store.read

    def counted(self, job):
        reads[job.digest] += read_record(self, job) is not None
        return read_record(self, job)

    monkeypatch.setattr(Store, "read", counted)
    keep(session(store, MadeUp(better)), suite(**claims), folder=tmp_path)
    assert len(list(store.root.glob("trials/*.json"))) == 10 and {*(+reads).values()} == {2}


def test_a_result_is_written_once_with_all_its_pictures(store, tmp_path, monkeypatch):
    written, write = [], file.write_atomically
    monkeypatch.setattr(
        file, "write_atomically", lambda path, *how: (written.append(path), write(path, *how))
    )
    asked = suite(arms=TREATED, pictures=PICTURES, claim=BETTER)
    result = keep(session(store, MadeUp(better)), asked, folder=tmp_path)
    assert written == [tmp_path / result.path] and len(read(written[0]).pictures) == 2


def test_a_result_whose_pictures_cannot_be_drawn_is_written_without_them(store, tmp_path):
    executor = MadeUp(better)
    one, asked = session(store, executor), suite(arms=TREATED, pictures=PICTURES, claim=BETTER)
    decided = {"claim": one.decide(asked, "claim")}
    executor.error = ReproError("no ink")
    with pytest.raises(ReproError, match="no ink"):
        one.keep(asked, "made-up.yaml", decided, store.root, tmp_path)
    (path,) = tmp_path.glob("made-up/cpu/*.json")
    assert read(path).pictures == {} and read(path).claims.keys() == {"claim"}


def test_without_a_folder_nothing_is_written_and_nothing_drawn(store, tmp_path):
    executor = MadeUp(better)
    result = keep(session(store, executor), suite(pictures=PICTURES, claim=BETTER, arms=TREATED))
    assert result.pictures == {} and not any(isinstance(job, Drawing) for job in executor.done)
    assert [path.name for path in tmp_path.iterdir()] == ["store"]


def test_a_record_that_goes_before_the_result_is_kept_is_an_error_with_its_place(store):
    one, asked = session(store, MadeUp(better)), suite(claim=BETTER)
    decided = {"claim": one.decide(asked, "claim")}
    path = store.root / "trials" / f"{decided['claim'].trials[0][2]}.json"
    path.unlink()
    with pytest.raises(ReproError, match=rf"{path}: has gone since it was made; run again"):
        one.keep(asked, "x.yaml", decided, store.root, None)


# ---- what is coming


def test_of_claims_that_come_later_what_is_sure_is_begun_early_and_no_seed_more(store):
    asked = suite(
        first=BETTER,
        second="test_error(other) > test_error(bad)",
        counted="params(good) < 0 and test_error(other) > 1",
    )
    one = session(store, executor := MadeUp(better, slots=99))
    one.expect((asked, name) for name in ("first", "counted", "second"))
    one.decide(asked, "first")
    begun = {("good", seed) for seed in range(5)} | {("bad", seed) for seed in range(5)}
    assert {*executor.trained} == begun | {("other", seed) for seed in range(5)}
    again = session(Store(store.root), MadeUp(better)).decide(asked, "second")
    assert len(again.claim.evidence.seeds) == 5
    assert one.decide(asked, "counted").claim.verdict == "refuted"


def test_of_arms_that_are_tuned_the_pilots_come_first(store):
    asked = suite(
        profile={"tune": {"by": "test_error", "optimizer.lr": [0.1, 0.2]}},
        first=BETTER,
        second="test_error(other) > test_error(bad)",
        rest={"seeds": {"first": 2}},
    )
    one = session(store, executor := MadeUp(better, slots=99))
    one.expect((asked, name) for name in asked.claims)
    one.decide(asked, "first")
    of_other = [seed for arm, seed in executor.trained if arm == "other"]
    assert sorted(of_other) == [1000, 1000, 1001, 1001]


def test_what_cannot_be_measured_does_not_keep_others_from_being_begun(store):
    asked = suite(first=BETTER, second="test_error(other) > test_error(bad)")
    no_data = {"data": {"name": "pascal-voc"}}
    missing = suite(profile=no_data, rest={"suite": "without-data"}, claim=BETTER)
    one = session(store, executor := MadeUp(better, slots=99))
    one.expect([(missing, "claim"), (asked, "second")])
    one.decide(asked, "first")
    assert ("other", 0) in executor.trained
