"""Which file a cell means, where many have its name and where its own is missing."""

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from autocnn.data.sources.lookup import FileLookup


def make_files(folder: Path, *names: str) -> FileLookup:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return FileLookup(folder)


def found(lookup: FileLookup, cells: Sequence[str]) -> list[list[str]]:
    return [[lookup.shown(file) for file in match.files] for match in lookup.find_all(cells)]


def test_a_missing_bare_name_is_not_taken_from_another_folder(tmp_path: Path) -> None:
    here = [f"{i}.png" for i in range(5)]
    lookup = make_files(tmp_path, *here, "masks/5.png", "more/5.png")
    assert found(lookup, [*here, "5.png"]) == [*([name] for name in here), []]
    assert found(lookup, ["0", "1", "5"]) == [["0.png"], ["1.png"], []]


def test_bare_names_are_found_below_though_one_lies_beside_the_table(tmp_path: Path) -> None:
    names = [f"{i}.png" for i in range(5)]
    lookup = make_files(tmp_path, "0.png", *(f"pics/{name}" for name in names[1:]))
    assert found(lookup, names) == [["0.png"], *([f"pics/{name}"] for name in names[1:])]


def test_of_files_of_one_name_those_in_the_folders_of_the_path_count(tmp_path: Path) -> None:
    places = ("a/x/1.png", "b/x/1.png", "b/y/1.png", "b/y/1.PNG", "1.png")
    lookup = make_files(tmp_path, *places)
    cells = {
        "/data/a/x/1.png": ["a/x/1.png"],
        "C:\\b\\x\\1.png": ["b/x/1.png"],
        "/other/y/1.PNG": ["b/y/1.PNG"],
        "/other/y/1.png": ["b/y/1.png"],
        "/c/x/1.png": ["a/x/1.png", "b/x/1.png"],
        "/data/B/X/1": ["b/x/1.png"],
    }
    for cell, files in cells.items():
        assert [lookup.shown(file) for file in lookup.find(cell).files] == files


@pytest.mark.parametrize("cell", ["/data/{}/{}.png", "/data/{}/set/{}.png", "{1}.png"])
def test_a_row_costs_the_same_however_many_files_have_its_name(
    cell: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    below = "set/" if "set" in cell else ""
    lookup = FileLookup(tmp_path)
    names = [(f"class {c}", str(i)) for c in range(200) for i in range(50)]
    files = [str(tmp_path / f"{c}/{below}{i}.png") for c, i in names]
    monkeypatch.setattr(lookup, "_files", files)
    shown, looked_at = FileLookup.shown, 0

    def count(lookup: FileLookup, file: str) -> str:
        nonlocal looked_at
        looked_at += 1
        return shown(lookup, file)

    monkeypatch.setattr(FileLookup, "shown", count)
    matches = lookup.find_all([cell.format(*name) for name in names])
    assert looked_at < 4 * len(files)
    if cell == "{1}.png":
        assert {len(match.files) for match in matches} == {200}
    else:
        assert [match.file for match in matches] == files


def test_files_whose_names_are_no_text_are_not_found(tmp_path: Path) -> None:
    lookup = make_files(tmp_path, "pics/0.png")
    (tmp_path / os.fsdecode(b"caf\xe9")).mkdir()
    (tmp_path / os.fsdecode(b"caf\xe9") / "1.png").touch()
    assert found(lookup, ["0.png", "1.png"]) == [["pics/0.png"], []]
