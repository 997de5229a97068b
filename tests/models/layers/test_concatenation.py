import pytest
import torch
from models.pixels import images

from repro.models.layers.concatenation import concatenate


def maps(layout: torch.memory_format = torch.channels_last) -> list[torch.Tensor]:
    return [images(2, channels, 4, 5).to(memory_format=layout).requires_grad_() for channels in (3, 1, 6)]


def gradients(joined: torch.Tensor, inputs: list[torch.Tensor]) -> tuple[torch.Tensor, ...]:
    """Of a sum weighted at random, by its inputs; the gradient of `joined` has the first one's layout."""
    layout = (
        torch.channels_last
        if inputs[0].is_contiguous(memory_format=torch.channels_last)
        else torch.contiguous_format
    )
    return torch.autograd.grad(joined, inputs, images(*joined.shape).to(joined.dtype, memory_format=layout))


def test_maps_stand_side_by_side_and_get_their_gradients_as_from_cat():
    inputs = maps()
    joined, expected = concatenate(inputs), torch.cat(inputs, dim=1)
    assert joined.equal(expected) and joined.stride() == expected.stride()
    pairs = zip(gradients(joined, inputs), gradients(expected, inputs), strict=True)
    assert all(ours.equal(theirs) for ours, theirs in pairs)


@pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format])
def test_gradients_are_dense_in_the_layout_of_the_maps_where_those_from_cat_are_slices(layout):
    inputs = maps(layout)
    assert all(g.is_contiguous(memory_format=layout) for g in gradients(concatenate(inputs), inputs))
    assert not any(g.is_contiguous(memory_format=layout) for g in gradients(torch.cat(inputs, dim=1), inputs))


def test_a_map_that_stands_twice_gets_both_gradients():
    x = images(2, 3, 4, 4).requires_grad_()
    torch.testing.assert_close(torch.autograd.grad(concatenate([x, x]).sum(), x)[0], torch.full_like(x, 2.0))


def test_gradients_have_the_type_of_their_maps():
    narrow, wide = images(1, 2, 4, 4).bfloat16().requires_grad_(), images(1, 2, 4, 4).requires_grad_()
    joined = concatenate([narrow, wide])
    assert joined.dtype == torch.float32
    assert [g.dtype for g in gradients(joined, [narrow, wide])] == [torch.bfloat16, torch.float32]
