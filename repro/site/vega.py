"""Charts as Vega-Lite specifications, rendered to SVG when the site is built: no script, nothing to load.

Colours are those of the style sheet (`var(--accent)`), so that a chart follows the theme. A mark that has a
`description` becomes a spot that tells it (see `site.js`), and a link where it has an `href`.
"""

import re
from collections.abc import Mapping
from typing import Any

import vl_convert

from repro.site.element import Markup, element

SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"
BASE = "https://vega.github.io/vega-datasets/"  # what the renderer puts before an address within the site
FONT = "system-ui, sans-serif"
AXIS = {
    "aria": False,
    "labelColor": "var(--muted)",
    "titleColor": "var(--muted)",
    "gridColor": "var(--line)",
    "tickColor": "var(--line)",
    "domain": False,
    "labelFont": FONT,
    "titleFont": FONT,
    "labelFontSize": 11,
    "titleFontSize": 11,
    "titleFontWeight": "normal",
}
CONFIG = {
    "background": None,
    "padding": 0,
    "view": {"stroke": None},
    "axis": AXIS,
    "text": {"font": FONT, "fontSize": 12, "fill": "var(--ink)"},
    "header": {"labelFont": FONT, "labelColor": "var(--ink)"},
}
TOLD = re.compile(
    r'(?P<link><a xlink:href="(?P<href>[^"]*)">)?'
    r'<(?P<tag>\w+) aria-label="(?P<says>[^"]*)" role="graphics-symbol" aria-roledescription="[^"]*"'
    r"(?P<rest>[^>]*?)/>(?(link)</a>)"
)
NOISE = re.compile(
    r' (?:(?:aria-[a-z]+|role|font-family|stroke-miterlimit|pointer-events)="[^"]*"|opacity="1")'
    r'|<path class="(?:background|foreground)"[^>]*/>'
)
CLASSES = re.compile(r' class="(?!spot)[^"]*"')
WITHOUT = (' transform="translate(0,0)"', ' stroke-width="1"', ' x2="0"', ' y2="0"', "<g/>")  # as by default
CIRCLE = re.compile(
    r'<path(?P<at>[^>]*?) d="M(?P<r>[\d.]+),0A(?P=r),(?P=r),0,1,1,-(?P=r),0A(?P=r),(?P=r),0,1,1,(?P=r),0"'
)
GROUP = re.compile(r"</?g\b[^>]*>")
TAG, LONG = re.compile(r"<[^>]*>"), re.compile(r"-?\d+\.\d{2,}")


def drawn(spec: Mapping[str, Any], says: str) -> Markup:
    """The SVG of a specification. `says` tells in a sentence what is drawn, for who cannot see it."""
    made = vl_convert.vegalite_to_svg({"$schema": SCHEMA, "config": CONFIG, **spec}, vl_version="6.4")
    return _site_svg(made, says)


def _site_svg(made: str, says: str) -> Markup:
    """In the site's manner: spots that tell their value, and nothing that a browser does not need."""
    head, _, inner = made.partition(">")
    width, height = (_size(head, side) for side in ("width", "height"))
    parts: list[str] = []
    end = 0
    for found in TOLD.finditer(inner):
        parts += [_bare(inner[end : found.start()]), _spot(found, first=end == 0)]
        end = found.end()
    parts.append(_bare(inner[end:].removesuffix("</svg>")))
    drawn = _without_empty_groups("".join(parts))
    return element(
        "svg",
        Markup(drawn),
        class_="plot",
        viewBox=f"0 0 {width} {height}",
        width=width,
        height=height,
        role="group",
        aria_label=says,
    )


def _size(head: str, side: str) -> str:
    found = re.search(rf' {side}="([\d.]+)"', head)
    return found.group(1) if found else "0"


def _spot(found: re.Match[str], first: bool) -> str:
    tag, href = found["tag"], found["href"]
    shape = _bare(f"<{tag}{found['rest']}/>")
    told = f"<title>{found['says']}</title>{shape}"
    tab = 0 if first else -1
    if href is None:
        return f'<g class="spot" tabindex="{tab}">{told}</g>'
    return f'<a class="spot" href="{href.removeprefix(BASE)}" tabindex="{tab}">{told}</a>'


def _bare(text: str) -> str:
    text = CLASSES.sub("", NOISE.sub("", text)).replace(f'xlink:href="{BASE}', 'href="')
    text = TAG.sub(lambda tag: LONG.sub(_rounded, tag.group()), text)
    for default in WITHOUT:
        text = text.replace(default, "")
    return CIRCLE.sub(r'<circle\g<at> r="\g<r>"', text)


def _without_empty_groups(text: str) -> str:
    """Groups that say nothing of what is in them are left out, and what is in them stays."""
    kept = list[bool]()

    def needed(tag: re.Match[str]) -> str:
        if tag.group().endswith("/>"):
            return ""
        if not tag.group().startswith("</"):
            kept.append(tag.group() != "<g>")
            return tag.group() if kept[-1] else ""
        return tag.group() if kept.pop() else ""

    return GROUP.sub(needed, text)


def _rounded(number: re.Match[str]) -> str:
    return f"{float(number.group()):.1f}".removesuffix(".0")
