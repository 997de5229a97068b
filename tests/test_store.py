import errno
import json
import math
import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from kit import records

from repro import lock
from repro.records import checksum_of
from repro.store import Key, Store, StoreError, _part, remove_parts, write_atomically
from repro.value import from_json

NAME, OTHER = "a" * 32, "b" * 32
TRIAL, OTHER_TRIAL, NUMBER = Key("trials", NAME), Key("trials", OTHER), Key("numbers", NAME)


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def python(code: str, *arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)], stdout=subprocess.PIPE, text=True
    )


def test_what_is_written_is_read_again_under_its_kind_and_digest_and_nowhere_else(store):
    assert store.read(TRIAL) is None
    store.write(TRIAL, records.trial(measurements={"test_error": 0.25}))
    assert store.read(TRIAL)["measurements"] == {"test_error": 0.25}
    assert store.read(OTHER_TRIAL) is None and store.read(NUMBER) is None
    store.write(NUMBER, {"value": 3.0})
    assert store.read(NUMBER)["value"] == 3.0 and "value" not in store.read(TRIAL)
    assert files(store.root) == [f"numbers/{NAME}.json", f"trials/{NAME}.json"]


@pytest.mark.parametrize(
    ("value", "written"), [(math.inf, "inf"), (-math.inf, "-inf"), (math.nan, None), (0.5, 0.5)]
)
def test_a_number_that_json_does_not_have_is_in_the_file_and_the_same_again_when_read(store, value, written):
    store.write(TRIAL, records.trial(measurements={"train_loss": value}, curves={"loss": [(1, value)]}))
    text = json.loads(store.path(TRIAL).read_text(), parse_constant=pytest.fail)
    assert text["measurements"] == {"train_loss": written} and text["curves"] == {"loss": [[1, written]]}
    found = from_json(store.read(TRIAL)["measurements"]["train_loss"])
    assert found == value or (math.isnan(found) and math.isnan(value))


def test_the_files_of_a_job_stand_beside_its_record_and_one_that_is_gone_is_an_error_with_the_remedy(store):
    store.write(TRIAL, records.trial(files=store.write_file(TRIAL, "weights", b"content")))
    assert store.read_file(TRIAL, "weights") == b"content"
    (store.folder(TRIAL) / "weights").unlink()
    gone = rf"trials/{NAME}/weights: cannot be read \(No such file or directory\)\. "
    with pytest.raises(StoreError, match=rf"{gone}Delete {store.path(TRIAL)}, and it is made again"):
        store.read_file(TRIAL, "weights")
    store.path(TRIAL).unlink()
    with pytest.raises(StoreError, match=rf"weights: its record has gone from {store.path(TRIAL)}; run"):
        store.read_file(TRIAL, "weights")


# ---- what is damaged, or somebody else's


def put(store: Store, job: Key, **record: object) -> Path:
    """A record as it is written, with the right checksum, whatever it says."""
    whole = {"digest": job.digest, "generation": 0, "finished": 1.0, "schema": 2, "files": {}, **record}
    store.path(job).parent.mkdir(parents=True, exist_ok=True)
    store.path(job).write_text(json.dumps({**whole, "checksum": checksum_of(whole)}))
    return store.path(job)


def written() -> str:
    return json.dumps({"schema": 2, "digest": NAME, "finished": 1.0, "value": 2.0})


