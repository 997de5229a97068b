import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn import functional as F

from repro.data.augment import GREY, flip, normalise, pad_crop, scale_crop
from repro.data.targets import IGNORE, NONE, Boxes
from repro.errors import ReproError

SHAPES = [(16, 1, 28, 28), (16, 3, 32, 32), (5, 2, 4, 7)]


def batch(shape: tuple[int, ...], dense: bool = False) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    # Never 0: padding can be told
    images = torch.randint(1, 256, shape, dtype=torch.uint8, generator=generator)
    size = (shape[0], *shape[2:]) if dense else (shape[0],)
    return images, torch.randint(10, size, generator=generator)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("pad", [0, 1, 4])
@pytest.mark.parametrize("shape", SHAPES)
def test_pad_crop_is_a_loop_over_images_that_pads_and_crops_each(shape, pad):
    images, targets = batch(shape, dense=True)
    cropped, moved = pad_crop(images, targets, generator(), pad=pad)
    tops, lefts = torch.randint(2 * pad + 1, (2, len(images)), generator=generator()).tolist()
    for i, (top, left) in enumerate(zip(tops, lefts, strict=True)):
        window = (..., slice(top, top + shape[2]), slice(left, left + shape[3]))
        assert torch.equal(cropped[i], F.pad(images[i], (pad,) * 4)[window])
        assert torch.equal(moved[i], F.pad(targets[i], (pad,) * 4, value=IGNORE)[window])
    assert cropped.is_contiguous() and cropped.dtype == torch.uint8 and moved.dtype == torch.int64


@pytest.mark.parametrize("shape", SHAPES[:2])
def test_scale_crop_at_a_factor_of_one_is_a_window_of_each_image(shape):
    images, targets = batch(shape, dense=True)
    size = shape[3] - 5
    seen, labels = scale_crop(images, targets, generator(), size=size, least=1.0, most=1.0)
    _, down, across = torch.rand(3, len(images), 1, generator=generator())
    for i, (top, left) in enumerate(zip((5 * down).round().long(), (5 * across).round().long(), strict=True)):
        assert torch.equal(seen[i], images[i, :, top : top + size, left : left + size])
        assert torch.equal(labels[i], targets[i, top : top + size, left : left + size])
    assert (
        len({*(5 * down).round().flatten().tolist()}) > 2
        and seen.dtype == torch.uint8
        and labels.dtype == targets.dtype
    )


def test_scale_crop_shows_smaller_images_whole_on_grey_and_without_labels_around():
    images = torch.full((50, 3, 32, 32), 200, dtype=torch.uint8)
    targets = torch.ones(50, 32, 32, dtype=torch.uint8)
    seen, labels = scale_crop(images, targets, generator(), size=32, least=0.5, most=0.5)
    assert (labels == 1).sum((1, 2)).tolist() == [16 * 16] * 50 and labels.unique().tolist() == [1, IGNORE]
    assert (seen[:, 0] == GREY).sum((1, 2)).min() >= 32 * 32 - 18 * 18 and (seen[:, 0] == 200).sum(
        (1, 2)
    ).min() >= 14 * 14
    places = (labels == 1).float().argmax(2).amax(1)
    assert places.min() <= 1 and places.max() >= 15


def test_scale_crop_moves_labels_with_their_pixels():
    truth = (
        torch.randint(2, (40, 8, 8), generator=generator(1), dtype=torch.uint8)
        .repeat_interleave(8, 1)
        .repeat_interleave(8, 2)
    )
    seen, labels = scale_crop(200 * truth[:, None], truth, generator(), size=64)
    sure = ((seen[:, 0] < 20) | (seen[:, 0] > 180)) & (labels != IGNORE)
    assert sure.float().mean() > 0.4 and torch.equal(labels[sure], (seen[:, 0][sure] > 100).to(torch.uint8))


@pytest.mark.parametrize(("least", "most", "size"), [(0.0, 2.0, 8), (2.0, 1.0, 8), (0.5, 2.0, 0)])
def test_scale_crop_says_what_it_wants(least, most, size):
    with pytest.raises(ReproError, match="scale_crop wants a size from 1 up and 0 < least <= most"):
        scale_crop(*batch(SHAPES[0]), generator(), size=size, least=least, most=most)


