"""How many trials a claim costs. Nothing is trained here: an executor makes the records up."""

import json
import math
import time
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool

import pytest

from repro.errors import ReproError
from repro.runner import Earlier, Runner
from repro.store import Store
from repro.suite import Suite
from repro.trial import Number, TrialSpec

ARMS = {"good": 8, "bad": 14, "other": 20}  # by depth: that is how a trial tells whose it is
NAMES = {depth: name for name, depth in ARMS.items()}


def suite(*, evidence=None, seeds=None, **claims: str) -> Suite:
    return Suite.model_validate_json(
        json.dumps(
            {
                "suite": "made-up",
                "task": "classification",
                "arms": {name: {"model": "cifar_resnet", "depth": depth} for name, depth in ARMS.items()},
                "profiles": {
                    "cpu": {
                        "data": {"name": "fashion-mnist-small", "size": 7},
                        "recipe": {"steps": 5, "batch_size": 8, "optimizer": {"name": "sgd", "lr": 0.1}},
                    }
                },
                "claims": {
                    name.replace("_", "-"): {"says": "Any.", "expect": expect}
                    for name, expect in claims.items()
                },
                "seeds": seeds or {},
                "evidence": evidence or {},
            }
        )
    )


class MadeUp:
    """Does jobs with numbers from a function of arm and seed; `elsewhere` are at first another process's."""

    def __init__(self, measure=lambda *_: {"test_error": 0.5}, slots=4, elsewhere=0, deaths=0, error=None):
        self.measure = measure
        self.slots = slots
        self.elsewhere = elsewhere
        self.deaths = deaths
        self.error = error
        self.asked: list = []
        self.done: list = []

    def submit(self, job, store):
        future: Future[bool] = Future()
        self.asked.append(job)
        if self.error:
            future.set_exception(self.error)
        elif self.deaths:
            self.deaths -= 1
            future.set_exception(BrokenProcessPool())
        elif self.elsewhere:
            self.elsewhere -= 1
            future.set_result(False)
        else:
            self.do(job, store)
            future.set_result(True)
        return future

    def do(self, job, store):
        self.done.append(job)
        if isinstance(job, Number):
            store.write_number(job.digest, float(job.model.options["depth"]))
        else:
            store.write(
                job.digest, {"measurements": self.measure(NAMES[job.model.options["depth"]], job.seed)}
            )

    def room(self, device):  # noqa: ARG002
        return self.slots

    def close(self):
        """Nothing is open."""

    @property
    def trained(self) -> list[tuple[str, int]]:
        return [
            (NAMES[job.model.options["depth"]], job.seed) for job in self.done if isinstance(job, TrialSpec)
        ]


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path)


def runner(store, executor=None, **options):
    return Runner(store, executor or MadeUp(), "cpu", **options)


def better(arm, seed):
    """One arm is better for every seed, by about the same."""
    error = {"good": 0.1, "bad": 0.2, "other": 0.3}[arm] + 0.001 * seed
    return {"test_error": error, "train_error": error}


def alternating(arm, seed):
    return {"test_error": 0.5 + (0.1 if arm == "bad" else -0.1) * (-1) ** seed}


@pytest.mark.parametrize(("assume", "first"), [("symmetric", 5), ("normal", 3)])
@pytest.mark.parametrize(
    ("expect", "verdict"),
    [("test_error(good) < test_error(bad)", "reproduced"), ("test_error(good) > test_error(bad)", "refuted")],
)
def test_no_more_seeds_are_trained_than_the_verdict_needs(store, assume, first, expect, verdict):
    executor = MadeUp(better)
    decided = runner(store, executor).decide(suite(claim=expect, evidence={"assume": assume}), "claim")
    assert decided.judgement.verdict == verdict and decided.as_expected == (verdict == "reproduced")
    assert decided.seeds == tuple(range(first))
    assert sorted(executor.trained) == sorted((arm, seed) for arm in ("good", "bad") for seed in range(first))


