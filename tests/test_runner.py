"""What gets done, in which order, and by whom. Nothing is trained here: an executor makes the records up."""

import time
from concurrent.futures import Future, wait

import pytest
from kit import tiny
from kit.made_up import MadeUp, probe

from repro.errors import ReproError
from repro.recipe import Timing
from repro.round import Round, TimedNet
from repro.runner import Runner
from repro.trial import Drawing, Subject, TrialSpec


def trial(seed: int = 0, **changes: object) -> TrialSpec:
    return tiny.spec(seed).model_copy(update=changes)


def picture(*trials: TrialSpec) -> Drawing:
    subjects = {f"arm{place}": Subject(trial=each) for place, each in enumerate(trials)}
    return Drawing(picture="predictions", options={}, subjects=subjects, code="", torch="")


def timing_round(number: int = 0) -> Round:
    net = TimedNet(model=trial().model, data=None, timing=Timing())
    return Round(nets={"a": net}, number=number, device="cpu", machine=(), code="", torch="")


def test_jobs_are_done_once_though_they_are_wanted_twice_and_again(store):
    executor = MadeUp()
    runner = Runner(store, executor)
    runner.ensure([trial(0), trial(1), trial(0)])
    runner.ensure([trial(1), trial(2)])
    assert [job.seed for job in executor.done] == [0, 1, 2]
    assert all(runner.record(trial(seed))["measurements"] == {"test_error": 0.5} for seed in range(3))


def test_what_is_done_is_not_asked_for_nor_what_came_before_it(store):
    first = trial()
    Runner(store, MadeUp()).ensure([probe(first)])
    store.path(first).unlink()
    again = MadeUp()
    Runner(store, again).ensure([probe(first)])
    assert again.asked == []


def test_a_finished_store_is_read_without_writing_or_locking_anything(store, monkeypatch):
    Runner(store, MadeUp()).ensure([probe(trial())])
    for call in ("write", "take", "tell"):
        monkeypatch.setattr(store, call, lambda *_: pytest.fail("written"))
    runner = Runner(store, MadeUp())
    runner.ensure([probe(trial())])
    assert runner.record(probe(trial()))["value"] == 8.0
    runner.close()


# ---- order


def test_a_probe_waits_for_its_trial_and_a_trial_for_the_one_it_starts_from(store):
    executor = MadeUp()
    first = trial(7)
    second = trial(start=first)
    Runner(store, executor).ensure([probe(second), second])
    assert executor.done == [first, second, probe(second)]


def test_a_diamond_is_done_once_with_its_top_first_and_its_foot_last(store):
    executor = MadeUp()
    top = trial(7)
    left, right = trial(1, start=top), trial(2, start=top)
    Runner(store, executor).ensure([picture(left, right), right])
    assert [executor.done[0], executor.done[-1]] == [top, picture(left, right)]
    assert len(executor.done) == 4 and left in executor.done and right in executor.done


class Slow(MadeUp):
    """Gives its futures at once and does the jobs when it is told to."""

    def __init__(self, **options):
        super().__init__(**options)
        self.open = []

    def submit(self, job, store):
        future: Future[bool] = Future()
        self.asked.append(job)
        self.open.append((job, future))
        self.look(store)
        return future

    def look(self, store):
        """Do what is open, as soon as there is no more room."""
        if len(self.open) == self.slots:
            self.finish(store)

    def finish(self, store):
        for job, future in self.open:
            self.do(job, store)
            future.set_result(True)
        self.open.clear()


def test_what_does_not_wait_goes_on_while_something_else_waits(store):
    looks = [probe(trial(0)), probe(trial(0), "response_std")]
    executor = Slow(slots=2)
    Runner(store, executor).ensure([*looks, trial(1)])
    assert executor.done == [trial(0), trial(1), *looks]


