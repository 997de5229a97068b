import pytest
import torch
from torch import nn

from repro.errors import ReproError
from repro.measures.layer import outputs_of, submodule


def test_a_path_names_a_layer_and_nothing_the_net_itself():
    net = nn.Sequential(nn.Sequential(nn.ReLU()), nn.Identity())
    assert submodule(net, "") is net
    assert submodule(net, "0.0") is net[0][0]
    with pytest.raises(ReproError, match=r"no layer '0\.1'; there are 0, 0\.0, 1"):
        submodule(net, "0.1")
    with pytest.raises(ReproError, match="no layer 'x'; there are none"):
        submodule(nn.ReLU(), "x")


def test_every_output_of_a_layer_is_kept_and_the_last_of_several():
    net = nn.Module()
    net.pair, net.forward = nn.Identity(), lambda x: net.pair((x, [x + 1, x + 2]))
    with outputs_of(net, "pair") as found:
        for start in (0, 10):
            net(torch.full((2,), start))
    assert [output.tolist() for output in found] == [[2, 2], [12, 12]]
    assert not net.pair._forward_hooks


def test_a_layer_that_is_not_called_or_gives_no_tensor_is_an_error():
    net = nn.Sequential(nn.Identity())
    with pytest.raises(ReproError, match="layer '0' is not part of the forward pass"), outputs_of(net, "0"):
        pass
    with (
        pytest.raises(ReproError, match="the output of layer '0' is no tensor but dict"),
        outputs_of(net, "0"),
    ):
        net({})
    assert not net[0]._forward_hooks
