"""How the packages of an extra are installed, for the errors that say that one is missing."""

import importlib.metadata
import re


def install_line(extra: str) -> str:
    """The sentence that says how to install what an extra of autocnn needs.

    It names the packages themselves, as the installed autocnn asks for them, and not
    `autocnn[extra]`: that holds for a checkout, a wheel and an index alike, and never fetches
    another package that is called autocnn.

    Args:
        extra: A name in setup.cfg, e.g. `onnx`.

    >>> install_line("mlflow")
    "Install it: pip install 'mlflow>=3'"
    """
    try:
        requirements = importlib.metadata.requires("autocnn") or []
    except importlib.metadata.PackageNotFoundError:  # imported from a source tree
        requirements = []
    wanted = re.compile(rf"""(.+?)\s*;\s*extra\s*==\s*(["']){re.escape(extra)}\2""")
    packages = [found[1] for line in requirements if (found := wanted.fullmatch(line))]
    if not packages:
        return f"Install it: in autocnn's source folder, pip install '.[{extra}]'"
    return f"Install it: pip install {' '.join(repr(package) for package in packages)}"
