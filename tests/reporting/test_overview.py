"""What the page begins its data with: classes, samples, augmentation, pixels."""

from pathlib import Path

import pytest

from autocnn.core.records import AuditReport, ClassPixels, SampleImage
from autocnn.core.wording import TIMES
from autocnn.reporting.elements import Picture
from autocnn.reporting.overview import MOST_BARS, MOST_ROWS, NUM_ENDS, view_classes, view_overview
from autocnn.reporting.page import build_report, render_audit
from autocnn.storage import StudyFolder
from tests.reporting.studies import AWKWARD_CLASSES, CLASSES, draw_jpeg, make_audit, make_study
from tests.reporting.test_page import Reader

THUMBNAIL = draw_jpeg(96, 96, seed=1)
PICTURE = Picture(THUMBNAIL, "image/jpeg", 96, 96)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> StudyFolder:
    return make_study(tmp_path_factory.mktemp("results"), num_candidates=1)


@pytest.fixture(scope="module")
def report(folder: StudyFolder) -> Reader:
    return Reader(build_report(folder))


def many_classes(number: int) -> AuditReport:
    """An audit of so many classes, the first the largest; a sample of each."""
    names = tuple(f"class {index}" for index in range(number))
    sizes = {name: number - index for index, name in enumerate(names)}
    none = dict.fromkeys(names, 0)
    return make_audit().model_copy(
        update={
            "class_names": names,
            "counts": {"train": sizes, "val": none, "test": dict.fromkeys(names, 1)},
            "copies": (),
            "modes": {name: {"L": 1, "RGB": 2} for name in names},
            "pixels": tuple(
                ClassPixels(
                    label=name,
                    num_images=sizes[name] + 1,
                    brightness=100.0,
                    brightness_sd=5.0,
                    contrast=40.0,
                    colourfulness=30.0,
                    width=640.0,
                    height=480.0,
                )
                for name in names
            ),
            "samples": tuple(
                SampleImage(path=f"{name}.jpg", label=name, split="train", picture=f"{name}.jpg")
                for name in names[:240]
            ),
        }
    )


def test_each_class_has_a_bar_with_its_splits() -> None:
    classes = view_classes(make_audit())
    assert classes.splits == ("train", "val", "test")
    assert classes.shape is None and not classes.smallest
    glioma, *_, pituitary = classes.bars
    assert (glioma.label, glioma.number) == ("glioma", "1,728")
    assert glioma.said == "train 1,214, val 214, test 300"
    assert [split for split, _ in glioma.parts] == ["train", "val", "test"]
    widths = [sum(width for _, width in bar.parts) for bar in classes.bars]
    assert max(widths) == pytest.approx(100, abs=0.05)
    assert widths[0] == pytest.approx(100 * 1728 / 1833, abs=0.05)
    assert "A class has from 1,728 images (glioma) to 1,833 (notumor)" in classes.sentence
    assert pituitary.label == "pituitary"


def test_half_of_the_classes_have_no_more_than_is_said() -> None:
    counts = {"train": dict(zip(CLASSES, (1, 3, 4, 9), strict=True))}
    audit = make_audit().model_copy(update={"counts": counts})
    assert view_classes(audit).sentence.endswith("half of the classes at most 3.")


def test_of_many_classes_the_ends_are_named_and_all_are_one_shape() -> None:
    classes = view_classes(many_classes(300))
    assert len(classes.bars) == len(classes.smallest) == NUM_ENDS
    assert classes.bars[0].label == "class 0"
    assert classes.smallest[-1].label == "class 299"
    assert classes.num_between == 300 - 2 * NUM_ENDS
    assert classes.splits == ("train", "test"), "val has no image"
    assert classes.shape is not None
    assert classes.shape.width == 300
    assert [split for split, _ in classes.shape.paths] == ["test", "train"], "the largest is below"
    assert len(view_classes(many_classes(MOST_BARS)).bars) == MOST_BARS
    more = view_classes(many_classes(3000)).shape
    assert more is not None and more.width == 400


