"""How the documentation is built: `sphinx-build -W docs site/docs`."""

import re
import sys
from pathlib import Path

from sphinx.application import Sphinx

import repro

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

project = "repro"
release = version = repro.__version__
html_title = f"repro {release}"
html_theme = "furo"
html_copy_source = False
extensions = ["myst_parser", "sphinx.ext.autodoc"]
exclude_patterns = ["_build", "reference/made"]
myst_heading_anchors = 3
default_role = "code"  # docstrings write code between single backticks
add_module_names = False
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
maximum_signature_line_length = 88


def offer_files(_: Sphinx, page: str, content: list[str]) -> None:
    """Links that lead out of this folder are offered as files: what is there is no page."""
    out = re.escape("../" * (page.count("/") + 1))
    content[0] = re.sub(rf"\]\((?={out})", "](path:", content[0])


def setup(app: Sphinx) -> None:
    from made import write

    app.connect("builder-inited", lambda _: write(HERE / "reference/made"))
    app.connect("source-read", offer_files)
