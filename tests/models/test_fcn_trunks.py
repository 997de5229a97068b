import pytest
import torch
from models.learning import learns
from models.pixels import images, made, on_meta, size, stays_on_a_gpu

from repro.measures.receptive_field import receptive_field
from repro.measures.static import out_size, params
from repro.models.fcn_trunks import CoarseFCN

pytestmark = pytest.mark.slow  # makes large nets


@pytest.mark.parametrize(("trunk", "millions", "side"), [("alexnet", 57, 15), ("googlenet", 6, 16)])
def test_parameters_and_stride_are_those_of_table_1(trunk, millions, side):
    net = on_meta(CoarseFCN, trunk=trunk)
    assert int(params(net) / 1e6 + 0.5) == millions
    assert out_size(net, 512, "score") == side and size(net, 1, 3, 500, 333) == (1, 21, 500, 333)


@pytest.mark.parametrize(("trunk", "pixels"), [("alexnet", 355), ("googlenet", 907)])
def test_receptive_fields_are_those_of_table_1(trunk, pixels):
    assert receptive_field(on_meta(CoarseFCN, trunk=trunk), "score") == pixels


@pytest.mark.parametrize("trunk", ["alexnet", "googlenet"])
def test_small_nets_learn_and_stay_on_their_device(trunk):
    net = made(CoarseFCN, trunk=trunk, width=0.125, classes=4, dropout=0.0)
    assert net(images(2, 3, 64, 48)).shape == (2, 4, 64, 48)
    learns(net, images(2, 3, 64, 48), 4, 64, 48)
    stays_on_a_gpu(CoarseFCN, 1, 3, 64, 64, trunk=trunk, width=0.125, classes=4)


def test_the_scores_are_what_the_trunk_gives_resized():
    net = made(CoarseFCN, trunk="googlenet", width=0.125, classes=4).eval()
    x = images(1, 3, 64, 64)
    with torch.no_grad():
        scores = net.score(net.head(net.trunk(x)[-1]))
        assert scores.shape == (1, 4, 2, 2)
        torch.testing.assert_close(net(x)[..., 0, 0], scores[..., 0, 0])
