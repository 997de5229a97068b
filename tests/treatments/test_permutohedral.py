import pytest
import torch

from repro.treatments.permutohedral import PermutohedralLattice


def random(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("dimensions", "correlation"), [(1, 0.99), (2, 0.99), (3, 0.99), (5, 0.95)])
def test_the_lattice_filters_about_as_a_gaussian_does(dimensions, correlation):
    features = 4 * torch.rand(300, dimensions, generator=torch.Generator().manual_seed(dimensions))
    values = random(300, 4).abs()
    exact = torch.exp(-torch.cdist(features, features).square() / 2) @ values
    found = PermutohedralLattice(features).filter(values)
    assert torch.corrcoef(torch.stack([exact.flatten(), found.flatten()]))[0, 1] > correlation


@pytest.mark.parametrize("dimensions", [1, 2, 5])
def test_each_pixel_lies_in_a_simplex_of_the_lattice(dimensions):
    lattice = PermutohedralLattice(10 * random(500, dimensions))
    assert lattice.weights.shape == lattice.corners.shape == (500, dimensions + 1)
    assert lattice.weights.min() >= -1e-5
    assert lattice.weights.sum(1) == pytest.approx(torch.ones(500), abs=1e-5)


def test_the_lattice_is_linear_positive_and_blind_to_the_order_of_pixels():
    features, one, two = 2 * random(200, 3), random(200, 2, seed=1), random(200, 2, seed=2)
    lattice = PermutohedralLattice(features)
    order = torch.randperm(200, generator=torch.Generator().manual_seed(3))
    torch.testing.assert_close(
        lattice.filter(one + 2 * two), lattice.filter(one) + 2 * lattice.filter(two), atol=1e-5, rtol=1e-4
    )
    torch.testing.assert_close(
        PermutohedralLattice(features[order]).filter(one[order]),
        lattice.filter(one)[order],
        atol=1e-5,
        rtol=1e-4,
    )
    assert lattice.filter(torch.eye(200)).min() >= 0


def test_pixels_that_are_all_alike_share_their_values_and_those_far_apart_do_not():
    alike = PermutohedralLattice(torch.full((40, 5), 3.7)).filter(torch.arange(40.0)[:, None])
    torch.testing.assert_close(alike, alike[:1].expand(40, 1))
    apart = PermutohedralLattice(torch.arange(5.0)[:, None] * 100).filter(torch.eye(5))
    assert torch.equal(apart, apart.diag().diag())
    assert apart.diag().min() > 0


def test_features_that_spread_too_far_are_an_error():
    with pytest.raises(ValueError, match="features spread too far for a lattice"):
        PermutohedralLattice(torch.tensor([[0.0] * 5, [1e6] * 5]))
