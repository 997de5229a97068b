"""What the register knows of a claim that was worded anew after its verdict."""

import errno
import json
import os
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

import pytest
from kit.made_up import MadeUp, better, suite

from repro import environment
from repro.errors import ReproError
from repro.expectation import parse
from repro.register import MOMENT, Entry, Register, formulate
from repro.result import ArmResult
from repro.runner import Runner
from repro.session import Session
from repro.store import Store

BETTER = "test_error(good) < test_error(bad)"
ARM = ArmResult(model="net", options={"depth": 8}, data=None, recipe={"steps": 9}, weights=None)


def formulated(expect=BETTER, *, alpha=0.05, task="classification", arm=ARM, timing=None):
    return formulate(parse(expect), alpha, task, {"good": arm}, timing or {})


def entry(expect=BETTER, *, seeds=range(5), claim="c", verdict="reproduced", **changes):
    return Entry(
        suite="s",
        profile="cpu",
        claim=claim,
        seeds=tuple(seeds),
        verdict=verdict,
        at="2026-01-01T00:00:00Z",
        commit=None,
        **formulated(expect, **changes),
    )


@pytest.fixture
def register(tmp_path):
    return Register(tmp_path / "results" / "register.jsonl")


def noted(register, *entries):
    for one in entries:
        register.note(one)
    found = register.formulation(entries[-1])
    return found.number, found.thresholds


# ---- what is a formulation


TURNED = [  # and so other claims, though numbers alone differ
    *(
        "-test_error(bad)",
        "1 - test_error(bad)",
        "-2 * test_error(bad)",
        "test_error(bad) / -2",
        "1 / test_error(bad)",
    ),
    *("log(test_error(bad))", "test_error(bad) ** 2", "max(test_error(bad), test_loss(bad), 0.5)"),
]


@pytest.mark.parametrize(
    "other",
    [
        {"expect": "test_error(good) < test_error(other)"},
        {"expect": "test_error(good) > test_error(bad)"},
        {"expect": "test_loss(good) < test_loss(bad)"},
        {"expect": f"{BETTER} and test_loss(good) < 1"},
        {"expect": "test_error(good, images=9) < test_error(bad, images=9)"},
        *({"expect": f"test_error(good) < {other}"} for other in TURNED),
        {"alpha": 0.1},
        {"task": "segmentation"},
        {"arm": ARM.model_copy(update={"recipe": {"steps": 10}})},
        {"arm": ARM.model_copy(update={"options": {"depth": 9}})},
        {"timing": {"good": {"batch_size": 2}}},
    ],
    ids=str,
)
def test_whatever_is_judged_otherwise_is_another_formulation(register, other):
    assert noted(register, entry(), entry(**other)) == (2, 1)
    assert noted(register, entry()) == (1, 1)


@pytest.mark.parametrize(
    "other",
    [
        "test_error(good) < test_error(bad) - 0.01",
        "test_error(good) < 0.9 * test_error(bad)",
        "test_error(good) + 0.1 < test_error(bad) / 2",
        "test_error(good) <= test_error(bad)",
        "test_error(good) < 1.5 / 3 * test_error(bad) - (0.2 + 0.1)",
    ],
)
def test_one_whose_thresholds_alone_differ_is_told_apart(register, other):
    assert noted(register, entry(), entry(other)) == (1, 2)


def test_spaces_and_brackets_are_no_formulation():
    assert formulated("(test_error(good))  <  test_error( bad )") == formulated()


def test_formulations_are_counted_in_their_order(register):
    two, three = entry(alpha=0.1), entry("test_error(good) < 2 * test_error(bad)", alpha=0.1)
    assert noted(register, entry(), two, three) == (2, 2)
    assert noted(register, two) == (2, 1)
    assert noted(register, entry("test_error(good) < 3")) == (3, 1)


# ---- which seeds


def test_on_fresh_seeds_a_claim_starts_anew_and_more_of_the_same_seeds_are_the_same(register):
    assert noted(register, entry(), entry(alpha=0.1, seeds=range(20, 25))) == (1, 1)
    assert noted(register, entry(alpha=0.1, seeds=range(4, 9))) == (2, 1)
    assert noted(register, entry(seeds=range(10))) == (1, 1)


@pytest.mark.parametrize("other", [{"claim": "d"}, {"suite": "t"}, {"profile": "gpu"}], ids=str)
def test_other_claims_do_not_count(register, other):
    assert noted(register, entry(), entry(alpha=0.1).model_copy(update=other)) == (1, 1)


@pytest.mark.parametrize("name", [{"claim": "d"}, {"suite": "t"}], ids=str)
def test_a_claim_that_is_only_renamed_keeps_its_history(register, name):
    first, second, third = entry(), entry(alpha=0.1), entry(alpha=0.2)
    assert noted(register, first, second, second.model_copy(update=name)) == (2, 1)
    assert noted(register, third.model_copy(update=name)) == (3, 1)
    assert noted(register, third.model_copy(update={"claim": "another"})) == (3, 1)


