"""Settings of Sphinx for the site; build.py beside this file calls it."""

from sphinx.application import Sphinx

import autocnn

project = "autocnn"
author = "The autocnn authors"
project_copyright = "The autocnn authors"
version = release = autocnn.__version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
root_doc = "index"

html_theme = "furo"
html_title = "autocnn"
html_copy_source = False
html_show_search_summary = False  # it would fetch pages, which a browser forbids on the disk
html_show_sphinx = False

myst_heading_anchors = 4
# Blocks of shell that hold output too are no whole programs.
suppress_warnings = ["misc.highlighting_failure"]

default_role = "code"  # what docstrings have between backticks
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
napoleon_use_ivar = True
napoleon_use_rtype = False


def keep_sentence(
    app: Sphinx, what: str, name: str, found: object, options: object, lines: list[str]
) -> None:
    """Napoleon takes what stands before a colon in a property's first line for its type."""
    if what == "property" and lines:
        lines[0] = lines[0].replace(": ", " \N{EN DASH} ")


def setup(app: Sphinx) -> None:
    """Sphinx calls it."""
    app.connect("autodoc-process-docstring", keep_sentence, priority=400)
