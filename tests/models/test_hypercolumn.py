import pytest
import torch
from models.learning import learns
from models.pixels import images, made, on_meta, size, stays_on_a_gpu
from torch.nn import functional as F

from repro import source
from repro.measures.static import params
from repro.models.fcn import FCN
from repro.models.hypercolumn import Hypercolumn

pytestmark = pytest.mark.slow  # makes large nets

SMALL = {
    "widths": [4, 8, 12],
    "depths": [1, 1, 2],
    "fc": 16,
    "kernels": [3, 1],
    "batch_norm": True,
    "dropout": 0.0,
}


@pytest.mark.parametrize("fuse", ["sum", "concat"])
def test_parameters_are_those_of_vgg_and_of_one_linear_classifier(fuse):
    trunk_and_fc = params(on_meta(FCN)) - (4096 + 1) * 21
    net = on_meta(Hypercolumn, fuse=fuse)
    assert params(net) == trunk_and_fc + (128 + 512 + 4096 + 1) * 21
    assert size(net, 1, 3, 224, 224) == (1, 21, 224, 224)


def test_what_it_is_made_of_has_the_options_of_fcn():
    own = source.parameters("repro.models.hypercolumn:Hypercolumn")
    fcn = source.parameters("repro.models.fcn:FCN")
    shared = own.keys() - {"pools", "fuse"}
    assert {name: own[name] for name in shared} == {name: fcn.get(name) for name in shared}


@pytest.mark.parametrize("shape", [(32, 32), (1, 1), (33, 47)])
@pytest.mark.parametrize("fuse", ["sum", "concat"])
def test_logits_have_the_size_of_the_image_whatever_it_is(fuse, shape):
    assert size(on_meta(Hypercolumn, pools=[1, 2, 3], fuse=fuse, classes=6, **SMALL), 2, 3, *shape) == (
        2,
        6,
        *shape,
    )


def test_a_pixels_hypercolumn_stacks_the_activations_above_it():
    net, x = made(Hypercolumn, pools=[1, 3], **SMALL).eval(), images(1, 3, 32, 48)
    columns = net.hypercolumns(x)
    assert columns.shape == (1, 4 + 12 + 16, 32, 48)
    first, _, third = net.trunk(x)
    above = [
        F.interpolate(activations, size=(32, 48), mode="bilinear")
        for activations in (first, third, net.fc(third))
    ]
    torch.testing.assert_close(columns, torch.cat(above, dim=1))
    corner = torch.cat([m[0, :, 0, 0] for m in (first, third, net.fc(third))])
    torch.testing.assert_close(columns[0, :, 0, 0], corner)


@pytest.mark.parametrize("shape", [(32, 32), (29, 41)])
def test_scoring_maps_and_adding_is_scoring_the_concatenated_maps(shape):
    added = made(Hypercolumn, pools=[1, 2], **SMALL).eval()
    stacked = made(Hypercolumn, pools=[1, 2], fuse="concat", **SMALL).eval()
    assert params(added) == params(stacked)
    weights = added.state_dict()
    parts = [weights.pop(f"classifier.{i}.weight") for i in range(3)]
    weights["classifier.0.bias"] = weights.pop("classifier.2.bias")
    stacked.load_state_dict({**weights, "classifier.0.weight": torch.cat(parts, dim=1)})
    x = images(2, 3, *shape)
    assert added(x).std() > 0.1
    torch.testing.assert_close(added(x), stacked(x), rtol=1e-4, atol=1e-5)


def test_without_poolings_it_is_fcn_32s():
    net = made(Hypercolumn, pools=[], **SMALL).eval()
    reference = made(FCN, **SMALL).eval()
    x = images(2, 3, 40, 24)
    reference.load_state_dict(dict(zip(reference.state_dict(), net.state_dict().values(), strict=True)))
    torch.testing.assert_close(net(x), reference(x))


@pytest.mark.parametrize("pools", [[0], [1, 4], [-1]])
def test_a_pooling_that_is_not_there_is_an_error(pools):
    with pytest.raises(ValueError, match=f"pools must be among 1 to 3, not {pools[-1]}"):
        Hypercolumn(pools=pools, **SMALL)


@pytest.mark.parametrize("fuse", ["sum", "concat"])
def test_small_nets_learn_and_stay_on_a_gpu(fuse):
    learns(made(Hypercolumn, pools=[1, 2], fuse=fuse, classes=6, **SMALL), images(4, 3, 32, 32), 6, 32, 32)
    stays_on_a_gpu(Hypercolumn, 2, 3, 32, 48, pools=[1, 2], fuse=fuse, **SMALL)
