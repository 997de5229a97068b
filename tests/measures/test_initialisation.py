import pytest
import torch
from torch import nn

from repro.errors import ReproError
from repro.measures.initialisation import weight_std


def test_the_deviation_is_that_of_a_layers_weights_around_zero():
    net = nn.Sequential(nn.Conv2d(16, 64, 3), nn.ReLU())
    nn.init.normal_(net[0].weight, std=0.05, generator=torch.Generator().manual_seed(0))
    assert weight_std(net, "0") == pytest.approx(0.05, rel=0.03)
    nn.init.constant_(net[0].weight, 0.25)
    nn.init.ones_(net[0].bias)
    assert weight_std(net, "0") == 0.25


def test_a_layer_without_weights_is_an_error():
    net = nn.Sequential(nn.Conv2d(1, 1, 1), nn.ReLU(), nn.LayerNorm(1, elementwise_affine=False))
    for layer in ("1", "2"):
        with pytest.raises(ReproError, match=f"weight_std: layer '{layer}' has no weights"):
            weight_std(net, layer)
    with pytest.raises(ReproError, match="no layer 'conv'; there are 0, 1, 2"):
        weight_std(net, "conv")