def test_as_many_jobs_are_submitted_at_once_as_there_is_room_for_and_no_more(store):
    class Counted(Slow):
        most = 0

        def look(self, store):
            self.most = max(self.most, len(self.open))
            super().look(store)

    executor = Counted(slots=5)
    Runner(store, executor).ensure(map(trial, range(10)))
    assert executor.most == 5 and len(executor.done) == 10


def test_what_needs_the_machine_alone_comes_last(store):
    executor = MadeUp()
    Runner(store, executor).ensure([timing_round(0), trial(0), timing_round(1), probe(trial(1))])
    assert [job.kind for job in executor.done] == ["trials", "trials", "numbers", "rounds", "rounds"]


# ---- going ahead


class Places(MadeUp):
    """Two places. Whoever waits sees the job end that was begun first; what is `bad` ends in an error."""

    bad: TrialSpec | None = None

    def __init__(self):
        super().__init__(slots=2)
        self.open = {}

    def submit(self, job, store):
        future: Future[bool] = Future()
        self.asked.append(job)
        self.open[future] = job, store
        return future

    def end_one(self, futures, **_):
        job, store = self.open.pop(futures[0])
        if job == self.bad:
            futures[0].set_exception(self.error)
        else:
            self.do(job, store)
            futures[0].set_result(True)
        return wait(futures, timeout=0)


@pytest.fixture
def places(monkeypatch):
    executor = Places()
    monkeypatch.setattr("repro.runner.wait", executor.end_one)
    return executor


def test_a_place_that_would_be_idle_begins_what_is_coming(store, places):
    runner = Runner(store, places)
    runner.coming = iter([trial(0), probe(trial(1)), trial(2)])
    runner.ensure([trial(0)])
    assert places.asked == [trial(0), trial(1)] and places.done == [trial(0)]
    runner.ensure([probe(trial(1))])
    assert places.done[:2] == [trial(0), trial(1)]  # it went on, and was not begun again
    assert places.asked == [trial(0), trial(1), trial(2), probe(trial(1))]


def test_what_is_asked_for_has_its_place_before_what_is_coming(store, places):
    runner = Runner(store, places)
    runner.coming = iter([trial(8), trial(9)])
    runner.ensure([trial(0), trial(1), trial(2)])
    assert places.asked == [trial(0), trial(1), trial(2), trial(8)]


def test_nothing_is_begun_ahead_beside_what_needs_the_machine_alone(store, places):
    runner = Runner(store, places)
    runner.coming = iter([trial(8)])
    runner.ensure([timing_round(0)])
    assert places.asked == [timing_round(0)]


def test_nothing_is_begun_ahead_of_a_round_that_cannot_begin_yet(store, places):
    runner = Runner(store, places)
    runner.coming = iter([trial(8)])
    runner.ensure([trial(0), timing_round(0)])
    assert places.asked == [trial(0), timing_round(0)]


def test_what_needs_other_places_than_what_is_asked_for_is_not_begun_ahead(store, places):
    runner = Runner(store, places)
    runner.coming = iter([trial(8, device="cuda"), trial(9)])
    runner.ensure([trial(0)])
    assert places.asked == [trial(0), trial(9)]


def test_a_damaged_record_of_what_is_coming_is_told_where_it_is_asked_for(store, places):
    MadeUp().do(trial(8), store)
    store.path(trial(8)).write_text("torn")
    runner = Runner(store, places)
    runner.coming = iter([trial(8), trial(9)])
    runner.ensure([trial(0)])
    assert places.asked == [trial(0), trial(9)]
    with pytest.raises(ReproError, match="torn or not a record"):
        runner.ensure([trial(8)])


def test_rounds_of_timing_are_never_begun_ahead(store, places):
    runner = Runner(store, places)
    runner.coming = iter([timing_round(0), trial(8)])
    runner.ensure([trial(0)])
    assert places.asked == [trial(0), trial(8)]


