"""An image is searched once, by whichever process comes first."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from kit.tiny import counting

from repro import proposals as kept
from repro.counting import Counting
from repro.models import selective_search
from repro.models.selective_search import SelectiveSearch, search
from repro.proposals import Proposals, proposals
from repro.store import Store
from repro.work.execute import Work

BOXES = {0: [[0, 0, 3, 4]], 1: [[1, 2, 3, 4], [0, 0, 65535, 9]], 2: [[5, 6, 7, 8]]}


class Looking:
    """A search of made-up images, which notes what it looks at."""

    def __init__(self):
        self.seen = []

    def __call__(self, number, name="search"):
        def look():
            self.seen.append(number)
            return np.array(BOXES[number])

        return proposals(np.full((2, 3, 1), number, np.uint8), name, look).tolist()


@pytest.fixture
def look():
    return Looking()


def files(store):
    return sorted((store.root / "proposals").iterdir())


def test_an_image_is_searched_once_by_any_number_of_processes_that_share_a_store(store, look):
    with Proposals(store).in_use():
        assert [look(number) for number in (0, 1, 0)] == [BOXES[0], BOXES[1], BOXES[0]]
    with Proposals(Store(store.root)).in_use():
        assert [look(number) for number in (2, 1, 0)] == [BOXES[2], BOXES[1], BOXES[0]]
    assert look.seen == [0, 1, 2] and len(files(store)) == 2


def test_what_another_process_finds_meanwhile_is_read(store, look, monkeypatch):
    monkeypatch.setattr(kept, "TOGETHER", 1)
    first, second = Proposals(store), Proposals(store)
    for now, number in ((first, 0), (second, 1), (first, 1), (second, 0), (first, 2)):
        with now.in_use():
            assert look(number) == BOXES[number]
    assert look.seen == [0, 1, 2]


def test_another_search_and_another_shape_of_the_same_bytes_are_searched_too(store, look):
    with Proposals(store).in_use():
        look(0), look(0, "another")
        proposals(
            np.zeros((3, 2, 1), np.uint8), "search", lambda: look.seen.append("turned") or np.zeros((1, 4))
        )
    assert look.seen == [0, 0, "turned"]


def test_a_fresh_run_searches_anew_and_what_it_finds_counts(store, look):
    for now in (store, fresh := Store(store.root, 7), Store(store.root, 7), store):
        with Proposals(now).in_use():
            look(0)
    assert look.seen == [0, 0] and len(files(fresh)) == 2


@pytest.mark.parametrize("damage", [lambda held: held[:-1], lambda held: held[:-1] + b"!", lambda _: b""])
def test_a_damaged_file_is_one_line_and_made_anew(store, look, damage, capsys):
    with Proposals(store).in_use():
        look(1)
    (path,) = files(store)
    whole = path.read_bytes()
    path.write_bytes(damage(whole))
    for _ in range(2):
        with Proposals(store).in_use():
            assert look(1) == BOXES[1]
    assert look.seen == [1, 1] and path.read_bytes() == whole
    assert capsys.readouterr().err == f"{path}: damaged. It is removed, and its images are searched again\n"


def test_a_store_that_cannot_be_written_to_costs_only_the_search(tmp_path, look):
    (tmp_path / "file").write_text("")
    with Proposals(Store(tmp_path / "file")).in_use():
        assert [look(0), look(0)] == [BOXES[0]] * 2
    assert look.seen == [0]


def test_a_job_that_fails_leaves_what_it_found_and_nothing_of_a_killed_one_stays(store, look):
    with pytest.raises(ZeroDivisionError), Proposals(store).in_use():
        look(0)
        raise ZeroDivisionError
    (part := files(store)[0].with_name(".a.part")).write_text("")
    store.sweep()
    with Proposals(store).in_use():
        look(0)
    assert look.seen == [0] and not part.exists()


def test_no_more_are_kept_than_have_room(store, look, monkeypatch):
    monkeypatch.setattr(kept, "MOST", 1)
    with Proposals(store).in_use():
        assert [look(number) for number in (0, 1, 0, 1)] == [BOXES[n] for n in (0, 1, 0, 1)]
    assert look.seen == [0, 1, 1]


def test_processes_at_work_at_once_keep_no_more_together_than_one_does(store, monkeypatch):
    monkeypatch.setattr(kept, "MOST", 2)
    monkeypatch.setattr(kept, "TOGETHER", 1)
    first, second = Looking(), Looking()
    one, other = Proposals(store), Proposals(store)
    for number in (0, 1, 2):
        for now, look in ((one, first), (other, second)):
            with now.in_use():
                assert look(number) == BOXES[number]
    assert (first.seen, second.seen) == ([0, 1, 2], [2]) and len(files(store)) == 2


def test_what_is_read_is_what_selective_search_finds_bit_by_bit_for_any_count(store, monkeypatch):
    images = torch.rand(3, 3, 24, 20, generator=torch.Generator().manual_seed(0))
    nets = [SelectiveSearch(count, (10.0, 50.0), 4) for count in (40, 5)]
    alone = [SelectiveSearch(net.count, net.scales, net.smallest, remember=False) for net in nets]
    expected = [net(images, 24, 20) for net in alone]
    with Proposals(store).in_use():
        nets[0](images, 24, 20)
    monkeypatch.setattr(selective_search, "search", None)
    with Proposals(store).in_use():
        assert all(net(images, 24, 20).equal(boxes) for net, boxes in zip(nets, expected, strict=True))
    assert len({boxes.shape for boxes in expected}) == 2


@pytest.mark.parametrize(
    ("module", "name"),
    [
        (selective_search.np, "__version__"),
        (selective_search.scipy, "__version__"),
        (selective_search, "source"),
    ],
)
def test_boxes_of_other_code_are_others(monkeypatch, module, name):
    net, other = SelectiveSearch(9, (50.0,), 4), SelectiveSearch(9, (50.0,), 5)
    names = {net._name(), other._name(), SelectiveSearch(9, (50.0, 100.0), 4)._name()}
    assert len(names) == 3 and SelectiveSearch(3, (50.0,), 4)._name() in names
    made_up = type("Source", (), {"digest": lambda _: "other code"}) if name == "source" else "0.0"
    monkeypatch.setattr(module, name, made_up)
    assert net._name() not in names


@pytest.mark.slow
def test_a_search_has_one_name_in_every_process():
    code = (
        "import json; from repro.models.selective_search import SelectiveSearch as S; "
        "print(json.dumps(S(9, (50.0,), 4)._name()))"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert json.loads(ended.stdout) == SelectiveSearch(9, (50.0,), 4)._name()


def test_a_job_keeps_what_it_finds_in_its_store(store, look):
    work = Work(store, torch.device("cpu"))
    work.ways[Counting] = lambda _: {"value": float(len(look(1)))}
    for job in (counting("params"), counting("layers")):
        work.do(job)
        assert store.read(job)["value"] == len(BOXES[1])
    assert look.seen == [1] and len(files(store)) == 1


def test_boxes_are_whole_numbers_that_are_kept_as_they_are():
    image = np.random.default_rng(0).integers(0, 256, (24, 20, 3), np.uint8)
    found = search(image, (10.0,), 4)
    assert found.astype(np.uint16).tolist() == found.tolist() and found.max() == 24
