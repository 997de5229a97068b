"""Files are read once, and again when they have changed."""

import json
import os
import time
from pathlib import Path

import pytest

from repro import contents
from repro.contents import Contents
from repro.store import Store

LONG_AGO = 1_000_000_000  # seconds of the epoch
TICK = 0.03  # seconds: longer than a tick of the file system's clock


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two files, which have not changed for long."""
    folder = tmp_path / "data"
    folder.mkdir()
    for name in ("a", "b"):
        (folder / name).write_text(name)
    return folder


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that were read, in their order. All seem to have changed long ago."""
    names: list[str] = []
    digest = contents.hashlib.file_digest

    def noted(file, algorithm):
        names.append(Path(file.name).name)
        return digest(file, algorithm)

    monkeypatch.setattr(contents.hashlib, "file_digest", noted)
    monkeypatch.setattr(contents, "SETTLED", -(10**18))
    return names


def test_a_file_is_read_once_by_any_number_of_processes_that_share_a_store(folder, store, read):
    first = Contents(store).of(folder, ["b", "a"])
    assert list(first) == ["b", "a"] and read == ["b", "a"] and len(set(first.values())) == 2
    assert Contents(Store(store.root)).of(folder, ["b", "a"]) == first and read == ["b", "a"]


def test_another_content_of_the_same_size_and_the_same_time_of_change_is_noticed(folder, store, read):
    (path := folder / "a").write_text("x")
    os.utime(path, (LONG_AGO, LONG_AGO))
    before = Contents(store).of(folder, ["a", "b"])
    time.sleep(TICK)
    path.write_text("y")
    os.utime(path, (LONG_AGO, LONG_AGO))  # as what copies with times does
    after = Contents(store).of(folder, ["a", "b"])
    assert after["a"] != before["a"] and after["b"] == before["b"]
    assert read == ["a", "b", "a"]


def test_a_file_that_was_only_touched_is_read_again_and_its_hash_is_what_it_was(folder, store, read):
    before = Contents(store).of(folder, ["a"])
    time.sleep(TICK)
    (folder / "a").touch()
    assert Contents(store).of(folder, ["a"]) == before and read == ["a", "a"]


def test_what_changed_a_moment_ago_may_change_again_unnoticed_and_is_not_remembered(folder, store):
    names = ["a", "b"]
    os.utime(folder / "a", (LONG_AGO, LONG_AGO))  # changes its other time to now
    Contents(store).of(folder, names)
    assert not (store.root / "contents").exists()


def test_files_that_were_read_before_a_fresh_run_began_are_read_anew_once(folder, store, read):
    Contents(store).of(folder, ["a", "b"])
    fresh = store.anew()
    Contents(fresh).of(folder, ["a", "b"])
    Contents(Store(store.root, fresh.since)).of(folder, ["a", "b"])
    assert read == ["a", "b"] * 2


def test_what_is_known_of_other_files_under_the_folder_stays_known(folder, store, read):
    Contents(store).of(folder, ["a"])
    Contents(store).of(folder, ["b"])
    Contents(store).of(folder, ["a", "b"])
    assert read == ["a", "b"]


@pytest.mark.parametrize("content", ["", "[1]", '{"a": 1}', '{"a": [1, 2]}', '{"a": null}', "\udcff"])
def test_a_torn_or_foreign_memory_is_none(folder, store, content, read):
    before = Contents(store).of(folder, ["a"])
    (memory,) = (store.root / "contents").iterdir()
    memory.write_bytes(content.encode("utf-8", "surrogateescape"))
    assert Contents(store).of(folder, ["a"]) == before and read == ["a", "a"]
    assert list(json.loads(memory.read_text())["known"]) == ["a"]


def test_where_nothing_can_be_written_files_are_read_each_time(folder, tmp_path, read):
    (tmp_path / "file").touch()
    store = Store(tmp_path / "file" / "store")
    assert Contents(store).of(folder, ["a"]) == Contents(store).of(folder, ["a"])
    assert read == ["a", "a"]


@pytest.mark.usefixtures("read")
def test_a_file_that_is_not_there_is_an_error_whether_it_was_known_or_not(folder, store):
    Contents(store).of(folder, ["a"])
    (folder / "a").unlink()
    for name in ("a", "c"):
        with pytest.raises(FileNotFoundError) as caught:
            Contents(store).of(folder, [name])
        assert caught.value.filename == str(folder / name)


def test_data_sets_ask_what_is_in_use(folder, store, read):
    with Contents(store).in_use():
        first = contents.hashes(folder, ["a"])
        assert contents.hashes(folder, ["a"]) == first and read == ["a"]
    assert contents.hashes(folder, ["a"]) == first and read == ["a", "a"]
