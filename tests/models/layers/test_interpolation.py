import pytest
import torch
from models.pixels import images
from torch.nn import functional as F

from repro.models.layers.interpolation import Bilinear, _by_products, bilinear, interpolate_scores

LAYOUTS = [torch.channels_last, torch.contiguous_format]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("size", [(16, 16), (17, 5), (4, 6), (3, 2)], ids=str)
def test_scores_and_their_gradients_are_those_of_torch(layout, size):
    scores = images(3, 5, 4, 6).to(memory_format=layout).requires_grad_()
    ours, expected = interpolate_scores(scores, size), F.interpolate(scores, size=size, mode="bilinear")
    torch.testing.assert_close(ours, expected)
    weights = images(*expected.shape)
    torch.testing.assert_close(
        *(torch.autograd.grad((y * weights).sum(), scores)[0] for y in (ours, expected))
    )


def test_scores_of_few_bits_are_not_rounded_again():
    scores = images(2, 3, 4, 4).bfloat16().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        ours = interpolate_scores(scores, (8, 8))
    assert ours.dtype == torch.float32
    torch.testing.assert_close(ours, F.interpolate(scores.float(), size=(8, 8), mode="bilinear"))
    assert torch.autograd.grad(ours.sum(), scores)[0].dtype == torch.bfloat16


def test_gradients_come_to_the_kernel_with_channels_last_however_the_loss_leaves_them():
    seen, scores = [], images(2, 3, 4, 4).requires_grad_()
    for layout in LAYOUTS:
        pixels = interpolate_scores(scores, (8, 8))
        kernel = pixels.grad_fn.next_functions[0][0].next_functions[0][0]
        assert "Upsample" in kernel.name()
        kernel.register_prehook(
            lambda gradients: seen.append(gradients[0].is_contiguous(memory_format=torch.channels_last))
        )
        pixels.contiguous(memory_format=layout).square().sum().backward()
    assert seen == [True, True]


def test_shapes_need_no_values():
    assert interpolate_scores(torch.empty(2, 21, 33, 33, device="meta"), (513, 513)).shape == (
        2,
        21,
        513,
        513,
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("size", [(16, 16), (17, 5), (4, 6), (3, 2), (1, 1)], ids=str)
def test_as_two_products_it_is_the_same_both_ways(size, dtype):
    """What runs on a GPU whose kernels have to be deterministic."""
    maps = images(3, 5, 4, 6).to(dtype).requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):  # which would round the products
        ours = _by_products(maps, size)
    expected = F.interpolate(maps, size=size, mode="bilinear")
    assert ours.dtype == dtype
    torch.testing.assert_close(ours, expected)
    weights = images(*expected.shape).to(dtype)
    torch.testing.assert_close(*(torch.autograd.grad((y * weights).sum(), maps)[0] for y in (ours, expected)))


def test_a_layer_makes_maps_so_many_times_as_large():
    maps = images(2, 3, 4, 5)
    ours, expected = Bilinear(4)(maps), F.interpolate(maps, scale_factor=4, mode="bilinear")
    assert torch.equal(ours, expected)
    assert torch.equal(bilinear(maps, (16, 20)), expected)
