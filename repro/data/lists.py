"""Lists of images: text files with a name a line."""

from pathlib import Path
from typing import NamedTuple

from repro.errors import ReproError


class Line(NamedTuple):
    """What a line says, and where it stands: `FILE:LINE`."""

    text: str
    where: str


def read_list(path: Path) -> list[Line]:
    """The lines of a list but for blank ones and #'s. `ReproError` where there are none, or it is no text."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise ReproError(f"{path} is not UTF-8 text, as a list of images is; save it as such") from None
    except OSError as error:
        raise ReproError(f"{path}: cannot be read ({error.strerror})") from None
    lines = [
        Line(line.strip(), f"{path}:{number}")
        for number, line in enumerate(text.split("\n"), start=1)
        if line.strip() and not line.lstrip().startswith("#")
    ]
    if not lines:
        raise ReproError(f"{path} lists no image")
    return lines