# ---- the file


def test_a_formulation_is_noted_with_its_first_verdict_and_again_where_it_sees_further_seeds(register):
    for verdict, seeds in [("undecided", 5), ("refuted", 5), ("reproduced", 10), ("refuted", 7)]:
        register.note(entry(verdict=verdict, seeds=range(seeds)))
    lines = map(json.loads, register.path.read_text().splitlines())
    assert [(line["verdict"], len(line["seeds"])) for line in lines] == [("undecided", 5), ("reproduced", 10)]


def test_seeds_that_came_after_the_first_verdict_are_not_fresh(register):
    assert noted(register, entry(), entry(seeds=range(10)), entry(alpha=0.1, seeds=range(7, 12))) == (2, 1)


def test_several_at_once_lose_nothing(register):
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: register.note(entry(claim=f"c{n % 20}")), range(40)))
    assert sorted(one.claim for one in register.entries()) == sorted(f"c{n}" for n in range(20))
    assert [path.name for path in register.path.parent.iterdir()] == ["register.jsonl"]


def test_a_line_is_looked_through_once_however_many_claims_ask(register, monkeypatch):
    noted(register, *(entry(claim=f"c{number}") for number in range(9)))
    parsed, parse = [], Entry.model_validate_json
    monkeypatch.setattr(Entry, "model_validate_json", lambda line: parsed.append(line) or parse(line))
    for number in range(9):
        noted(Register(register.path), entry(claim=f"c{number}"))
    assert len(parsed) <= 9


def test_one_that_is_a_link_stays_one_and_waits_for_who_holds_what_it_leads_to(tmp_path, register):
    shared = Register(tmp_path / "elsewhere" / "all.jsonl")
    register.path.parent.mkdir()
    register.path.symlink_to(shared.path)
    with ThreadPoolExecutor(1) as pool:
        with shared._held():
            noting = pool.submit(register.note, entry())
            assert not wait([noting], timeout=5 * MOMENT).done and shared.entries() == []
        noting.result()
    shared.note(entry(claim="d"))
    assert register.path.is_symlink() and register.entries() == shared.entries() != []
    assert [path.name for path in shared.path.parent.iterdir()] == ["all.jsonl"]


NONSENSE = {
    "seeds of text": {"seeds": ["0", "1"]},
    "a truth for a seed": {"seeds": [True]},
    "no seeds": {"seeds": []},
    "a seed twice": {"seeds": [0, 0]},
    "seeds of pilots": {"seeds": [999, 1000]},
    "a verdict that does not exist": {"verdict": "proved"},
    "no verdict": {"verdict": None},
    "a digest that is none": {"formulation": "best"},
    "a moment that is none": {"at": "yesterday"},
    "a commit that is none": {"commit": "HEAD"},
    "no name": {"suite": ""},
}


@pytest.mark.parametrize("changes", NONSENSE.values(), ids=NONSENSE.keys())
def test_a_line_that_parses_and_is_nonsense_is_named(register, changes):
    line = {**entry().model_dump(mode="json"), **changes}
    register.path.parent.mkdir()
    register.path.write_text(json.dumps(line) + "\n")
    with pytest.raises(ReproError, match=r"register\.jsonl:1: no entry of a register: .*version control"):
        register.entries()


def test_a_line_that_is_none_is_named_and_nothing_is_lost(register):
    register.note(entry())
    whole = register.path.read_text()
    register.path.write_text(whole + '{"suite": \n')
    with pytest.raises(
        ReproError, match=r"register\.jsonl:2: no entry of a register: Invalid JSON.*version control"
    ):
        register.note(entry(alpha=0.1))
    assert register.path.read_text().startswith(whole)


@pytest.mark.parametrize("spoil", [lambda t: "\ufeff" + t, lambda t: t.replace("\n", "\r\n\r\n")])
def test_what_editors_do_to_a_text_harms_nothing(register, spoil):
    register.note(entry())
    register.path.write_bytes(spoil(register.path.read_text()).encode())
    assert noted(register, entry(alpha=0.1)) == (2, 1)
    assert register.path.read_bytes().startswith(b'{"suite"') and len(register.entries()) == 2


def test_a_register_that_is_no_text_is_named_with_the_remedy(register):
    register.path.mkdir(parents=True)
    with pytest.raises(ReproError, match=r"register\.jsonl: cannot be read \(Is a directory\)\. .*run again"):
        register.note(entry())
    register.path.rmdir()
    register.path.write_bytes(b"\xff")
    with pytest.raises(ReproError, match=r"register\.jsonl: not UTF-8 text; version control"):
        register.note(entry())


