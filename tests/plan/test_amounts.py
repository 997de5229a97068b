"""What a plan says of all suites together, and why it would not go."""

import pytest

from repro.plan.amounts import Amount, Plan, There, lacking, together
from repro.plan.supplies import Supply

GB = 10**9
ONE = Amount(
    trials=10,
    shared=4,
    done=2,
    missing=4,
    flops=3.0,
    hours=(1.0, 2.5),
    device_memory=5 * GB,
    data_beside_the_net=True,
    host_memory=7 * GB,
    disk=11 * GB,
    rounds=5,
    timed=20,
)
OTHER = Amount(
    trials=3,
    shared=0,
    done=1,
    missing=2,
    flops=4.0,
    hours=(0.5, 1.0),
    device_memory=6 * GB,
    data_beside_the_net=False,
    host_memory=2 * GB,
    disk=1 * GB,
    rounds=2,
    timed=3,
)
NONE = OTHER.model_copy(
    update={"device_memory": None, "host_memory": None, "data_beside_the_net": None, "disk": 0}
)
THERE = There(device="x", at_once=2, device_memory=6 * GB, host_memory=7 * GB, disk=12 * GB)


def test_suites_take_time_and_disk_together_and_memory_one_after_another():
    assert together([ONE, OTHER]) == Amount(
        trials=9,
        shared=0,
        done=3,
        missing=6,
        flops=7.0,
        hours=(1.5, 3.5),
        device_memory=6 * GB,
        data_beside_the_net=False,
        host_memory=7 * GB,
        disk=12 * GB,
        rounds=7,
        timed=23,
    )


def test_what_one_suite_does_not_need_counts_for_nothing_and_what_is_not_known_of_it_for_all():
    beside = together([ONE, NONE])
    assert (beside.device_memory, beside.host_memory, beside.disk) == (5 * GB, 7 * GB, 11 * GB)
    assert beside.data_beside_the_net is True and together([NONE]).data_beside_the_net is None
    unknown = together([ONE, OTHER.model_copy(update={"flops": None, "hours": (None, 1.0), "disk": None})])
    assert (unknown.flops, unknown.hours, unknown.disk) == (None, (None, 3.5), None)


def test_what_is_just_there_is_enough():
    downloads = Supply(name="set", is_here=False, downloads=True, problem="missing")
    assert not [*lacking(together([ONE, OTHER]), THERE, (downloads,), 1.5)]
    assert not [*lacking(ONE.model_copy(update={"hours": (1.5, 99.0)}), THERE, (), 1.5)]


@pytest.mark.parametrize(
    ("change", "hours", "said"),
    [
        ({"device_memory": 6 * GB + 10**8}, None, "memory of a GPU: 6.1 GB wanted, 6 GB there"),
        ({"host_memory": 8 * GB}, None, "memory of the machine: 8 GB wanted, 7 GB there"),
        ({"disk": 13 * GB}, None, "room on the store's disk: 13 GB wanted, 12 GB there"),
        ({"hours": (1.6, 1.7)}, 1.5, "hours: 1.6 at 5 seeds, 1.5 allowed"),
        ({"hours": (None, None)}, 1.5, "hours: how many are not known, 1.5 allowed"),
    ],
)
def test_what_is_too_much_is_told_and_does_not_fit(change, hours, said):
    total = ONE.model_copy(update=change)
    found = tuple(lacking(total, THERE, (), hours))
    assert found == (said,)
    sides = {"profile": "gpu", "there": THERE, "suites": (), "total": total, "supplies": (), "hours": hours}
    assert not Plan(**sides, does_not_fit=found).fits and Plan(**sides, does_not_fit=()).fits
