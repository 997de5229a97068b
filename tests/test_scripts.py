"""Scripts that use the harness."""

import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow  # processes

SCRIPT = """
import repro

print("begins")
results = repro.run("tiny.yaml", only="coin", jobs=2)
print(results[0].claims["coin"].verdict)
"""


def test_what_a_script_does_at_its_top_is_not_done_again_by_the_processes_that_train_for_it(tiny):
    script = tiny.with_name("script.py")
    script.write_text(SCRIPT)
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False)
    assert done.stdout.splitlines()[0] == "begins", done.stderr
    assert done.stdout.count("begins") == 1
    assert done.stdout.splitlines()[1] in ("reproduced", "refuted", "undecided")
