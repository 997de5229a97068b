import pytest
import torch
from torch import Tensor, nn

from repro.errors import ReproError
from repro.measures.equality import max_abs_diff
from repro.pairs.pair import Pair


def made_up(first: Tensor, second: Tensor) -> Pair:
    pair = Pair(case="relu_gradient")
    pair.function = lambda _: (first, second)
    return pair


def test_the_largest_difference_is_found_whatever_its_sign():
    first = torch.zeros(2, 3, dtype=torch.double, requires_grad=True)
    second = torch.tensor([[0, 1e-12, 0], [0.5, -0.25, 0]], dtype=torch.double)
    assert max_abs_diff(made_up(first, second)) == 0.5
    assert max_abs_diff(made_up(first, first)) == 0


def test_tensors_that_would_only_broadcast_are_not_compared():
    with pytest.raises(ReproError, match=r"max_abs_diff: the shapes differ, \[2, 1\] and \[1, 2\]"):
        max_abs_diff(made_up(torch.zeros(2, 1), torch.zeros(1, 2)))


def test_a_number_that_is_none_is_not_equal():
    assert not max_abs_diff(made_up(torch.full((2,), torch.nan), torch.zeros(2))) < 1


def test_another_net_is_an_error():
    with pytest.raises(ReproError, match="max_abs_diff is of a `pair`, not of a Linear"):
        max_abs_diff(nn.Linear(1, 1))
