"""The file of a result."""

import json
from pathlib import Path

from pydantic import ValidationError

from repro.errors import ReproError
from repro.lock import remove_if_left
from repro.places import is_pipe
from repro.result.run import Result
from repro.store import write_atomically

SCHEMA = 2
MEASURED = ("timings", "trials")  # fields of a result
ELSEWHERE = "Name another folder for results with --results"


def as_text(result: Result) -> str:
    """JSON, indented but for what was measured seed by seed, curves and all, of which each is a line: that is
    nearly all there is, and takes half the room and a tenth of the time.
    """
    content = result.model_dump(mode="json", by_alias=True)
    measured = {name: content[name] for name in MEASURED}
    text = json.dumps(content | {name: [] for name in MEASURED}, sort_keys=True, indent=1, allow_nan=False)
    for name, rows in measured.items():
        lines = [f"  {json.dumps(row, sort_keys=True, allow_nan=False)}" for row in rows]
        if lines:  # a line that begins with one space is of the whole: no text has a line break in JSON
            whole = ",\n".join(lines)
            text = text.replace(f'\n "{name}": []', f'\n "{name}": [\n{whole}\n ]', 1)
    return text


def write(result: Result, folder: Path) -> Path:
    """`FOLDER/<suite>/<profile>/<id>.json`, atomically."""
    path, content = folder / result.path, as_text(result)
    for part in path.parent.rglob(".*.part"):  # of killed processes
        remove_if_left(part)
    write_atomically(path, content.encode() + b"\n", ELSEWHERE)
    return path


def read(path: Path) -> Result:
    """Raises `ReproError`, naming the file, if it is not a result."""
    if is_pipe(path):
        raise ReproError(f"{path}: not a result: neither a file nor a folder")
    try:
        return Result.model_validate_json(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ReproError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ReproError(f"{path}: not a result: not UTF-8 text") from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"])) or "the file"
        raise ReproError(f"{path}: not a result of schema {SCHEMA}: {place}: {first['msg']}") from None
