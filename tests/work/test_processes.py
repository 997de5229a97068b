"""Processes that others are forked off."""

import subprocess
import sys

SCRIPT = """
from concurrent.futures import ProcessPoolExecutor

from repro.work.processes import forked_off

if __name__ == "__main__":
    with ProcessPoolExecutor(1, forked_off("statistics")) as pool:
        print(pool.submit(eval, "__import__('statistics').__file__").result())
"""


def test_what_others_are_forked_off_imports_nothing_from_the_current_folder(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "script.py").write_text(SCRIPT)
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "statistics.py").write_text("")
    done = subprocess.run(
        [sys.executable, tmp_path / "elsewhere" / "script.py"],
        cwd=tmp_path / "here",
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip().endswith("statistics.py") and str(tmp_path) not in done.stdout
