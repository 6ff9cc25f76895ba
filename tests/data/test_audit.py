from dataclasses import replace
from typing import Any

import pytest

from autocnn.data.audit import AuditReport, audit
from autocnn.data.split import Split


def report_of(table: Any, names: list[str], **kwargs: Any) -> AuditReport:
    split = Split(tuple(names), (), ("made.",))  # type: ignore[arg-type]
    return audit(table, kwargs.pop("unreadable", {}), table, split, **kwargs)


def test_clean_data_have_no_warning(make_table: Any) -> None:
    table = replace(make_table([0, 1, 0, 1]), ignored={".txt": 2}, notes=("read.",))
    report = report_of(table, ["train", "train", "test", "val"])
    assert report.warnings == ()
    assert report.notes == ("read.", "made.")
    assert report.ignored == {".txt": 2}
    assert report.counts == {
        "train": {"a": 1, "b": 1},
        "val": {"a": 0, "b": 1},
        "test": {"a": 1, "b": 0},
    }
    assert report.surplus_copies == report.copy_groups == report.test_images_in_train == 0


def test_copies_within_and_across_splits(make_table: Any) -> None:
    #        0    1    2    3    4    5    6    7    8
    sha = ["x", "x", "x", "y", "y", "z", "z", "w", "v"]
    names = ["train", "test", "test", "train", "train", "train", "val", "test", "val"]
    report = report_of(make_table([0, 0, 0, 1, 1, 0, 0, 1, 1], sha256=sha), names)
    assert report.surplus_copies == 4
    assert report.copy_groups == 3
    assert report.copy_groups_within_seen == 2
    assert report.copy_groups_across_splits == 1
    assert report.test_images_in_train == 2
    assert report.test_images_in_train_by_class == {"a": 2, "b": 0}
    assert report.val_images_in_train == 1
    assert report.warnings[0].startswith(
        "2 of 3 test images are byte-identical copies of training images: a: 2. "
    )
    assert report.warnings[1].startswith("1 of 2 val images are")


def test_copies_of_val_count_as_seen(make_table: Any) -> None:
    report = report_of(make_table([0, 0, 1], sha256=["x", "x", "y"]), ["val", "test", "train"])
    assert report.test_images_in_train == 1
    assert "1 of 1 test images is a byte-identical copy" in report.warnings[0]


def test_label_conflicts_and_groups(make_table: Any) -> None:
    table = make_table([0, 1, 0, 1], sha256=["x", "x", "y", "y"], groups=["g", None, "g", "h"])
    report = report_of(table, ["train", "train", "val", "val"])
    assert [conflict.labels for conflict in report.label_conflicts] == [("a", "b"), ("a", "b")]
    assert report.label_conflicts[0].paths == ("0.png", "1.png")
    assert report.groups_across_splits == 1
    assert "different labels (2 times): 0.png = 1.png, 2.png = 3.png." in report.warnings[-1]


def test_unreadable_images_are_listed(make_table: Any) -> None:
    before = make_table([0, 1, 0, 1, 0])
    table = before.select([0, 1, 2])
    split = Split(("train", "val", "test"), (), ())
    report = audit(before, {4: "is truncated", 3: "is empty"}, table, split)
    assert [(image.path, image.reason) for image in report.unreadable] == [
        ("3.png", "is empty"),
        ("4.png", "is truncated"),
    ]
    assert report.num_images == 3
    assert report.warnings == (
        "2 images cannot be read and are left out: 3.png is empty, 4.png is truncated.",
    )


@pytest.mark.parametrize(("num_coloured", "warns"), [(0, False), (2, True), (3, False)])
def test_a_few_coloured_images(num_coloured: int, warns: bool, make_table: Any) -> None:
    table = make_table([0, 1] * 10)
    report = report_of(table, ["train"] * 20, coloured=[1, 3, 5][:num_coloured])
    assert report.coloured == {"a": 0, "b": num_coloured}
    assert any("Only 2 of 20 images have colour (b: 2)" in w for w in report.warnings) is warns


def test_survives_json(make_table: Any) -> None:
    report = report_of(make_table([0, 1], sha256=["x", "x"]), ["train", "test"])
    assert AuditReport.model_validate_json(report.model_dump_json()) == report
