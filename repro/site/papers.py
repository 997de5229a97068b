"""Papers as text and links."""

import re
from collections.abc import Mapping
from typing import Any

from repro.site.element import Child, link


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
