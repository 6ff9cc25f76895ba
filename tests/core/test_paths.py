"""Paths as people write them."""

from pathlib import Path

import pytest

from autocnn.core.errors import UsageError
from autocnn.core.paths import is_by_file_manager, to_path


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


@pytest.mark.parametrize("address", ["s3://bucket/x", "gs://b", "file:///x", "hdfs+x://a/b"])
def test_an_address_would_silently_be_a_folder_here(address: str) -> None:
    for place in (address, Path(address)):
        with pytest.raises(UsageError, match="must be on this machine, or mounted on it, got an a"):
            to_path(place)


def test_folders_whose_names_look_like_addresses_are_folders(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "disk:").mkdir()
    for name in ("disk:/new", "C:/Users", "a/s3://b", "day 12:/x", "model.py:build"):
        assert to_path(name) == Path(name)


def test_what_file_managers_leave_is_known_in_any_case() -> None:
    assert all(map(is_by_file_manager, (".DS_Store", "Thumbs.db", "desktop.ini", "Desktop.ini")))
    assert not any(map(is_by_file_manager, ("x.DS_Store", "thumbs.png", "")))
