"""The line on where long work stands."""

from repro.report.progress import describe
from repro.status import Status

TRAINING = {
    "model": "resnet",
    "seed": 3,
    "step": 5,
    "steps": 10,
    "images_per_second": 1200.0,
    "seconds_left": 65,
}


def test_it_says_what_is_done_what_trains_and_for_whom_one_waits(store):
    wants, waits = Status(store), Status(store)
    wants.tell({"wanted": ["a", "b"], "finished": ["a"], "waits": ["waits for vgg (process 7 on host)"]})
    waits.tell({"waits": ["plain waits for a round (process 8 on host)"]})
    store.tell("b" * 32, TRAINING)
    assert describe(store.running()).split("; ") == [
        "1 of 2 trials and numbers done",
        "resnet seed 3: step 5/10, 1,200 images/s, 1:05 left",
        "plain waits for a round (process 8 on host)",
        "waits for vgg (process 7 on host)",
    ]


def test_it_is_empty_when_all_is_done_and_when_those_who_spoke_have_ended(store):
    status = Status(store)
    status.tell({"wanted": ["a"], "finished": ["a"], "waits": []})
    assert describe(store.running()) == ""
    status.tell({"wanted": ["a"], "finished": [], "waits": []})
    assert describe(store.running())
    status.close()
    assert describe(store.running()) == "" and not any((store.root / "running").iterdir())


def test_who_waits_shows_whose_words_move_no_cursor(store):
    Status(store).tell({"wanted": ["a"], "finished": [], "waits": ["waits for \x1b[2J"]})
    assert describe(store.running()).endswith("; waits for \\u001b[2J")
