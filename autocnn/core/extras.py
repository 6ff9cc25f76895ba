"""Which packages are installed, and how those of an extra are, for errors that miss one."""

import importlib.metadata
import re


def installed_version(package: str) -> str | None:
    """The version of a package that is installed; None where it is not.

    >>> installed_version("no-such-package") is None
    True
    """
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


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
