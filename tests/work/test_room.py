"""Where a set lies on a GPU, and what has no room there."""

from contextlib import contextmanager

import pytest
import torch
from kit.tiny import spec, state

from repro.data.images import ImageSet
from repro.data.split import InMemory
from repro.data.staged import Staged
from repro.errors import ReproError
from repro.work import execute, room

GPU = torch.device("cuda", 0)


@pytest.fixture
def free(monkeypatch):
    """Says how many bytes are free on a GPU."""
    monkeypatch.setattr(ImageSet, "to", lambda self, device: (self, device))

    def set_to(count):
        monkeypatch.setattr(room, "_free", lambda *_: count)

    return set_to


def test_a_set_lies_beside_the_net_only_where_both_have_room(free):
    data = state().data
    wanted = room.need(spec(), data)
    images = sum(split.images.nbytes + split.targets.nbytes for split in (data.train, data.test))
    free(wanted + images)
    assert room.placed(spec(), data, GPU) == (data, GPU)
    free(wanted + images - 1)
    placed = room.placed(spec(), data, GPU)
    assert isinstance(placed.train, Staged) and isinstance(placed.test, Staged)
    assert placed.class_names == data.class_names and len(placed.train) == len(data.train)


def test_a_net_without_room_is_one_line_with_batch_need_and_remedy(free):
    data = state().data
    free(room.need(spec(), data) - 1)
    said = r"seed 0: a batch of 16 takes about .* of the GPU's memory, of which .* are free. Take a smaller"
    with pytest.raises(ReproError, match=said) as caught:
        room.placed(spec(), data, GPU)
    assert "\n" not in str(caught.value)


def test_of_a_gpu_that_trials_share_each_has_a_part_whatever_is_free(monkeypatch):
    """Others may begin at the same time. What a process has in reserve is its own."""
    for name, count in (("memory_allocated", 100), ("memory_reserved", 300)):
        monkeypatch.setattr(torch.cuda, name, lambda _, count=count: count)
    total = 10 * room.CONTEXT
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (total - 300, total))
    assert room._free(GPU, 1) == total - 100
    assert room._free(GPU, 2) == total // 2 - room.CONTEXT - 100
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (50, total))
    assert room._free(GPU, 2) == 250


def test_on_a_cpu_everything_stays_where_it_is():
    data = state().data
    assert room.placed(spec(), data, torch.device("cpu")) is data


class Streams:
    """In the place of CUDA's: what was asked of them, in order."""

    def __init__(self, monkeypatch):
        self.asked = []
        monkeypatch.setattr(torch.cuda, "Stream", lambda _: self)
        monkeypatch.setattr(torch.cuda, "stream", self.entered)
        monkeypatch.setattr(torch.cuda, "current_stream", lambda _: self)
        monkeypatch.setattr(torch.Tensor, "pin_memory", lambda part: self.noted("pin", part))
        monkeypatch.setattr(torch.Tensor, "record_stream", lambda part, _: self.noted("record", part))

    def noted(self, what, part=None):
        self.asked.append(what)
        return part

    @contextmanager
    def entered(self, stream):
        assert stream is self
        self.asked.append("copy")
        yield

    def wait_stream(self, stream):
        assert stream is self
        self.asked.append("wait")


def test_rows_in_the_machines_memory_are_the_same_and_are_waited_for_where_they_are_used(monkeypatch):
    held = InMemory(torch.arange(24, dtype=torch.uint8).view(6, 1, 2, 2), torch.arange(6))
    streams = Streams(monkeypatch)
    staged = Staged(held, torch.device("cpu"))
    images, labels = staged.rows(torch.tensor([4, 1]))
    assert images.equal(held.images[[4, 1]]) and labels.tolist() == [4, 1]
    assert streams.asked == ["pin", "pin", "copy", "wait", "record", "record"]
    assert staged.index_device == torch.device("cpu") and len(staged) == 6


def test_a_gpus_memory_is_given_back_when_a_job_has_ended(monkeypatch):
    asked = []
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: asked.append("emptied"))
    execute.give_back(torch.device("cpu"))
    assert asked == []
    execute.give_back(GPU)
    assert asked == ["emptied"]


def test_what_runs_out_of_memory_says_its_batch():
    assert execute.in_batches(spec()).endswith(", seed 0, batches of 16")
