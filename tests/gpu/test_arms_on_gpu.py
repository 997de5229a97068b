"""Every arm of every suite at the scales of GPUs takes steps on one: a real one, or one without arithmetic.

Detectors take theirs on a real one alone: which boxes they keep goes by numbers.

Where torch has the release of kernels.md, no step has more kernels, copies or waits than are kept there.
"""

import pytest
import torch
from kernels import as_text, kept, kept_with, measured, release
from null_gpu import lacking

pytestmark = pytest.mark.journey  # builds, and makes all nets

MORE = 1.03  # times the kernels that are kept
REAL = torch.cuda.is_available()


@pytest.fixture(scope="module")
def costs(tmp_path_factory):
    if not REAL and (why := lacking()):
        pytest.skip(why)
    return measured(tmp_path_factory.mktemp("arms"))


def test_every_arm_takes_its_steps(costs):
    assert len(costs) > 100
    assert not {name: row["error"] for name, row in costs.items() if "error" in row}


def test_no_step_waits_for_the_gpu_that_did_not(costs):
    known = kept()
    assert not {
        name: row for name, row in costs.items() if row["waits"] > known.get(name, {"waits": 0})["waits"]
    }


@pytest.mark.skipif(REAL, reason="only the GPU that computes nothing counts kernels and copies")
@pytest.mark.skipif(release() != kept_with(), reason="the table is of another release of torch")
def test_no_step_has_more_kernels_or_copies_than_are_kept(costs):
    known = kept()
    assert known.keys() == costs.keys(), "write the table anew: python tests/gpu/keep_kernels.py"
    more = {
        name: (known[name], row)
        for name, row in costs.items()
        if row["kernels"] > MORE * known[name]["kernels"]
        or any(row[what] > known[name][what] for what in ("to_device", "to_host"))
    }
    assert not more, "if it is meant, write the table anew: python tests/gpu/keep_kernels.py"


def test_the_table_is_read_as_it_is_written(tmp_path, monkeypatch):
    counts = {"kernels": 5, "to_device": 1, "to_host": 0, "waits": 0}
    monkeypatch.setattr("kernels.TABLE", tmp_path / "kernels.md")
    (tmp_path / "kernels.md").write_text(as_text({"a gpu b": {**counts, "precision": "bf16"}}))
    assert kept() == {"a gpu b": {**counts, "precision": "bf16"}} and kept_with() == release()
