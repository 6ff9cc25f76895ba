"""Paths, folders and patterns to files."""

from pathlib import Path

import pytest

from autocnn.core.errors import DataError, UsageError
from autocnn.inference.predict.listing import count_images, list_images

NAMES = (
    "b/10.png",
    "b/9.PNG",
    "b/deep/1.jpg",
    "a 2.png",
    "a 10.png",
    "notes.txt",
    ".hidden.png",
    "b/.cache/x.png",
    "[1].png",
    "scan.ima",
)


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in NAMES:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def names(*arguments: str) -> list[str]:
    return [path.as_posix() for path in list_images(arguments)]


def test_the_home_folder_is_meant_in_folders_as_in_patterns(
    files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(files))
    for argument in ("~/b/deep", "~/b/deep/*.jpg", "~/b/deep/1.jpg"):
        assert names(argument) == [f"{files}/b/deep/1.jpg"]


@pytest.mark.usefixtures("files")
def test_no_name_is_not_this_folder() -> None:
    with pytest.raises(DataError, match="'': an image must be a file, a folder or a pattern"):
        names("a 2.png", "")


@pytest.mark.usefixtures("files")
def test_a_folder_is_all_images_below_it_as_people_sort() -> None:
    assert names(".") == ["[1].png", "a 2.png", "a 10.png", "b/9.PNG", "b/10.png", "b/deep/1.jpg"]


@pytest.mark.usefixtures("files")
def test_files_stand_for_themselves_in_the_given_order() -> None:
    given = ["notes.txt", "b/10.png", "gone.png", "[1].png", ".hidden.png"]
    assert names(*given) == given
    assert count_images(given) == 5


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*.png", ["[1].png", "a 2.png", "a 10.png"]),
        ("a ?.png", ["a 2.png"]),
        ("*", ["[1].png", "a 2.png", "a 10.png"]),
        ("**", ["[1].png", "a 2.png", "a 10.png", "b/9.PNG", "b/10.png", "b/deep/1.jpg"]),
        ("b/**/*.jpg", ["b/deep/1.jpg"]),
        ("*.ima", ["scan.ima"]),
        ("[ab]*/[0-9].PNG", ["b/9.PNG"]),
    ],
)
def test_patterns_are_expanded_here(pattern: str, expected: list[str]) -> None:
    assert names(pattern) == expected


@pytest.mark.usefixtures("files")
def test_a_pattern_or_a_folder_without_images_is_named(files: Path) -> None:
    (files / "empty").mkdir()
    with pytest.raises(DataError, match=r"^b/\*\.gif: must match an image, got none\."):
        names("a 2.png", "b/*.gif")
    with pytest.raises(DataError, match=r"^empty: must hold an image, got none\."):
        count_images(["empty"])


def test_links_in_a_circle_end(files: Path) -> None:
    (files / "b" / "deep" / "back").symlink_to(files / "b")
    assert names("b") == ["b/9.PNG", "b/10.png", "b/deep/1.jpg"]


def test_pictures_of_the_images_are_none_of_them(files: Path) -> None:
    maps = files / "b" / "maps"
    maps.mkdir()
    (maps / "000001-9-cat.jpg").write_text("x")
    (files / "link").symlink_to(maps)
    for given in ("b", "b/**"):
        found = [path.as_posix() for path in list_images([given], but=maps)]
        assert found == ["b/9.PNG", "b/10.png", "b/deep/1.jpg"]
        assert count_images([given], but=maps) == 3
    assert count_images(["."], but=maps) == 6
    assert count_images(["b/maps/000001-9-cat.jpg"], but=maps) == 1
    with pytest.raises(UsageError, match="must be another folder than that of the images"):
        count_images(["link"], but=maps)
