"""Processes that see GPUs with memory that compute nothing: see null/cuda.c."""

import json
import os
import shutil
import struct
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import NamedTuple

import torch

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
GIB = 2**30
HEADERS = (
    "nvidia/cu13/include",
    "triton/backends/nvidia/include",
)  # of CUDA and its driver, as torch brings them


class Device(NamedTuple):
    """Bytes that are in use, and that have been at once; processes that have ever taken some."""

    used: int
    peak: int
    processes: int


class Server:
    """Runs commands on null GPUs: see null_server.py."""

    def __init__(self, library: Path):
        paths = (HERE / "null", HERE, ROOT, ROOT / "tests")
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(map(str, paths)),
            "LD_PRELOAD": str(library),
        }
        command = [sys.executable, "-c", "import null_server; null_server.serve()"]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, env=environment, stdin=pipe, stdout=pipe, text=True)

    def command(self, *arguments: str, **where: object) -> subprocess.CompletedProcess[str]:
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(json.dumps({"arguments": arguments, **where}) + "\n")
        self.process.stdin.flush()
        return subprocess.CompletedProcess(arguments, *json.loads(self.process.stdout.readline()))

    def close(self) -> None:
        self.process.communicate()


class Gpus:
    """So many, of so many bytes each."""

    def __init__(self, folder: Path, library: Path, count: int, size: int, server: Server | None = None):
        self.server = server
        self.folder, self.count, self.ledger = folder, count, folder / f"ledger-{count}-{size}"
        self.env = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(map(str, (HERE / "null", ROOT, ROOT / "tests"))),
            "LD_PRELOAD": str(library),
            "NULL_GPUS": str(count),
            "NULL_BYTES": str(size),
            "NULL_LEDGER": str(self.ledger),
            "REPRO_HOME": str(folder / f"store-{count}-{size}"),
            "PYTHONFAULTHANDLER": "1",
        }

    def python(self, *arguments: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, *map(str, arguments)]
        return subprocess.run(command, cwd=self.folder, env=self.env, capture_output=True, text=True)

    def repro(self, *arguments: object) -> subprocess.CompletedProcess[str]:
        assert self.server is not None
        command = ["repro", "run", *map(str, arguments), "--device", "cuda", "--pilot"]
        return self.server.command(*command, cwd=str(self.folder), env=self.env)

    @property
    def devices(self) -> list[Device]:
        return [Device(*row) for row in struct.iter_unpack("qqq", self.ledger.read_bytes())][: self.count]


def lacking() -> str | None:
    """What is not here to build it with."""
    there = all((_packages() / path).is_dir() for path in HEADERS)
    if shutil.which("cc") and (torch.version.cuda or "").startswith("13.") and there:
        return None
    return "needs a C compiler, and a torch for CUDA 13 with its headers"


def build(folder: Path) -> Path:
    """The library, for this torch."""
    built = folder / "libcuda.so.1"
    includes = [f"-I{_packages() / path}" for path in HEADERS]
    options = ["-w", "-O1", "-fPIC", "-shared", f"-Wl,-soname,{built.name}", *includes]
    subprocess.run(["cc", *options, HERE / "null" / "cuda.c", "-o", built, "-lpthread"], check=True)
    return built


def _packages() -> Path:
    return Path(sysconfig.get_paths()["purelib"])
