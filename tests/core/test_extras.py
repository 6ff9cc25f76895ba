"""The line that installs an extra, whatever autocnn was installed from."""

import importlib.metadata
from configparser import ConfigParser
from pathlib import Path
from typing import NoReturn

import pytest

from autocnn.core.extras import install_line

ROOT = Path(__file__).parents[2]


def extras() -> dict[str, list[str]]:
    """The extras that bring packages; `test` is for who works on autocnn."""
    config = ConfigParser()
    config.read(ROOT / "setup.cfg")
    found = {name: text.split() for name, text in config["options.extras_require"].items()}
    return {
        name: packages
        for name, packages in found.items()
        if name != "test" and not any(package.startswith("autocnn[") for package in packages)
    }


@pytest.mark.parametrize("extra", extras())
def test_the_line_names_every_package_of_the_extra(extra: str) -> None:
    line = install_line(extra)
    assert line.startswith("Install it: pip install '")
    assert [package for package in extras()[extra] if f"'{package}'" not in line] == []
    assert "autocnn" not in line, "the name on the public index is not ours"


def test_a_source_tree_that_is_not_installed_names_its_extra(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def absent(name: str) -> NoReturn:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "requires", absent)
    assert install_line("onnx") == ("Install it: in autocnn's source folder, pip install '.[onnx]'")