def test_seeds_are_added_one_by_one_until_a_late_verdict(store):
    def late(arm, seed):
        return alternating(arm, seed) if seed < 2 else {"test_error": {"good": 0.1, "bad": 0.9}[arm]}

    executor = MadeUp(late)
    decided = runner(store, executor).decide(
        suite(claim="test_error(good) < test_error(bad)", seeds={"max": 20}), "claim"
    )
    assert decided.judgement.verdict == "reproduced"
    assert 5 < len(decided.seeds) < 20 and decided.judgement.decided_at == len(decided.seeds)
    assert len(executor.trained) == 2 * len(decided.seeds)


def test_an_undecided_claim_uses_all_seeds_up(store):
    executor = MadeUp(alternating)
    decided = runner(store, executor).decide(suite(claim="test_error(good) < test_error(bad)"), "claim")
    assert decided.judgement.verdict == "undecided" and not decided.as_expected
    assert decided.seeds == tuple(range(10)) and len(executor.trained) == 20


@pytest.mark.parametrize("most", [1, 2, 7, 12])
def test_the_option_for_seeds_overrules_the_suite(store, most):
    executor = MadeUp(alternating)
    decided = runner(store, executor, seeds_max=most).decide(
        suite(claim="test_error(good) < test_error(bad)"), "claim"
    )
    assert decided.judgement.verdict == "undecided"
    assert decided.seeds == tuple(range(most)) and len(executor.trained) == 2 * most


def test_the_values_and_trials_of_every_seed_are_kept_in_pairs(store):
    decided = runner(store, MadeUp(better)).decide(suite(claim="test_error(good) < test_error(bad)"), "claim")
    values = {str(m): v for m, v in decided.values.items()}
    assert values["test_error(good)"] == pytest.approx([0.1 + 0.001 * seed for seed in range(5)])
    assert values["test_error(bad)"] == pytest.approx([0.2 + 0.001 * seed for seed in range(5)])
    assert set(decided.trials) == {(arm, seed) for arm in ("good", "bad") for seed in range(5)}
    for (arm, seed), trial in decided.trials.items():
        assert (NAMES[trial.model.options["depth"]], trial.seed) == (arm, seed)


def test_a_static_claim_trains_nothing(store):
    executor = MadeUp()
    decided = runner(store, executor).decide(suite(claim="params(good) < params(bad)"), "claim")
    assert decided.judgement.verdict == "reproduced" and decided.seeds == () and decided.trials == {}
    assert executor.trained == [] and len(executor.done) == 2
    assert {str(m): v for m, v in decided.values.items()} == {"params(good)": (8.0,), "params(bad)": (14.0,)}


def test_a_probe_at_the_start_trains_nothing_and_one_at_the_end_waits_for_its_trial(store):
    executor = MadeUp()
    claims = {
        "start": "gradient_norm(good, at='start') < gradient_norm(bad, at='start')",
        "end": "gradient_norm(good) < 10",
    }
    asked = suite(**claims)
    decided = runner(store, executor).decide(asked, "start")
    assert decided.judgement.verdict == "reproduced" and executor.trained == [] and len(executor.done) == 10
    executor = MadeUp()
    runner(store, executor).decide(asked, "end")
    assert [type(job) for job in executor.done] == [TrialSpec] * 5 + [Number] * 5
    assert {job.trial.digest for job in executor.done[5:]} == {job.digest for job in executor.done[:5]}


def test_a_trial_that_several_claims_need_is_trained_once(store):
    executor = MadeUp(better)
    asked = suite(
        one="test_error(good) < test_error(bad)",
        two="test_error(bad) < test_error(other)",
        three="test_error(good) < 1",
    )
    one = runner(store, executor)
    for name in asked.claims:
        one.decide(asked, name)
    assert len(executor.trained) == len(set(executor.trained)) == 15
    again = MadeUp()
    for name in asked.claims:
        assert runner(store, again).decide(asked, name).judgement.verdict == "reproduced"
    assert again.asked == []


def test_a_finished_store_is_read_without_writing_or_locking_anything(store, monkeypatch):
    asked = suite(claim="test_error(good) < test_error(bad)", static="params(good) < params(bad)")
    for name in asked.claims:
        runner(store, MadeUp(better)).decide(asked, name)
    for call in ("write", "write_number", "claim", "tell"):
        monkeypatch.setattr(store, call, lambda *_: pytest.fail("written"))
    reader = runner(store)
    for name in asked.claims:
        assert reader.decide(asked, name).judgement.verdict == "reproduced"
    reader.close()


