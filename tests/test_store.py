import errno
import json
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from repro.store import Key, Store, StoreError, remove_parts, write_atomically
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
    store.write(TRIAL, {"measurements": {"test_error": 0.25}})
    assert store.read(TRIAL)["measurements"] == {"test_error": 0.25}
    assert store.read(OTHER_TRIAL) is None and store.read(NUMBER) is None
    store.write(NUMBER, {"value": 3.0})
    assert store.read(NUMBER)["value"] == 3.0 and "value" not in store.read(TRIAL)
    assert files(store.root) == [f"numbers/{NAME}.json", f"trials/{NAME}.json"]


@pytest.mark.parametrize(
    ("value", "written"), [(math.inf, "inf"), (-math.inf, "-inf"), (math.nan, None), (0.5, 0.5)]
)
def test_a_number_that_json_does_not_have_is_in_the_file_and_the_same_again_when_read(store, value, written):
    store.write(TRIAL, {"measurements": {"train_loss": value}, "curves": {"loss": [(1, value)]}})
    text = json.loads(store.path(TRIAL).read_text(), parse_constant=pytest.fail)
    assert text["measurements"] == {"train_loss": written} and text["curves"] == {"loss": [[1, written]]}
    found = from_json(store.read(TRIAL)["measurements"]["train_loss"])
    assert found == value or (math.isnan(found) and math.isnan(value))


def test_records_from_before_newer_than_do_not_count(store):
    store.write(TRIAL, {})
    finished = store.read(TRIAL)["finished"]
    assert Store(store.root, newer_than=finished + 0.001).read(TRIAL) is None
    assert Store(store.root, newer_than=finished).read(TRIAL) is not None


def test_the_files_of_a_job_stand_beside_its_record_and_one_that_is_gone_is_an_error_with_the_remedy(store):
    store.write(TRIAL, {})
    write_atomically(store.folder(TRIAL) / "weights", b"content")
    assert store.read_file(TRIAL, "weights") == b"content"
    (store.folder(TRIAL) / "weights").unlink()
    gone = rf"trials/{NAME}/weights: cannot be read \(No such file or directory\)\. "
    with pytest.raises(StoreError, match=rf"{gone}Delete {store.path(TRIAL)}, and it is made again"):
        store.read_file(TRIAL, "weights")


def whole_record() -> str:
    return json.dumps(
        {"schema": 1, "digest": NAME, "finished": 1.0, "value": 2.0, "measurements": {"test_error": 0.1}}
    )


@pytest.mark.parametrize(
    "content",
    [
        whole_record()[:40].encode(),
        b"",
        bytes(range(256)),
        b"[" * 100_000,
        b"[1, 2]",
        b"null",
        whole_record().replace('"schema": 1', '"schema": 2').encode(),
        whole_record().replace(NAME, OTHER).encode(),
        whole_record().replace('"finished"', '"ended"').encode(),
    ],
    ids=["cut-off", "empty", "binary", "nested", "a-list", "null", "other-schema", "other-digest", "no-time"],
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
    store.write(TRIAL, {"measurements": {"test_error": 0.25}})
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
store, trial = Store(Path(sys.argv[1])), Key("trials", "a")
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
    assert message.startswith(f"{tmp_path}/trials/a.json: cannot be written (File too large)")
    assert (kept, running) == (1, [1])
    assert files(tmp_path) == ["numbers/a.json", "running/a.json", "trials/a.json"]


ON_A_SMALL_DISK = """
import json, subprocess, sys
from pathlib import Path
from repro.store import Key, Store, StoreError
folder, trial = Path(sys.argv[1]), Key("trials", "a")
mount = lambda options: subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], check=True)
mount("size=64k")
store, said = Store(folder / "store"), {}
store.write(trial, {"kept": 1})
try:
    for index in range(100):
        store.write(Key("trials", f"n{index}"), {"text": "x" * 5000})
except StoreError as error:
    said["full"] = str(error)
said["written"], said["parts"] = index, len(list(folder.rglob("*.part")))
said["whole"] = [store.read(Key("trials", f"n{i}")) is not None for i in range(index)]
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
    store.write(Key("trials", "a"), {"text": str(count % 10) * 300_000})
    if count == 1:
        print("ready", flush=True)
"""


def test_a_record_is_whole_at_every_moment_and_after_a_kill(store):
    writer = python(WRITE_FOR_EVER, store.root)
    assert writer.stdout.readline() == "ready\n"
    written = Key("trials", "a")
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