@pytest.mark.parametrize("shape", SHAPES)
def test_flip_is_a_loop_over_images_that_mirrors_about_half_of_them(shape):
    images, targets = batch(shape, dense=True)
    mirrored, moved = flip(images, targets, generator())
    flipped = torch.randint(2, (len(images), 1, 1, 1), generator=generator()).flatten().tolist()
    assert 0 < sum(flipped) < len(images)
    for i, turned in enumerate(flipped):
        assert torch.equal(mirrored[i], images[i].flip(-1) if turned else images[i])
        assert torch.equal(moved[i], targets[i].flip(-1) if turned else targets[i])


def test_every_place_and_both_sides_are_equally_likely():
    images = torch.zeros(90_000, 1, 3, 3, dtype=torch.uint8)
    images[:, :, 1, 1] = 1
    cropped, _ = pad_crop(images, torch.zeros(90_000), generator(), pad=1)
    assert torch.allclose(cropped.sum(0)[0] / 10_000, torch.ones(3, 3), atol=0.05)  # 5 standard deviations
    images = torch.arange(2, dtype=torch.uint8).expand(90_000, 1, 1, 2)
    mirrored, _ = flip(images, torch.zeros(90_000), generator())
    # 6 standard deviations
    assert mirrored[:, 0, 0, 0].double().mean().item() == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("augment", [pad_crop, flip])
def test_class_targets_and_the_given_tensors_stay_as_they_are(augment):
    images, targets = batch(SHAPES[1])
    before = images.clone()
    _, same = augment(images, targets, generator())
    assert same is targets and torch.equal(images, before)


@pytest.mark.parametrize("augment", [pad_crop, flip])
def test_all_randomness_is_of_the_given_generator(augment):
    images, targets = batch(SHAPES[1])
    state = torch.get_rng_state()
    first, again, other = (augment(images, targets, generator(seed))[0] for seed in (3, 3, 4))
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert torch.equal(torch.get_rng_state(), state)


def test_a_negative_pad_is_refused():
    with pytest.raises(ReproError, match="pad of 0 or more pixels, not -1"):
        pad_crop(*batch(SHAPES[0]), generator(), pad=-1)


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float32, 1e-6), (torch.float64, 1e-12), (torch.bfloat16, 0.01)]
)
@pytest.mark.parametrize(
    ("shape", "mean", "std"),
    [(SHAPES[0], (0.286,), (0.353,)), (SHAPES[1], (0.5, 0.4, 0.3), (0.2, 0.3, 0.1))],
)
def test_normalise_takes_off_the_mean_and_divides_by_the_deviation(
    shape, mean, std, dtype, tolerance, channels_last
):
    images, _ = batch(shape)
    before = images.clone()
    got = normalise(images, mean, std, dtype, channels_last)
    m, s = (torch.tensor(v, dtype=torch.float64)[:, None, None] for v in (mean, std))
    expected = (images.double() / 255 - m) / s
    assert got.dtype == dtype and torch.equal(images, before)
    assert torch.allclose(got.double(), expected, rtol=tolerance, atol=tolerance)
    assert got.is_contiguous(memory_format=torch.channels_last if channels_last else torch.contiguous_format)


def test_a_batch_stays_on_its_device_and_nothing_is_read_back():
    normalise(batch(SHAPES[1])[0], (0.5, 0.4, 0.3), (0.2, 0.3, 0.1))  # real constants, not to be met below
    with FakeTensorMode():
        images = torch.empty(8, 3, 32, 32, dtype=torch.uint8, device="cuda")
        targets = torch.empty(8, 32, 32, dtype=torch.int64, device="cuda")
        for augment in (pad_crop, flip):
            images, targets = augment(images, targets, None)  # a real CUDA generator needs a GPU
        floats = normalise(images, (0.5, 0.4, 0.3), (0.2, 0.3, 0.1), torch.bfloat16, channels_last=True)
    assert {images.device.type, targets.device.type, floats.device.type} == {"cuda"}
    assert images.shape == (8, 3, 32, 32) and targets.shape == (8, 32, 32) and floats.shape == (8, 3, 32, 32)
    real = normalise(batch(SHAPES[1])[0], (0.5, 0.4, 0.3), (0.2, 0.3, 0.1))
    assert type(real) is torch.Tensor


