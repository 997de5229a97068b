import pytest
import torch
from torch import nn

from repro.conformance import fakes
from repro.errors import ReproError
from repro.measures.static import params
from repro.treatments.truncated_svd import truncated_svd


def state(rank: int = 40):
    """A net whose hidden layer has a rank, of 8×8 pixels averaged to 4×4."""
    torch.manual_seed(0)
    hidden = nn.Linear(48, 40)
    with torch.no_grad():
        hidden.weight.copy_(torch.randn(40, rank) @ torch.randn(rank, 48) / 10)
    layers = nn.Sequential(nn.AvgPool2d(2), nn.Flatten(), hidden, nn.ReLU(), nn.Linear(40, 5))
    return fakes.state(layers.eval())


def test_a_layer_of_that_rank_is_itself_with_fewer_weights():
    before = state(rank=6)
    after = truncated_svd(before, rank=6)
    x = fakes.inputs()
    torch.testing.assert_close(after.model(x), before.model(x), rtol=1e-4, atol=1e-5)
    assert params(after.model) == 6 * (48 + 40) + 40 + 5 * 41  # the last one, of 200 weights, would be 270
    assert isinstance(after.model[4], nn.Linear)
    assert params(before.model) == 40 * 49 + 5 * 41


def test_it_is_the_nearest_matrix_of_the_rank():
    before = state()
    after = truncated_svd(before, rank=3, within="2")
    first, second = after.model[2]
    values = torch.linalg.svdvals(before.model[2].weight.detach())
    distance = (second.weight @ first.weight - before.model[2].weight).norm().detach()
    assert float(distance) == pytest.approx(float(values[3:].square().sum().sqrt()), rel=1e-4)
    assert torch.equal(second.bias, before.model[2].bias)


def test_only_what_is_within_is_changed_and_something_must_be():
    assert isinstance(truncated_svd(state(), rank=3, within="4").model[2], nn.Linear)
    with pytest.raises(ReproError, match="no linear layer in 'nowhere' gets smaller with 3 singular values"):
        truncated_svd(state(), rank=3, within="nowhere")
    with pytest.raises(ReproError, match="no linear layer gets smaller with 100 singular values"):
        truncated_svd(state(), rank=100)