def test_samples_stand_by_class_and_those_that_are_not_shown_are_counted() -> None:
    audit = many_classes(300)
    view = view_overview(audit, {one.picture: PICTURE for one in audit.samples})
    assert len(view.samples) == 240
    assert view.samples[0].title == "class 0"
    assert view.samples[0].images[0].alt == "class 0, in train: class 0.jpg"
    assert view.samples_note.endswith("Of the 300 classes, 60 are not shown.")
    assert view_overview(audit, {}).samples == ()
    assert view_overview(audit, {}).samples_note == ""


def test_the_numbers_of_the_pixels_are_a_table_of_at_most_so_many_rows() -> None:
    pixels = view_overview(many_classes(300), {}).pixels
    assert pixels is not None
    assert (len(pixels.rows), pixels.left_out) == (MOST_ROWS, 300 - MOST_ROWS)
    assert [cell.text for cell in pixels.rows[0]] == [
        "class 0",
        "301",
        "100 ± 5",
        "40",
        "30",
        f"640 {TIMES} 480",
    ]
    grey = view_overview(make_audit(), {}).pixels
    assert grey is not None
    assert "colour" not in [column.title for column in grey.columns]


def test_the_data_of_the_report_begin_with_what_they_look_like(report: Reader) -> None:
    data = report.text.partition("Data Images by class and split")[2]
    places = [
        data.index(words)
        for words in (
            "A class has from",
            "Samples Drawn by chance",
            "What augmentation makes of them",
            "Pixels Pixels by class",
            "What the audit says",
            "216 of 1,311 test images are copies",
            "Repeat it",
        )
    ]
    assert places == sorted(places)
    alts = report.values("img", "alt")
    assert "glioma, in train: Training/0-1.jpg" in alts
    assert "glioma, as it is: Training/glioma/Tr-0.jpg" in alts
    assert sum(alt.startswith("glioma, augmented") for alt in alts) == 3


def count_samples(page: Reader) -> int:
    return sum("in train: Training/" in alt for alt in page.values("img", "alt"))


def test_the_page_has_as_many_samples_of_a_class_as_asked(
    folder: StudyFolder, report: Reader
) -> None:
    assert count_samples(report) == 12
    assert count_samples(Reader(build_report(folder, samples=2))) == 8


def test_a_page_without_samples_has_no_image_of_the_data(folder: StudyFolder) -> None:
    html = build_report(folder, samples=0)
    assert count_samples(Reader(html)) == 0
    assert "image/jpeg" not in html


@pytest.mark.slow
def test_a_study_that_was_asked_for_no_images_has_none_on_its_page(tmp_path: Path) -> None:
    folder = make_study(tmp_path, num_candidates=1)
    facts = folder.read_study()
    folder.write_study({**facts, "config": {**facts["config"], "samples": 0}})
    assert "image/jpeg" not in build_report(folder)


def test_the_page_of_an_audit_is_one_file_with_nothing_but_itself() -> None:
    audit = make_audit()
    names = [one.picture for one in audit.samples]
    html = render_audit(audit, dict.fromkeys(names, THUMBNAIL))
    page = Reader(html)
    assert page.open == []
    assert len(page.ids) == len(set(page.ids))
    assert set(page.values("a", "href")) == {"#main", "#warnings", "#images", "#audit"}
    assert all(src.startswith("data:image/jpeg;base64,") for src in page.values("img", "src"))
    assert page.tags["img"] == len(names)
    for words in ("Warnings 216 of 1,311", "Images by class and split", "Copies", "Shortcuts"):
        assert words in page.text, words
    assert "image/jpeg" not in render_audit(audit, {})


def test_names_with_markup_are_names() -> None:
    audit = make_audit(AWKWARD_CLASSES)
    names = [one.picture for one in audit.samples]
    html = render_audit(
        audit.model_copy(update={"source": "<b>here"}), dict.fromkeys(names, THUMBNAIL)
    )
    page = Reader(html)
    assert page.tags["script"] == 1
    assert "<b>here" in page.text
    for name in AWKWARD_CLASSES:
        assert " ".join(name.split()) in page.text


def test_a_page_of_many_classes_is_of_bounded_size() -> None:
    audit = many_classes(3000)
    photo = 4000 * b"\0"
    pictures = {one.picture: THUMBNAIL[:-2] + photo + THUMBNAIL[-2:] for one in audit.samples}
    assert len(render_audit(audit, pictures)) < 2_000_000
