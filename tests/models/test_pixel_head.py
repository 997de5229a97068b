import pytest
import torch
from models.learning import learns
from models.pixels import images, made, on_meta, size, stays_on_a_gpu

from repro.measures.static import params
from repro.models.fcn import FCN
from repro.models.pixel_head import PixelHead

SMALL = {"widths": [4, 8, 12], "depths": [1, 1, 2], "fc": 10, "kernels": [3, 1], "rates": [1, 1]}


def test_the_convolutional_head_makes_an_fcn_without_skips():
    net = made(PixelHead, **SMALL).eval()
    reference = made(FCN, skips=0, batch_norm=True, dropout=0.0, classes=6, **SMALL).eval()
    reference.load_state_dict(dict(zip(reference.state_dict(), net.state_dict().values(), strict=True)))
    x = images(2, 3, 40, 24)
    torch.testing.assert_close(net(x), reference(x))


def test_an_affine_head_that_sees_a_pixel_where_it_scores_it_is_a_1x1_convolution():
    pointwise = made(PixelHead, **SMALL).eval()
    affine = made(PixelHead, head="affine", image_size=32, **SMALL).eval()
    weights = pointwise.state_dict()
    weight, bias = weights.pop("score.weight")[..., 0, 0], weights.pop("score.bias")
    weights |= {
        "score.1.weight": torch.kron(weight, torch.eye(4 * 4)),
        "score.1.bias": bias.repeat_interleave(4 * 4),
    }
    affine.load_state_dict(weights)
    x = images(2, 3, 32, 32)
    assert pointwise(x).std() > 0.1
    torch.testing.assert_close(affine(x), pointwise(x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("head", "seen"), [("affine", True), ("pointwise", False)])
def test_only_the_affine_head_scores_a_corner_by_what_is_in_the_other(head, seen):
    net = made(PixelHead, head=head, image_size=128, **SMALL).eval()
    x = images(1, 3, 128, 128)
    changed = x.clone()
    changed[..., -8:, -8:] = 0
    assert torch.equal(net(x)[..., :8, :8], net(changed)[..., :8, :8]) is not seen


@pytest.mark.parametrize("head", ["pointwise", "affine"])
def test_a_reduced_map_has_as_few_channels_before_the_head(head):
    whole, reduced = (on_meta(PixelHead, head=head, reduced=count) for count in (0, 1))
    places = (8 * 8) ** 2 if head == "affine" else 1
    saved = (64 - 1) * 6 * places
    assert params(whole) - params(reduced) == saved - (64 + 1)


def test_the_affine_head_pads_to_whole_cells_and_takes_images_of_one_size():
    net = on_meta(PixelHead, head="affine", image_size=60, **SMALL)
    assert size(net, 2, 3, 60, 60) == (2, 6, 60, 60)
    with pytest.raises(ValueError, match="takes images of 60×60 pixels, not 64×60"):
        size(net, 2, 3, 64, 60)
    assert size(on_meta(PixelHead, **SMALL), 2, 3, 33, 17) == (2, 6, 33, 17)


@pytest.mark.parametrize(
    "options", [{"head": "pointwise"}, {"head": "affine"}, {"head": "affine", "reduced": 2}]
)
def test_small_nets_learn_and_stay_on_a_gpu(options):
    options = {**options, **SMALL, "image_size": 32}
    learns(made(PixelHead, **options), images(4, 3, 32, 32), 6, 32, 32)
    stays_on_a_gpu(PixelHead, 2, 3, 32, 32, **options)
