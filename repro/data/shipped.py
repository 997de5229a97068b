"""Files of data sets that come with this package."""

import hashlib
from functools import cache
from pathlib import Path

from repro.data.images import MissingData


@cache
def digest_of(path: Path, data_set: str, otherwise: str = "") -> str:
    """SHA-256 of such a file's content. Raises MissingData where it is not; `otherwise` is another remedy."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        raise MissingData(
            f"data set '{data_set}' should be in {path}, as a part of this package, and is not: install the "
            f"package again{otherwise}"
        ) from None
