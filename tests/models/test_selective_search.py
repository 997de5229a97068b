import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from repro.models import selective_search
from repro.models.fast_rcnn import FastRCNN
from repro.models.rcnn import RCNN
from repro.models.selective_search import SelectiveSearch, search, segments


def image() -> np.ndarray:
    """Two bright boxes that touch, one of them striped, on a dark ground, and a third elsewhere."""
    drawn = np.full((32, 40, 3), 20, np.uint8)
    drawn[4:14, 4:12] = 200, 40, 40
    drawn[4:14, 12:20] = 200, 60, 40
    drawn[20:30, 25:37] = 30, 90, 220
    return drawn


def test_flat_parts_are_one_region_each():
    labels = segments(image().astype(float), scale=50, smallest=4)
    inside = [labels[6:12, 6:10], labels[6:12, 14:18], labels[22:28, 27:35], labels[:3, :3]]
    assert all(len(np.unique(part)) == 1 for part in inside)
    assert len({int(part[0, 0]) for part in inside}) >= 3


def test_a_greater_scale_and_a_greater_least_size_make_fewer_regions():
    noisy = image() + np.random.default_rng(0).normal(0, 12, (32, 40, 3))
    counts = [segments(noisy, scale, 1).max() for scale in (5, 50, 500)]
    assert counts == sorted(counts, reverse=True) and counts[0] > counts[2]
    labels = segments(noisy, 5, 30)
    assert np.bincount(labels.ravel()).min() >= 30


@pytest.mark.parametrize(("scale", "smallest"), [(50, 1), (300, 12), (800, 1)])
def test_regions_are_those_of_looking_at_every_edge(scale, smallest):
    """Felzenszwalb and Huttenlocher's algorithm 1, word by word, of an image with flat parts and noise."""
    random = np.random.default_rng(1)
    tiles = np.kron(random.integers(0, 256, (4, 5, 3)), np.ones((5, 5, 1)))
    noisy = tiles + random.normal(0, 12, tiles.shape)
    edges = sorted(_pairs(gaussian_filter(noisy, (0.8, 0.8, 0))), key=lambda edge: edge[0])
    region, limit = {n: {n} for n in range(500)}, dict.fromkeys(range(500), float(scale))
    for least in (None, smallest):
        for length, one, other in edges:
            first, second = region[one], region[other]
            if first is second:
                continue
            near = length <= min(limit[min(first)], limit[min(second)])
            if near if least is None else min(len(first), len(second)) < least:
                both = first | second
                region.update(dict.fromkeys(both, both))
                limit[min(both)] = length + scale / len(both)
    expected = np.array([min(region[n]) for n in range(500)])
    found = segments(noisy, scale, smallest).ravel()
    pairs = np.unique(np.stack([expected, found]), axis=1)
    assert 3 < pairs.shape[1] == len(np.unique(expected)) == len(np.unique(found))


def _pairs(image: np.ndarray):
    height, width = image.shape[:2]
    for down, across in ((0, 1), (1, 0), (1, 1), (1, -1)):
        for y in range(height - down):
            for x in range(max(0, -across), width - max(0, across)):
                length = float(np.sqrt(((image[y, x] - image[y + down, x + across]) ** 2).sum()))
                yield length, y * width + x, (y + down) * width + x + across


def test_edges_within_the_limit_join_by_hand():
    """A row of three pixels: the limit is k until pixels are joined, and k / 2 more than their edge then."""
    row = np.array([[[0.0], [10.0], [25.0]]])
    assert segments(np.repeat(row, 1, axis=0), 1e6, 1).max() == 0
    assert segments(row, 0.1, 1).max() == 2


def test_boxes_are_around_the_parts_what_they_are_joined_to_and_the_whole():
    found = {tuple(box) for box in search(image(), (50.0,), 4, 100).tolist()}
    assert (0, 0, 40, 32) in found  # the image

    def has(x1: int, y1: int, x2: int, y2: int) -> bool:
        return any(np.abs(np.array(box) - (x1, y1, x2, y2)).max() <= 2 for box in found)

    assert has(25, 20, 37, 30)
    assert has(4, 4, 20, 14), "the two boxes that touch are most alike"


def test_the_same_image_has_the_same_boxes_each_once():
    first, again = (search(image(), (20.0, 80.0), 4, 50) for _ in range(2))
    assert np.array_equal(first, again) and len({tuple(box) for box in first}) == len(first)
    assert np.array_equal(first[:3], search(image(), (20.0, 80.0), 4, 3))


def test_a_module_takes_images_however_they_are_normalised_and_repeats_what_it_has():
    x = torch.from_numpy(image()).permute(2, 0, 1)[None].float()
    module = SelectiveSearch(60, (50.0,), 4)
    found = module(x, 32, 40)
    assert found.shape == (1, 60, 4)
    assert torch.equal(found, module(x / 64 - 3, 32, 40))
    many = len(found[0].unique(dim=0))
    assert many < 60 and torch.equal(found[0, :many].unique(dim=0), found[0].unique(dim=0))


def test_an_image_is_searched_once(monkeypatch):
    x = torch.from_numpy(image()).permute(2, 0, 1)[None].float()
    SelectiveSearch(7, (50.0,), 4)(x, 32, 40)
    monkeypatch.setattr(selective_search, "search", None)
    SelectiveSearch(7, (50.0,), 4)(torch.cat([x, x]), 32, 40)
    with pytest.raises(TypeError):
        SelectiveSearch(7, (50.0,), 4)(255 - x, 32, 40)


def test_a_search_that_is_timed_is_made_anew(monkeypatch):
    x = torch.from_numpy(image()).permute(2, 0, 1)[None].float()
    module = SelectiveSearch(7, (50.0,), 4, remember=False)
    found = module(x, 32, 40)
    assert torch.equal(found, SelectiveSearch(7, (50.0,), 4)(x, 32, 40))
    monkeypatch.setattr(selective_search, "search", None)
    with pytest.raises(TypeError):
        module(x, 32, 40)
    small = {"proposals": "selective_search", "widths": (4,), "depths": (1,), "fc": 8, "remember": False}
    assert not any(make("vgg16", **small).proposals.remember for make in (FastRCNN, RCNN))


def test_a_flat_image_has_one_box():
    assert SelectiveSearch(2, (50.0,), 4)(torch.ones(1, 1, 6, 8), 6, 8).tolist() == [[[0, 0, 8, 6]] * 2]


def test_fast_r_cnn_looks_where_it_finds_something():
    small = {"widths": (4, 4), "depths": (1, 1), "levels": (2,), "fc": 8}
    net = FastRCNN(proposals="selective_search", regions=20, scales=(50.0,), smallest=4, **small).eval()
    x = torch.from_numpy(image()).permute(2, 0, 1)[None].float() / 255
    expected = search(image(), (50.0,), 4, 20)
    with torch.no_grad():
        regions = net(x).regions[0]
    assert len(regions) == 20 and torch.equal(regions[:2], SelectiveSearch(20, (50.0,), 4)(x, 32, 40)[0, :2])
    assert len(expected) > 3


def test_on_the_meta_device_there_are_as_many_boxes_and_of_a_single_precision():
    half = torch.empty(3, 3, 32, 40, dtype=torch.bfloat16, device="meta")
    found = SelectiveSearch(7, (50.0,), 4)(half, 32, 40)
    assert found.is_meta and found.shape == (3, 7, 4) and found.dtype == torch.float32
