"""AlexNet's augmentations: windows, and colours shifted along their components; and one that suits few."""

import numpy as np
import pytest
import torch

from repro.data.colour_pca import colour_pca
from repro.data.crop import crop
from repro.data.targets import NONE, Boxes
from repro.data.upside_down import upside_down
from repro.errors import ReproError


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def pixels(count: int = 60, channels: int = 3, height: int = 9, width: int = 8) -> torch.Tensor:
    """Every pixel of an image another number."""
    one = torch.arange(channels * height * width, dtype=torch.uint8).view(1, channels, height, width)
    return one.repeat(count, 1, 1, 1)


def test_a_window_is_one_of_the_images_own_and_every_place_is_as_likely():
    images = pixels(3000, 1)
    seen, labels = crop(images, torch.arange(3000), generator(), size=6)
    corners = seen[:, 0, 0, 0].int()
    assert seen.shape == (3000, 1, 6, 6) and seen.dtype == torch.uint8 and labels.equal(torch.arange(3000))
    for window, corner in zip(seen[:50, 0], corners, strict=False):
        top, left = divmod(int(corner), 8)
        assert window.equal(images[0, 0, top : top + 6, left : left + 6])
    counts = torch.bincount(corners, minlength=72).view(9, 8)
    assert counts[4:].sum() == counts[:, 3:].sum() == 0  # 4 × 3 places, 250 each
    assert (counts[:4, :3] - 250).abs().max() < 80  # 5 standard deviations of 15


def test_masks_and_boxes_move_with_their_window():
    masks = pixels(20, 1)[:, 0]
    seen, moved = crop(pixels(20, 1), masks, generator(), size=5)
    assert moved.equal(seen[:, 0])
    corners = torch.tensor([[[2.0, 3.0, 7.0, 8.0], [0.0, 0.0, 1.0, 1.0]]]).repeat(20, 1, 1)
    boxes = Boxes(corners, torch.tensor([[1, 2]]).repeat(20, 1))
    seen, cut = crop(pixels(20, 1), boxes, generator(), size=5)
    top, left = seen[:, 0, 0, 0].int() // 8, seen[:, 0, 0, 0].int() % 8
    expected = torch.stack([2 - left, 3 - top, 7 - left, 8 - top], dim=1).clamp(0, 5).float()
    assert cut.corners[:, 0].equal(expected)
    assert cut.labels[:, 1].eq(NONE).equal((top > 0) | (left > 0))


@pytest.mark.parametrize("size", [0, 9])
def test_a_window_that_is_no_part_of_an_image_is_an_error(size):
    with pytest.raises(ReproError, match="crop wants a size from 1 to 8, the images' side"):
        crop(pixels(), torch.zeros(60), generator(), size=size)


def test_images_are_turned_over_with_masks_and_boxes_or_stay():
    boxes = Boxes(torch.tensor([[[1.0, 2.0, 4.0, 8.0]]]).repeat(60, 1, 1), torch.ones(60, 1).long())
    targets = {"masks": pixels(60, 1)[:, 0], "boxes": boxes}
    seen, moved = upside_down(pixels(60, 1), targets, generator())
    over = seen[:, 0, 0, 0] == 64  # the last row's first
    assert 15 < int(over.sum()) < 45
    assert seen[over].equal(pixels(60, 1)[over].flip(2)) and seen[~over].equal(pixels(60, 1)[~over])
    assert moved["masks"].equal(seen[:, 0])
    rows = torch.tensor([2.0, 8.0]).where(~over[:, None], torch.tensor([1.0, 7.0]))
    assert moved["boxes"].corners[:, 0, 1::2].equal(rows)
    assert moved["boxes"].corners[:, 0, ::2].equal(torch.tensor([[1.0, 4.0]]).repeat(60, 1))


def colours(count: int = 4000) -> torch.Tensor:
    """Images of 2×2 pixels whose channels go together, away from black and white."""
    rng = np.random.default_rng(0)
    mixed = rng.normal(size=(count * 4, 3)) @ np.array([[20, 15, 10], [0, 10, -6], [0, 0, 4]]) + 128
    return torch.from_numpy(mixed.clip(0, 255).astype(np.uint8)).view(count, 2, 2, 3).permute(0, 3, 1, 2)


def shifts(images: torch.Tensor, sd: float) -> np.ndarray:
    """What each image was shifted by, in levels [N, C]: the same for all of its pixels."""
    seen, _ = colour_pca(images, torch.zeros(len(images)), generator(), sd=sd)
    difference = (seen.int() - images.int()).flatten(2)
    assert difference.eq(difference[:, :, :1]).all()
    return difference[:, :, 0].numpy()


def test_shifts_have_the_papers_covariance_by_the_eigenvectors_of_numpy():
    """P (λ α): rounded to whole levels, which adds a variance of 1/12."""
    images = colours()
    values, vectors = np.linalg.eigh(np.cov(images.numpy().transpose(1, 0, 2, 3).reshape(3, -1) / 255.0))
    sd = 8.0  # so that shifts are of many levels
    alpha = np.random.default_rng(1).normal(0, sd, (200_000, 3))
    expected = np.cov(255 * (alpha * values) @ vectors.T, rowvar=False) + np.eye(3) / 12
    found = np.cov(shifts(images, sd), rowvar=False)
    np.testing.assert_allclose(found, expected, atol=0.08 * expected.max())
    along = [float(v @ found @ v) for v in vectors.T]  # of each component: its eigenvalue squared
    np.testing.assert_allclose(along, (255 * sd * values) ** 2, rtol=0.1, atol=0.15)


def test_no_deviation_is_no_change_and_levels_stay_within_bounds():
    images = colours(50)
    assert colour_pca(images, torch.zeros(50), generator(), sd=0.0)[0].equal(images)
    seen, labels = colour_pca(images, torch.arange(50), generator(), sd=1e7)
    assert seen.dtype == torch.uint8 and labels.equal(torch.arange(50))
    assert set(seen.unique().tolist()) == {0, 255}