def test_fresh_trains_again_what_is_older(store):
    asked = suite(claim="test_error(good) < test_error(bad)")
    runner(store, MadeUp(better)).decide(asked, "claim")
    newest = max(json.loads(path.read_text())["finished"] for path in store.root.glob("trials/*/record.json"))
    executor = MadeUp(better)
    runner(Store(store.root, newer_than=newest + 1e-4), executor).decide(asked, "claim")
    assert len(executor.trained) == 10


def test_a_run_that_diverged_counts_as_infinitely_bad(store):
    def diverging(arm, _):
        return {"test_error": 0.9, "train_loss": math.inf if arm == "bad" else 0.3}

    decided = runner(store, MadeUp(diverging)).decide(
        suite(claim="train_loss(good) < train_loss(bad)"), "claim"
    )
    assert decided.judgement.verdict == "reproduced"
    assert {str(m): v for m, v in decided.values.items()}["train_loss(bad)"] == (math.inf,) * 5


def test_two_runs_that_both_diverged_speak_for_neither(store):
    executor = MadeUp(lambda *_: {"train_loss": math.nan})
    decided = runner(store, executor).decide(suite(claim="train_loss(good) < train_loss(bad)"), "claim")
    assert decided.judgement.verdict == "undecided" and len(decided.seeds) == 10
    assert decided.judgement.e_for == decided.judgement.e_against == 1.0


def test_all_trials_of_the_first_look_are_asked_for_at_once_and_once_but_no_more_than_fit(store):
    class Slow(MadeUp):
        most = 0

        def __init__(self):
            super().__init__(better, slots=5)
            self.open = []

        def submit(self, job, store):
            future: Future[bool] = Future()
            self.open.append((job, future))
            self.most = max(self.most, len(self.open))
            if len(self.open) == self.slots:
                for each, waiting in [*self.open]:
                    self.do(each, store)
                    waiting.set_result(True)
                self.open.clear()
            return future

    executor = Slow()
    expect = "test_error(good) + train_error(good) < test_error(bad) + train_error(bad)"
    runner(store, executor).decide(suite(claim=expect), "claim")
    assert executor.most == 5 and len(executor.trained) == 10


def test_continued_evidence_is_that_of_all_seeds_and_only_fresh_ones_are_trained(store):
    asked = suite(claim="test_error(good) < test_error(bad)")
    first = runner(store, MadeUp(alternating), seeds_max=6).decide(asked, "claim")
    earlier = Earlier(first.seeds, {str(m): values for m, values in first.values.items()})
    executor = MadeUp(alternating)
    second = runner(Store(store.root / "elsewhere"), executor, seeds_max=2).decide(asked, "claim", earlier)
    whole = runner(Store(store.root / "whole"), MadeUp(alternating), seeds_max=8).decide(asked, "claim")
    assert second.seeds == tuple(range(8)) and sorted({seed for _, seed in executor.trained}) == [6, 7]
    assert second.judgement == whole.judgement and second.values == whole.values
    assert {seed for _, seed in second.trials} == {6, 7}


def test_a_decided_claim_gets_a_fresh_seed_when_it_is_continued(store):
    asked = suite(claim="test_error(good) < test_error(bad)")
    first = runner(store, MadeUp(better)).decide(asked, "claim")
    earlier = Earlier(first.seeds, {str(m): values for m, values in first.values.items()})
    second = runner(store, MadeUp(better)).decide(asked, "claim", earlier)
    assert (
        second.judgement.verdict == "reproduced"
        and second.seeds == tuple(range(6))
        and second.judgement.decided_at == 5
    )


def test_seeds_may_start_elsewhere(store):
    executor = MadeUp(better)
    decided = runner(store, executor, first_seed=1000).decide(
        suite(claim="test_error(good) < test_error(bad)"), "claim"
    )
    assert decided.seeds == tuple(range(1000, 1005)) == tuple(sorted({seed for _, seed in executor.trained}))