@pytest.mark.parametrize("error", [ReproError("there is no data"), ValueError("no such luck")])
def test_what_is_wrong_with_what_is_coming_is_told_where_it_is_asked_for(store, places, error):
    places.error, places.bad = error, trial(8)
    runner = Runner(store, places)
    runner.coming = iter([trial(8), probe(trial(8)), trial(8), trial(9)])
    runner.ensure([trial(0)])
    runner.ensure([trial(1), trial(2)])
    runner.ensure([trial(3), trial(4)])
    assert places.asked.count(trial(8)) == 1 and trial(9) in places.asked
    with pytest.raises(type(error)) as caught:
        runner.ensure([trial(8)])
    assert caught.value is error


def test_what_is_coming_and_another_process_is_at_is_not_asked_for_again_and_again(store):
    class Theirs(MadeUp):
        def submit(self, job, store):
            if job != trial(8):
                return super().submit(job, store)
            future: Future[bool] = Future()
            self.asked.append(job)
            future.set_result(False)
            return future

    executor = Theirs(elsewhere=2)
    runner = Runner(store, executor)
    runner.coming = iter([trial(8)])
    runner.ensure([trial(0)])
    assert executor.asked.count(trial(8)) == 1 and executor.asked.count(trial(0)) == 3


# ---- other processes


def test_what_another_process_is_at_is_left_to_it_and_asked_for_again_later(store):
    executor = MadeUp(slots=1, elsewhere=2)
    Runner(store, executor).ensure(map(trial, range(10)))
    assert [job.seed for job in executor.asked] == [*range(10), 0, 1]  # all the others were taken before


def test_what_another_process_is_at_is_not_asked_for_all_the_time(store):
    executor, began = MadeUp(elsewhere=3), time.monotonic()
    Runner(store, executor).ensure([trial()])
    assert len(executor.asked) == 4 and time.monotonic() - began > 0.6


def test_what_builds_on_a_trial_of_another_process_waits_for_that(store):
    executor = MadeUp(elsewhere=2)
    Runner(store, executor).ensure([probe(trial())])
    assert executor.asked == [trial(), trial(), trial(), probe(trial())]


def test_what_another_process_finishes_is_taken_from_the_store(store):
    class Elsewhere(MadeUp):
        def submit(self, job, store):
            future: Future[bool] = Future()
            future.set_result(False)
            self.asked.append(job)
            self.do(job, store)
            return future

    executor = Elsewhere()
    runner = Runner(store, executor)
    runner.ensure([probe(trial()), trial(1)])
    assert len(executor.asked) == 3 and runner.record(probe(trial()))["value"] == 8.0


# ---- what can go wrong


def test_a_job_whose_process_dies_is_tried_again_and_given_up_by_name_at_the_third_time(store):
    executor = MadeUp(slots=1, deaths=2)
    Runner(store, executor).ensure([trial(4)])
    assert len(executor.asked) == 3
    died = r"^cifar_resnet\(depth=8, width=4\), seed 5: its process died 3 times; is the memory enough\?$"
    with pytest.raises(ReproError, match=died):
        Runner(store, MadeUp(deaths=3)).ensure([trial(5)])


@pytest.mark.parametrize("error", [ReproError("there is no data"), ValueError("no such luck")])
def test_errors_of_jobs_reach_the_caller_as_they_are(store, error):
    with pytest.raises(type(error)) as caught:
        Runner(store, MadeUp(error=error)).ensure([trial()])
    assert caught.value is error


@pytest.mark.parametrize("trouble", [{"error": ReproError("there is no data")}, {"deaths": 3}])
def test_what_cannot_be_done_is_not_tried_again_nor_what_builds_on_it(store, trouble):
    executor = MadeUp(**trouble)
    runner = Runner(store, executor)
    with pytest.raises(ReproError) as first:
        runner.ensure([trial()])
    asked = len(executor.asked)
    executor.error = None
    for jobs in ([trial()], [trial(1), probe(trial())]):
        with pytest.raises(ReproError) as again:
            runner.ensure(jobs)
        assert again.value is first.value and len(executor.asked) == asked


