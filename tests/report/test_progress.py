"""The line on where long work stands."""

import io
import re
from types import SimpleNamespace

import pytest
from _pytest._io import TerminalWriter
from click.testing import CliRunner

from repro.cli import main
from repro.plan.course import Course
from repro.plan.steps import ROUND, Step
from repro.pytest_plugin import Run
from repro.report import progress
from repro.report.progress import BAR, Display, Line, Progress, Stand, Told, fitted
from repro.status import Status
from repro.store import Key, Store

TRAINING = {
    "model": "resnet",
    "seed": 3,
    "step": 5,
    "steps": 10,
    "images_per_second": 1200.0,
    "seconds_left": 65,
}
STAND = Stand(
    done=12,
    wanted=85,
    left=250.0,
    running=("plain56, seed 3: 57 %", "shortcut20, seed 1: 3 %"),
    waits=("waits for vgg (process 7 on host)",),
)


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


@pytest.fixture
def records(monkeypatch):
    """What the store holds, by digest: the seconds of a trial."""
    found = {}
    monkeypatch.setattr(
        Store,
        "read",
        lambda _, job: {"cost": {"seconds": found[job.digest]}} if job.digest in found else None,
    )
    return found


def step(digest, arm="plain", seed=0, sure=True):
    return Step(Key("trials", digest), "suite", arm, seed, sure)


def looked(store, course=None):
    return Progress(store, course).look()


# ---- without the course of a run


def test_it_says_what_is_done_what_trains_and_for_whom_one_waits(store):
    wants, waits = Status(store), Status(store)
    wants.tell({"wanted": ["a", "b"], "finished": ["a"], "waits": ["waits for vgg (process 7 on host)"]})
    waits.tell({"waits": ["waits for a round (process 8 on host)"], "job": "c", "label": "net(depth=8)"})
    store.tell("b" * 32, TRAINING)
    assert str(looked(store)).split("; ") == [
        "1 of 2 trials and numbers done, about 1:05 left",
        "resnet seed 3: 50 %",
        "net(depth=8) waits for a round (process 8 on host)",
        "waits for vgg (process 7 on host)",
    ]


def test_there_is_none_when_all_is_done_and_when_those_who_spoke_have_ended(store):
    status = Status(store)
    status.tell({"wanted": ["a"], "finished": ["a"], "waits": []})
    assert looked(store) is None
    status.tell({"wanted": ["a"], "finished": [], "waits": []})
    assert looked(store)
    status.close()
    assert looked(store) is None and not any((store.root / "running").iterdir())


def test_who_waits_shows_whose_words_move_no_cursor(store):
    Status(store).tell({"wanted": ["a"], "finished": [], "waits": ["waits for \x1b[2J"]})
    assert str(looked(store)).endswith("; waits for \\u001b[2J")


# ---- with one


def test_the_course_of_a_run_names_arms_and_counts_all_there_is_to_do(store, records):
    records["a"] = 10.0
    steps = {
        "a": step("a", seed=0),
        "b": step("b", seed=1),
        "c": step("c", seed=2),
        "d": step("d", seed=5, sure=False),  # wanted only if the first look does not decide
        "e": step("e", ROUND, 3),
    }
    Status(store).tell({"wanted": ["b"], "finished": [], "waits": []})
    for job, label in (("c", "resnet(depth=8), seed 2"), ("x", "somebody else's")):
        Status(store).tell({"waits": ["waits for vgg(depth=16), seed 0"], "job": job, "label": label})
    store.tell("b", TRAINING)
    stand = looked(store, Course(steps))
    assert (stand.done, stand.wanted, stand.running) == (1, 4, ("plain, seed 1: 50 %",))
    assert stand.waits == ("plain, seed 2 (and 1 more) waits for vgg, seed 0",)
    assert steps["e"].label == "round 3"
    Status(store).tell({"wanted": ["d"], "finished": [], "waits": []})
    assert looked(store, Course(steps)).wanted == 5


