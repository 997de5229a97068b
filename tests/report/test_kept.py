"""The tables in README.md and suites/README.md are what the kept results say."""

import json
import re
from pathlib import Path

import pytest
from conftest import TINY
from kit.results import claim, result

from repro.archive import files, read_all, stand, standings
from repro.errors import ReproError
from repro.outcome import arm_result
from repro.places import KEPT, REGISTER
from repro.register import Register
from repro.report.kept import check, headlines, kept, ledger, pages, table
from repro.report.kept import write as write_pages
from repro.report.marks import END, START, fill
from repro.result import write
from repro.suite import Suite

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def made():
    return dict(pages(ROOT))


@pytest.mark.parametrize("name", ["README.md", "results/README.md", "suites/README.md"])
def test_the_page_is_what_the_kept_results_and_suites_say(name, made):
    assert (ROOT / name).read_text(encoding="utf-8") == made[ROOT / name], "run `repro keep --tables`"


@pytest.mark.parametrize("name", ["README.md", "results/README.md", "suites/README.md"])
def test_what_the_page_links_to_is_there(name):
    page = ROOT / name
    links = set(re.findall(r"\]\((?!https?:)([^)#]+)\)", page.read_text(encoding="utf-8")))
    assert len(links) > 10 and [link for link in links if not (page.parent / link).exists()] == []


def test_only_what_stands_between_the_marks_is_replaced():
    page = f"a\n{START}\nold\n{END}\nb, and `{START}` in a sentence\n"
    assert fill(page, lambda _: "once") == page.replace("old", "once")
    assert fill(fill(page, lambda _: "once"), lambda _: "old") == page


def test_a_page_may_show_several_profiles_and_some_claims():
    marks = (START, "<!-- made by repro keep at gpu of one: a, two-b: c -->")
    page = "\n".join([marks[0], END, "between", marks[1], END])
    shown = fill(page, lambda mark: f"{mark['at']} {mark['of']}")
    assert shown == "\n".join([marks[0], "None None", END, "between", marks[1], "gpu one: a, two-b: c", END])


@pytest.mark.parametrize(
    ("page", "said"),
    [
        (f"a\n{START}\nold\n", "README.md:2: '<!-- to here -->' is missing"),
        (f"{START}\nold\n{START}\nold\n{END}\nb", "README.md:1: '<!-- to here -->' is missing"),
        (
            f"\n\n<!-- made by repro keep at -->\n{END}",
            "README.md:3: a mark is '<!-- made by repro keep -->'",
        ),
        (f"<!-- made by repro keep of one/a -->\n{END}", "README.md:1: a mark is "),
        (f"<!-- made by repro keep of one: a at gpu -->\n{END}", "README.md:1: a mark is "),
    ],
    ids=["no end", "the next one first", "no profile", "no claim", "turned round"],
)
def test_a_wrong_mark_is_told_with_its_place_and_nothing_is_lost(tmp_path, page, said):
    (tmp_path / "README.md").write_text(page)
    for way in (check, write_pages):
        with pytest.raises(ReproError) as raised:
            way(tmp_path)
        assert str(raised.value).startswith(f"{tmp_path}/{said}")
    assert (tmp_path / "README.md").read_text() == page


@pytest.mark.parametrize("what", ["at gpu", "of one: a"])
def test_of_the_ledger_nothing_can_be_chosen(tmp_path, what):
    page = tmp_path / "suites" / "README.md"
    page.parent.mkdir()
    page.write_text(f"\n<!-- made by repro keep {what} -->\n{END}")
    for way in (check, write_pages):
        with pytest.raises(ReproError) as raised:
            way(tmp_path)
        assert str(raised.value).startswith(f"{page}:2: the ledger is shown whole, and at cpu: ")


def test_some_claims_of_another_profile_are_those_of_that_profile(tmp_path):
    (tmp_path / "suites").mkdir()
    (tmp_path / "suites" / "one.yaml").write_text(TINY.replace("  missing:\n", "  gpu:\n"))
    for profile, verdict in (("cpu", "reproduced"), ("gpu", "refuted")):
        write(result(claims={"c": claim(verdict)}, profile=profile), tmp_path / KEPT)
    mark = "<!-- made by repro keep at gpu of made-up: c -->"
    (tmp_path / "README.md").write_text(f"{mark}\n{END}\n")
    ((_, text),) = pages(tmp_path)
    assert "✗ refuted" in text and "✓" not in text


