from dataclasses import replace

import numpy as np
import pytest
from torch import nn

from repro.conformance.fakes import images, state
from repro.errors import ReproError
from repro.measures.levels import divided_by, mean_level, subtracted


def looked_at(mean=(0.2, 0.5, 0.6), std=(0.25, 0.1, 1 / 255)):
    one = state(nn.Identity())
    return replace(one, data=replace(one.data, mean=mean, std=std))


@pytest.mark.parametrize("count", [None, 1, 3])
def test_a_mean_level_is_that_of_numpy(count):
    expected = np.mean(images().numpy()[:count].astype(float), axis=(0, 2, 3))
    one = looked_at()
    assert [mean_level(one, channel, "train", count) for channel in range(3)] == pytest.approx(expected)


def test_test_images_are_looked_at_where_they_are_asked_for():
    one = looked_at()
    dark = replace(one.data.test, images=one.data.test.images // 2)
    one = replace(one, data=replace(one.data, test=dark))
    assert mean_level(one, 1, "test") == pytest.approx(float(dark.images[:, 1].double().mean()))
    assert mean_level(one, 1, "test") < 0.6 * mean_level(one, 1)


def test_what_is_subtracted_and_divided_by_is_read_off_what_a_net_is_given():
    assert [subtracted(looked_at(), c) for c in range(3)] == pytest.approx([51, 127.5, 153], rel=1e-5)
    assert [divided_by(looked_at(), c) for c in range(3)] == pytest.approx([63.75, 25.5, 1], rel=1e-5)


@pytest.mark.parametrize("probe", [mean_level, subtracted, divided_by])
def test_a_channel_that_is_not_there_is_an_error(probe):
    with pytest.raises(ReproError, match="there is no channel 3; images have 3, counted from 0"):
        probe(looked_at(), 3)
