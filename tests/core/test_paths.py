"""Paths as people write them."""

from pathlib import Path

import pytest

from autocnn.core.paths import to_path


def test_the_home_folder_is_meant_where_a_path_begins_with_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert to_path("~/studies") == to_path(Path("~/studies")) == tmp_path / "studies"
    assert to_path("~") == tmp_path
    assert to_path("a/~/b") == Path("a/~/b")


@pytest.mark.parametrize("name", ["~$list.xlsx", "~no-such-user/x", "~old"])
def test_other_names_that_begin_so_stay(name: str) -> None:
    assert to_path(name) == Path(name)