def test_a_claim_that_its_suite_has_not_is_told(tmp_path):
    (tmp_path / "suites").mkdir()
    (tmp_path / "suites" / "one.yaml").write_text(TINY)
    (tmp_path / "README.md").write_text(f"<!-- made by repro keep of tiny: oder -->\n{END}")
    with pytest.raises(
        ReproError, match=r"README.md:1: suite 'tiny' has no claim 'oder'; did you mean 'order'"
    ):
        write_pages(tmp_path)


def test_a_profile_that_no_suite_has_is_told(tmp_path):
    (tmp_path / "README.md").write_text(f"<!-- made by repro keep at gup -->\n{END}")
    with pytest.raises(ReproError, match=r"README\.md:1: no suite has a profile 'gup'"):
        write_pages(tmp_path)


def test_a_page_that_is_a_link_stays_one(tmp_path, monkeypatch):
    (real := tmp_path / "real.md").write_text("old")
    (page := tmp_path / "README.md").symlink_to(real)
    monkeypatch.setattr("repro.report.kept.pages", lambda _: [(page, "new")])
    assert write_pages(tmp_path) == [page]
    assert page.is_symlink() and real.read_text() == "new"


def test_kept_results_are_complete_of_a_clean_commit_and_none_is_there_in_vain():
    standing = standings(read_all(files(ROOT / KEPT)).values())
    there = {path.stem for path in (ROOT / KEPT).rglob("*.json")}
    assert there == {result.id for each in standing.values() for result in each.results}
    for each in standing.values():
        assert each.complete and each.latest.environment.facts["dirty"] is False, each.latest.id


def test_every_kept_claim_that_seeds_judged_is_in_the_register_as_it_is_worded():
    noted = {(*entry.subject, entry.formulation) for entry in Register(ROOT / REGISTER).entries()}
    for (suite, profile), each in standings(read_all(files(ROOT / KEPT)).values()).items():
        for name, latest in each.claims.items():
            if latest.claim.evidence.is_tried:
                assert (suite, profile, name, latest.claim.formulation.digest) in noted


def test_of_several_kept_results_the_newest_counts_for_each_claim(tmp_path):
    write(result(claims={"a": claim("refuted")}, night=1), tmp_path)
    write(result(claims={"a": claim(), "b": claim()}, night=2), tmp_path)
    write(result(claims={"b": claim("undecided")}, night=3, complete=False), tmp_path)
    write(result(claims={"a": claim("refuted")}, night=4, profile="gpu"), tmp_path)
    claims = kept(tmp_path)["made-up"].claims
    assert {name: latest.claim.verdict for name, latest in claims.items()} == {
        "a": "reproduced",
        "b": "undecided",
    }


SUITE = Suite.model_validate(
    {
        "suite": "one",
        "arms": {"a": {"model": "x"}},
        "profiles": {"cpu": {}, "gpu": {}, "paper": {}},
        "claims": {
            "first": {"says": "It is so.", "expect": "params(a) == 1", "ledger": ("A1",)},
            "second": {
                "says": "It is large.",
                "expect": "params(a) > 1",
                "ledger": ("A1", "A2"),
                "profiles": ("gpu", "paper"),
            },
        },
        "not_measurable": {"A3": "A definition."},
    }
)


