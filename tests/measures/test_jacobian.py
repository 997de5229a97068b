"""What a net makes of a small change of its image."""

import pytest
import torch
from kit.tiny import spec, state
from torch import nn
from torch.func import jacrev, vmap

from repro.conformance import fakes
from repro.errors import ReproError
from repro.measures.jacobian import gradient_cosine, jacobian_norm
from repro.models.rectifier_net import RectifierNet


def looked_at(*layers: nn.Module):
    """A net on 7×7 images of one channel."""
    given = state()
    given.model = nn.Sequential(*layers)
    return given


def test_the_jacobian_of_a_linear_net_is_its_matrix():
    first, second = nn.Linear(49, 6), nn.Linear(6, 10)
    norm = jacobian_norm(looked_at(nn.Flatten(), first, second), images=3)
    assert norm == pytest.approx((second.weight @ first.weight).norm().item(), rel=1e-5)


def test_it_is_the_root_of_the_mean_square_over_images_of_autograds_jacobians():
    given = looked_at(nn.Flatten(), nn.Linear(49, 6), nn.Tanh(), nn.Linear(6, 10))
    inputs = given.inputs(given.data.train.images[:5])
    jacobians = vmap(jacrev(lambda x: given.model(x[None])[0]))(inputs)
    expected = jacobians.flatten(1).square().sum(1).mean().sqrt().item()
    assert jacobian_norm(given, images=5) == pytest.approx(expected, rel=1e-5)
    assert jacobian_norm(given, images=1) != pytest.approx(expected, rel=1e-3)


def test_batch_normalisation_has_the_statistics_of_the_images_as_constants():
    """So it divides by their deviation, and images do not share gradients."""
    linear = nn.Linear(49, 1)
    given = looked_at(nn.Flatten(), linear, nn.BatchNorm1d(1))
    outputs = linear(given.inputs(given.data.train.images[:8]).flatten(1))
    expected = (linear.weight.norm() / (outputs.var() + 1e-5).sqrt()).item()
    assert jacobian_norm(given, images=8) == pytest.approx(expected, rel=1e-4)


def test_a_net_that_puts_out_no_vector_is_an_error():
    masks = next(given for given in fakes.states() if given.spec.task == "segmentation")
    with pytest.raises(ReproError, match="jacobian_norm looks at nets that put out a vector an image"):
        jacobian_norm(masks)


def test_gradients_of_a_net_that_is_linear_near_by_agree():
    given = looked_at(nn.Flatten(), nn.Linear(49, 10))
    with torch.no_grad():
        given.model[1].weight.mul_(1e-3)  # softmax, too, is nearly linear then
    assert gradient_cosine(given, by=1.0, images=16) == pytest.approx(1, abs=1e-3)


class Waves(nn.Module):
    """Its gradient along the pixels of the first row turns with them: cos(frequency · x)."""

    def __init__(self, frequency: float):
        super().__init__()
        self.frequency = frequency

    def forward(self, x):
        waves = (self.frequency * x[:, 0, 0]).sin().sum(1, keepdim=True)
        return torch.cat([waves, torch.zeros(len(x), 9)], 1)


def test_the_cosine_is_that_of_the_gradients_at_an_image_and_on_the_way_to_the_next():
    given = looked_at(Waves(40.0))
    inputs = given.inputs(given.data.train.images[:64])
    moved = inputs + 0.3 * (torch.cat([inputs[1:], inputs[:1]]) - inputs)
    a, b = ((40.0 * x[:, 0, 0].double()).cos() for x in (inputs, moved))
    p, q = (torch.softmax(given.model(x), 1)[:, :1].double() for x in (inputs, moved))
    signs = (p - (given.data.train.targets[:64, None] == 0).double()).sign()
    others = (q - (given.data.train.targets[:64, None] == 0).double()).sign()
    expected = (torch.cosine_similarity(a, b, dim=1)[:, None] * signs * others).mean().item()
    assert gradient_cosine(given, by=0.3, images=64) == pytest.approx(expected, abs=1e-4)
    assert gradient_cosine(given, by=0.0, images=64) == pytest.approx(1, abs=1e-6)


def test_the_gradients_of_deep_plain_nets_are_shattered():
    """Balduzzi et al., Theorem 1: their correlation falls with depth."""
    given = state(model={"name": "rectifier_net", "depth": 3, "width": 8})
    torch.manual_seed(0)
    cosines = []
    for depth in (3, 18):
        given.model = RectifierNet(depth, width=8, norm="batch")
        cosines.append(gradient_cosine(given, images=32))
    assert cosines[0] > cosines[1] + 0.2


def test_one_image_has_no_next_one():
    with pytest.raises(ReproError, match="gradient_cosine wants two images or more"):
        gradient_cosine(looked_at(nn.Flatten(), nn.Linear(49, 10)), images=1)


def test_both_leave_the_net_as_it_is():
    given = state(model=spec().model.model_dump())
    before = {name: value.clone() for name, value in given.model.state_dict().items()}
    jacobian_norm(given, images=4)
    gradient_cosine(given, images=4)
    assert given.model.training and all(p.requires_grad and p.grad is None for p in given.model.parameters())
    assert all(torch.equal(value, before[name]) for name, value in given.model.state_dict().items())
