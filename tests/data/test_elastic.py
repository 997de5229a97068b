import pytest
import torch

from repro.data.elastic import elastic
from repro.data.targets import IGNORE, Boxes
from repro.errors import ReproError


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def squares(count: int = 20) -> tuple[torch.Tensor, torch.Tensor]:
    """Coarse squares of two labels, the images 200 where the label is 1."""
    coarse = torch.randint(2, (count, 4, 4), generator=generator(1), dtype=torch.uint8)
    truth = coarse.repeat_interleave(16, 1).repeat_interleave(16, 2)
    return (200 * truth[:, None]).expand(-1, 3, -1, -1).contiguous(), truth


def test_no_displacement_is_no_change():
    images, truth = squares()
    moved, labels = elastic(images, truth, generator(), sd=0.0)
    assert torch.equal(moved, images) and torch.equal(labels, truth)


def test_labels_move_with_their_pixels_and_every_image_differently():
    images, truth = squares()
    moved, labels = elastic(images, truth, generator(), sd=4.0)
    sure = ((moved[:, 0] < 20) | (moved[:, 0] > 180)) & (labels != IGNORE)
    assert sure.float().mean() > 0.7 and torch.equal(labels[sure], (moved[:, 0][sure] > 100).to(torch.uint8))
    assert moved.dtype == torch.uint8 and labels.dtype == torch.uint8
    same = images[:1].expand(5, -1, -1, -1), truth[:1].expand(5, -1, -1)
    assert len({tuple(image.flatten().tolist()) for image in elastic(*same, generator(), sd=4.0)[0]}) == 5


def test_displacements_have_the_deviation_asked_for():
    """Of a ramp, a displacement is a difference in value."""
    ramp = torch.arange(240, dtype=torch.uint8).expand(400, 1, 48, 240).contiguous()
    moved, labels = elastic(ramp, torch.zeros(400), generator(), sd=5.0)
    at_a_point = moved[:, 0, 0, 120].float() - 120  # one of the 3 × 3: the top row's middle
    assert 4.5 < float(at_a_point.std()) < 5.5 and abs(float(at_a_point.mean())) < 1.0
    assert torch.equal(labels, torch.zeros(400))


def test_all_randomness_is_of_the_given_generator():
    images, truth = squares()
    state = torch.get_rng_state()
    first, again, other = (elastic(images, truth, generator(seed))[0] for seed in (3, 3, 4))
    assert (
        torch.equal(first, again)
        and not torch.equal(first, other)
        and torch.equal(state, torch.get_rng_state())
    )


@pytest.mark.parametrize(("sd", "points"), [(-1.0, 3), (1.0, 1)])
def test_elastic_says_what_it_wants(sd, points):
    with pytest.raises(ReproError, match="elastic wants an sd of 0 or more pixels and 2 or more points"):
        elastic(*squares(), generator(), sd=sd, points=points)


def test_boxes_are_refused_since_they_would_not_stay_boxes():
    images, _ = squares(2)
    boxes = Boxes(torch.zeros(2, 1, 4), torch.zeros(2, 1, dtype=torch.int64))
    with pytest.raises(ReproError, match="elastic moves labels and masks, no boxes: leave it out"):
        elastic(images, boxes, generator())
