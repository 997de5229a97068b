"""Weights of which a few are drawn, and repeated."""

import pytest
import torch
from torch import nn

from repro.work.repeated import DRAWN, Repeated


def weight(draw, *shape):
    """A weight with what is drawn into it."""
    torch.manual_seed(0)
    made = nn.Parameter(torch.full(shape, torch.nan))
    with Repeated():
        draw(made)
    return made.detach()


DRAWS = [
    nn.init.normal_,
    nn.init.uniform_,
    nn.init.kaiming_normal_,
    nn.init.kaiming_uniform_,
    nn.init.xavier_normal_,
]


@pytest.mark.parametrize("draw", DRAWS, ids=lambda draw: draw.__name__)
def test_a_large_weight_has_the_first_numbers_again_and_again_and_the_spread_that_was_asked_for(draw):
    made, whole = weight(draw, 512, 700), torch.empty(512, 700)
    flat = made.flatten()
    for part in flat.split(DRAWN):
        assert torch.equal(part, flat[: len(part)])
    assert len(flat[:DRAWN].unique()) > 0.9 * DRAWN
    draw(whole)
    assert float(made.std()) == pytest.approx(float(whole.std()), rel=0.02)
    assert float(made.mean()) == pytest.approx(0 if draw is not nn.init.uniform_ else 0.5, abs=0.02)


@pytest.mark.parametrize("shape", [(64, 3, 7, 7), (1, DRAWN)])
def test_a_small_weight_is_drawn_as_ever(shape):
    made = weight(nn.init.normal_, *shape)
    torch.manual_seed(0)
    assert torch.equal(made, nn.init.normal_(torch.empty(shape)))


def test_it_is_over_behind_the_block():
    weight(nn.init.normal_, 2, DRAWN)
    after = torch.empty(2, DRAWN).normal_()
    assert not torch.equal(after[0], after[1])