def test_what_another_process_is_at_is_left_to_it_and_asked_for_again_later(store):
    executor = MadeUp(better, slots=1, elsewhere=2)
    runner(store, executor).decide(suite(claim="test_error(good) < test_error(bad)"), "claim")
    first, second, *rest = [job.digest for job in executor.asked]
    assert first != second and {first, second} == set(rest[-2:])  # all the others were taken before
    assert len(executor.trained) == len(set(executor.trained)) == 10


def test_what_another_process_is_at_is_not_asked_for_all_the_time(store):
    executor, began = MadeUp(better, elsewhere=3), time.monotonic()
    runner(store, executor, seeds_max=1).decide(suite(claim="test_error(good) < 1"), "claim")
    assert len(executor.asked) == 4 and time.monotonic() - began > 0.6


def test_what_another_process_finishes_is_taken_from_the_store(store):
    class Elsewhere(MadeUp):
        def submit(self, job, store):
            future: Future[bool] = Future()
            future.set_result(False)
            self.asked.append(job)
            self.do(job, store)
            return future

    executor = Elsewhere(better)
    asked = suite(claim="test_error(good) < test_error(bad)")
    assert runner(store, executor).decide(asked, "claim").judgement.verdict == "reproduced"
    assert len(executor.asked) == 10


def test_a_job_whose_process_dies_is_tried_again_and_given_up_by_name_at_the_third_time(store):
    asked = suite(claim="test_error(good) < 1")
    assert runner(store, MadeUp(better, slots=1, deaths=2), seeds_max=1).decide(asked, "claim").seeds == (0,)
    with pytest.raises(
        ReproError,
        match=r"^cifar_resnet\(depth=14\), seed 0: its process died 3 times; is the memory enough\?$",
    ):
        runner(store, MadeUp(better, deaths=99), seeds_max=1).decide(
            suite(claim="test_error(bad) < 1"), "claim"
        )


@pytest.mark.parametrize("error", [ReproError("there is no data"), ValueError("no such luck")])
def test_errors_of_jobs_reach_the_caller_as_they_are(store, error):
    with pytest.raises(type(error)) as caught:
        runner(store, MadeUp(error=error)).decide(suite(claim="test_error(good) < 1"), "claim")
    assert caught.value is error


def test_a_measurement_that_the_task_did_not_make_is_an_error_that_names_it(store):
    executor = MadeUp(lambda *_: {"train_error": 0.5})
    with pytest.raises(
        ReproError, match=r"'classification' did not measure 'test_error' of cifar_resnet\(depth=8\), seed 0"
    ):
        runner(store, executor).decide(suite(claim="test_error(good) < 1"), "claim")


def test_a_torn_record_ends_the_claim_with_its_file(store):
    asked = suite(claim="test_error(good) < 1")
    decided = runner(store, MadeUp(better)).decide(asked, "claim")
    path = store.folder(decided.trials["good", 2].digest) / "record.json"
    path.write_text(path.read_text()[:50])
    with pytest.raises(ReproError, match=rf"{path}: torn or not a record"):
        runner(store).decide(asked, "claim")


def test_a_runner_says_what_it_wants_and_has_until_it_is_closed(store, monkeypatch):
    states, tell = [], store.tell
    monkeypatch.setattr(
        store, "tell", lambda name, status: (tell(name, status), states.append(*store.running()))
    )
    one = runner(store, MadeUp(better, slots=2))
    one.decide(suite(claim="test_error(good) < test_error(bad)"), "claim")
    assert {len(state["wanted"]) for state in states} == {10}
    assert list(dict.fromkeys(len(state["finished"]) for state in states)) == list(range(11))
    monkeypatch.undo()
    one.close()
    assert store.running() == []


def test_a_runner_that_waits_long_says_so_again_and_again(store, monkeypatch):
    monkeypatch.setattr("repro.runner.TELL_EVERY", 0.0)
    executor = MadeUp(better, slots=1, elsewhere=1)
    one, told = runner(store, executor, seeds_max=1), []
    monkeypatch.setattr(store, "tell", lambda _, status: told.append(len(status["finished"])))
    one.decide(suite(claim="test_error(good) < 1"), "claim")
    assert told.count(0) >= 3 and told[-1] == 1
