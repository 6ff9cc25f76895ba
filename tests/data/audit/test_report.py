from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autocnn.core.records import AuditReport, LikelyGroups, OddImage, Shortcut
from autocnn.data.audit.copies import Copies
from autocnn.data.audit.facts import ClassCounts
from autocnn.data.audit.report import Findings, audit
from autocnn.data.audit.words import split_file_for
from autocnn.data.split import Split
from autocnn.data.table import ArrayImages
from tests.data.byte_copies import find_byte_copies


def findings_of(
    table: Any,
    *,
    near: Sequence[tuple[int, ...]] = (),
    pixels: Sequence[tuple[int, ...]] = (),
    blank: Sequence[int] = (),
    transparent: Sequence[int] = (),
    likely_groups: LikelyGroups | None = None,
    shortcuts: tuple[Shortcut, ...] = (),
) -> Findings:
    saved_again = (Copies("pixels", members, ("as is",) * len(members)) for members in pixels)
    found = (Copies("near", members, ("mirrored",) * len(members)) for members in near)
    return Findings(
        copies=(*find_byte_copies(table), *saved_again, *found),
        is_blank=np.isin(np.arange(len(table)), blank),
        has_transparency=np.isin(np.arange(len(table)), transparent),
        likely_groups=likely_groups,
        odd=(OddImage(path="0.png", reason="is 1 x 1"),),
        counts=ClassCounts({"a": {"L": 1}}, {"a": {"8 x 8": 1}}, {"a": {"PNG": 1}}),
        shortcuts=shortcuts,
    )


def report_of(table: Any, names: list[str], **kwargs: Any) -> AuditReport:
    split = Split(tuple(names), (), ("made.",))  # type: ignore[arg-type]
    coloured = kwargs.pop("coloured", ())
    findings = findings_of(table, **kwargs)
    return audit(table, {}, table, split, findings=findings, coloured=coloured)


def make_shortcut(*, is_warning: bool) -> Shortcut:
    return Shortcut(
        predicts="class",
        target="a",
        fact="width",
        auc=0.9,
        fact_auc=0.8,
        is_warning=is_warning,
        sentence=f"It is a shortcut: {is_warning}.",
    )


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
    for copies in (report.byte_copies, report.all_copies):
        assert copies.surplus == copies.groups == copies.test_images_in_train == 0
    assert not any((report.copies, report.label_conflicts, report.blank, report.shortcuts))
    assert report.odd[0].path == "0.png"
    assert report.modes == {"a": {"L": 1}}


def test_copies_within_and_across_splits(make_table: Any) -> None:
    #        0    1    2    3    4    5    6    7    8
    sha = ["x", "x", "x", "y", "y", "z", "z", "w", "v"]
    names = ["train", "test", "test", "train", "train", "train", "val", "test", "val"]
    report = report_of(make_table([0, 0, 0, 1, 1, 0, 0, 1, 1], sha256=sha), names)
    for copies in (report.byte_copies, report.all_copies):
        assert copies.surplus == 4
        assert copies.groups == 3
        assert copies.groups_within_seen == 2
        assert copies.groups_across_splits == 1
        assert copies.test_images_in_train == 2
        assert copies.test_images_in_train_by_class == {"a": 2, "b": 0}
        assert copies.val_images_in_train == 1
    assert report.warnings[0] == (
        "2 of 3 test images are byte-identical copies of training images (a: 2 of 2). The test "
        "score is too good by what the model remembers of them. Its clean part has 1 image "
        "(a: 0, b: 1), too few of a to tell. "
        "`autocnn audit set --split-out set/split.csv` writes a split without."
    )
    assert report.warnings[1].startswith(
        "1 of 2 val images is a byte-identical copy of training images: the search may choose "
    )


def test_near_copies_are_counted_beside_equal_files(make_table: Any) -> None:
    sha = ["x", "x", "1", "2", "3", "4", "5", "6"]
    names = ["train", "test", "train", "test", "test", "val", "test", "train"]
    table = make_table([0, 0, 1, 1, 1, 0, 0, 1], sha256=sha)
    report = report_of(table, names, near=[(2, 3, 4), (5, 6)])
    assert report.byte_copies.test_images_in_train == 1
    assert report.all_copies.test_images_in_train == 4
    assert report.all_copies.test_images_in_train_by_class == {"a": 2, "b": 2}
    assert report.all_copies.surplus == 4
    assert report.warnings[0].startswith(
        "1 of 4 test images is a byte-identical copy of training images (a: 1 of 2); "
        "with near copies 4 (a: 2 of 2, b: 2 of 2). "
    )
    assert report.warnings[1].startswith("Only 4 of 8 images differ: 4 are copies of others (1 b")
    assert [group.kind for group in report.copies] == ["bytes", "near", "near"]
    assert report.copies[1].paths == ("2.png", "3.png", "4.png")
    assert report.copies[1].splits == ("train", "test", "test")
    assert report.copies[1].turns == ("mirrored",) * 3
    assert report.copies[1].thumbnails == ()
    only_near = report_of(make_table([0, 1, 0] * 8), ["train"] * 22 + ["test"] * 2, near=[(0, 23)])
    assert only_near.warnings[0].startswith(
        "1 of 2 test images is a near copy of training images (a: 1 of 1). "
    )


