"""Quotas of control groups, as files that are made up here say them."""

import math
import os

import pytest

from repro.executors import lease
from repro.executors.quota import quota

V1 = "34 31 0:31 {root} {point}/cpu,cpuacct rw shared:9 - cgroup cgroup rw,cpu,cpuacct"
V2 = "30 23 0:27 {root} {point} rw,nosuid - cgroup2 cgroup2 rw,nsdelegate"
OTHERS = [
    "23 28 0:21 / /proc rw shared:12 - proc proc rw",
    "28 0 8:1 / / rw - ext4 /dev/sda1 rw",
    "29 28 0:25 / /mnt rw - tmpfs  rw",  # without a name of what is mounted
    "32 31 0:28 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset",
]


@pytest.fixture
def process(tmp_path):
    """Makes what /proc says of a process in these groups, with the files that its groups have."""

    def make(mount, groups, files, root="/"):
        process, point = tmp_path / "proc", tmp_path / "cgroup"
        process.mkdir()
        mounts = [*OTHERS, mount.format(root=root, point=point)]
        (process / "mountinfo").write_text("".join(f"{line}\n" for line in mounts))
        (process / "cgroup").write_text("".join(f"{line}\n" for line in groups))
        for name, content in files.items():
            (point / name).parent.mkdir(parents=True, exist_ok=True)
            (point / name).write_text(f"{content}\n")
        return process

    return make


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"cpu.max": "150000 100000"}, 1.5),
        ({"job/step/cpu.max": "400000 100000", "job/cpu.max": "200000 100000"}, 2.0),
        ({"job/step/cpu.max": "max 100000", "job/cpu.max": "50000 200000", "cpu.max": "max 100000"}, 0.25),
        ({"job/step/cpu.max": "max 100000"}, math.inf),
        ({"other/cpu.max": "100000 100000"}, math.inf),
        ({"job/cpu.max": "", "job/step/cpu.max": "a b"}, math.inf),
        ({"job/cpu.max": "100000 0"}, math.inf),
        ({}, math.inf),
    ],
)
def test_the_smallest_quota_counts_of_a_group_and_those_around_it(process, files, expected):
    assert quota(process(V2, ["0::/job/step"], files)) == expected


@pytest.mark.parametrize(
    ("used", "expected"), [("-1", math.inf), ("250000", 2.5), ("100000", 1.0), ("", math.inf)]
)
def test_quotas_of_the_first_version_are_of_the_group_of_the_controller_cpu(process, used, expected):
    folder = "cpu,cpuacct/docker/1"
    files = {f"{folder}/cpu.cfs_quota_us": used, f"{folder}/cpu.cfs_period_us": "100000"}
    files |= {"cpu,cpuacct/cpu.cfs_quota_us": "-1", "cpu,cpuacct/cpu.cfs_period_us": "100000"}
    groups = ["9:cpuset:/elsewhere", "4:cpu,cpuacct:/docker/1", "1:name=systemd:/", "0::/"]
    assert quota(process(V1, groups, files)) == expected


def test_a_container_sees_its_own_group_where_groups_are_mounted(process):
    files = {"cpu,cpuacct/cpu.cfs_quota_us": "300000", "cpu,cpuacct/cpu.cfs_period_us": "100000"}
    assert quota(process(V1, ["4:cpuacct,cpu:/docker/1"], files, root="/docker/1")) == 3.0


def test_a_group_that_is_not_to_be_seen_leaves_the_one_that_is_mounted(process):
    assert quota(process(V2, ["0::/../../other"], {"cpu.max": "700000 100000"}, root="/a")) == 7.0


def test_without_linux_there_is_no_quota(tmp_path):
    assert quota(tmp_path) == math.inf
    (tmp_path / "cgroup").write_text("nothing of the kind\n")
    (tmp_path / "mountinfo").write_text(f"{OTHERS[0]}\nnothing of the kind\n")
    assert quota(tmp_path) == math.inf


@pytest.mark.parametrize(("allowed", "expected"), [(math.inf, 4), (9.0, 4), (2.9, 2), (1.0, 1), (0.1, 1)])
def test_as_many_cores_are_used_as_can_be_kept_busy_and_one_at_least(monkeypatch, allowed, expected):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {1, 2, 3, 5}, raising=False)
    monkeypatch.setattr(lease, "quota", lambda: allowed)
    assert lease.cores() == expected
    assert lease.places("cpu") == [f"cpu-{number}" for number in range(expected)]
