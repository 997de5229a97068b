"""Two ways to compute one thing, claimed to be equal: a net that gives both, on inputs of its own.

    {model: pair, case: fc6_as_convolution}   and   max_abs_diff(that arm) < 1e-10

A pair is a function of a random generator that gives two tensors; its docstring says what they are. It stands
in one of `MODULES`, and is named here. Numbers are in double precision unless said, so that what is equal in
exact arithmetic differs by about 1e-14.
"""

from collections.abc import Callable
from typing import Literal, TypeAlias, cast

import torch
from torch import Tensor, nn

from repro.pairs import auxiliary, blocks, depth, excitation, layers, upsampling

MODULES = (layers, depth, upsampling, blocks, excitation, auxiliary)
Function: TypeAlias = Callable[[torch.Generator], tuple[Tensor, Tensor]]


class Pair(nn.Module):
    """() → the two tensors of the pair `case`."""

    def __init__(
        self,
        *,
        case: Literal[
            "plus_kernel_example",
            "max_pooling_example",
            "zeros_at_the_border",
            "linear_layer_of_shuffled_pixels",
            "towers_as_blocks",
            "towers_as_full_convolution",
            "global_pooling_as_mean",
            "relu_gradient",
            "leaky_relu_by_hand",
            "prelu_slope_gradient",
            "gradient_of_30_xavier_layers",
            "gradient_of_30_he_layers",
            "gradient_of_30_tanh_layers",
            "gradient_of_30_sigmoid_layers",
            "gradient_of_30_normalised_layers",
            "pointwise_as_linear",
            "fc6_as_convolution",
            "fc6_as_pointwise",
            "convolution_shifts_with_its_input",
            "atrous_as_subsampling",
            "separable_as_two_steps",
            "transposed_as_stamps",
            "transposed_as_gradient",
            "transposed_undoes_convolution",
            "transposed_as_padded_convolution",
            "nearest_as_blocks",
            "bilinear_as_midpoints",
            "bilinear_by_distance",
            "resize_and_convolve_is_linear",
            "zeros_after_upsampling",
            "residual_block_as_a_sum",
            "residual_block_without_branch",
            "residual_gradient",
            "residual_gradient_below_relu",
            "residual_net_as_paths",
            "dense_layer_keeps_its_input",
            "channels_times_their_scores",
            "gate_of_ones",
            "gains_of_channels",
            "scores_of_shuffled_pixels",
            "scores_of_shuffled_pixels_unsqueezed",
            "total_loss_of_classification",
            "scores_without_auxiliary_classifiers",
            "gradient_with_auxiliary_losses",
            "gradient_of_auxiliary_scores",
            "deformed_by_nothing",
            "deformed_by_a_pixel",
            "offsets_added_to_weights",
            "gradient_by_offsets",
            "roi_pooling_as_pyramid_level",
        ],
    ):
        super().__init__()
        self.function = function_of(case)

    def forward(self) -> tuple[Tensor, Tensor]:
        return self.function(torch.Generator().manual_seed(0))


def function_of(name: str) -> Function:
    (function,) = (vars(module)[name] for module in MODULES if name in vars(module))
    return cast(Function, function)
