import pytest

from repro.training.schedules import constant, cosine, one_cycle, poly, step


def test_constant_is_one_at_every_step():
    assert {constant(now, 10) for now in range(10)} == {1.0}


def test_step_drops_exactly_at_the_steps_it_names():
    factors = [step(now, 100, at=[32, 48], factor=0.1) for now in (0, 31, 32, 47, 48, 99)]
    assert factors == pytest.approx([1, 1, 0.1, 0.1, 0.01, 0.01])
    assert step(50, 100, at=[]) == 1.0


def test_cosine_goes_from_one_over_a_half_to_nearly_zero():
    assert cosine(0, 100) == 1.0
    assert cosine(50, 100) == pytest.approx(0.5)
    assert cosine(25, 100) == pytest.approx(0.853553, abs=1e-6)
    assert 0 < cosine(99, 100) < 3e-4
    factors = [cosine(now, 100) for now in range(100)]
    assert factors == sorted(factors, reverse=True)


def test_poly_falls_to_nearly_zero_along_its_power():
    assert poly(0, 100) == 1.0 and poly(99, 100) == pytest.approx(0.01**0.9)
    assert poly(50, 100, power=2.0) == pytest.approx(0.25)


def test_one_cycle_rises_to_one_and_falls_to_its_end():
    assert one_cycle(0, 100) == pytest.approx(0.04)
    assert one_cycle(15, 100) == pytest.approx((0.04 + 1) / 2)
    assert one_cycle(30, 100) == 1.0
    assert one_cycle(65, 100) == pytest.approx(0.5, abs=1e-5)
    assert one_cycle(100, 100) == pytest.approx(4e-6)
    factors = [one_cycle(now, 100) for now in range(100)]
    assert factors[:31] == sorted(factors[:31]) and factors[30:] == sorted(factors[30:], reverse=True)


@pytest.mark.parametrize("rise", [0.0, 1.0])
@pytest.mark.parametrize("steps", [1, 2, 10])
def test_one_cycle_may_rise_or_fall_all_the_way(rise, steps):
    factors = [one_cycle(now, steps, rise=rise) for now in range(steps)]
    assert factors == sorted(factors, reverse=rise == 0) and all(0 < factor <= 1 for factor in factors)
    assert factors[0] == pytest.approx(1.0 if rise == 0 else 0.04)
