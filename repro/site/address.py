"""Where things are in the site: file names from the names of suites, profiles, claims and pictures.

Pages lie in folders one deep, so that a link from one to another starts with `../`.
"""

import hashlib
import re

UP = "../"
STYLE, SCRIPT = "assets/site.css", "assets/site.js"
FRONT, CLAIMS, COST, GLOSSARY = "index.html", "claims.html", "cost.html", "glossary.html"
FOLDERS = {
    "papers": "*.html",
    "suites": "*.html",
    "compare": "*.html",
    "claims": "*.html",
    "pictures": "*.png",
    "results": "*.json",
}  # what is made in them
LONGEST = 60  # characters of a part of a file name


def slug(name: str) -> str:
    """The name itself if it is safe in a file name (a and A may be one file), else one no other name has."""
    safe = re.sub(r"[^a-z0-9_-]+", "-", name.lower())[:LONGEST].strip("-") or "x"
    return safe if safe == name else f"{safe}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def paper(title: str) -> str:
    return f"papers/{_joined(title)}.html"


def compare(name: str, profile: str) -> str:
    return f"compare/{_joined(name, profile)}.html"


def suite(name: str, profile: str) -> str:
    return f"suites/{_joined(name, profile)}.html"


def claim(name: str, profile: str, claim: str) -> str:
    return f"claims/{_joined(name, profile, claim)}.html"


def picture(name: str, profile: str, picture: str) -> str:
    return f"pictures/{_joined(name, profile, picture)}.png"


def result(name: str, profile: str, run: str) -> str:
    return f"results/{_joined(name, profile, run)}.json"


def _joined(*names: str) -> str:
    return ".".join(map(slug, names))