def test_where_nothing_can_be_written_no_verdict_is_given_but_one_that_is_there(register, monkeypatch):
    register.note(entry())

    def refuse(*_, **__):
        raise PermissionError(errno.EACCES, "Permission denied")

    for call in ("mkdir", "open"):  # a folder above is read-only, or the folder itself
        with monkeypatch.context() as patch:
            patch.setattr(*(Path, "mkdir") if call == "mkdir" else (os, "open"), refuse)
            register.note(entry())
            with pytest.raises(ReproError, match=r"register\.jsonl: cannot be written \(Perm.*run again"):
                register.note(entry(alpha=0.1))
    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", refuse)
        with pytest.raises(ReproError, match=r"register\.jsonl: cannot be written \(Perm.*run again"):
            register.note(entry(alpha=0.1))
    assert len(register.entries()) == 1


# ---- in a run


def test_one_that_cannot_be_read_is_told_before_anything_is_trained(tmp_path, register):
    register.path.mkdir(parents=True)
    executor = MadeUp(better)
    session = Session(Runner(Store(tmp_path / "store"), executor), "cpu", register=register)
    asked = suite(claim=BETTER, static="params(good) < params(bad)")
    with pytest.raises(ReproError, match="cannot be read"):
        session.decide(asked, "claim")
    assert executor.trained == [] and session.decide(asked, "static").claim.verdict == "reproduced"


def decided(tmp_path, register, asked, **options):
    session = Session(Runner(Store(tmp_path / "store"), MadeUp(better)), "cpu", register=register, **options)
    return session.decide(asked, "claim").claim


def test_a_claim_that_is_worded_anew_on_the_same_seeds_says_so(tmp_path, register):
    first = decided(tmp_path, register, suite(claim=BETTER))
    assert (first.formulation.number, str(first.formulation)) == (1, "")
    again = decided(tmp_path, register, suite(claim="train_error(good) < train_error(bad)"))
    assert str(again.formulation) == "2nd formulation"
    moved = decided(tmp_path, register, suite(claim="train_error(good) < 2 * train_error(bad)"))
    assert str(moved.formulation) == "2nd formulation, 2nd threshold"
    assert decided(tmp_path, register, suite(claim=BETTER)).formulation == first.formulation


def test_what_does_not_concern_a_claim_is_no_formulation_of_it(tmp_path, register):
    decided(tmp_path, register, suite(claim=BETTER))
    aside = suite(
        claim=BETTER, other="params(other) > 1", arms={"more": {"model": "cifar_resnet", "depth": 20}}
    )
    assert decided(tmp_path, register, aside).formulation.number == 1


def test_what_is_timed_otherwise_is_another_formulation(tmp_path, register):
    timed = "latency(good) < latency(bad)"
    assert decided(tmp_path, register, suite(claim=timed)).formulation.number == 1
    again = suite(claim=timed, profile={"timing": {"batch_size": 2}})
    assert decided(tmp_path, register, again).formulation.number == 2


def test_what_a_treated_arm_comes_from_is_part_of_it(tmp_path, register):
    def cut(depth):
        arms = {
            "whole": {"model": "cifar_resnet", "depth": depth},
            "cut": {"of": "whole", "after": {"name": "lesion", "block": 0}},
        }
        return decided(tmp_path, register, suite(claim="test_error(cut) < 1", arms=arms)).formulation.number

    assert [cut(8), cut(14), cut(8)] == [1, 2, 1]


def test_an_entry_has_the_commit_of_the_project_of_the_register(tmp_path, register, monkeypatch):
    monkeypatch.setattr(environment, "commit", {tmp_path: 4 * "c0ffee1234"}.get)
    decided(tmp_path, register, suite(claim=BETTER))
    assert [one.commit for one in register.entries()] == [4 * "c0ffee1234"]


def test_a_suite_may_begin_on_fresh_seeds(tmp_path, register):
    decided(tmp_path, register, suite(claim="train_error(good) < train_error(bad)"))
    fresh = decided(tmp_path, register, suite(claim=BETTER, rest={"seeds": {"first": 20}}))
    assert fresh.evidence.seeds == tuple(range(20, 25)) and fresh.formulation.number == 1


@pytest.mark.parametrize("options", [{"pilot": True}, {"first_seed": 2000}])
def test_seeds_that_do_not_judge_are_not_in_the_register(tmp_path, register, options):
    assert decided(tmp_path, register, suite(claim=BETTER), **options).formulation is None
    assert register.entries() == []


def test_what_needs_no_seeds_is_not_in_the_register(tmp_path, register):
    assert decided(tmp_path, register, suite(claim="params(good) < params(bad)")).formulation is None
    assert not register.path.exists()
