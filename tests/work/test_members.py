"""Treatments that join several nets of an arm: each is a trial of a seed of its own, and is trained first."""

import pytest
import torch
from kit.made_up import MadeUp, better, suite
from kit.tiny import CODE, spec

from repro.catalogue import members
from repro.experiment import APART, Experiment
from repro.job import closure
from repro.recipe import Named
from repro.runner import Runner
from repro.session import Session
from repro.state.net import State
from repro.suite import PILOT
from repro.trial import Evaluating, Subject
from repro.work.execute import Work, execute

CPU = torch.device("cpu")
THREE = Named(name="ensemble", members=3)
ARMS = {
    "joined": {"of": "good", "after": {"name": "ensemble", "members": 3}},
    "tuned": {"model": "cifar_resnet", "depth": 14, "weights": {"name": "trial", "arm": "good"}},
    "tuned_joined": {"of": "tuned", "after": {"name": "ensemble", "members": 2}},
    "cut": {"of": "good", "after": {"name": "lesion", "block": 0}},
}


def experiment(claim="test_error(joined) < test_error(good)"):
    return Experiment(suite(claim=claim, arms=ARMS), "cpu")


def test_a_treatment_says_how_many_nets_it_wants():
    assert members("ensemble", {"members": 3}) == 3
    assert members("ensemble", {}) == 5 and members("lesion", {"block": 0}) == 1


def test_the_members_of_an_ensemble_are_the_arms_trials_of_seeds_that_no_other_ensemble_has():
    one = experiment()
    subjects = {seed: one.subject("joined", seed) for seed in (*range(20), *range(PILOT, PILOT + 20))}
    assert subjects[4].trial == one.trial("good", 4)
    assert subjects[4].others == (one.trial("good", 4 + APART), one.trial("good", 4 + 2 * APART))
    seeds = [trial.seed for subject in subjects.values() for trial in (subject.trial, *subject.others)]
    assert len(set(seeds)) == len(seeds) == 3 * 40


def test_members_start_from_trials_of_their_own_seeds():
    one = experiment("test_error(tuned_joined) < 1")
    subject = one.subject("tuned_joined", 1)
    (other,) = subject.others
    assert subject.trial.start == one.trial("good", 1) and other.start == one.trial("good", 1 + APART)
    untrained = one.subject("tuned_joined", 1, trained=False)
    assert untrained.after == (subject.trial.start, other.start)


def test_what_joins_nothing_is_named_as_if_there_were_no_members():
    assert experiment().subject("cut", 0).others == ()
    assert "others" not in experiment().subject("cut", 0).model_dump(mode="json")
    assert len(experiment().subject("joined", 0).model_dump(mode="json")["others"]) == 2


def test_a_claim_trains_all_members_and_asks_for_the_treated_net_once_a_seed(store):
    executor = MadeUp(better)
    asked = suite(claim="test_error(joined) <= test_error(good)", arms=ARMS)
    decided = Session(Runner(store, executor), "cpu").decide(asked, "claim")
    assert sorted(executor.trained) == [("good", seed + k * APART) for k in range(3) for seed in range(5)]
    assert sum(isinstance(job, Evaluating) for job in executor.done) == 5
    assert sorted((arm, seed) for arm, seed, _ in decided.trials) == sorted(executor.trained)
    assert decided.claim.seconds == 15 * 2.0  # as each is made up to take


def test_a_seed_is_there_only_if_all_members_of_it_are(store):
    executor = MadeUp(better)
    both = {"alone": "test_error(good) < 1", "joined": "test_error(joined) < 1"}
    asked = suite(arms=ARMS, **both)
    session = Session(Runner(store, executor), "cpu", seeds_max=7)
    session.runner.ensure([session.experiment(asked).trial("good", seed) for seed in range(7)])
    assert session.decide(asked, "alone").claim.evidence.seeds == tuple(range(7))
    assert session.decide(asked, "joined").claim.evidence.seeds == tuple(range(5))


@pytest.mark.slow  # trains
@pytest.mark.usefixtures("nets")
def test_an_ensemble_s_error_is_that_of_the_mean_of_its_members_probabilities(store):
    trials = [spec(seed, steps=30, optimizer={"lr": 0.1}) for seed in range(3)]
    subject = Subject(trial=trials[0], treatment=THREE, others=tuple(trials[1:]))
    job = Evaluating(subject=subject, split="test", images=100, **CODE)
    for one in closure([job]):
        execute(one, store)
    states: list[State] = [Work(store, CPU).state(Subject(trial=trial)) for trial in trials]
    images, labels = states[0].data.test.rows(torch.arange(100))
    with torch.no_grad():
        looks = [state.model.eval()(state.inputs(images)).softmax(1) for state in states]
    wrong = (torch.stack(looks).mean(0).argmax(1) != labels).float().mean()
    assert store.read(job)["measurements"]["test_error"] == pytest.approx(float(wrong))
    assert not torch.equal(looks[0], looks[1])