def test_images_saved_again_are_counted_beside_near_copies(make_table: Any) -> None:
    sha = ["x", "x", "1", "2", "3", "4", "5", "6"]
    names = ["train", "test", "train", "test", "test", "val", "test", "train"]
    table = make_table([0, 0, 1, 1, 1, 0, 0, 1], sha256=sha)
    report = report_of(table, names, pixels=[(2, 3, 4)], near=[(5, 6)])
    assert report.pixel_copies is not None
    assert report.pixel_copies.test_images_in_train == report.pixel_copies.surplus == 3
    assert "; with those of equal pixels and near copies 4 (a: 2" in report.warnings[0]
    assert "(1 byte-identical, 2 with equal pixels, 1 near)" in report.warnings[1]
    report = report_of(table, names, pixels=[(2, 3, 4)])
    assert "; with those of equal pixels 3 (a: 1 of 2, b: 2 of 2)." in report.warnings[0]
    table = make_table([0, 1, 0, 0], sha256=["x", "y", "z", "w"])
    report = report_of(table, ["train", "train", "test", "test"], pixels=[(0, 2)])
    assert report.warnings[0].startswith(
        "1 of 2 test images has the pixels of training images (a: 1 of 2). "
    )
    report = report_of(table, ["train", "train", "test", "test"], pixels=[(0, 2)], near=[(1, 3)])
    assert "images (a: 1 of 2); with near copies 2 (a: 2 of 2). The" in report.warnings[0]


def test_without_files_no_split_can_be_written(make_table: Any) -> None:
    table = make_table([0, 1], sha256=["x", "x"])
    table = replace(table, images=ArrayImages((), np.arange(2)))
    (leak, *_) = report_of(table, ["train", "test"]).warnings
    assert "--split-out" not in leak
    assert leak.endswith("Look at the scores on clean test, which leave them out.")


@pytest.mark.parametrize(
    ("source", "file"),
    [
        ("my data", "my data/split.csv"),
        ("x/a.csv", "x/split.csv"),
        ("split.csv", "split-2.csv"),
        ("x/a.tsv", "x/split.csv"),
        ("x/a.parquet", "x/split.csv"),
    ],
)
def test_where_a_corrected_split_goes(source: str, file: str) -> None:
    assert split_file_for(source) == Path(file)


def test_copies_of_val_count_as_seen(make_table: Any) -> None:
    report = report_of(make_table([0, 0, 1], sha256=["x", "x", "y"]), ["val", "test", "train"])
    assert report.byte_copies.test_images_in_train == 1
    assert "1 of 1 test images is a byte-identical copy" in report.warnings[0]


def test_label_conflicts_and_groups(make_table: Any) -> None:
    table = make_table([0, 1, 0, 1], sha256=["x", "x", "y", "y"], groups=["g", None, "g", "h"])
    report = report_of(table, ["train", "train", "val", "val"])
    assert [conflict.labels for conflict in report.label_conflicts] == [("a", "b"), ("a", "b")]
    assert report.label_conflicts[0].paths == ("0.png", "1.png")
    assert report.groups_across_splits == 1
    assert report.warnings[0] == (
        "2 groups of copies carry different labels (2 byte-identical): 0.png (a) = 1.png (b), "
        "2.png (a) = 3.png (b). Correct the labels."
    )
    assert report.warnings[1] == (
        "1 named group has images in more than one split, as given: those in test that have "
        "others in train or val are no part of clean test."
    )


def test_of_many_copies_under_different_labels_few_are_named(make_table: Any) -> None:
    table = make_table([0] * 3 + [1, 2] + [0] * 495, sha256=["x"] * 500)
    report = report_of(table, ["train"] * 500)
    assert len(report.label_conflicts[0].paths) == 500
    assert report.warnings[0] == (
        "1 group of copies carries different labels (1 byte-identical): 0.png (a) = 3.png (b) = "
        "4.png (c) = 497 more. Correct the labels."
    )


