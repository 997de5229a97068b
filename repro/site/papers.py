"""Papers: what is claimed comes from them, and they order the site, the oldest first."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from repro.site.archive import Scale
from repro.site.element import Child, link

OWN = "Questions of our own"
UNDATED = 9999


@dataclass(frozen=True)
class Paper:
    """With the suites, at their profiles, that hold its claims. `found` is None for those that name none."""

    title: str
    found: Mapping[str, Any] | None
    scales: tuple[Scale, ...]

    @property
    def year(self) -> int:
        """That of the venue, else that of arXiv's number."""
        return dated(self.found)

    @property
    def dated_title(self) -> str:
        return self.title if self.year == UNDATED else f"{self.title}, {self.year}"

    @property
    def words(self) -> str:
        """What it may be looked for by."""
        return " ".join(
            str(value) for value in (self.title, *(self.found or {}).values()) if value is not None
        )


def by_paper(scales: Iterable[Scale]) -> list[Paper]:
    """The oldest paper first; suites that name none come last."""
    of_title: dict[str, list[Scale]] = {}
    for scale in scales:
        of_title.setdefault(str((scale.latest.paper or {}).get("title") or OWN), []).append(scale)
    papers = [Paper(title, _fullest(found), tuple(found)) for title, found in of_title.items()]
    return sorted(papers, key=lambda paper: (paper.found is None, paper.year, paper.title))


def _fullest(scales: Iterable[Scale]) -> Mapping[str, Any] | None:
    """Of what suites say of their paper what says most."""
    known = [scale.latest.paper for scale in scales if scale.latest.paper]
    return max(known, key=len, default=None)


def dated(found: Mapping[str, Any] | None) -> int:
    venue, arxiv = (str((found or {}).get(key) or "") for key in ("venue", "arxiv"))
    if year := re.search(r"\b(?:19|20)\d\d\b", venue):
        return int(year.group())
    return 2000 + int(arxiv[:2]) if re.fullmatch(r"\d{4}\.\d{4,5}", arxiv) else UNDATED


def paper(found: Mapping[str, Any] | None, source: str | None = None) -> Child:
    """`Title, CVPR 2016, arXiv:1512.03385, Fig. 1`. Only addresses of the web become links."""
    found = found or {}
    arxiv, url = str(found.get("arxiv") or ""), str(found.get("url") or "")
    parts: list[Child] = [str(found[key]) for key in ("title", "venue") if found.get(key)]
    if re.fullmatch(r"\d{4}\.\d{4,5}", arxiv):
        parts.append(link(f"https://arxiv.org/abs/{arxiv}", f"arXiv:{arxiv}", rel="noreferrer"))
    if url:
        parts.append(link(url, url, rel="noreferrer") if re.match(r"https?://", url) else url)
    if source:
        parts.append(source)
    return [[", " if i else None, part] for i, part in enumerate(parts)] or "No paper is named."
