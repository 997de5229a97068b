"""Which suites there is time for on a night. Nothing is trained here: results and records are made up."""

from types import SimpleNamespace

import pytest
from conftest import TINY
from kit.made_up import MadeUp
from kit.results import claim, result, timing, trial

import repro
from repro import api
from repro.api import NothingRan
from repro.executors.local import InProcess
from repro.nightly.watch import watch
from repro.plan.rota import LEFT, NEVER, Due, note, noted, rota
from repro.result import write
from repro.runner import Runner
from repro.session import Session
from repro.store import Store
from repro.trial import TrialSpec

HOUR = 3600.0


def turns(*asked, hours=2.0):
    found = rota([Due(*one) for one in asked], hours)
    return found.turns, dict(found.left)


def test_the_oldest_verdict_comes_first_and_what_was_never_decided_before_it():
    asked = (
        ("new", "2026-01-09", {}),
        ("old", "2026-01-02", {}),
        ("never", NEVER, {}),
        ("too", "2026-01-02", {}),
    )
    assert turns(*asked)[0] == ("never", "old", "too", "new")


def test_what_does_not_fit_is_left_with_the_reason_and_what_is_smaller_taken():
    old = ("old", "2026-01-01T02:00:00Z", {"a": 1.5 * HOUR})
    large = ("large", "2026-01-02T02:00:00Z", {"b": HOUR})
    small = ("small", "2026-01-03T02:00:00Z", {"c": 0.5 * HOUR})
    assert turns(small, large, old) == (
        ("old", "small"),
        {"large": "takes about 1 h, of which 0.5 are left (last decided 2026-01-02)"},
    )


def test_what_never_fits_says_so():
    assert turns(("huge", NEVER, {"a": 3 * HOUR}))[1] == {
        "huge": "takes about 3 h by itself, and 2 are allowed (a claim of it was never decided)"
    }


def test_what_suites_share_is_reckoned_once_and_what_is_left_shares_nothing():
    first, second = (
        ("first", "1", {"shared": 1.5 * HOUR}),
        ("second", "2", {"shared": 1.5 * HOUR, "b": 0.5 * HOUR}),
    )
    assert turns(first, second)[0] == ("first", "second")
    huge = ("huge", "0", {"shared": 1.5 * HOUR, "c": HOUR})
    assert turns(huge, second)[0] == ("second",) and turns(huge, second, hours=1.9)[0] == ()


def test_what_nobody_knows_is_taken():
    assert turns(("a", NEVER, {"x": None}), ("b", NEVER, {"y": None}))[0] == ("a", "b")


def test_what_was_left_stands_in_a_file_until_nothing_is(tmp_path):
    note({"a": "why: not", "b": "no"}, tmp_path)
    assert noted(tmp_path) == {"a": "why: not", "b": "no"}
    note({}, tmp_path)
    assert noted(tmp_path) == {} and not (tmp_path / LEFT).exists()


# ---- ages and times, from earlier results


CLAIMS = ("learns", "upside-down", "known", "coin", "sizes", "order")


def named(name, steps=20):
    """The small suite under another name; with other steps it shares no trials."""
    return TINY.replace("suite: tiny", f"suite: {name}").replace("steps: 20", f"steps: {steps}")


def before(night, suite, seconds, *names, **rest):
    """A result whose trials of two arms took so long, with claims of some names."""
    trials = [trial(arm, seed, speed=6400 / seconds) for arm in ("small", "frozen") for seed in range(5)]
    return result(trials, {name: claim() for name in names}, suite=suite, night=night, **rest)


@pytest.fixture
def due(tmp_path):
    """Ages and steps of suites with one claim, that earlier results say."""

    def of(*earlier, at_once=1, names=("learns",)):
        found = []
        for name in ("tiny", "other"):
            path = tmp_path / f"{name}.yaml"
            path.write_text(named(name))
            found.append((repro.load(path), names))
        session = Session(Runner(Store(tmp_path / "store"), InProcess()), "cpu")
        return {one.suite: one for one in session.due(found, earlier, at_once)}

    return of


def test_a_suite_is_as_old_as_its_oldest_claim(due):
    whole = before(1, "tiny", 10, "learns", "coin")
    later = before(3, "tiny", 10, "coin", complete=False)
    assert due(whole, later)["tiny"].since == whole.finished
    assert due(whole, later, names=("coin",))["tiny"].since == later.finished
    assert due(whole, names=("learns", "sizes"))["tiny"].since == NEVER == due(whole)["other"].since


def test_trials_take_what_they_took_at_this_profile_and_else_the_mean_of_others(due):
    first = before(1, "tiny", 6, "learns")
    evaluation = 6 / 64  # as the trial is made up
    found = due(first, before(2, "tiny", 600, "learns", profile="gpu"))
    assert len(found["tiny"].steps) == 10  # two arms, five seeds: those of the first look
    assert [*found["tiny"].steps.values()] == pytest.approx([6 + evaluation] * 10)
    assert [*found["other"].steps.values()] == pytest.approx([6 + evaluation] * 10)
    assert [*due(first, at_once=2)["tiny"].steps.values()] == pytest.approx([(6 + evaluation) / 2] * 10)
    assert set(due()["tiny"].steps.values()) == {None}