def test_near_copies_with_different_labels(make_table: Any) -> None:
    table = make_table([0, 1] * 20)
    report = report_of(table, ["train"] * 40, near=[(2, 4), (0, 1)])
    assert [conflict.labels for conflict in report.label_conflicts] == [("a", "b")]
    assert report.warnings == (
        "1 group of copies carries different labels (1 near): 0.png (a) = 1.png (b). "
        "Correct the labels.",
    )


def test_blank_images_and_shortcuts(make_table: Any) -> None:
    shortcuts = (make_shortcut(is_warning=True), make_shortcut(is_warning=False))
    report = report_of(make_table([0, 1]), ["train", "test"], blank=[1], shortcuts=shortcuts)
    assert report.blank == ("1.png",)
    assert report.shortcuts == shortcuts
    assert report.warnings == ("It is a shortcut: True.", "1 image is of one colour: 1.png.")


def test_unreadable_images_are_listed(make_table: Any) -> None:
    before = make_table([0, 1, 0, 1, 0])
    table = before.select([0, 1, 2])
    split = Split(("train", "val", "test"), (), ())
    reasons = {4: "is truncated", 3: "is empty"}
    report = audit(before, reasons, table, split, findings=findings_of(table))
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


def test_what_vanishes_on_white_is_named(make_table: Any) -> None:
    table = make_table([0, 1, 0, 1])
    report = report_of(table, ["train", "train", "test", "test"], blank=[0, 1], transparent=[1, 2])
    assert report.num_vanished == 1
    assert report.warnings == (
        "2 images are of one colour: 0.png, 1.png. Of 1, what they show is in the transparency "
        "alone, and vanishes on white, on which transparent images are laid: save them on a "
        "darker ground.",
    )


def test_likely_groups_in_words(make_table: Any) -> None:
    table = make_table([0, 1, 0, 1])
    found = LikelyGroups(
        regex=r"(patient_\d+)",
        num_groups=2,
        num_images=4,
        examples=("a/patient_1_1.png", "a/patient_1_2.png"),
        resemblance=0.87,
    )
    names = ["train", "train", "test", "test"]
    assert report_of(table, names, likely_groups=found).warnings == (
        "4 of 4 images seem to belong together, in 2 groups by their names (a/patient_1_1.png, "
        "a/patient_1_2.png are one). They resemble each other more than others of their class do "
        "(87 % of the time). A split that parts them measures how well a patient or a scan is "
        "recognised, not how well the model does on new ones. --group-from-name "
        r"'(patient_\d+)' keeps them together.",
    )
    alike = replace_regex(found)
    assert (
        report_of(table, names, likely_groups=alike)
        .warnings[0]
        .startswith(
            "In a, neighbours by name resemble each other more than other images of their class do "
            "(87 % of the time), like slices of one scan or frames of one video: 4 images."
        )
    )


def replace_regex(found: LikelyGroups) -> LikelyGroups:
    return found.model_copy(update={"regex": None, "num_groups": 0, "classes": ("a",)})


@pytest.mark.parametrize(
    ("names", "alike"),
    [
        (("Cat", "cat", "dog"), "'Cat' and 'cat'"),
        (("cat 1", "cat_1", "cat"), "'cat 1' and 'cat_1'"),
        (("ﬁn", "fin", "x"), "'ﬁn' and 'fin'"),
        (("+", "-", "x"), None),
        (("cat1", "cat2", "cat"), None),
    ],
)
def test_classes_that_are_named_alike(
    names: tuple[str, ...], alike: str | None, make_table: Any
) -> None:
    table = replace(make_table([0, 1, 2] * 2), class_names=names)
    warnings = report_of(table, ["train"] * 3 + ["test"] * 3).warnings
    assert len(warnings) == (alike is not None)
    if alike:
        assert warnings[0].startswith(f"Classes are named nearly alike: {alike}. They count as")


def test_a_class_that_test_lacks(make_table: Any) -> None:
    table = make_table([0, 1, 2, 0, 1])
    assert report_of(table, ["train"] * 3 + ["test"] * 2).warnings == (
        "test has no image of 'c': how well it is recognised is not measured. Balanced accuracy is "
        "the mean over the other 2 classes, and macro AUC is not defined.",
    )


def test_sentences_name_no_more_classes_than_one_reads(make_table: Any) -> None:
    table = make_table([0, 1] * 40)
    many = tuple(f"class {i}" for i in range(40))
    table = replace(table, class_names=many, labels=np.arange(80, dtype=np.int32) % 40)
    near = tuple((i, i + 40) for i in range(40))
    report = report_of(table, ["train"] * 40 + ["test"] * 40, near=near)
    assert "class 11: 1 of 1 and 28 more" in report.warnings[0]
