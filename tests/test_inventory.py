"""How large a store is, and what may go."""

import json

import numpy as np
import pytest
from click.testing import CliRunner
from conftest import TINY
from kit.tiny import spec

from repro import inventory
from repro.cli import main
from repro.errors import ReproError
from repro.format import size
from repro.models.selective_search import SelectiveSearch
from repro.plan.searches import searches
from repro.proposals import Proposals, proposals
from repro.reading import load
from repro.store import Key, Store

WEIGHTS = 1000


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    monkeypatch.setenv("REPRO_HOME", str(tmp_path / "home"))
    (tmp_path / "tiny.yaml").write_text(TINY)
    return tmp_path / "tiny.yaml"


@pytest.fixture
def store(tiny):
    """Trials of the suite's arm `small` with two seeds, and one with an option that no arm has."""
    from repro.experiment import Experiment

    store, experiment = Store(tiny.parent / "home"), Experiment(load(tiny), "cpu")
    for trial in (experiment.trial("small", 0), experiment.trial("small", 1007), spec(steps=3)):
        files = store.write_file(trial, trial.file, bytes(WEIGHTS))
        path = store.path(trial)
        path.write_text(json.dumps({"spec": trial.model_dump(mode="json"), "files": files}))
    return store


def test_records_and_files_of_each_kind_are_counted(store):
    trials, *others = inventory.shelves(store)
    records = sum(path.stat().st_size for path in store.root.glob("trials/*.json"))
    assert trials == ("trials", 3, records, 3 * WEIGHTS)
    assert all(shelf.bytes == 0 for shelf in others)


def test_trials_that_no_suite_names_are_removed_with_their_weights_and_those_of_any_seed_stay(store, tiny):
    (trial,) = inventory.unnamed(store, [load(tiny)])
    assert trial.digest == spec(steps=3).digest and trial.bytes > WEIGHTS
    said = CliRunner().invoke(main, ["store", str(tiny)])
    assert said.exit_code == 0 and "1 trial that no suite names: " in said.output
    assert store.path(Key("trials", trial.digest)).exists()
    assert CliRunner().invoke(main, ["store", str(tiny), "--prune"]).output.count("removed 1 trial") == 1
    assert not store.path(Key("trials", trial.digest)).exists()
    assert len(list(store.root.glob("trials/*/*.safetensors"))) == 2
    assert inventory.unnamed(store, [load(tiny)]) == []


def test_trials_of_other_code_and_of_what_is_no_longer_tuned_are_named_by_none(store, tiny):
    path = next(store.root.glob(f"trials/{spec(steps=3).digest}.json"))
    kept = [one for one in store.root.glob("trials/*.json") if one != path]
    record = json.loads(kept[0].read_text())
    kept[0].write_text(json.dumps({**record, "spec": {**record["spec"], "code": "of yesterday"}}))
    assert len(inventory.unnamed(store, [load(tiny)])) == 2
    grid = "    tune: {batch_size: [16, 32], by: test_error}\n"
    tiny.write_text(TINY.replace("    recipe:\n", grid + "    recipe:\n", 1))
    assert len(inventory.unnamed(store, [load(tiny)])) == 2  # 32 is one of the two


DETECTION = """\
suite: detection
task: detection
arms:
  searched: {model: fast_rcnn, proposals: selective_search, scales: [50.0], smallest: 20}
  anew: {model: fast_rcnn, proposals: selective_search, scales: [60.0], remember: false}
  spread: {model: fast_rcnn, scales: [70.0]}
  other: {model: vgg}
profiles:
  cpu: {data: {name: detection-scenes, train: 8, test: 8}}
  gpu: {data: {name: detection-scenes, train: 8, test: 8}, arms: {searched: {scales: [80.0]}}}
claims:
  first: {says: Any., expect: params(searched) > params(spread)}
  second: {says: Any., expect: params(anew) > params(other)}
"""


def test_the_searches_that_nets_of_suites_remember_are_known_by_name(tmp_path):
    (tmp_path / "detection.yaml").write_text(DETECTION)
    expected = {SelectiveSearch(1, (scale,), 20)._name() for scale in (50.0, 80.0)}
    assert searches([load(tmp_path / "detection.yaml")]) == expected


def test_boxes_that_no_suites_nets_ask_for_are_removed_and_the_others_stay(store, tiny):
    (tiny.parent / "detection.yaml").write_text(DETECTION)
    asked, other = (SelectiveSearch(1, (scale,), 20)._name() for scale in (50.0, 90.0))
    for search, number in ((asked, 0), (asked, 1), (other, 0), (other, 1)):
        with Proposals(store).in_use():
            proposals(np.full((2, 3, 1), number, np.uint8), search, lambda: np.zeros((1, 4)))
    files = sorted(store.root.glob("proposals/*"))
    bytes_of_other = sum(path.stat().st_size for path in files if path.name.startswith(other))
    assert inventory.shelves(store)[-1] == ("proposals", 0, 0, 2 * bytes_of_other)
    said = CliRunner().invoke(main, ["store", str(tiny), str(tiny.parent / "detection.yaml")])
    assert said.exit_code == 0 and len(list(store.root.glob("proposals/*"))) == 4
    assert f"2 files of boxes in images that no suite's nets ask for: {size(bytes_of_other)};" in said.output
    pruned = CliRunner().invoke(main, ["store", str(tiny), str(tiny.parent / "detection.yaml"), "--prune"])
    assert f"removed 2 files of boxes in images that no suite's nets ask for: {size(bytes_of_other)}\n" in (
        pruned.output
    )
    assert sorted(store.root.glob("proposals/*")) == [path for path in files if path.name.startswith(asked)]


def test_what_is_at_work_stays(store, tiny):
    (trial,) = inventory.unnamed(store, [load(tiny)])
    with store.hold(trial.digest) as mine:
        assert mine and inventory.prune(store, [trial]) == 0
    assert inventory.prune(store, [trial]) == trial.bytes


def test_a_record_that_cannot_be_read_prunes_nothing(store, tiny):
    (store.root / "trials" / "torn.json").write_text("{")
    with pytest.raises(ReproError, match=r"torn.json: not a record of a trial. Move it away"):
        inventory.unnamed(store, [load(tiny)])