def test_a_torn_record_is_an_error_with_its_file_whether_it_is_wanted_or_built_on(store):
    Runner(store, MadeUp()).ensure([trial()])
    path = store.path(trial())
    path.write_text(path.read_text()[:50])
    for job in (trial(), probe(trial())):
        with pytest.raises(ReproError, match=rf"{path}: torn or not a record"):
            Runner(store, MadeUp()).ensure([job])


def test_a_record_that_has_gone_is_an_error_that_says_whose_it_was_and_where(store):
    said = rf"the record of cifar_resnet\(.*\), seed 0 has gone from {store.path(trial())}; run again"
    with pytest.raises(ReproError, match=said):
        Runner(store, MadeUp()).record(trial())


# ---- what it says meanwhile


def test_a_runner_says_what_it_wants_and_has_until_it_is_closed(store, monkeypatch):
    states, tell = [], store.tell
    monkeypatch.setattr(
        store, "tell", lambda name, status: (tell(name, status), states.append(*store.running()))
    )
    runner = Runner(store, MadeUp(slots=2))
    runner.ensure(map(probe, map(trial, range(5))))
    assert {len(state["wanted"]) for state in states} == {10}
    assert list(dict.fromkeys(len(state["finished"]) for state in states)) == list(range(11))
    monkeypatch.undo()
    runner.close()
    assert store.running() == []


def test_what_a_runner_wants_and_has_adds_up_over_all_that_it_was_asked_for(store, monkeypatch):
    runner, told = Runner(store, MadeUp()), []
    monkeypatch.setattr(store, "tell", lambda _, status: told.append(status))
    runner.ensure([trial(0), trial(1)])
    runner.ensure([trial(2)])
    wanted = sorted(trial(seed).digest for seed in range(3))
    assert told[-1]["wanted"] == wanted == told[-1]["finished"]


def test_a_runner_that_waits_long_says_so_again_and_again(store, monkeypatch):
    monkeypatch.setattr("repro.runner.TELL_EVERY", 0.0)
    runner, told = Runner(store, MadeUp(slots=1, elsewhere=1)), []
    monkeypatch.setattr(store, "tell", lambda _, status: told.append(len(status["finished"])))
    runner.ensure([trial()])
    assert told.count(0) >= 3 and told[-1] == 1


def test_a_runner_that_has_nothing_else_to_do_says_for_whom_it_waits(store, monkeypatch):
    monkeypatch.setattr("repro.runner.TELL_EVERY", 0.0)
    runner, told, tell = Runner(store, MadeUp(slots=1, elsewhere=2)), [], store.tell
    monkeypatch.setattr(store, "tell", lambda name, status: (tell(name, status), told.append(status)))
    with store.take(trial(), "plain20, seed 7"):
        runner.ensure([trial()])
    waits = {text for status in told for text in status["waits"]}
    assert len(waits) == 1 and waits.pop().startswith("waits for plain20, seed 7 (process ")
    assert told[-1]["waits"] == []


def test_what_a_killed_runner_has_left_is_swept_by_the_next_that_has_something_to_do(store):
    (store.root / "running").mkdir(parents=True)
    (store.root / "running" / "process-1.json").write_text("{}")
    Runner(store, MadeUp()).ensure([])
    assert list((store.root / "running").iterdir())
    Runner(store, MadeUp()).ensure([trial()])
    assert not (store.root / "running" / "process-1.json").exists()


def test_when_everything_is_done_anew_what_was_done_before_is_done_again_and_once(store):
    Runner(store, MadeUp()).ensure([probe(trial())])
    executor = MadeUp()
    runner = Runner(store.anew(), executor)
    runner.ensure([probe(trial())])
    runner.ensure([probe(trial()), trial()])
    assert executor.done == [trial(), probe(trial())]
