"""Charts of a claim's evidence: the interval by seed is the decision's own, and every value can be read."""

import html
import re

import numpy as np
import pytest
from kit.judged_results import claim, compared

from repro.evidence import decide
from repro.site.evidence_charts import FINEST, evidence_chart, intervals, margins_chart, signs


@pytest.mark.parametrize("assume", ["symmetric", "normal"])
@pytest.mark.parametrize("effect", [0.0, 1.0, 3.0, -3.0])
def test_the_interval_by_seed_is_that_of_deciding_on_the_seeds_so_far(assume, effect):
    margins = np.random.default_rng(7).normal(effect, 1, 8)
    low, high = -9.0, 9.0
    found, pixel = intervals(margins, 0.05, assume, low, high), (high - low) / (FINEST - 1)
    for seeds, ends in enumerate(found, start=1):
        expected = decide(margins[:seeds], 0.05, assume).interval
        assert (ends is None) == (expected == (-np.inf, np.inf))
        assert ends is None or np.clip(expected, low, high) == pytest.approx(ends, abs=pixel * 1.001)


@pytest.mark.parametrize("assume", ["symmetric", "normal"])
def test_a_diverged_margin_is_drawn_as_what_it_is(assume):
    for values in (
        [np.inf, 0.4, 0.5, np.inf, 0.3, 0.2],
        [0.1, 0.2, 0.3, 0.2, 0.2, np.inf],
        [0.4, 0.5, 0.3, np.inf, 0.3, 0.2],
    ):
        plain = [0.2, 0.3, 0.25, 0.3, 0.35, 0.1]
        for relation, sign in ((">", 1), ("<", -1)):
            made = claim(f"loss(a) {relation} loss(b)", {"loss(a)": values, "loss(b)": plain}, assume=assume)
            (part,) = made.evidence.parts
            assert signs(part, assume) == pytest.approx(sign * (np.array(values) - plain))


def test_margins_that_do_not_lead_to_the_e_values_get_no_interval():
    made = compared(2.0, 6)
    (part,) = made.evidence.parts
    foreign = part.model_copy(update={"path": tuple((e * 2, f) for e, f in part.path)})
    assert signs(part, "symmetric") is not None
    assert signs(foreign, "symmetric") is None
    assert 'class="band"' in margins_chart(part, made.evidence)
    assert 'class="band"' not in margins_chart(foreign, made.evidence)


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


def test_the_chart_of_evidence_marks_what_a_verdict_takes_and_when_it_came():
    made = compared(3.0, 8)
    chart = evidence_chart(made.evidence.path, made.evidence)
    assert "verdict at 20" in chart and 'class="decided"' in chart
    assert f"after 8 seeds: {made.evidence.e_for:.4g} for, {made.evidence.e_against:.4g} against" in chart
    assert 'class="decided"' not in evidence_chart(compared(0.0, 8).evidence.path, compared(0.0, 8).evidence)


def test_what_an_interval_is_known_to_beyond_the_chart_is_left_open():
    values = [[0.1, 0.2, 3.0, 0.1, 0.2, 0.15], [0.0] * 6]
    made = claim("loss(a) > loss(b)", {"loss(a)": values[0], "loss(b)": values[1]})
    assert "…" in margins_chart(made.evidence.parts[0], made.evidence)
