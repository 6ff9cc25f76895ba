"""The pages of the servers, from templates that escape what is put into them."""

from functools import cache
from typing import Any

from autocnn import __version__


@cache
def _templates() -> Any:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader("autocnn.web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def render(template: str, **values: object) -> str:
    """A page; names of files and classes in it are text."""
    html: str = _templates().get_template(template).render(**values, version=__version__)
    return html.encode("utf-8", "replace").decode("utf-8")  # half a letter of a file name
