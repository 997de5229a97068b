"""What a history shows of many runs."""

from itertools import pairwise

import pytest

from repro.site.history import OLDER, RECENT, thinned


@pytest.mark.parametrize("count", [1, 12, 13, 24, 25, 100, 1000])
def test_of_many_runs_the_last_are_all_shown_and_of_those_before_one_in_so_many(count):
    runs = list(range(count))
    shown, one_in = thinned(runs)
    older = shown[:-RECENT]
    assert shown[-RECENT:] == runs[-RECENT:] and len(older) <= OLDER
    assert older == sorted(older) and {b - a for a, b in pairwise(older)} <= {one_in}
    assert count > RECENT + OLDER or shown == runs
    assert not older or (older[0] < one_in and older[-1] == count - RECENT - 1)  # over all of the time
