"""What has changed since a study began, in words."""

import pytest

from autocnn.study.changes import MOST_NAMED, data_changes, machine_changes, version_changes

Row = tuple[str, str, str, str, str]

BEFORE: list[Row] = [
    ("a.png", "cat", "", "train", "1"),
    ("b.png", "dog", "p1", "val", "2"),
    ("c.png", "dog", "p2", "test", "3"),
]


def changed(number: int, column: int, value: str) -> list[Row]:
    """The images with one cell changed."""
    rows = [list(row) for row in BEFORE]
    rows[number][column] = value
    return [(row[0], row[1], row[2], row[3], row[4]) for row in rows]


# -- images --------------------------------------------------------------------------------


def test_the_same_images_in_any_order_are_no_change() -> None:
    assert data_changes(BEFORE, BEFORE) == []
    assert data_changes(BEFORE, BEFORE[::-1]) == []
    assert data_changes([], []) == []


@pytest.mark.parametrize(
    ("now", "sentence"),
    [
        (BEFORE[:2], "1 image is gone: c.png."),
        (BEFORE[:1], "2 images are gone: b.png, c.png."),
        ([*BEFORE, ("d.png", "cat", "", "train", "4")], "1 image is new: d.png."),
        (changed(0, 4, "9"), "1 image has another content: a.png."),
        (changed(0, 1, "dog"), "1 image has another label: a.png (cat, now dog)."),
        (changed(1, 2, "p9"), "1 image has another group: b.png (p1, now p9)."),
        (changed(1, 2, ""), "1 image has another group: b.png (p1, now none)."),
        (changed(0, 2, "p1"), "1 image has another group: a.png (none, now p1)."),
        (changed(2, 3, "val"), "1 image has another split: c.png (test, now val)."),
    ],
)
def test_each_change_is_one_sentence(now: list[Row], sentence: str) -> None:
    assert data_changes(BEFORE, now) == [sentence]


def test_a_renamed_image_is_gone_and_new() -> None:
    assert data_changes(BEFORE, changed(0, 0, "z.png")) == [
        "1 image is gone: a.png.",
        "1 image is new: z.png.",
    ]


def test_several_changes_of_an_image_are_all_told() -> None:
    now = [("a.png", "dog", "p", "val", "9"), *BEFORE[1:]]
    assert data_changes(BEFORE, now) == [
        "1 image has another content: a.png.",
        "1 image has another label: a.png (cat, now dog).",
        "1 image has another group: a.png (none, now p).",
        "1 image has another split: a.png (train, now val).",
    ]


@pytest.mark.parametrize("number", [MOST_NAMED, MOST_NAMED + 1, 1500])
def test_only_some_of_many_are_named(number: int) -> None:
    rows = [(f"{index}.png", "cat", "", "train", "1") for index in range(number)]
    more = {MOST_NAMED: ".", MOST_NAMED + 1: " and 1 more."}.get(number, " and 1,495 more.")
    first = "0.png, 1.png, 2.png, 3.png, 4.png"
    assert data_changes(rows, []) == [f"{number:,} images are gone: {first}{more}"]
    flipped = [(row[0], "dog", *row[2:]) for row in rows]
    (line,) = data_changes(rows, flipped)
    assert line.startswith(f"{number:,} images have another label: 0.png (cat, now dog), 1.png ")
    assert line.endswith(f"4.png (cat, now dog){more}")


def test_a_study_without_its_split_sees_all_images_as_new() -> None:
    assert data_changes([], BEFORE) == ["3 images are new: a.png, b.png, c.png."]


# -- versions and machine ------------------------------------------------------------------


def test_versions_that_differ_are_told() -> None:
    before = {"keras": "3.14", "numpy": "2.0", "optuna": None}
    now = {"keras": "3.15", "numpy": "2.0", "optuna": "5.0", "keras-tuner": "1.4"}
    assert version_changes(before, now) == [
        "keras was 3.14, is 3.15",
        "optuna was absent, is 5.0",
        "keras-tuner was absent, is 1.4",
    ]
    assert version_changes({"keras": "3.14"}, {"keras": None}) == ["keras was 3.14, is absent"]
    assert version_changes(now, now) == []


def test_facts_of_the_machine_that_differ_are_told() -> None:
    before = {"num_cpus": 8, "memory_gb": 16.0, "num_gpus": 0, "retired": 1}
    now = {"num_cpus": 4, "memory_gb": 16.0, "num_gpus": 1, "new": 2}
    assert machine_changes(before, now) == ["num_cpus was 8, is 4", "num_gpus was 0, is 1"]
    assert machine_changes({}, now) == []
