"""What is written where it cannot be shown, or where nobody reads; and a folder that has gone."""

import io
import os
import subprocess
import sys

import pytest
from click.testing import CliRunner
from conftest import TINY

from repro import streams
from repro.cli import main
from repro.format import duration, figure, interval
from repro.nightly.compare_text import share

pytestmark = pytest.mark.slow  # processes


def shell(command: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    """A line of a shell, in which `repro` is the command."""
    text = f'repro() {{ "{sys.executable}" -m repro "$@"; }}\n{command}'
    everything = {**os.environ, **environment}
    return subprocess.run(["bash", "-c", text], capture_output=True, check=False, env=everything)


# ---- signs


@pytest.mark.parametrize(
    ("encoding", "shown"),
    [
        ("utf-8", "∞ × ✓ é 中"),
        ("cp1252", "inf × + é \\u4e2d"),
        ("ascii", "inf x + \\xe9 \\u4e2d"),
        ("cp437", "∞ x + é \\u4e2d"),
    ],
)
def test_a_stream_shows_other_signs_where_it_lacks_some(encoding, shown):
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    streams.adapt(stream)
    print("∞ × ✓ é 中", end="", file=stream, flush=True)
    assert stream.buffer.getvalue().decode(encoding) == shown


def test_every_sign_of_numbers_has_another_one():
    signs = {sign for text in SIGNS for sign in text if not sign.isascii()}
    assert signs and signs <= streams.INSTEAD.keys()
    assert all(other.isascii() for other in streams.INSTEAD.values())


SIGNS = [figure(float("inf")), interval((None, None)), interval((1.0, None)), share(0.5), duration(3.0)]


def test_what_is_no_stream_of_text_is_left_alone():
    streams.adapt(None)
    streams.adapt(io.StringIO())


@pytest.mark.slow  # processes
@pytest.mark.parametrize("encoding", ["cp1252", "ascii"])
def test_a_narrow_encoding_loses_no_result(tiny, encoding):
    tiny.write_text(TINY.replace("Training hurts", "Größer → ∞"))
    CliRunner().invoke(main, ["run", "tiny.yaml", "-k", "upside-down", "-j", "1"])  # trains
    ran = shell("repro run tiny.yaml -k upside-down -j 1", PYTHONIOENCODING=encoding)
    assert ran.returncode == 1 and ran.stderr.decode(encoding).count("Error") == 0
    says = {"cp1252": "Größer -> inf", "ascii": "Gr\\xf6\\xdfer -> inf"}
    assert says[encoding] in ran.stdout.decode(encoding)
    shown = shell("repro show tiny -k upside-down", PYTHONIOENCODING=encoding)
    assert shown.returncode == 0 and "-> inf" in shown.stdout.decode(encoding)


@pytest.mark.slow  # processes
def test_a_narrow_encoding_is_no_trouble_under_pytest(tiny):
    tiny.write_text(TINY.replace("They are equally large", "Größer → ∞"))
    under_pytest = f'"{sys.executable}" -m pytest tiny.yaml -k sizes -p no:cacheprovider'
    ran = shell(under_pytest, PYTHONIOENCODING="cp1252")
    assert ran.returncode == 1
    lines = ran.stdout.decode("cp1252").splitlines()
    assert "refuted, expected reproduced: Größer -> inf." in lines
    assert "  expects  params(small) == params(large)" in lines


# ---- closed ones


@pytest.mark.slow  # processes
@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize("closed", ["2>&-", ">&-", "<&-", "<&- >&- 2>&-"])
def test_a_run_needs_no_stream(closed, tmp_path):
    ran = shell(f"repro run tiny.yaml -k learns -j 2 {closed}")
    assert ran.returncode == 0, ran.stderr
    assert len(list(tmp_path.glob("results/runs/tiny/cpu/*.json"))) == 1
    if ">&-" not in closed.split():
        assert b"learns  reproduced" in ran.stdout


def test_no_file_takes_the_number_of_a_closed_stream(tmp_path):
    code = "from repro import streams; streams.prepare(); print(open('x', 'w').fileno())"
    for closed in ("2>&-", "<&- 2>&-", ""):
        ran = shell(f"cd {tmp_path}; '{sys.executable}' -c \"{code}\" {closed}")
        assert int(ran.stdout) > 2


@pytest.mark.slow  # processes
@pytest.mark.usefixtures("tiny")
def test_a_mistake_has_its_code_where_nothing_can_be_said():
    assert shell("repro run nowhere.yaml 2>&-").returncode == 2
    assert shell("repro run tiny.yaml -k sizes >&- 2>&-").returncode == 1


@pytest.mark.slow  # processes
@pytest.mark.usefixtures("tiny")
def test_who_stops_reading_gets_no_traceback_and_a_shell_s_code():
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "repro", "list", "tiny.yaml"]
    ran = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, check=False)
    os.close(writing)
    assert (ran.returncode, ran.stderr) == (141, b"")


@pytest.mark.slow  # processes
@pytest.mark.usefixtures("tiny")
def test_an_output_without_room_is_said():
    ran = shell("repro list tiny.yaml > /dev/full")
    assert ran.returncode == 2 and ran.stderr == b"the output: No space left on device\n"


# ---- where one stands


@pytest.mark.slow  # processes
@pytest.mark.parametrize("command", ["run", "check", "show x", "report", "keep", "schema"])
def test_a_folder_that_has_been_deleted_is_said(tmp_path, command):
    gone = tmp_path / "gone"
    ran = shell(f"mkdir {gone}; cd {gone}; rmdir {gone}; repro {command}")
    assert ran.returncode == 2
    assert ran.stderr == b"the current folder has been deleted: go to one that exists\n"
