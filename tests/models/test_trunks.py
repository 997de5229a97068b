import pytest
import torch
from models.pixels import images, made, on_meta
from torch import nn

from repro.models.trunks import TRUNKS, make_trunk

POOLINGS = {
    "alexnet": nn.MaxPool2d(3, 2, ceil_mode=True),
    "vgg16": nn.MaxPool2d(2, ceil_mode=True),
    "zf5": nn.MaxPool2d(3, 2, ceil_mode=True),
}


@pytest.mark.parametrize("name", TRUNKS)
def test_a_trunk_gives_maps_of_its_widths_the_finest_first(name):
    trunk = on_meta(make_trunk, name=name, in_channels=1)
    maps = trunk(torch.empty(2, 1, 224, 224, device="meta"))
    assert tuple(m.shape[1] for m in maps) == trunk.widths
    assert trunk.widths[-1] == trunk.channels
    sides = [m.shape[-1] for m in maps]
    assert sides == sorted(sides, reverse=True) and 6 <= sides[-1] <= 7


@pytest.mark.parametrize("name", POOLINGS)
def test_the_last_map_is_that_before_its_pooling_if_wanted(name):
    pooled, unpooled = (
        made(make_trunk, name, width=1 / 16, in_channels=1, last_pool=last_pool)
        for last_pool in (True, False)
    )
    x = images(2, 1, 96, 96)
    last = unpooled(x)[-1]
    assert last.std() > 0
    assert torch.equal(pooled(x)[-1], POOLINGS[name](last))


def test_options_that_are_none_are_the_trunks_own_and_depths_those_of_the_row():
    plain, given = (
        on_meta(make_trunk, name="resnet101", **options)
        for options in ({}, {"widths": None, "multi_grid": None})
    )
    assert [len(stage) for stage in plain.stages] == [len(stage) for stage in given.stages] == [3, 4, 23, 3]
    assert [len(stage) for stage in make_trunk("resnet50", depths=(1, 1), widths=(4, 4)).stages] == [1, 1]


def test_an_option_that_a_trunk_has_not_is_an_error_that_says_which_it_has():
    with pytest.raises(
        ValueError, match=r"trunk 'zf5' has no option 'depths' \(it has width, last_pool, in_channels\)"
    ):
        make_trunk("zf5", depths=(1,))