def test_the_time_left_is_that_of_the_running_and_of_all_that_are_to_come_as_many_at_once(store, records):
    records |= {"a0": 10.0, "a1": 30.0}  # 20 on average
    steps = {
        **{f"a{seed}": step(f"a{seed}", "a", seed) for seed in range(4)},
        **{f"b{seed}": step(f"b{seed}", "b", seed) for seed in range(2)},
        **{f"c{seed}": step(f"c{seed}", "c", seed) for seed in range(2)},
    }
    kept = {("suite", "a"): 1000.0, ("suite", "b"): 100.0}  # of `a` this run knows better; of `c` nothing
    Status(store).tell({"wanted": ["a2", "a3"], "finished": [], "waits": []})
    for name, left in (("a2", 5), ("a3", 15)):
        store.tell(name, {**TRAINING, "seconds_left": left})
    of_c = (20 + 100) / 2
    progress = Progress(store, Course(steps, kept))
    assert progress.look().left == pytest.approx((5 + 15 + 2 * 100 + 2 * of_c) / 2)
    store.tell("a3", {})  # for a moment one alone; it is to be done again
    assert progress.look().left == pytest.approx((5 + 20 + 2 * 100 + 2 * of_c) / 2)


def test_rounds_are_by_themselves_in_the_time_left(store, records):
    rounds = {f"r{seed}": step(f"r{seed}", ROUND, seed) for seed in range(3)}
    records["r0"] = 40.0
    Status(store).tell({"wanted": ["a"], "finished": [], "waits": []})
    for name in ("a", "b"):
        store.tell(name, {**TRAINING, "seconds_left": 10})
    assert looked(store, Course({"a": step("a"), "b": step("b"), **rounds})).left == 10 + 2 * 40


def test_it_is_never_less_than_the_longest_that_runs_and_none_where_nothing_is_known(store, records):
    steps = {name: step(name) for name in "ab"}
    Status(store).tell({"wanted": ["a", "b"], "finished": [], "waits": []})
    assert looked(store, Course(steps)).left is None
    records["c"] = 1.0
    for name, left in (("a", 100), ("b", 2)):
        store.tell(name, {**TRAINING, "seconds_left": left})
    assert looked(store, Course({**steps, "c": step("c")})).left == 100


# ---- on a terminal


@pytest.mark.parametrize("width", [200, 79, 60, 40])
def test_it_fits_on_one_line_and_says_most_first(width):
    text = fitted(STAND, width, colour=False)
    assert len(text) <= width and "\n" not in text
    assert "12/85, 4:10 left" in text
    assert text.endswith("…") == (width < 200)
    assert ("shortcut20, seed 1: 3 %" in text) == (width == 200)
    in_colours = re.sub(r"\x1b\[[0-9;]*m", "", fitted(STAND, width)).rstrip()
    assert in_colours[BAR:] == text[BAR:] and len(in_colours) <= width and in_colours.startswith("━")


class Screen:
    """What a terminal shows of what is written to it: line ends, carriage returns, the codes that we use."""

    def __init__(self):
        self.rows, self.row, self.column = [""], 0, 0

    def write(self, text):
        for part in re.findall(r"\x1b\[[0-9;]*[A-Za-z]|\n|\r|[^\x1b\n\r]+", text):
            if part == "\n":
                self.row, self.column = self.row + 1, 0
                self.rows += [""] * (self.row + 1 - len(self.rows))
            elif part == "\r":
                self.column = 0
            elif part.startswith("\x1b"):
                self.obey(part[-1], int(part[2:-1] or 1) if part[-1] in "AC" else 0)
            else:
                line = self.rows[self.row].ljust(self.column)
                self.rows[self.row] = line[: self.column] + part + line[self.column + len(part) :]
                self.column += len(part)

    def obey(self, code, count):
        if code == "K":
            self.rows[self.row] = self.rows[self.row][: self.column]
        elif code == "A":
            self.row -= count
        elif code == "C":
            self.column += count

    def flush(self):
        """All is shown at once."""


def test_the_line_renews_itself_below_what_others_write_and_is_gone_when_they_go_on():
    screen, other = Screen(), SimpleNamespace(text="")
    line = Line(screen, lambda: 60, lambda: len(other.text))

    def others(text):
        line.erase()
        screen.write(text)
        other.text = (other.text + text).rpartition("\n")[2]

    others("suites/x.yaml::first ")
    for done in (1, 2, 3):
        line.show(Stand(done, 9, None, ("a, seed 1: 5 %",), ()))
    assert screen.rows[0] == "suites/x.yaml::first " and len(screen.rows) == 2
    assert "3/9" in screen.rows[1] and "2/9" not in screen.rows[1]
    others("PASSED\nsuites/x.yaml::second ")
    assert screen.rows == ["suites/x.yaml::first PASSED", "suites/x.yaml::second "]
    line.show(STAND)
    line.show(None)
    others("PASSED\n")
    line.show(STAND)
    assert screen.rows[1] == "suites/x.yaml::second PASSED" and "12/85" in screen.rows[2]


