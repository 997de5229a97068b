"""The site of results: complete, safe whatever the results say, and without a request to anywhere."""

import json
import os
import re
from html.parser import HTMLParser
from urllib.parse import unquote, urlsplit

import pytest
from click.testing import CliRunner
from kit.judged_results import (
    ARMS,
    ENVIRONMENT,
    FACTS,
    arm,
    claim,
    compared,
    keep,
    picture,
    result,
    sized,
    timed,
    timing,
    trial,
)

from repro.cli import main
from repro.errors import ReproError
from repro.register import Entry, Register
from repro.result import Environment, Formulation
from repro.site.build import build
from repro.site.verdicts import badge

EVIL = '<script>alert("x")</script><img src=x onerror=alert(1)>'
LOADED = {
    "script": "src",
    "link": "href",
    "img": "src",
    "iframe": "src",
    "source": "src",
    "use": "href",
    "image": "href",
    "object": "data",
}


class Page(HTMLParser):
    """The tags of a page with their attributes, and its text."""

    def __init__(self, path):
        super().__init__()
        self.path, self.tags, self.words = path, [], []
        self.feed(path.read_text(encoding="utf-8"))
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.words.append(data)

    def of(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


def pages(site):
    return {str(path.relative_to(site)): Page(path) for path in sorted(site.rglob("*.html"))}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Three runs of two suites, with every kind of claim, curves and a picture."""
    results = tmp_path_factory.mktemp("results")
    claims = {
        "degradation": compared(3.0, 6, reported={"test_error(plain56)": 0.25}),
        "open": compared(0.2, 10, expected="undecided", because="the spread is too large here"),
        "sizes": sized(),
        "wrong": sized(more=False),
        "both": claim(
            "test_error(plain20) < 0.3 and params(plain20) < 300000",
            {"test_error(plain20)": [0.1, 0.12, 0.11, 0.13, 0.1, 0.12], "params(plain20)": [272_474]},
        ),
    }
    trials = [trial(name, seed, steps=60) for name in ARMS for seed in range(2)]
    for run in range(3):
        first = {**claims, "degradation": compared(0.0, 10)} if run == 1 else claims
        made = result(first, run=run, trials=trials)
        keep(
            results,
            made.model_copy(update={"pictures": picture(results, made)}),
            result(claims, suite="other", profile="gpu", run=run),
        )
        deeper, timings = timed()
        keep(
            results,
            result({"deeper-is-slower": deeper, "sizes": sized()}, suite="speed", run=run, timings=timings),
        )
    (results / "torn.json").write_text("{")
    return results


@pytest.fixture(scope="module")
def site(folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("out") / "site"
    made = build([folder], out)
    assert made.pages == 4 + 1 + 3 + 3 + 2 * 5 + 2 and made.claims == 12 and made.runs == 9
    return out


def test_every_link_leads_to_a_file_and_every_claim_has_a_page(site):
    found = pages(site)
    for page in found.values():
        for tag, attributes in page.tags:
            address = attributes.get("href") or attributes.get("src")
            if address is None or urlsplit(address).scheme in ("http", "https") or address.startswith("#"):
                continue
            address = urlsplit(address).path
            assert (page.path.parent / unquote(address)).resolve().is_file(), f"{page.path}: {tag} {address}"
    claims = {name for name in found if name.startswith("claims/")}
    listed = {link.get("href") for link in found["claims.html"].of("a")}
    scales = ("resnet-degradation.cpu", "other.gpu", "speed.cpu")
    assert len(claims) == 12 and claims <= listed
    papers = {name for name in found if name.startswith("papers/")}
    assert len(papers) == 1 and papers <= {link.get("href") for link in found["index.html"].of("a")}
    of_scales = {f"{folder}/{name}.html" for folder in ("suites", "compare") for name in scales}
    of_all = {"index.html", "claims.html", "cost.html", "glossary.html"}
    assert set(found) == claims | papers | of_scales | of_all


def test_no_page_loads_anything_from_elsewhere_or_holds_a_script_or_style_of_its_own(site):
    for name, page in pages(site).items():
        for tag, attributes in page.tags:
            loaded = attributes.get(LOADED.get(tag, ""), "")
            assert not urlsplit(loaded).netloc and not urlsplit(loaded).scheme, f"{name}: {tag} {loaded}"
            assert not [key for key in attributes if key.startswith("on") or key == "style"], (
                f"{name}: {tag} {attributes}"
            )
            assert tag != "style"
        (policy,) = [
            meta["content"] for meta in page.of("meta") if meta.get("http-equiv") == "Content-Security-Policy"
        ]
        assert "default-src 'none'" in policy and "unsafe" not in policy and "http" not in policy
    for asset in (site / "assets").iterdir():
        assert "http" not in asset.read_text() and "@import" not in asset.read_text()


def test_the_front_page_says_what_holds_what_does_not_and_what_changed(site):
    text = pages(site)["index.html"].text
    assert "Here each such claim is a test" in text
    assert "✓ reproduced" in text and "! not as expected" in text
    assert re.search(
        r"\d+ of \d+ claims that seeds decide are reproduced; were there .* at most [\d.]+ would be expected",
        text,
    )
    changed = text[
        text.index("Changed since the run before") : text.index(
            "Not as expected", text.index("Changed since")
        )
    ]
    assert (
        "degradation" in changed and "? undecided → ✓ reproduced" in changed and "2026-11-01 01:00" in changed
    )
    unexpected = text[text.index("Changed since") : text.index("All claims, by paper")]
    assert "wrong" in unexpected[unexpected.index("Not as expected") :] and "open" not in unexpected
    assert "Files that are not results" in text and "torn.json" in text


def test_verdicts_can_be_read_without_colour(site):
    found = pages(site)
    text = found["claims.html"].text
    assert (
        "✓ reproduced" in text
        and "✗ refuted (expected reproduced)" in text
        and "? undecided (as known)" in text
    )
    assert "✓?✓ (oldest first)" in found["suites/resnet-degradation.cpu.html"].text


def test_a_claim_page_has_what_was_asked_and_every_number(site, folder):
    text = pages(site)["claims/resnet-degradation.cpu.degradation.html"].text
    (path, *_) = sorted(folder.glob("resnet-degradation/cpu/*.json"), reverse=True)
    for said in (
        "The deeper one is worse.",
        "Fig. 1",
        "arXiv:1512.03385",
        "RS02",
        "test_error(plain56) > test_error(plain20)",
        "repro run suites/resnet-degradation.yaml --profile cpu -k degradation",
        path.stem,
        "depth 56 20",  # what differs between the arms, and nothing else
        "test_error(plain56) 0.25",
        "margins are independent, and symmetric about their centre",
        "seed 5: margin",
    ):
        assert said in text, said
    assert "residual" in text[text.index("What the arms share") :]
    assert "residual" not in text[text.index("Arms") : text.index("What the arms share")]


def test_an_undecided_claim_says_why_in_words(site):
    text = pages(site)["claims/resnet-degradation.cpu.open.html"].text
    assert "undecided is expected: the spread is too large here" in text
    assert (
        "Why there is no verdict" in text
        and "10 seeds were not enough to tell; the next look that can is after 20 (--seeds-max 20)" in text
    )
    assert re.search(
        r"The margin is above 0 on \d of 10 seeds; "
        r"margins in \[-[\d.]+, [\d.]+\] are all still possible",
        text,
    )


def test_a_claim_without_seeds_has_no_charts_and_says_so(site):
    page = pages(site)["claims/resnet-degradation.cpu.wrong.html"]
    assert "chance has no part in it" in page.text and "✗ does not hold" in page.text
    assert not [attributes for attributes in page.of("svg") if attributes["class"] == "plot"]


def test_the_page_of_a_suite_shows_curves_cost_pictures_and_raw_numbers(site, folder):
    page = pages(site)["suites/resnet-degradation.cpu.html"]
    assert "plain20 cifar_resnet 260,000" in page.text and "depth 20, residual false" in page.text
    assert "images/s" in page.text and "peak memory, MiB" in page.text and "260,000" in page.text
    assert "plain56: test_error 0.6" in page.text[page.text.index("What training takes") :]
    assert "Dashed: batch_loss" in page.text and "bold: test_error" not in page.text.split("loss (nats)")[1]
    (img,) = page.of("img")
    assert img["alt"] == "What each net takes for what."
    assert (page.path.parent / img["src"]).read_bytes() == sorted(folder.rglob("*.png"))[-1].read_bytes()
    (raw,) = [link["href"] for link in page.of("a") if link["href"].endswith(".json")]
    assert (page.path.parent / raw).read_bytes() == sorted(folder.glob("resnet-degradation/cpu/*.json"))[
        -1
    ].read_bytes()


def test_after_a_run_of_one_claim_the_page_of_a_suite_still_shows_the_rest_of_the_whole_one(tmp_path):
    whole = result({"a": sized(), "b": sized()}, run=0, trials=[trial("plain20", 0), trial("plain56", 0)])
    shown = picture(tmp_path / "results", whole)
    part = result({"b": sized()}, run=1, trials=[trial("plain20", 0)], complete=False)
    keep(tmp_path / "results", whole.model_copy(update={"pictures": shown}), part)
    build([tmp_path / "results"], tmp_path / "site")
    page = pages(tmp_path / "site")["suites/resnet-degradation.cpu.html"]
    assert [img["alt"] for img in page.of("img")] == ["What each net takes for what."]
    costs = page.text[page.text.index("What training takes") :]
    assert "plain20 1 " in costs and "plain56 1 " in costs
    raw = [link["href"] for link in page.of("a") if link["href"].endswith(".json")]
    ids = [json.loads((page.path.parent / file).read_text())["id"] for file in raw]
    assert ids == [part.id, whole.id]


def test_the_page_on_cost_has_a_chart_a_suite_of_the_metric_of_its_claims_beside_what_arms_compute(site):
    text = pages(site)["cost.html"].text
    assert re.search(
        r"plain56: test_error 0\.\d+ \(0\.\d+ to 0\.\d+ over 2 seeds\); "
        r"parameters 728,000; multiply-adds an image 1\d\d,",
        text,
    )
    assert "resnet-degradation at cpu" in text and "at gpu" not in text and "speed" not in text


def test_what_arms_reach_and_take_is_told_run_by_run(site):
    text = pages(site)["suites/resnet-degradation.cpu.html"].text
    runs = text[text.index("Over runs") :]
    assert re.search(r"2026-11-01 02:00: plain20 0\.\d+; plain56 0\.\d+", runs)
    assert "Speed of training" in runs and "Training time" in runs and "Peak memory" in runs
    assert re.search(r"2026-11-01 02:00: plain20 8\d\d; plain56 \d+", runs)


def test_the_page_of_a_suite_shows_what_was_timed_how_and_each_round(site):
    page = pages(site)["suites/speed.cpu.html"]
    section = page.text[page.text.index("What a pass takes") : page.text.index("Where and when")]
    assert (
        "What training takes" not in page.text
        and "latency, ms throughput, images/s peak memory, MiB timed with" in section
    )
    (row,) = re.findall(
        r"plain20\(batch_size=8\) 6 [\d.]+ [\d.]+ to [\d.]+ [\d.]+ [\d.]+ to [\d.]+ 20 (\S+ 8)", section
    )
    assert row == "batch_size 8" and "energy" not in section
    assert "timed a forward pass of a batch, until the device is done" in section
    assert "all with precision fp32, runs 3, size 112" in section
    assert re.search(r"round 5: plain20 [\d.]+; plain56 [\d.]+; plain20\(batch_size=8\) [\d.]+", section)


def test_of_one_round_there_is_a_table_without_a_chart_and_energy_where_it_was_counted(tmp_path):
    keep(tmp_path / "results", result({"a": sized()}, timings=[timing("plain20", 0, energy=True)]))
    build([tmp_path / "results"], tmp_path / "site")
    page = pages(tmp_path / "site")["suites/resnet-degradation.cpu.html"]
    assert (
        "energy, J/image" in page.text
        and "timed with" not in page.text
        and "Latency by round" not in page.text
    )


def test_nets_that_were_timed_in_two_ways_say_which_is_which(tmp_path):
    there_and_back = timing("plain20", 0, training=True, region="there and back")
    keep(tmp_path / "results", result({"a": sized()}, timings=[timing("plain20", 0), there_and_back]))
    build([tmp_path / "results"], tmp_path / "site")
    text = pages(tmp_path / "site")["suites/resnet-degradation.cpu.html"].text
    assert "region there and back, training true" in text and "timed a forward pass" not in text


def test_the_claim_page_of_a_timed_claim_says_what_was_timed_and_that_its_seeds_are_rounds(site):
    found = pages(site)
    text = found["claims/speed.cpu.deeper-is-slower.html"].text
    said = (
        "timed a forward pass of a batch, until the device is done. "
        "A seed is a round of timing: every net once"
    )
    assert said in text and "took 1:35" in text and "trained for" not in text
    assert not [
        name
        for name, page in found.items()
        if "A seed is a round" in page.text and "deeper-is-slower" not in name
    ]


def test_how_fast_nets_ran_that_were_timed_is_told_run_by_run(site):
    text = pages(site)["suites/speed.cpu.html"].text
    chart = text[text.index("Timed alone") :]
    assert re.search(r"2026-11-01 02:00: plain20 [\d.]+; plain56 [\d.]+; plain20\(batch_size=8\) \d+", chart)
    assert "Speed of training" not in text


def test_a_claim_shows_what_it_measured_run_by_run_and_one_of_a_single_run_does_not(site, tmp_path):
    text = pages(site)["claims/resnet-degradation.cpu.degradation.html"].text
    history = text[text.index("In other runs") :]
    assert re.search(r"2026-11-01 01:00: margin -?[\d.]+ 2026-11-01 02:00: margin [\d.]+", history)
    assert re.search(r"02:00: test_error\(plain\d\d\) 0\.\d+; test_error\(plain\d\d\) 0\.\d+", history)
    keep(tmp_path / "results", result({"a": compared(3.0, 6)}))
    build([tmp_path / "results"], tmp_path / "site")
    found = pages(tmp_path / "site")
    assert "runs, the last at right" not in found["claims/resnet-degradation.cpu.a.html"].text
    assert "Over runs" not in found["suites/resnet-degradation.cpu.html"].text
    assert not [name for name in found if name.startswith("compare/")]


def test_a_claim_shows_the_pictures_and_the_training_of_its_arms_alone(site):
    page = pages(site)["claims/resnet-degradation.cpu.degradation.html"]
    assert [img["alt"] for img in page.of("img")] == ["What each net takes for what."]
    drawn = [svg["aria-label"] for svg in page.of("svg") if " over the steps" in svg.get("aria-label", "")]
    assert [said.partition(" over")[0] for said in drawn] == ["error of plain20", "error of plain56"]
    assert not pages(site)["claims/speed.cpu.deeper-is-slower.html"].of("img")


def test_a_claim_names_the_other_claims_that_share_an_arm_with_it_in_any_suite(tmp_path):
    only56 = claim("loss(plain56) < 0.5", {"loss(plain56)": [0.1, 0.2, 0.15, 0.11, 0.12]})
    other = claim("loss(resnet20) < 0.5", {"loss(resnet20)": [0.1, 0.2, 0.15, 0.11, 0.12]})
    trained = [trial("plain20", 0), trial("plain56", 0)]
    keep(
        tmp_path / "results",
        result({"a": compared(3.0, 6), "b": only56, "c": other}, trials=trained),
        result({"d": only56, "e": other}, suite="second", trials=trained[1:]),
    )
    build([tmp_path / "results"], tmp_path / "site")
    page = pages(tmp_path / "site")["claims/resnet-degradation.cpu.a.html"]
    hanging = page.text[page.text.index("What else hangs") :]
    linked = {
        to["href"].rpartition(".")[0].rpartition(".")[2] for to in page.of("a") if "claims/" in to["href"]
    }
    assert linked >= {"b", "d"} and not linked & {"c", "e"} and "second at cpu" in hanging


def test_a_claim_shows_how_the_register_has_it_worded_before(tmp_path):
    now = compared(3.0, 6)
    keep(tmp_path / "results", result({"a": now, "b": now}))
    register = Register(tmp_path / "register.jsonl")

    def note(name, digest, expect, verdict, seeds=(0, 1, 2, 3, 4)):
        register.note(
            Entry(
                suite="resnet-degradation",
                profile="cpu",
                claim=name,
                expect=expect,
                formulation=32 * digest,
                apart_from_thresholds=32 * digest,
                seeds=seeds,
                verdict=verdict,
                at="2026-10-01T00:00:00Z",
                commit=None,
            )
        )

    note("a", "1", "test_error(plain56) > 2 * test_error(plain20)", "refuted")
    note("a", "2", now.expect, "reproduced")
    note("b", "2", now.expect, "reproduced")
    build([tmp_path / "results"], tmp_path / "site", register)
    found = pages(tmp_path / "site")
    text = found["claims/resnet-degradation.cpu.a.html"].text
    assert "2026-10-01 00:00 test_error(plain56) > 2 * test_error(plain20) ✗ refuted 0 to 4" in text
    assert "earlier rule" not in text
    assert "In the register" not in found["claims/resnet-degradation.cpu.b.html"].text
    note("b", "2", now.expect, "reproduced", seeds=(0, 1, 2, 3, 4, 20, 21, 23))
    note("b", "3", now.expect, "reproduced", seeds=(0, 1, 2))
    build([tmp_path / "results"], tmp_path / "site", register)
    text = pages(tmp_path / "site")["claims/resnet-degradation.cpu.b.html"].text
    assert "✓ reproduced 0 to 4, 20 to 21, 23" in text and "✓ reproduced 0 to 2" in text
    assert "Verdicts on fewer than 5 seeds are those of an earlier rule." in text


def test_the_page_of_a_paper_has_its_suites_claims_numbers_and_pictures(site):
    (page,) = (page for name, page in pages(site).items() if name.startswith("papers/"))
    for said in (
        "other at gpu",
        "speed at cpu",
        "arXiv:1512.03385",
        "What seeds decide",
        "✓?✓ (oldest first)",
    ):
        assert said in page.text, said
    assert re.search(r"test_error\(plain56\) 0\.25 0\.\d+ 0\.\d+ to 0\.\d+ 0\.\d+ degradation", page.text)
    assert page.of("img")


def test_two_runs_are_compared_and_without_a_script_they_are_the_last_two(site):
    page = pages(site)["compare/resnet-degradation.cpu.html"]
    cells = [cell for cell in page.of("td") if "data-said" in cell]
    assert len(cells) == 5 * 3 and ["hidden" in cell for cell in cells[:3]] == [True, False, False]
    said = [[cell["data-said"] for cell in cells[place : place + 3]] for place in range(0, 15, 3)]
    ((first, middle, last),) = (row for row in said if len(set(row)) > 1)
    assert first == last and first.startswith("reproduced") and middle.startswith("undecided")
    assert [option["value"] for option in page.of("option") if "selected" in option] == ["1", "2"]


def test_of_two_runs_commits_arms_that_became_trivial_and_what_to_run_next_are_told(tmp_path):
    def at(commit, **facts):
        return Environment(key=(ENVIRONMENT,), facts={**FACTS, "commit": 40 * commit, **facts})

    good, bad = compared(3.0, 6), compared(-3.0, 6).model_copy(update={"trivial": ("plain56",)})
    trials = [trial(arm, seed, steps=5) for arm in ("plain20", "plain56") for seed in range(5)]
    worse = [one.model_copy(update={"measurements": {"test_error": 0.9 + one.seed / 100}}) for one in trials]
    keep(
        tmp_path / "results",
        result({"a": good}, run=0, trials=trials, environment=at("a")),
        result({"a": good}, run=1, trials=trials, environment=at("b")),
        result({"a": bad}, run=2, trials=worse, environment=at("c", dirty=True)),
    )
    build([tmp_path / "results"], tmp_path / "site")
    page = pages(tmp_path / "site")["compare/resnet-degradation.cpu.html"]
    for said in (
        f"Before: commit {12 * 'b'}. After: commit {12 * 'c'}, with uncommitted changes.",
        "plain56 is trivial",
        "TRIVIAL now in claim 'a': arm 'plain56'",
        "repro show 20261101T020000Z-000002 -k a",
        f"repro bisect {12 * 'b'} {12 * 'c'} suites/resnet-degradation.yaml -k a",
        "test_error(plain20)",
        "WORSE",
    ):
        assert said in page.text, said
    assert [
        cell["data-said"].endswith("plain56 is trivial") for cell in page.of("td") if "data-said" in cell
    ] == [
        False,
        False,
        True,
    ]
    assert page.text.count(f"commit {12 * 'a'}") == 3  # in both choices, and at the head of its column


def test_every_link_to_a_word_leads_to_an_entry(site):
    found = pages(site)
    places = {entry.get("id") for entry in found["glossary.html"].of("dt")}
    linked = {
        name: {to["href"].partition("#")[2] for to in page.of("a") if "glossary.html#" in to["href"]}
        for name, page in found.items()
    }
    assert not [(name, word) for name, words in linked.items() for word in words - places]
    assert linked["claims/resnet-degradation.cpu.degradation.html"] >= {
        *("test_error", "share", "margin", "interval", "verdict", "ledger", "batch_error")
    }


def test_a_claim_says_what_its_suite_says_of_itself_and_folds_what_is_long(tmp_path):
    keep(tmp_path / "results", result({"a": sized()}, about="Narrow nets, <b>7</b> pixels."))
    keep(tmp_path / "results", result({"a": sized()}, suite="long", about="Steps are few. " * 40))
    keep(tmp_path / "results", result({"a": sized()}, suite="silent", about=None))
    build([tmp_path / "results"], tmp_path / "site")
    short, long, silent = (
        pages(tmp_path / "site")[f"claims/{suite}.cpu.a.html"]
        for suite in ("resnet-degradation", "long", "silent")
    )
    folded = "How this was tried, and what differs from the paper"
    assert "Narrow nets, <b>7</b> pixels." in short.text and folded not in short.text
    assert f"{folded} Steps are few. Steps are few." in long.text and folded not in silent.text


def test_a_claim_of_one_run_says_that_there_is_no_other_and_one_of_several_which_seeds_they_took(
    site, tmp_path
):
    text = pages(site)["claims/resnet-degradation.cpu.degradation.html"].text
    assert "2026-11-01 01:00 ? undecided 0 to 9 expected reproduced" in text
    assert "2026-11-01 00:00 ✓ reproduced 0 to 5 as expected" in text
    keep(tmp_path / "results", result({"a": compared(3.0, 6)}))
    build([tmp_path / "results"], tmp_path / "site")
    assert (
        "There is no other run of it yet."
        in pages(tmp_path / "site")["claims/resnet-degradation.cpu.a.html"].text
    )


def test_the_front_page_says_why_claims_that_are_not_reproduced_are_as_expected(site, tmp_path):
    assert "2 claims were expected to be refuted or undecided here" in pages(site)["index.html"].text
    keep(tmp_path / "results", result({"a": compared(3.0, 6)}))
    build([tmp_path / "results"], tmp_path / "site")
    assert "expected to be refuted" not in pages(tmp_path / "site")["index.html"].text


def test_the_glossary_says_what_margin_interval_and_verdict_mean(site):
    text = pages(site)["glossary.html"].text
    for word in ("margin By how much", "interval All margins", "verdict Reproduced:", "5, 7, 10, 14 and 20"):
        assert word in text, word


def test_whatever_a_result_says_is_text(tmp_path):
    made = compared(3.0, 6, says=EVIL, because=EVIL, expected="refuted")
    made = made.model_copy(update={"source": EVIL, "ledger": (EVIL,), "expect": EVIL})
    measured, option = {EVIL: 0.5, "test_error": 0.5}, EVIL.replace("/", "")
    hostile = result(
        {"a": made, "b..b": made, "CON.x": made},
        trials=[trial("odd", 0, steps=5, measurements=measured)],
        timings=[timing("odd", n, region=EVIL, **{option: option}) for n in range(2)],
        arms={**ARMS, "odd": arm(20, **{EVIL: EVIL})},
        suite="s",
        about=EVIL,
        command=EVIL,
        file=EVIL,
        paper={"title": EVIL, "arxiv": EVIL, "url": "javascript:alert(1)", "venue": EVIL},
    )
    keep(tmp_path / "results", hostile)
    site = tmp_path / "site"
    assert build([tmp_path / "results"], site).claims == 3
    found = pages(site)
    for name, page in found.items():
        assert len(page.of("script")) == 1 and not page.of("img"), name
        assert not [1 for _, attributes in page.tags for key in attributes if key.startswith("on")], name
        assert not [1 for link in page.of("a") if "javascript" in link["href"]], name
    assert [name for name, page in found.items() if EVIL not in page.text] == ["glossary.html"]
    assert {path.parent.parent for path in site.rglob("*.*") if path.is_file()} <= {site, site.parent}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["results", "site"]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('"suite": "resnet-degradation"', '"suite": "../<script>"'),
        ('"profile": "cpu"', '"profile": "/etc"'),
        ('"id": "', '"id": "../'),
        ('"a": {', '"../../up": {'),
        ('"plain20": {', '"<b>": {'),
        ('"file": "2026', '"file": "../../../2026'),
    ],
)
def test_names_that_lead_elsewhere_are_those_of_no_result(tmp_path, before, after):
    made = result({"a": sized()})
    (path,) = keep(tmp_path, made.model_copy(update={"pictures": picture(tmp_path, made)}))
    assert before in path.read_text()
    path.write_text(path.read_text().replace(before, after))
    with pytest.raises(ReproError, match="not a result of schema 2: "):
        build([tmp_path], tmp_path / "site")


def test_a_picture_from_elsewhere_or_that_is_none_is_not_copied(tmp_path):
    made = result({"a": sized()})
    shown = picture(tmp_path / "results", made)["predictions"]
    secret = tmp_path / "secret.png"
    secret.write_bytes((tmp_path / "results" / "resnet-degradation" / "cpu" / shown.file).read_bytes())
    (tmp_path / "results" / "resnet-degradation" / "cpu" / "text.png").write_text("no picture")
    os.symlink(secret, tmp_path / "results" / "resnet-degradation" / "cpu" / "link.png")
    files = {
        "link": "link.png",
        "text": "text.png",
        "gone": "gone.png",
        "nul": "a\0",
    }
    pictures = {name: shown.model_copy(update={"file": file}) for name, file in files.items()}
    keep(tmp_path / "results", made.model_copy(update={"pictures": {**pictures, "good": shown}}))
    build([tmp_path / "results"], tmp_path / "site")
    assert [path.name for path in (tmp_path / "site").rglob("*.png")] == ["resnet-degradation.cpu.good.png"]
    assert pages(tmp_path / "site")["suites/resnet-degradation.cpu.html"].text.count("is missing") == len(
        files
    )


def test_an_older_site_is_replaced_and_nothing_of_it_stays(tmp_path):
    results, site = tmp_path / "results", tmp_path / "site"
    keep(results, result({"a": sized(), "b": sized()}, run=0))
    build([results], site)
    assert len(pages(site)) == 4 + 1 + 1 + 2
    keep(results, result({"b": sized()}, run=1))
    build([results], site)
    assert {name for name in pages(site) if "claims/" in name} == {"claims/resnet-degradation.cpu.b.html"}
    assert len(list(site.glob("results/*.json"))) == 1


def test_a_folder_that_holds_something_else_is_left_as_it_is(tmp_path):
    keep(tmp_path, result({"a": sized()}))
    before = sorted(tmp_path.rglob("*"))
    (tmp_path / "index.html").write_text("<p>mine</p>")
    with pytest.raises(ReproError, match="neither empty nor a site"):
        build([tmp_path], tmp_path)
    with pytest.raises(ReproError, match="not a folder"):
        build([tmp_path], tmp_path / "index.html")
    assert sorted(path for path in tmp_path.rglob("*") if path.name != "index.html") == before


def test_twenty_runs_of_thirty_claims_make_a_page_each_with_a_bounded_history(tmp_path):
    claims = {f"claim-{i}": sized() for i in range(30)}
    keep(tmp_path / "results", *(result(claims, run=run) for run in range(40)))
    build([tmp_path / "results"], tmp_path / "site")
    found = pages(tmp_path / "site")
    assert len(found) == 4 + 1 + 1 + 1 + 30
    text = found["suites/resnet-degradation.cpu.html"].text
    assert f"{'✓' * 30} (oldest first)" in text and "✓" * 31 not in text
    assert found["claims/resnet-degradation.cpu.claim-7.html"].text.count("as expected") >= 30
    sizes = {name: page.path.stat().st_size for name, page in found.items()}
    assert sizes.pop("compare/resnet-degradation.cpu.html") < 200_000 and max(sizes.values()) < 60_000


def test_the_page_of_many_arms_over_many_nights_can_be_loaded_and_says_what_it_leaves_out(tmp_path):
    names = [f"an_arm_of_many_{i}" for i in range(16)]
    many = {name: arm(20) for name in names}

    def night(run, steps):
        trials = [trial(name, seed, steps=steps) for name in names for seed in range(3)]
        return result({"size": sized()}, run=run, arms=many, trials=trials)

    keep(tmp_path / "results", *(night(run, 2) for run in range(59)), night(59, 200))
    build([tmp_path / "results"], tmp_path / "site")
    page = pages(tmp_path / "site")["suites/resnet-degradation.cpu.html"]
    assert page.path.stat().st_size < 400 * 1024
    assert "All of the last 12 runs, and one in 4 of the 48 before." in page.text
    assert "The first 8 of 16 arms." in page.text


def repro(*arguments):
    return CliRunner().invoke(main, list(map(str, arguments)))


def test_the_command_says_what_it_made_and_names_what_it_could_not_read(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    keep(tmp_path / "results", result({"a": sized()}))
    (tmp_path / "results" / "torn.json").write_text("{")
    run = repro("report", "-o", "site")
    assert run.exit_code == 0 and run.stdout == "7 pages on 1 claims from 1 runs: site/index.html\n"
    assert (
        run.stderr.startswith("results/torn.json: not a result of schema 2") and run.stderr.count("\n") == 1
    )


def test_the_command_ends_with_2_if_nothing_could_be_read(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "torn.json").write_text("{")
    run = repro("report", "torn.json")
    assert (
        run.exit_code == 2
        and "torn.json: not a result" in run.stderr
        and "no results under torn.json" in run.stderr
    )
    assert repro("report", "nowhere").exit_code == 2 and not (tmp_path / "site").exists()


@pytest.mark.parametrize(
    ("changes", "shown"),
    [
        ({}, "reproduced"),
        ({"formulation": Formulation(digest="d", number=3, thresholds=1)}, "reproduced (3rd formulation)"),
        ({"expected": "refuted", "as_expected": False}, "reproduced (expected refuted)"),
        (
            {
                "expected": "refuted",
                "as_expected": False,
                "contested": True,
                "formulation": Formulation(digest="d", number=1, thresholds=2),
            },
            "reproduced (contested; expected refuted; 2nd threshold)",
        ),
    ],
)
def test_a_badge_has_what_stands_beside_the_verdict_in_one_pair_of_brackets(changes, shown):
    told = badge(claim("test_error(a) < 1", {"test_error(a)": [0.5] * 5}).model_copy(update=changes))
    assert re.sub("<[^>]*>", "", told) == f"✓ {shown}"