def test_the_ledger_says_of_each_entry_what_measures_it_or_why_nothing_does():
    entries = [{"id": f"A{i}", "kind": "doc", "claim": "x | y"} for i in range(1, 5)]
    text = ledger(entries, {"one.yaml": SUITE}, {})
    assert "Of 4 entries 2 are measured by a claim, 0 with a verdict at cpu, 1 cannot be measured, 1" in text
    first, second = "[first](one.yaml) not run yet", "[second](one.yaml) at gpu and paper only"
    assert f"| A1 | x \\| y | doc | {first}<br>{second} |" in text
    assert "| A3 | x \\| y | doc | A definition. |" in text and "| A4 | x \\| y | doc | not yet |" in text


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({}, "✓ reproduced"),
        ({"expect": "test_error(a) < 0.9 * test_error(b)"}, "✓ reproduced, before it was changed"),
        ({"recipe": {"steps": 7}}, "✓ reproduced, before it was changed"),
        ({"of another arm": {"steps": 7}}, "✓ reproduced"),
    ],
)
def test_the_ledger_says_where_a_claim_or_its_arms_were_changed_after_the_verdict(change, said):
    content = json.loads(SUITE.model_dump_json(exclude_unset=True)) | {"task": "classification"}
    recipe = {"steps": 5, "batch_size": 8, "optimizer": {"name": "sgd", "lr": 0.1}}
    content["arms"] = {arm: {"model": "cifar_resnet", "depth": 8} for arm in "abc"}
    content["profiles"] = {"cpu": {"data": {"name": "fashion-mnist-small"}, "recipe": recipe}}
    content["claims"] = {
        "better": {"says": "So.", "expect": "test_error(a) < test_error(b)", "ledger": ["A1"]}
    }
    judged = Suite.model_validate_json(json.dumps(content))
    arms = {arm: arm_result(judged.resolve(arm, "cpu")) for arm in "abc"}
    made = claim().model_copy(update={"expect": content["claims"]["better"]["expect"]})
    standing = {"one": stand([result(claims={"better": made}).model_copy(update={"arms": arms})])}

    content["claims"]["better"] |= {"expect": change.get("expect", made.expect)}
    content["arms"]["a"] |= {"recipe": change.get("recipe", {})}
    content["arms"]["c"] |= {"recipe": change.get("of another arm", {})}
    asked = Suite.model_validate_json(json.dumps(content))
    text = ledger([{"id": "A1", "kind": "doc", "claim": "x"}], {"one.yaml": asked}, standing)
    assert f"[better](one.yaml) {said} |" in text
    assert f"[one: better](suites/made-up.yaml) | {said} | 5 |" in table(standing, [asked])


def test_the_table_has_a_row_for_each_claim_that_needed_seeds_and_counts_the_others():
    known = claim("refuted", "refuted")
    static = claim().evidence.parts[0].model_copy(update={"holds": True, "margins": (1.0,)})
    evidence = claim().evidence.model_copy(update={"seeds": (), "decided_at": 0, "parts": (static,)})
    counted = claim().model_copy(update={"evidence": evidence, "values": {"params(a)": (7,)}})
    text = table({"made-up": stand([result(claims={"better": claim(), "worse": known, "size": counted})])})
    assert text.startswith("| claim | verdict | seeds | margin | interval | time |")
    assert "| [made-up: better](suites/made-up.yaml) | ✓ reproduced | 5 | 0.1 | [0.05, ∞] | 0:10 |" in text
    assert "| [made-up: worse](suites/made-up.yaml) | ✗ refuted (as known) | 5 |" in text
    assert (
        "made-up: size" not in text and "1 claim about architectures alone: 1 reproduced, 0 refuted" in text
    )


def test_a_headline_has_the_papers_numbers_beside_ours_or_the_place_in_the_paper():
    values = {"miou(b)": (0.5, 0.6, None, None, None), "miou(a)": (0.25,) * 5}
    told = claim().model_copy(update={"values": values, "reported": {"miou(a)": 0.594, "miou(b)": 0.624}})
    drawn = claim().model_copy(update={"values": values, "source": "Fig. 1"})
    rows = headlines(
        ["made-up: told", "made-up: drawn"],
        {"made-up": stand([result(claims={"told": told, "drawn": drawn})])},
    ).splitlines()
    assert rows[0] == "| claim | verdict | seeds | measured | in the paper | here |"
    says = "| [a is better than b.](suites/made-up.yaml) | ✓ reproduced | 5"
    assert rows[2] == f"{says} | `miou(a)`<br>`miou(b)` | 0.594<br>0.624 | 0.25<br>0.55 |"
    assert rows[3] == f"{says} | `miou(b)`<br>`miou(a)` | Fig. 1 | 0.55<br>0.25 |"
