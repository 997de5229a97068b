"""The four files of Fashion-MNIST (Xiao et al. 2017): what is in them, and how to read them.

They are IDX, MNIST's format: two zero bytes, type, rank, a big-endian uint32 a dimension, then the values.
"""

import gzip
import hashlib
import struct
from pathlib import Path

import numpy as np

from repro.errors import ReproError

UNSIGNED_BYTE = 8

# As torchvision has them.
CLASS_NAMES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)

# SHA-256 of the unpacked files. torchvision knows the MD5 of the archives only; Debian's archives get those
# MD5s when the original header is put back (file name; time 1504176606, of the two t10k files 1504176627).
FILES = {
    "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
}


def is_in(folder: Path) -> bool:
    """Whether all four files are in the folder, each unpacked or as .gz."""
    return all((folder / name).is_file() or (folder / f"{name}.gz").is_file() for name in FILES)


def read(folder: Path, name: str) -> np.ndarray:
    """uint8 array of one of `FILES` or of its .gz, unpacked on the way. `ReproError` for another content."""
    path = folder / name
    try:
        content = (
            path.read_bytes()
            if path.is_file()
            else gzip.decompress((path := folder / f"{name}.gz").read_bytes())
        )
    except (OSError, EOFError) as error:
        raise ReproError(f"{path} cannot be read: {error}") from None
    found = hashlib.sha256(content).hexdigest()
    if found != FILES[name]:
        raise ReproError(
            f"{path} is not the file it should be: SHA-256 of the unpacked content is {found}, not "
            f"{FILES[name]}; remove it and get it again"
        )
    return parse(content, path)


def parse(content: bytes, path: Path) -> np.ndarray:
    """The array of an IDX file of unsigned bytes; `path` is for the error only."""
    rank = content[3] if len(content) > 3 else 0
    start = 4 + 4 * rank
    if content[:3] == bytes([0, 0, UNSIGNED_BYTE]) and rank and len(content) >= start:
        shape = struct.unpack(f">{rank}I", content[4:start])
        if len(content) - start == np.prod(shape, dtype=np.int64):
            return np.frombuffer(content, np.uint8, offset=start).reshape(shape)
    raise ReproError(f"{path} is not an IDX file of unsigned bytes, or is cut short ({len(content):,} bytes)")
