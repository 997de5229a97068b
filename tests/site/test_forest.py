"""The forest plot: margins in units of their spread, by paper, each a link that says what it is."""

import math
import re
from statistics import stdev

import pytest
from kit.judged_results import claim, compared, keep, result, sized

from repro.site.archive import collect
from repro.site.forest import EDGE, TALL, forest, rows, weakest
from repro.site.papers import by_paper


def papers(folder, *results):
    keep(folder, *results)
    return by_paper(collect([folder]).scales)


def test_a_margin_is_told_in_units_of_its_spread_over_the_seeds(tmp_path):
    made = compared(2.0, 7)
    (paper,) = papers(tmp_path, result({"a": made, "sizes": sized()}))
    (row,) = rows(paper)  # what needs no seeds is not in it
    (part,) = made.evidence.parts
    unit = stdev(part.margins)
    assert row.margin == pytest.approx(sum(part.margins) / 7 / unit)
    assert (row.low, row.high) == pytest.approx(tuple(end / unit for end in part.interval))
    assert row.page == "claims/resnet-degradation.cpu.a.html" and row.kind == made.verdict


def test_what_is_infinite_without_spread_or_without_end_lies_at_the_edge(tmp_path):
    diverged = claim("loss(a) > loss(b)", {"loss(a)": [math.inf] * 5, "loss(b)": [0.1] * 5})
    same = claim("loss(a) < 0.5", {"loss(a)": [0.75] * 5})
    few = claim("loss(a) < 0.5", {"loss(a)": [0.1, 0.2]})
    (paper,) = papers(tmp_path, result({"diverged": diverged, "same": same, "few": few}))
    found = {row.name: row for row in rows(paper)}
    assert found["diverged"].margin == EDGE and found["same"].margin == -EDGE
    assert (found["few"].low, found["few"].high) == (-EDGE, EDGE)


def test_of_a_conjunction_the_part_is_drawn_that_the_claim_s_margin_is_of():
    values = {"loss(a)": [0.1, 0.2, 0.15, 0.11, 0.12], "params(a)": [3.0]}
    made = claim("loss(a) < 0.9 and loss(a) > 0.3 and params(a) > 2", values)
    assert weakest(made).text == "loss(a) > 0.3" and weakest(sized()) is None


def test_papers_come_by_year_and_claims_by_margin_and_each_is_a_link_that_says_its_verdict(tmp_path):
    old = {"title": "Old & <b>", "venue": "NIPS 2012"}
    found = papers(
        tmp_path,
        result({"weak": compared(0.2, 10), "clear": compared(3.0, 6)}),
        result({"first": compared(3.0, 6)}, suite="early", paper=old),
        result({"own": compared(3.0, 6)}, suite="own", paper=None),
    )
    assert [paper.year for paper in found] == [2012, 2016, 9999]
    charts = "".join(forest(found))
    links = re.findall('<a class="spot" href="([^"]*)" tabindex="-?[01]"><title>([^<]*)', charts)
    assert [address.split(".")[2] for address, _ in links] == ["first", "clear", "weak", "own"]
    assert links[1][1].startswith("clear (resnet-degradation): reproduced; margin ")
    assert "Old &amp; &lt;b&gt;, 2012" in charts and "<b>" not in charts
    assert "http" not in charts and "style=" not in charts


def test_its_height_is_bounded_however_many_claims_there_are(tmp_path):
    made = compared(3.0, 6)
    (paper,) = papers(tmp_path, result({f"claim-{i}": made for i in range(400)}))
    heights = [
        float(found) for found in re.findall(' height="([0-9.]+)" role="group"', "".join(forest([paper])))
    ]
    assert sum(heights) <= TALL + 50 * len(heights)
