from math import ceil, floor

import pytest
import torch
from models.learning import learns
from models.pixels import images, made, on_meta, size, stays_on_a_gpu
from models.references import carry
from torch.nn import functional as F

from repro.measures.static import params
from repro.models.spatial_pyramid import SpatialPyramidNet, SpatialPyramidPooling

SMALL = {"width": 1 / 16, "fc": 16, "in_channels": 1, "classes": 10, "init": "he", "dropout": 0.0}
FC = 4096 * 4096 + 4096 + 4096 * 1000 + 1000


@pytest.mark.parametrize(("levels", "bins"), [((6, 3, 2, 1), 50), ((4, 3, 2, 1), 30), ((), 36)])
def test_the_first_linear_layer_sees_as_many_bins_as_section_3_1_2_says(levels, bins):
    net = on_meta(SpatialPyramidNet, levels=levels)
    assert net.classifier[0].in_features == 256 * bins
    assert params(net) == params(net.features) + (256 * bins + 1) * 4096 + FC
    assert size(net, 1, 3, 224, 224) == (1, 1000)


@pytest.mark.parametrize("shape", [(1, 1), (5, 3), (13, 13), (10, 10), (7, 31)])
def test_a_pyramid_has_as_many_values_whatever_the_map_is(shape):
    assert SpatialPyramidPooling()(torch.empty(2, 256, *shape)).shape == (2, 12_800)


@pytest.mark.parametrize("shape", [(13, 13), (10, 10), (4, 9), (2, 3)])
def test_bins_are_the_papers(shape):
    x, expected = images(2, 5, *shape), []
    for n in (6, 3, 1):
        rows, columns = (
            [slice(floor((i - 1) / n * s), ceil(i / n * s)) for i in range(1, n + 1)] for s in shape
        )
        level = [x[:, :, row, column].amax(dim=(2, 3)) for row in rows for column in columns]
        expected.append(torch.stack(level, dim=2).flatten(1))
    assert torch.equal(SpatialPyramidPooling((6, 3, 1))(x), torch.cat(expected, dim=1))


def test_on_maps_of_13_pixels_bins_are_the_sliding_windows_of_training():
    x = images(2, 5, 13, 13)
    for n in (6, 3, 2, 1):
        windows = F.max_pool2d(x, ceil(13 / n), floor(13 / n))
        assert torch.equal(SpatialPyramidPooling((n,))(x), windows.flatten(1))


@pytest.mark.parametrize(("side", "maps"), [(224, [55, 27, 13]), (180, [44, 21, 10])])
def test_maps_are_those_of_table_1(side, maps):
    net, sides = on_meta(SpatialPyramidNet), []
    x = torch.empty(1, 3, side, side, device="meta")
    for layer in net.features:
        x = layer(x)
        sides.append(x.shape[-1])
    assert list(dict.fromkeys(sides))[1:] == maps


@pytest.mark.parametrize("shape", [(23, 23), (28, 28), (64, 48), (180, 180), (224, 300)])
def test_images_of_any_size_go_in(shape):
    assert size(on_meta(SpatialPyramidNet), 2, 3, *shape) == (2, 1000)


def test_without_a_pyramid_only_the_size_it_was_made_for_goes_in():
    assert size(on_meta(SpatialPyramidNet, levels=(), image_size=180), 2, 3, 180, 180) == (2, 1000)
    with pytest.raises(RuntimeError):
        size(on_meta(SpatialPyramidNet, levels=()), 2, 3, 180, 180)
    with pytest.raises(ValueError, match="image_size must be at least 39 without a pyramid, not 38"):
        SpatialPyramidNet(levels=(), image_size=38)
    assert size(on_meta(SpatialPyramidNet, levels=(), image_size=39), 2, 3, 39, 39) == (2, 1000)


def test_a_pyramid_of_6_by_6_bins_alone_is_the_baseline_at_224_pixels():
    pyramid, baseline = (
        made(SpatialPyramidNet, **{**SMALL, "levels": levels}).eval() for levels in ((6,), ())
    )
    carry(pyramid, baseline)
    x = images(2, 1, 224, 224)
    torch.testing.assert_close(pyramid(x), baseline(x))
    assert pyramid(x).std() > 0.01


@pytest.mark.parametrize("levels", [(6, 3, 2, 1), (3, 1), ()])
def test_small_nets_learn_and_stay_on_a_gpu(levels):
    options = {**SMALL, "levels": levels, "image_size": 48}
    learns(made(SpatialPyramidNet, **options), images(8, 1, 48, 48), 10, lr=0.005)
    stays_on_a_gpu(SpatialPyramidNet, 2, 1, 48, 48, **options)
