"""The frame of every page: one style sheet and one script beside it; its policy forbids anything else."""

from repro.site import address
from repro.site.element import Child, Markup, element, link

GENERATOR = "repro report"
POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; "
    "base-uri 'none'; form-action 'none'"
)


def page(title: str, *content: Child, up: str = "", made: str = "") -> str:
    """An HTML document. `up` leads from the page to the site's folder: `""` or `../`."""
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=POLICY),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("meta", name="generator", content=GENERATOR),
        element("title", title),
        element("link", rel="stylesheet", href=f"{up}{address.STYLE}"),
        element("script", src=f"{up}{address.SCRIPT}"),
    )
    bar = element(
        "header",
        element(
            "nav",
            link(f"{up}{address.FRONT}", "repro", class_="home"),
            link(f"{up}{address.CLAIMS}", "Claims"),
            link(f"{up}{address.COST}", "Cost"),
            link(f"{up}{address.GLOSSARY}", "Glossary"),
            aria_label="Site",
        ),
        element("button", "Dark", type="button", id="theme", hidden=True),
        class_="bar",
    )
    skip = link("#content", "To the content", class_="skip")
    foot = element("footer", element("p", made)) if made else None
    body = element("body", skip, bar, element("main", *content, id="content"), foot)
    return f"<!doctype html>\n{element('html', head, body, lang='en')}\n"


def time(moment: str) -> Markup:
    """A moment such as 2026-11-21T23:36:35Z, to the minute."""
    return element("time", moment_text(moment), datetime=moment)


def moment_text(moment: str) -> str:
    return moment.replace("T", " ")[:16]


def trail(*steps: tuple[str, str | None]) -> Markup:
    """Where the page is: names with their addresses, the last one without."""
    return element(
        "p", [[link(to, text) if to else text, " / " if to else None] for text, to in steps], class_="trail"
    )
