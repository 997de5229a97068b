"""The chart of a claim's evidence: intervals are the decision's own, and every value can be read."""

import html
import re

import numpy as np
import pytest
from kit.judged_results import claim, compared

from repro.evidence import decide
from repro.site.evidence_charts import intervals, margins_chart


@pytest.mark.parametrize("effect", [0.0, 1.0, 3.0, -3.0])
def test_the_interval_by_seed_is_that_of_deciding_on_the_seeds_so_far(effect):
    made = compared(effect, 8)
    (part,) = made.evidence.parts
    for seeds, ends in enumerate(intervals(part, made.evidence), start=1):
        assert ends == decide(part.margins[:seeds], 0.05).interval
    assert part.interval == pytest.approx(ends)


def test_of_several_parts_each_has_its_share_of_the_level():
    values = {"loss(a)": [0.1, 0.2, 0.15, 0.11, 0.12, 0.1, 0.2]}
    made = claim("loss(a) < 0.3 and loss(a) > 0.05", values)
    for part in made.evidence.parts:
        assert intervals(part, made.evidence)[-1] == decide(part.margins, 0.05, 2).interval


def test_a_part_that_needs_no_seeds_takes_no_share_of_it():
    values = {"loss(a)": [0.1, 0.2, 0.15, 0.11, 0.12], "params(a)": [3.0]}
    made = claim("loss(a) < 0.3 and params(a) > 2", values)
    part = made.evidence.parts[0]
    assert intervals(part, made.evidence)[-1] == decide(part.margins, 0.05).interval


def test_a_diverged_margin_is_drawn_and_one_that_is_missing_leaves_no_band():
    values = {"loss(a)": [np.inf, 0.4, 0.5, np.inf, 0.3, 0.2], "loss(b)": [0.2, 0.3, 0.25, 0.3, 0.35, 0.1]}
    made = claim("loss(a) > loss(b)", values)
    (part,) = made.evidence.parts
    chart = margins_chart(part, made.evidence)
    assert "margin inf" in chart or "margin ∞" in chart
    gone = part.model_copy(update={"margins": (None, *part.margins[1:])})
    assert set(intervals(gone, made.evidence)) == {(-np.inf, np.inf)}
    assert "seed 0: margin" in margins_chart(gone, made.evidence)


def test_every_seed_says_its_margin_and_the_table_says_the_same():
    made = compared(2.0, 7)
    (part,) = made.evidence.parts
    chart = margins_chart(part, made.evidence)
    told = re.findall(r"<title>(.*?)</title>", chart)
    assert len(told) == 7 and told[2].startswith(
        f"seed 2: margin {part.margins[2]:.4g}; mean so far {np.mean(part.margins[:3]):.4g}"
    )
    assert f"interval [{part.interval[0]:.4g}, {part.interval[1]:.4g}]" in told[-1]
    assert chart.count("<tr>") == 1 + 7
    assert html.escape(part.text) in chart and "margin: above 0 the claim holds" in chart


def test_the_look_at_which_the_verdict_came_is_marked():
    decided, open_ = compared(3.0, 8), compared(0.0, 8)
    assert 'class="decided"' in margins_chart(decided.evidence.parts[0], decided.evidence)
    assert 'class="decided"' not in margins_chart(open_.evidence.parts[0], open_.evidence)


@pytest.mark.parametrize(("effect", "seeds"), [(3.0, 6), (0.2, 10)])
def test_a_line_for_the_verdict_is_explained_where_there_is_one(effect, seeds):
    made = compared(effect, seeds)
    shown = margins_chart(made.evidence.parts[0], made.evidence)
    assert ("Upright line" in shown) == ('class="decided"' in shown) == (made.verdict == "reproduced")
