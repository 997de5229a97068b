"""A static site of results: `repro report RESULTS -o SITE`. It works from the disk and loads nothing else."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from repro.archive import Key
from repro.errors import ReproError
from repro.register import Entry, Register
from repro.site import address
from repro.site.archive import Scale, collect
from repro.site.claim_page import Beside, claim_page
from repro.site.claims_page import claims_page
from repro.site.compare_page import compare_page
from repro.site.cost_charts import Cost
from repro.site.cost_page import cost_page
from repro.site.curves import drawn
from repro.site.front_page import front_page
from repro.site.glossary_page import glossary_page
from repro.site.hanging import Hanging
from repro.site.page import GENERATOR
from repro.site.paper_page import paper_page
from repro.site.papers import by_paper
from repro.site.suite_page import suite_page

PNG = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True)
class Site:
    """What was made, and the files that were not results (a line each)."""

    front: Path
    pages: int
    runs: int
    claims: int
    problems: tuple[str, ...]


def build(results: Sequence[Path], out: Path, register: Register | None = None) -> Site:
    """Make the site of results (files and folders) in `out`, which is new, empty, or an older site. The
    `register` tells how claims were worded before.

    Raises `ReproError` if nothing is a result, or `out` holds something else.
    """
    archive = collect(results)
    _check(out)
    content: dict[str, bytes] = {
        name: files("repro.site").joinpath(name).read_bytes() for name in (address.STYLE, address.SCRIPT)
    }
    entries = register.entries() if register else []
    hanging, places = Hanging(archive.scales), dict[Key, dict[str, str]]()
    costs = {scale.key: cost for scale in archive.scales if (cost := Cost.of(scale))}
    pages: dict[str, str] = {}
    for scale in archive.scales:
        pictures = dict(_pictures(scale))
        of_scale = {name: address.picture(scale.suite, scale.profile, name) for name in pictures}
        places[scale.key] = of_scale
        content |= {of_scale[name]: picture for name, picture in pictures.items()}
        content |= {
            address.result(scale.suite, scale.profile, used.id): scale.path(used).read_bytes()
            for used in scale.results
        }
        curves = drawn(list(scale.arms), scale.trials)
        pages[address.suite(scale.suite, scale.profile)] = suite_page(
            scale, of_scale, curves, costs.get(scale.key)
        )
        if len(scale.runs) > 1:
            pages[address.compare(scale.suite, scale.profile)] = compare_page(scale)
        for name, latest in scale.claims.items():
            beside = Beside(of_scale, _worded(entries, scale, name), hanging.on(scale, name), curves)
            pages[address.claim(scale.suite, scale.profile, name)] = claim_page(scale, name, latest, beside)
    pages |= {address.paper(paper.title): paper_page(paper, places) for paper in by_paper(archive.scales)}
    pages |= {
        address.FRONT: front_page(archive, places),
        address.CLAIMS: claims_page(archive),
        address.COST: cost_page(archive, {key: cost.chart for key, cost in costs.items()}),
        address.GLOSSARY: glossary_page(),
    }
    _write(out, content | {name: page.encode() for name, page in pages.items()})
    claims = sum(len(scale.claims) for scale in archive.scales)
    return Site(out / address.FRONT, len(pages), archive.runs, claims, archive.problems)


def _worded(entries: Sequence[Entry], scale: Scale, name: str) -> tuple[Entry, ...]:
    """What the register has of a claim, the oldest first."""
    return tuple(entry for entry in entries if entry.subject == (scale.suite, scale.profile, name))


def _check(out: Path) -> None:
    """Nobody else's files may be written over, or taken for old pages."""
    if out.exists() and not out.is_dir():
        raise ReproError(f"{out}: not a folder")
    if not out.exists() or not any(out.iterdir()):
        return
    front = out / address.FRONT
    if not front.is_file() or f'content="{GENERATOR}"' not in front.read_text(
        encoding="utf-8", errors="replace"
    ):
        raise ReproError(f"{out}: neither empty nor a site of `repro report`; choose another folder with -o")


def _pictures(scale: Scale) -> Iterable[tuple[str, bytes]]:
    """PNG files in the folder that their result is in, whatever it says of others."""
    for name, (picture, result) in scale.pictures.items():
        folder = scale.path(result).parent.resolve()
        try:
            path = (folder / picture.file).resolve()
            content = path.read_bytes() if path.is_relative_to(folder) else b""
        except (OSError, ValueError):  # missing, or a name that no file can have
            continue
        if content.startswith(PNG):
            yield name, content


def _write(out: Path, content: Mapping[str, bytes]) -> None:
    """All files, and nothing that an older site had in addition."""
    try:
        for parent in {(out / name).parent for name in content}:
            parent.mkdir(parents=True, exist_ok=True)
        for name, data in content.items():
            (out / name).write_bytes(data)
        for folder, pattern in address.FOLDERS.items():
            for path in (out / folder).glob(pattern):
                if f"{folder}/{path.name}" not in content:
                    path.unlink()
    except OSError as error:
        raise ReproError(f"{error.filename or out}: cannot be written ({error.strerror})") from error