# ---- boxes


def rectangles(count: int = 40, items: int = 3, side: int = 24) -> tuple[torch.Tensor, Boxes]:
    """A channel an item: 200 inside its box, 0 around it; every third image has an item fewer."""
    ends = torch.randint(1, side, (count, items, 2, 2), generator=generator(2)).sort(dim=2).values
    corners = torch.cat([ends[:, :, 0], ends[:, :, 1] + 1], dim=2).float()
    labels = torch.arange(items).repeat(count, 1)
    labels[::3, -1], corners[::3, -1] = NONE, 0
    pixels = torch.arange(side)
    left, top, right, bottom = corners[..., None, None].unbind(2)
    within = (pixels >= left) & (pixels < right) & (pixels[:, None] >= top) & (pixels[:, None] < bottom)
    return 200 * within.to(torch.uint8), Boxes(corners, labels)


def around(images: torch.Tensor, level: int = 0) -> Boxes:
    """The boxes of what is brighter than a level in each channel."""
    seen = images > level
    corners = torch.zeros(*images.shape[:2], 4)
    for image, item in (seen.any(3).any(2)).nonzero().tolist():
        rows, columns = seen[image, item].nonzero().T
        ends = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
        corners[image, item] = torch.tensor(ends).float()
    there = seen.any(3).any(2)
    return Boxes(corners, torch.where(there, torch.arange(images.shape[1]), NONE))


@pytest.mark.parametrize("augment", [flip, lambda *batch: pad_crop(*batch, pad=9)], ids=["flip", "pad_crop"])
def test_boxes_are_around_what_they_were_around_before(augment):
    images, boxes = rectangles()
    moved_images, moved = augment(images, boxes, generator())
    expected = around(moved_images)
    assert torch.equal(moved.corners, expected.corners) and torch.equal(moved.labels, expected.labels)
    assert not torch.equal(moved.corners, boxes.corners)
    assert moved.corners.dtype == torch.float32 and moved.labels.dtype == torch.int64


def test_what_a_crop_leaves_nothing_of_is_no_item_any_more():
    images = torch.zeros(200, 1, 8, 8, dtype=torch.uint8)
    boxes = Boxes(torch.tensor([0.0, 0, 1, 1]).expand(200, 1, 4), torch.zeros(200, 1, dtype=torch.int64))
    _, moved = pad_crop(images, boxes, generator(), pad=1)
    gone = moved.labels == NONE
    assert 0 < gone.sum() < 200 and moved.corners[gone].unique().tolist() == [0]


def test_scale_crop_scales_boxes_with_their_images():
    images, boxes = rectangles(side=48)
    seen, moved = scale_crop(images, boxes, generator(), size=48, least=0.8, most=1.6)
    expected = around(seen, 150)  # an edge between two pixels is grey in between
    large = ((moved.corners[..., 2:] - moved.corners[..., :2]) > 4).all(2)
    assert large.sum() > 40
    assert (moved.labels == expected.labels)[large].all()
    assert (moved.corners - expected.corners)[large].abs().max() <= 1.0


def test_a_tree_of_targets_moves_part_by_part():
    images, boxes = rectangles(side=16)
    masks = images[:, 0].clone()
    targets = {"boxes": boxes, "rest": (masks, torch.arange(40))}
    _, moved = flip(images, targets, generator())
    assert torch.equal(moved["boxes"].corners, flip(images, boxes, generator())[1].corners)
    assert torch.equal(moved["rest"][0], flip(images, masks, generator())[1])
    assert moved["rest"][1] is targets["rest"][1]


def test_targets_that_no_augmentation_knows_are_an_error():
    with pytest.raises(ReproError, match=r"no augmentation moves targets of shape \[16, 2, 32, 32\]"):
        flip(batch(SHAPES[1])[0], torch.zeros(16, 2, 32, 32), generator())
