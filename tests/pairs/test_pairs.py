import math
from inspect import isfunction, signature
from typing import get_args

import pytest
import torch
from torch import Tensor

from repro.catalogue import MODELS
from repro.measures.equality import max_abs_diff
from repro.pairs.pair import MODULES, Pair

NAMES = get_args(MODELS.parameters("pair")["case"].annotation)

SIZES_OF_DIFFERENCES = {  # of the pairs that are not equal: at least
    "fc6_as_pointwise": 1,
    "zeros_at_the_border": 1,
    "towers_as_full_convolution": 1,
    "gradient_of_30_xavier_layers": 0,
    "gradient_of_30_he_layers": 0.1,
    "gradient_of_30_tanh_layers": 0.01,
    "gradient_of_30_sigmoid_layers": 0,
    "gradient_of_30_normalised_layers": 1,
    "gains_of_channels": 0.5,
    "scores_of_shuffled_pixels_unsqueezed": 0.1,
    "gradient_with_auxiliary_losses": 0.1,
    "transposed_undoes_convolution": 1,
    "bilinear_as_midpoints": 0.2,
    "residual_gradient_below_relu": 0.1,
    "offsets_added_to_weights": 1,
    "gradient_by_offsets": 1,
}


ROUNDED = {"gradient_of_auxiliary_scores": 1e-7}  # of the pairs in fp32 that are equal up to its rounding


@pytest.mark.parametrize("name", sorted(set(NAMES) - SIZES_OF_DIFFERENCES.keys()))
def test_what_is_claimed_to_be_equal_is(name):
    first, second = Pair(case=name)()
    assert first.shape == second.shape
    assert first.abs().max() > 0.05  # there is something to compare
    assert max_abs_diff(Pair(case=name)) < ROUNDED.get(name, 1e-10)


@pytest.mark.parametrize("name", SIZES_OF_DIFFERENCES)
def test_what_is_claimed_not_to_be_equal_is_not(name):
    assert max_abs_diff(Pair(case=name)) > SIZES_OF_DIFFERENCES[name]


def test_gradients_vanish_below_30_layers_with_half_the_variance_of_those_where_they_do_not():
    xavier, he = (max_abs_diff(Pair(case=f"gradient_of_30_{start}_layers")) for start in ("xavier", "he"))
    assert xavier < 1e-3
    assert 0.3 < he < 3
    assert he / xavier == pytest.approx(2**15)  # √2 a layer


def test_what_a_layer_does_to_a_gradient_at_the_start_is_what_theory_says():
    tanh, sigmoid, normalised = (
        max_abs_diff(Pair(case=f"gradient_of_30_{kind}_layers")) for kind in ("tanh", "sigmoid", "normalised")
    )
    assert 0.05 < tanh < 1  # slopes near 1 once activations have shrunk
    assert sigmoid < 4.0**-30  # slopes are 1/4 at most
    assert normalised ** (1 / 30) == pytest.approx(
        (math.pi / (math.pi - 1)) ** 0.5, rel=0.03
    )  # Yang et al. 2019


def test_a_channel_that_a_sigmoid_gates_never_gets_stronger():
    gains, _ = Pair(case="gains_of_channels")()
    assert gains.shape == (8, 64) and 0 < gains.min() < 0.3 and 0.7 < gains.max() < 1


def test_the_examples_are_those_of_the_exercise_books():
    assert Pair(case="plus_kernel_example")()[0].tolist() == [[3, 4, 3], [2, 3, 2], [1, 1, 1]]
    assert Pair(case="max_pooling_example")()[0].tolist() == [[6, 8], [9, 7]]
    assert Pair(case="bilinear_by_distance")()[0].tolist() == [1, 1.25, 1.75, 2]


def test_offsets_of_a_pixel_move_what_is_read_and_none_do_not():
    unmoved, moved = Pair(case="deformed_by_nothing")()[0], Pair(case="deformed_by_a_pixel")()[0]
    assert not torch.equal(unmoved[:, :, :-1, :-2], moved)


def test_a_pair_is_the_same_every_time():
    for name in (
        "towers_as_blocks",
        "residual_gradient",
        "deformed_by_a_pixel",
        "gradient_of_auxiliary_scores",
    ):
        for first, again in zip(Pair(case=name)(), Pair(case=name)(), strict=True):
            assert torch.equal(first, again)


def test_a_suite_can_name_every_pair_and_no_other():
    pairs = [
        function
        for module in MODULES
        for name, function in vars(module).items()
        if isfunction(function) and signature(function).return_annotation == tuple[Tensor, Tensor]
        if not name.startswith("_")
    ]
    assert sorted(function.__name__ for function in pairs) == sorted(NAMES)
    assert all(function.__doc__ for function in pairs)
    assert MODELS.errors("pair", {"case": "pointwise_as_linear"}) == []
    assert MODELS.errors("pair", {"case": "pointwise_as_lines"}) != []
