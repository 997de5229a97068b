"""Histograms of oriented gradients, held against the paper's procedure, pixel by pixel."""

import math

import numpy as np
import pytest
import torch
from models.pixels import images, made

from repro.measures.static import params
from repro.models.oriented_gradients import OrientedGradientNet, OrientedGradients


def histograms(image: np.ndarray, cell: int, orientations: int = 9) -> np.ndarray:
    """[C, H, W] → [blocks down, blocks across, 4 · orientations], in loops."""
    channels, height, width = image.shape
    down, across = height // cell, width // cell
    cells = np.zeros((down, across, orientations))
    for y in range(down * cell):
        for x in range(across * cell):
            best, angle = -1.0, 0.0
            for c in range(channels):
                dy = image[c, min(y + 1, height - 1), x] - image[c, max(y - 1, 0), x]
                dx = image[c, y, min(x + 1, width - 1)] - image[c, y, max(x - 1, 0)]
                if math.hypot(dy, dx) > best:
                    best, angle = math.hypot(dy, dx), math.degrees(math.atan2(dy, dx)) % 180
            bin_width = 180 / orientations
            lower = math.floor(angle / bin_width - 0.5)
            share = angle / bin_width - 0.5 - lower
            for number, weight in ((lower, 1 - share), (lower + 1, share)):
                cells[y // cell, x // cell, number % orientations] += weight * best / cell**2
    blocks = np.zeros((down - 1, across - 1, 4 * orientations))
    for y in range(down - 1):
        for x in range(across - 1):
            block = cells[y : y + 2, x : x + 2].reshape(-1)
            block = np.minimum(block / np.linalg.norm(block), 0.2)
            blocks[y, x] = block / np.linalg.norm(block)
    return blocks


@pytest.mark.parametrize(("channels", "size", "cell"), [(1, 12, 4), (3, 9, 2)])
def test_they_are_those_of_the_procedure(channels, size, cell):
    x = images(2, channels, size, size)
    found = OrientedGradients(cell)(x).numpy()
    expected = np.stack([histograms(image, cell) for image in x.double().numpy()])
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_ramp_votes_for_its_own_orientation_alone():
    """At 30°, the centre of the second of nine bins; each of the block's four cells has 1/2 of its norm."""
    y, x = torch.meshgrid(torch.arange(24.0), torch.arange(24.0), indexing="ij")
    ramp = x * math.cos(math.pi / 6) + y * math.sin(math.pi / 6)
    block = OrientedGradients(4)(ramp[None, None])[0, 2, 2].view(4, 9)
    expected = torch.zeros(4, 9)
    expected[:, 1] = 0.5
    torch.testing.assert_close(block, expected, atol=1e-5, rtol=0)


def test_neither_contrast_nor_brightness_nor_sign_matters():
    x, features = images(1, 1, 14, 14), OrientedGradients(2)
    for other in (7 * x, x + 3, -x):
        torch.testing.assert_close(features(other), features(x), atol=1e-4, rtol=1e-4)


def test_a_flat_image_has_no_orientation():
    assert not OrientedGradients(4)(torch.ones(1, 1, 8, 8)).any()


def test_the_linear_layer_alone_is_trained():
    net = made(OrientedGradientNet, cell=4, size=28)
    assert params(net) == 36 * 6 * 6 * 10 + 10
    assert net(images(2, 1, 28, 28)).shape == (2, 10)


def test_there_are_blocks_of_two_cells_or_none():
    with pytest.raises(ValueError, match="size must be that of two cells or more, 16, not 14"):
        OrientedGradientNet(cell=8, size=14)