def test_trials_on_several_places_count_as_many_times(due, monkeypatch):
    monkeypatch.setitem(globals(), "TINY", TINY.replace("      steps:", "      places: 4\n      steps:"))
    first = before(1, "tiny", 6, "learns")
    for at_once, together in ((1, 1), (4, 1), (8, 2), (11, 2)):
        found = due(first, at_once=at_once)["tiny"].steps.values()
        assert [*found] == pytest.approx([(6 + 6 / 64) / together] * 10)


def test_rounds_take_what_timed_claims_say(tmp_path):
    (tmp_path / "tiny.yaml").write_text(
        TINY + "  quick: {says: It is., expect: 'latency(small) < latency(large)'}\n"
    )
    timed = claim().model_copy(update={"values": {"latency(small)": (1.0,) * 5}, "seconds": 50.0})
    earlier = result([], {"quick": timed}, suite="tiny", timings=[timing("small")])
    session = Session(Runner(Store(tmp_path / "store"), InProcess()), "cpu")
    (found,) = session.due([(repro.load(tmp_path / "tiny.yaml"), ["quick"])], [earlier], at_once=2)
    assert list(found.steps.values()) == [10.0] * 5  # alone on the machine


# ---- a run


@pytest.fixture
def two(tmp_path, monkeypatch):
    """Two suites, of which the second was decided before the first; each took an hour and a bit."""
    monkeypatch.setenv("REPRO_HOME", str(tmp_path / "store"))
    monkeypatch.setattr(api, "executor", lambda *_: MadeUp())
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    for night, name in enumerate(("second", "first"), 1):
        (tmp_path / f"{name}.yaml").write_text(named(name, steps=20 + night))
        write(before(night, name, 400, *CLAIMS), tmp_path / "results" / "kept")
    return tmp_path


def test_a_run_takes_the_oldest_first_and_tells_what_it_leaves(two):
    told, order = {}, []
    results = repro.run(
        [two / "first.yaml", two / "second.yaml"],
        only="order",
        jobs=1,
        hours=1.5,
        results=two / "new",
        decided=lambda path, *_: order.append(path.stem),
        left=told.update,
    )
    assert order == ["second", "first"] and told == {} == results.left
    with pytest.raises(NothingRan, match=r"^nothing to run: no suite takes 0\.5 h or less$"):
        repro.run(two / "first.yaml", only="learns", jobs=1, hours=0.5, results=two / "new", left=told.update)
    why = "takes about 1.1 h by itself, and 0.5 are allowed (last decided 2026-01-02)"
    assert told == {"first": why} == noted(two / "new")


@pytest.mark.parametrize("are_over", ["as the first job begins", "as the first claim is decided"])
def test_what_has_not_begun_when_the_hours_are_over_is_left(two, monkeypatch, are_over):
    now, suites = [0.0], set()

    class Clock(MadeUp):
        def submit(self, job, store):
            if isinstance(job, TrialSpec):
                suites.add({21: "second", 22: "first"}[job.recipe.steps])
            if are_over == "as the first job begins":
                now[0] = 99999.0
            return super().submit(job, store)

    monkeypatch.setattr(api, "executor", lambda *_: Clock())
    monkeypatch.setattr(api, "time", SimpleNamespace(monotonic=lambda: now[0]))
    results = repro.run(
        [two / "first.yaml", two / "second.yaml"],
        only="learns",
        jobs=1,
        hours=3,
        decided=lambda *_: now.__setitem__(0, 99999.0),
    )
    assert [one.suite for one in results] == ["second"] and results.left == {"first": "3 h are over"}
    begun_ahead = are_over == "as the first claim is decided"
    assert suites == ({"second", "first"} if begun_ahead else {"second"})


def test_the_watch_does_not_miss_what_was_left():
    night = [result([trial()], suite=suite) for suite in ("a", "b")]
    tonight = [result([trial()], suite="a", night=2)]
    assert watch(night, tonight).problems == ("b (cpu): measured on 2026-01-01, but not tonight",)
    found = watch(night, tonight, left={"b": "takes long"})
    assert found.problems == () and found.notes == ("b: left for another night: takes long",)


# ---- pytest


@pytest.mark.slow
@pytest.mark.parametrize("workers", [(), ("-n", "1")])
def test_pytest_takes_the_oldest_first_and_tells_what_it_leaves(two, pytester, workers):
    asked = [str(two / "first.yaml"), str(two / "second.yaml")]
    options = ["-v", "-k", "order", "--hours", "1.5", "--jobs", "1"]
    run = pytester.runpytest_subprocess(*asked, *options, "--results", str(two / "new"), *workers)
    run.assert_outcomes(passed=1, deselected=0 if workers else 11)
    run.stdout.fnmatch_lines(
        [
            "*second.yaml::order*",
            "*left for another night*",
            "  first: takes about 1.1 h, of which 0.37 are left*",
        ]
    )
    assert noted(two / "new").keys() == {"first"}


@pytest.mark.slow
def test_pytest_skips_claims_that_have_not_begun_when_the_hours_are_over(two, pytester):
    (two / "none").mkdir()
    (two / "none" / "torn.json").write_text("{")
    asked = [str(two / "first.yaml"), "-k", "order", "--hours", "1e-9", "--earlier", str(two / "none")]
    run = pytester.runpytest_subprocess(*asked, "--results", str(two / "new"))
    run.assert_outcomes(skipped=1, deselected=5)
    run.stdout.fnmatch_lines(["left out: *torn.json: not a result*", "  first: 1e-09 h are over"])
    assert noted(two / "new") == {"first": "1e-09 h are over"}