@pytest.mark.parametrize(
    "content",
    [
        written()[:40].encode(),
        b"",
        bytes(range(256)),
        b"[" * 100_000,
        b"[1, 2]",
        b"null",
        written().replace("2.0", "NaN").encode(),
        written().replace("2.0", "1e999").encode(),
        written().replace('"schema": 2', '"schema": 3').encode(),
        written().replace(NAME, OTHER).encode(),
        written().encode(),
    ],
    ids=[
        "cut-off",
        "empty",
        "binary",
        "nested",
        "a-list",
        "null",
        "nan",
        "too-large",
        "newer-schema",
        "other-digest",
        "no-checksum",
    ],
)
@pytest.mark.parametrize("job", [TRIAL, NUMBER], ids=["trial", "number"])
def test_a_damaged_or_foreign_record_is_an_error_with_its_file_and_the_remedy_and_stays(store, job, content):
    path = store.path(job)
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    with pytest.raises(StoreError) as caught:
        store.read(job)
    assert str(path) in str(caught.value) and "it is made again" in str(caught.value)
    assert path.read_bytes() == content


@pytest.mark.parametrize("seed", range(40))
def test_a_bit_that_flips_in_a_record_is_told_or_changes_nothing(store, seed):
    store.write(TRIAL, records.trial(curves={"loss": [(step, 1 / step) for step in range(1, 9)]}))
    before, content = store.read(TRIAL), bytearray(store.path(TRIAL).read_bytes())
    place = random.Random(seed).randrange(8 * len(content))
    content[place // 8] ^= 1 << place % 8
    store.path(TRIAL).write_bytes(content)
    try:
        assert store.read(TRIAL) == before  # in a blank, say
    except StoreError as error:
        assert str(error).startswith(f"{store.path(TRIAL)}: ") and "it is made again" in str(error)


@pytest.mark.parametrize("place", [0, 1000, 8 * 500 - 1])
def test_a_bit_that_flips_in_a_file_is_told_with_the_remedy_which_makes_it_again(store, place):
    content = bytearray(500)
    store.write(TRIAL, records.trial(files=store.write_file(TRIAL, "weights", bytes(content))))
    content[place // 8] ^= 1 << place % 8
    path = store.folder(TRIAL) / "weights"
    path.write_bytes(content)
    told = rf"^{path}: damaged: its checksum is another\. Delete {store.path(TRIAL)}, and it is made again$"
    with pytest.raises(StoreError, match=told):
        store.read_file(TRIAL, "weights")
    store.path(TRIAL).unlink()
    assert store.read(TRIAL) is None


NET = records.timed_net()
ROUND = {"round": {"number": 3}, "nets": {"a": NET}, "seconds": 7.0}
IN_A_DAY_OR_TWO = time.time() + 2 * 86_400


@pytest.mark.parametrize(
    ("kind", "record", "place"),
    [
        ("numbers", {}, "value: "),
        ("numbers", {"value": "0.1"}, "value."),
        ("numbers", {"value": True}, "value."),
        ("numbers", {"value": "NaN"}, "value."),
        ("numbers", {"value": [1.0]}, "value."),
        ("numbers", {"value": 1.0, "finished": "now"}, "finished: "),
        ("numbers", {"value": 1.0, "finished": None}, "finished: "),
        ("numbers", {"value": 1.0, "finished": IN_A_DAY_OR_TWO}, "finished: .* it lies in the future"),
        ("numbers", {"value": 1.0, "generation": "7"}, "generation: "),
        ("numbers", {"value": 1.0, "files": {"weights": 7}}, "files.weights: "),
        ("evaluations", {}, "measurements: "),
        ("evaluations", {"measurements": {"test_error": "0.1"}}, "measurements.test_error."),
        ("trials", records.trial(measurements=None), "measurements: "),
        ("trials", records.trial(curves={"loss": [[1, "0.1"]]}), r"curves.loss.0.1."),
        ("trials", records.trial(curves={"loss": [[1.5, 0.1]]}), r"curves.loss.0.0: "),
        ("trials", records.trial(cost={}), "cost.seconds: "),
        ("trials", records.trial(cost={"seconds": -1.0}), "cost.seconds: "),
        ("trials", records.trial(environment={"device": "x"}), "environment.driver: "),
        ("rounds", {**ROUND, "nets": {"a": {**NET, "seconds": [-1.0]}}}, "nets.a.seconds.0: "),
        ("rounds", {**ROUND, "nets": {"a": {"seconds": [1.0]}}}, "nets.a.timing: "),
        ("rounds", {**ROUND, "round": {}}, "round.number: "),
        ("rounds", {**ROUND, "seconds": None}, "seconds: "),
    ],
)
def test_a_record_that_is_whole_but_does_not_say_what_is_read_of_it_is_told_with_its_place(
    store, kind, record, place
):
    path = put(store, Key(kind, NAME), **record)
    told = rf"^{path}: not a record of {kind}: {place}.*\. Delete it, and it is made again$"
    with pytest.raises(StoreError, match=told):
        store.read(Key(kind, NAME))


def test_a_record_by_a_clock_that_is_a_few_hours_ahead_counts(store):
    put(store, NUMBER, value=None, finished=time.time() + 5 * 3600)
    assert store.read(NUMBER)["value"] is None


def test_a_record_of_an_older_schema_is_made_again_in_its_place(store):
    put(store, NUMBER, value=1.0, schema=1)
    assert store.read(NUMBER) is None
    store.write(NUMBER, {"value": 2.0})
    assert store.read(NUMBER)["value"] == 2.0


# ---- everything anew


def test_in_a_store_that_begins_anew_nothing_counts_that_was_there(store):
    store.write(NUMBER, {"value": 1.0})
    fresh = store.anew()
    assert fresh.read(NUMBER) is None
    fresh.write(NUMBER, {"value": 2.0})
    assert fresh.read(NUMBER)["value"] == store.read(NUMBER)["value"] == 2.0
    assert fresh.anew().read(NUMBER) is None


@pytest.mark.parametrize("shift", [-400 * 86_400, -3600, 3600], ids=["a-year-back", "an-hour-back", "ahead"])
def test_a_clock_that_is_set_while_everything_is_done_anew_changes_nothing(store, monkeypatch, shift):
    store.write(NUMBER, {"value": 1.0})
    fresh, now = store.anew(), time.time()
    monkeypatch.setattr("time.time", lambda: now + shift)
    assert fresh.read(NUMBER) is None
    fresh.write(NUMBER, {"value": 2.0})
    assert fresh.read(NUMBER)["value"] == 2.0
    assert fresh.anew().read(NUMBER) is None
    monkeypatch.undo()
    assert fresh.read(NUMBER)["value"] == 2.0


def test_what_a_later_fresh_run_does_meanwhile_counts_for_an_earlier_one_and_not_the_other_way(store):
    first, second = store.anew(), store.anew()
    first.write(NUMBER, {"value": 1.0})
    assert second.read(NUMBER) is None
    second.write(NUMBER, {"value": 2.0})
    assert first.read(NUMBER)["value"] == 2.0


@pytest.mark.slow
@pytest.mark.parametrize("content", [None, b"", b"\xff", b"many"])
def test_generations_go_on_where_their_file_has_gone_or_is_torn(store, content):
    old = store.anew()
    old.write(NUMBER, {"value": 1.0})
    path = store.root / "generation"
    path.unlink() if content is None else path.write_bytes(content)
    time.sleep(1.1)
    assert store.anew().read(NUMBER) is None


ANEW = """
import sys
from pathlib import Path
from repro.store import Store
print(*(Store(Path(sys.argv[1])).anew().since for _ in range(20)))
"""


@pytest.mark.slow  # processes
def test_no_two_fresh_runs_are_of_one_generation(store):
    runs = [python(ANEW, store.root) for _ in range(3)]
    found = [int(number) for run in runs for number in run.communicate()[0].split()]
    assert len(set(found)) == 60


# ---- what cannot be written


def test_a_folder_where_a_record_should_be_is_an_error_with_its_path_when_read_and_when_written(store):
    path = store.path(TRIAL)
    path.mkdir(parents=True)
    with pytest.raises(StoreError, match=rf"{path}: cannot be read \(Is a directory\)\. Move it away"):
        store.read(TRIAL)
    with pytest.raises(StoreError, match=rf"{path}: cannot be written \(Is a directory\)"):
        store.write(TRIAL, {})
    assert path.is_dir() and not files(store.root)


def test_a_store_under_something_that_is_no_folder_says_how_to_move_it(tmp_path):
    (tmp_path / "file").write_text("")
    store = Store(tmp_path / "file" / "store")
    assert store.read(TRIAL) is None and store.running() == []
    for attempt in (lambda: store.write(TRIAL, {}), lambda: take(store)):
        with pytest.raises(
            StoreError, match=r"cannot be written \(Not a directory\)\. Set REPRO_HOME to move the store"
        ) as caught:
            attempt()
        assert str(store.root) in str(caught.value)
    store.tell(NAME, {"step": 1})
    store.tell(NAME, {})


def take(store: Store) -> bool:
    with store.take(TRIAL) as mine:
        return mine


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_full_disk_is_said_leaves_no_part_and_loses_nothing(store, monkeypatch, call):
    store.write(TRIAL, records.trial(measurements={"test_error": 0.25}))
    before = files(store.root)

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(os, call, full)
        for job in (TRIAL, OTHER_TRIAL):
            with pytest.raises(
                StoreError, match=r"no space left on the disk\. Nothing is lost: make room and run the same"
            ):
                store.write(job, {"measurements": {}})
        if call == "replace":
            store.tell(NAME, {"step": 1})
    assert files(store.root) == before
    assert store.read(TRIAL)["measurements"] == {"test_error": 0.25}


def test_an_interrupt_in_the_middle_of_a_write_leaves_no_part(tmp_path, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(tmp_path / "x.json", b"content")
    assert files(tmp_path) == []


def test_files_are_readable_for_whom_the_umask_says(tmp_path):
    before = os.umask(0o022)
    try:
        write_atomically(tmp_path / "x.json", b"content")
    finally:
        os.umask(before)
    assert (tmp_path / "x.json").stat().st_mode & 0o777 == 0o644


def test_parts_of_killed_writers_can_be_removed_and_nothing_else_is(tmp_path):
    (tmp_path / ".record.json.0123.part").write_text("{")
    (tmp_path / "checkpoint.pt").write_text("x")
    remove_parts(tmp_path)
    remove_parts(tmp_path / "nowhere")
    assert files(tmp_path) == ["checkpoint.pt"]


LARGEST_FILE = """
import json, resource, sys
from pathlib import Path
from repro.store import Key, Store, StoreError
store, trial = Store(Path(sys.argv[1])), Key("other", "a")
store.write(trial, {"kept": 1})
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
store.tell("a", {"step": 1})
store.tell("a", {"model": "x" * 5000})
store.write(Key("numbers", "a"), {"value": 1.0})
try:
    store.write(trial, {"kept": "x" * 5000})
except StoreError as error:
    steps = [s.get("step") for s in store.running()]
    print(json.dumps([str(error), store.read(trial)["kept"], steps]))
"""


def test_a_limit_on_the_size_of_files_is_said_and_loses_nothing(tmp_path):
    message, kept, running = json.loads(python(LARGEST_FILE, tmp_path).communicate()[0])
    assert message.startswith(f"{tmp_path}/other/a.json: cannot be written (File too large)")
    assert (kept, running) == (1, [1])
    assert files(tmp_path) == ["numbers/a.json", "other/a.json", "running/a.json"]


ON_A_SMALL_DISK = """
import json, subprocess, sys
from pathlib import Path
from repro.store import Key, Store, StoreError
folder, trial = Path(sys.argv[1]), Key("other", "a")
mount = lambda options: subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], check=True)
mount("size=64k")
store, said = Store(folder / "store"), {}
store.write(trial, {"kept": 1})
try:
    for index in range(100):
        store.write(Key("other", f"n{index}"), {"text": "x" * 5000})
except StoreError as error:
    said["full"] = str(error)
said["written"], said["parts"] = index, len(list(folder.rglob("*.part")))
said["whole"] = [store.read(Key("other", f"n{i}")) is not None for i in range(index)]
for _ in range(100):
    store.tell("a", {"model": "x" * 5000})
said["running"] = len(store.running())
mount("remount,ro")
said["kept"] = store.read(trial)["kept"]
store.tell("a", {"step": 1})
store.tell("a", {})
attempts = {"write": lambda: store.write(trial, {}), "take": lambda: store.take(trial).__enter__()}
for name, attempt in attempts.items():
    try:
        attempt()
    except StoreError as error:
        said[name] = str(error)
print(json.dumps(said))
"""


def test_a_disk_that_is_really_full_or_read_only_keeps_what_was_stored_and_is_said(tmp_path):
    if not hasattr(os, "getuid") or subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode:
        pytest.skip("no right to mount a small disk")
    code = ["unshare", "-m", sys.executable, "-c", ON_A_SMALL_DISK, str(tmp_path)]
    said = json.loads(subprocess.run(code, stdout=subprocess.PIPE, check=True).stdout)
    assert "no space left on the disk" in said["full"] and said["parts"] == 0
    assert said["written"] > 3 and all(said["whole"]) and said["kept"] == 1
    for attempt in ("write", "take"):
        assert "(Read-only file system). Set REPRO_HOME to move the store" in said[attempt]


WRITE_FOR_EVER = """
import sys
from pathlib import Path
from repro.store import Key, Store
store, count = Store(Path(sys.argv[1])), 0
while True:
    count += 1
    store.write(Key("other", "a"), {"text": str(count % 10) * 300_000})
    if count == 1:
        print("ready", flush=True)
"""


def test_a_record_is_whole_at_every_moment_and_after_a_kill(store):
    writer = python(WRITE_FOR_EVER, store.root)
    assert writer.stdout.readline() == "ready\n"
    written = Key("other", "a")
    end = time.monotonic() + 0.5
    while time.monotonic() < end:
        assert len(set(store.read(written)["text"])) == 1
    writer.send_signal(signal.SIGKILL)
    writer.communicate()
    text = store.read(written)["text"]
    assert len(text) == 300_000 and len(set(text)) == 1


def test_a_job_is_refused_at_once_while_another_is_at_it_and_free_after_an_error(store):
    with store.take(TRIAL) as first, store.take(TRIAL) as second, store.take(OTHER_TRIAL) as third:
        assert (first, second, third) == (True, False, True)
    with pytest.raises(RuntimeError), store.take(TRIAL):
        raise RuntimeError
    assert take(store)


HOLD = """
import sys, time
from pathlib import Path
from repro.store import Key, Store
with Store(Path(sys.argv[1])).take(Key("trials", sys.argv[2])) as mine:
    print(mine, flush=True)
    time.sleep(60)
"""


def test_the_lock_of_a_killed_process_is_free_at_once(store):
    holder = python(HOLD, store.root, NAME)
    assert holder.stdout.readline() == "True\n"
    assert not take(store)
    holder.send_signal(signal.SIGKILL)
    holder.communicate()
    assert take(store)


def test_who_holds_a_job_is_known_while_he_does(store):
    assert store.holder(TRIAL) is None
    with store.take(TRIAL, "resnet, seed 3"), store.take(TRIAL, "somebody else"):
        said = rf"resnet, seed 3 \(process {os.getpid()} on .+\)"
        assert re.fullmatch(said, store.holder(TRIAL))
    assert store.holder(TRIAL) is None and files(store.root) == []


@pytest.mark.parametrize("link", [os.symlink, os.link])
def test_a_link_where_a_lock_should_be_is_refused_and_leaves_its_target_as_it_is(store, tmp_path, link):
    (tmp_path / "thesis").write_text("content")
    (store.root / "locks").mkdir(parents=True)
    link(tmp_path / "thesis", store.root / "locks" / f"{NAME}.lock")
    with pytest.raises(StoreError, match=rf"locks/{NAME}\.lock: cannot be written \(.*link.*\)"):
        take(store)
    assert (tmp_path / "thesis").read_text() == "content"


def test_where_there_can_be_no_locks_this_is_said(store, monkeypatch):
    def missing(*_):
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    monkeypatch.setattr("fcntl.flock", missing)
    with pytest.raises(StoreError, match=r"cannot be locked: Function not implemented\)\. Set REPRO_HOME"):
        take(store)
    write_atomically(store.root / "result.json", b"{}")  # results need none


def test_what_killed_processes_have_left_is_swept_and_nothing_of_those_that_live(store):
    killed, living = python(LEAVE, store.root, NAME), python(LEAVE, store.root, OTHER)
    for process in (killed, living):
        assert process.stdout.readline() == "ready\n"
    killed.kill()
    killed.communicate()
    store.write(NUMBER, {"value": 1.0})
    store.sweep()
    of_the_living = {name for name in files(store.root) if OTHER in name}
    assert len(of_the_living) == 6  # locks, what it and its job said, parts of a record and of a file
    assert set(files(store.root)) == {*of_the_living, f"numbers/{NAME}.json"}
    living.kill()
    living.communicate()
    store.sweep()
    assert files(store.root) == [f"numbers/{NAME}.json"]


LEAVE = """
import os, sys, time
from pathlib import Path
from repro import store as stores
from repro.status import Status
from repro.store import Key, Store
store, job = Store(Path(sys.argv[1])), Key("numbers", sys.argv[2])
status = Status(store)
status.name = f"process-{sys.argv[2]}"
status.tell({"wanted": [], "finished": []})
with store.take(job):
    store.tell(job.digest, {"step": 1})
    parts = [stores._part(path) for path in (store.path(job), store.folder(job) / "weights")
             if path.parent.mkdir(parents=True, exist_ok=True) is None]
    print("ready", flush=True)
    time.sleep(60)
"""


def test_parts_in_a_folder_are_left_by_killed_writers_unless_somebody_writes_them(tmp_path):
    (tmp_path / ".old.json.0123.part").write_text("{")
    (tmp_path / "result.json").write_text("{}")
    with _part(tmp_path / "new.json") as writing:
        remove_parts(tmp_path)
        assert sorted(files(tmp_path)) == sorted([Path(writing.name).name, "result.json"])


def test_who_writes_while_another_sweeps_starts_again(tmp_path, monkeypatch):
    sweeps = iter([True, False])
    mark = lock.mark

    def swept_before(file):
        if next(sweeps):
            remove_parts(tmp_path)
        mark(file)

    monkeypatch.setattr(lock, "mark", swept_before)
    write_atomically(tmp_path / "x.json", b"content")
    assert files(tmp_path) == ["x.json"] and next(sweeps, None) is None


def test_running_trials_are_shown_until_they_end_and_not_when_they_are_silent(store, monkeypatch):
    store.tell(NAME, {"step": 5})
    store.tell(OTHER, {"step": 7})
    assert [state["step"] for state in store.running()] == [5, 7]
    store.tell(NAME, {})
    store.tell(NAME, {})
    assert [state["step"] for state in store.running()] == [7]
    later = time.time() + 11
    monkeypatch.setattr("repro.store.time.time", lambda: later)
    assert store.running() == []


@pytest.mark.parametrize("content", ["", "{", "[]", "7", "{}", '{"at": "noon"}', '{"at": 0, "step": 1}'])
def test_progress_that_is_torn_foreign_or_old_is_passed_over(store, content):
    store.tell(NAME, {"step": 5})
    (store.root / "running" / f"{OTHER}.json").write_text(content)
    assert [state["step"] for state in store.running()] == [5]