def test_under_pytest_the_line_is_gone_before_pytest_writes_and_afterwards_pytest_writes_alone():
    screen = Screen()
    writer = TerminalWriter(screen)
    writer.fullwidth, writer.hasmarkup = 80, False
    run = Run(
        SimpleNamespace(
            get_terminal_writer=lambda: writer,
            invocation_params=SimpleNamespace(dir=None),
            getoption=lambda _: None,
        )
    )
    line = run.progress.line(screen)
    writer.write("suites/x.yaml::first ")
    line.show(STAND)
    assert "12/85" in screen.rows[1]
    writer.write("PASSED")
    writer.line()
    assert screen.rows == ["suites/x.yaml::first PASSED", ""]
    run.progress.close()
    assert writer.write.__func__ is TerminalWriter.write


def test_work_that_tells_of_itself_says_what_it_is_at():
    told, log = Told("arms looked at"), io.StringIO()
    assert told.look() is None
    told.at(3, 40, "detection: \x1b[2Jyolo")
    assert str(told.look()) == "3 of 40 arms looked at; detection: \\u001b[2Jyolo"
    show, _ = progress.on(log)
    with Display(told, show, every=0.01) as display:
        while not log.getvalue():
            display.ended.wait(0.01)
    assert "3 of 40 arms looked at; detection: " in log.getvalue() and not display.thread.is_alive()


BEFORE = Stand(0, 0, None, ("reading suites",))


def test_what_goes_on_before_there_is_work_is_told_at_once_on_a_terminal_and_in_no_log():
    stands, told, log = list[Stand | None](), Told("arms"), io.StringIO()
    display = Display(told, stands.append, every=0.01)
    display.doing("reading suites")
    assert stands == [BEFORE]
    with display:
        while len(stands) < 3:  # it is told again, for others write, too
            display.ended.wait(0.01)
        told.at(1, 4, "a")
        while stands[-1] is None or stands[-1].is_before:
            display.ended.wait(0.01)
        told._stand = None
        seen = len(stands)
        display.ended.wait(0.1)
    assert {*map(str, stands[:-1])} == {str(BEFORE), "1 of 4 arms; a"}
    assert BEFORE not in stands[seen:]  # once there is work, there is no more to say
    progress.on(log)[0](BEFORE)
    assert log.getvalue() == ""
    assert (
        fitted(BEFORE, 80, colour=False) == "reading suites" and fitted(BEFORE, 8, colour=False) == "reading…"
    )


@pytest.mark.parametrize(
    ("command", "then"), [("run", "looking at what is done already"), ("plan", "importing torch")]
)
def test_a_command_tells_what_it_is_at_before_the_first_trial(tiny, monkeypatch, command, then):
    stands = list[Stand | None]()
    monkeypatch.setattr(progress, "on", lambda **_: (stands.append, 60.0))
    arguments = [command, str(tiny), *(["-k", "order", "-j", "1"] if command == "run" else [])]
    run = CliRunner().invoke(main, arguments)
    assert run.exit_code == 0, run.output
    assert [one.running[0] for one in stands if one is not None][:2] == ["reading suites", then]
    assert stands[-1] is None


def test_a_terminal_has_one_line_and_a_log_a_line_now_and_then(monkeypatch):
    log = io.StringIO()
    show, every = progress.on(log)
    show(STAND)
    show(None)
    assert every == 30.0 and progress.on(log, logged_every=10.0)[1] == 10.0
    assert re.fullmatch(r"\d\d:\d\d:\d\d 12 of 85 trials and numbers done, .*\n", log.getvalue())
    monkeypatch.setattr(log, "isatty", lambda: True)
    show, every = progress.on(log)
    show(STAND)
    assert every < 1 and log.getvalue().partition("\n")[2].startswith("\r\x1b[K")
