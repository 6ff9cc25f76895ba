"""The images of a study, found and described."""

import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from autocnn.core.config import resolve_config
from autocnn.core.errors import StudyError
from autocnn.core.events import Observer
from autocnn.core.records import LabelIssue
from autocnn.data import prepare_data
from autocnn.storage import StudyFolder
from autocnn.web.study_images import ImageFilter, StudyImages
from tests.reporting.studies import make_audit, make_status
from tests.reporting.test_comparison import make_study


@pytest.fixture
def images(tmp_path: Path) -> StudyImages:
    """Ten images, of which 2 and 5 are taken for the other class."""
    return StudyImages(make_study(tmp_path, "mine", wrong=[2, 5], images=range(10)))


def test_images_are_found_by_class_split_and_prediction(images: StudyImages) -> None:
    assert images.find().tolist() == list(range(10))
    assert images.find(ImageFilter(label="a")).tolist() == [0, 2, 4, 6, 8]
    assert images.find(ImageFilter(split="train")).tolist() == []
    assert images.find(ImageFilter(predicted="b", candidate=1)).tolist() == [1, 2, 3, 7, 9]
    assert images.find(ImageFilter(kind="wrong", candidate=1)).tolist() == [2, 5]
    assert images.find(ImageFilter(kind="wrong", label="b", candidate=1)).tolist() == [5]
    assert images.find(ImageFilter(text="MINE/7")).tolist() == [7]
    assert images.find(ImageFilter(label="none")).tolist() == []


def test_the_least_sure_come_first(tmp_path: Path) -> None:
    folder = make_study(tmp_path, "mine", images=range(4))
    header = ["path", "label", "split", "predicted", "p.a", "p.b"]
    rows: list[list[str | float]] = [
        [f"mine/{place}.png", "a", "test", "a", 1 - share, share]
        for place, share in enumerate((0.1, 0.4, 0.3, 0.05))
    ]
    folder.write_candidate_table(1, "predictions", header, rows)
    images = StudyImages(folder)
    assert images.find(ImageFilter(order="least sure", candidate=1)).tolist() == [1, 2, 0, 3]
    assert images.find(ImageFilter(order="most sure", candidate=1)).tolist() == [3, 0, 2, 1]


def test_images_unlike_the_training_images_are_found(tmp_path: Path) -> None:
    folder = make_study(tmp_path, "mine", images=range(3))
    header = ["path", "label", "split", "predicted", "p.a", "p.b", "is_clean", "unlike"]
    rows: list[list[str | float | bool | None]] = [
        [f"mine/{place}.png", "a", "test", "a", 0.9, 0.1, True, unlike]
        for place, unlike in enumerate((False, True, None))
    ]
    folder.write_candidate_table(1, "predictions", header, rows)
    images = StudyImages(folder)
    assert images.find(ImageFilter(kind="unlike", candidate=1)).tolist() == [1]
    assert images.find(ImageFilter(kind="unlike")).tolist() == [], "nobody says so"
    assert [tile["unlike"] for tile in images.describe(range(3), 1)] == [False, True, False]
    assert images.detail(1)["said"][0]["unlike"] is True


def test_doubted_labels_and_copies_are_found(images: StudyImages) -> None:
    issue = LabelIssue(
        path="mine/4.png",
        label="a",
        predicted="b",
        label_probability=0.01,
        predicted_probability=0.99,
        split="train",
        is_suspect=True,
    )
    images.folder.write_label_issues([issue], {})
    change_copies(images.folder, ["mine/1.png", "mine/8.png"])
    assert images.find(ImageFilter(kind="suspect")).tolist() == [4]
    assert images.find(ImageFilter(kind="copy")).tolist() == [1, 8]
    assert images.detail(8)["copies"] == [1]
    assert images.detail(4)["doubt"] == {"predicted": "b", "label": 0.01}
    assert images.describe([4], None)[0]["suspect"] is True
    images.folder.label_issues_path.write_text("path;is_suspect\nmine/4.png;WAHR\n")
    again = StudyImages(images.folder)
    assert again.describe([4], None)[0]["suspect"] is False
    assert again.detail(4)["doubt"] is None


def change_copies(folder: StudyFolder, paths: Sequence[str]) -> None:
    """Give the study an audit in which these two are copies."""
    audit = make_audit()
    group = audit.copies[0].model_copy(
        update={
            "paths": tuple(paths),
            "labels": ("b", "a"),
            "splits": ("test", "test"),
            "turns": ("as is", "as is"),
            "thumbnails": (),
        }
    )
    report = audit.model_copy(update={"copies": (group,), "samples": ()})
    folder.write_audit(report.model_dump_json(), {})


def test_an_image_has_what_every_candidate_says(images: StudyImages) -> None:
    (said,) = images.detail(2)["said"]
    assert said["candidate"] == 1
    assert said["shares"] == [["b", pytest.approx(0.8)], ["a", pytest.approx(0.2)]]


def test_images_that_are_gone_have_a_reason_and_a_grey_picture(images: StudyImages) -> None:
    assert images.problem() != ""
    assert images.thumbnail(0)[:3] == b"\xff\xd8\xff"


def write_images(data: Path) -> Path:
    """Ten images of 12 px in two classes; of each, the number is a twentieth of its grey."""
    for number in range(10):
        path = data / "ab"[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((12, 12), 20 * number, np.uint8)).save(path)
    return data


def test_images_are_read_from_their_files_where_no_array_is_kept(tmp_path: Path) -> None:
    data = write_images(tmp_path / "data")
    folder = make_study(tmp_path, "mine", images=(), data=str(data), cache_dir=str(tmp_path / "c"))
    rows = [(f"{'ab'[n % 2]}/{n}.png", "ab"[n % 2], "", "test", f"{n}") for n in range(10)]
    folder.write_split(rows)
    images = StudyImages(folder)
    assert images.problem() == ""
    assert [int(images.pixels(place).mean()) for place in (0, 3, 9)] == [0, 60, 180]


def test_an_image_has_the_size_that_a_network_takes(tmp_path: Path) -> None:
    """A line in an image that is shown smaller is a line for a network that sees it whole."""
    data = write_images(tmp_path / "data")
    fine = np.zeros((12, 12), np.uint8)
    fine[::2] = 240
    Image.fromarray(fine).save(data / "a" / "0.png")
    folder = make_study(tmp_path, "mine", images=(), data=str(data), cache_dir=str(tmp_path / "c"))
    facts = folder.read_study()
    folder.write_study({**facts, "data": {**facts["data"], "image_shape": [6, 6, 1]}})
    folder.write_split([("a/0.png", "a", "", "test", "0")])
    images = StudyImages(folder)
    assert images.pixels(0).shape == (6, 6, 1)
    assert np.array_equal(images.pixels(0, side=12)[..., 0], fine)


def test_without_the_package_that_reads_an_image_it_is_grey(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = write_images(tmp_path / "data")
    (data / "a" / "0.png").rename(data / "a" / "0.dcm")
    (data / "a" / "0.dcm").write_bytes(bytes(128) + b"DICM")
    monkeypatch.setitem(sys.modules, "pydicom", None)
    folder = make_study(tmp_path, "mine", images=(), data=str(data), cache_dir=str(tmp_path / "c"))
    folder.write_split([("a/0.dcm", "a", "", "test", "0")])
    images = StudyImages(folder)
    assert "pydicom" in images.problem()
    assert images.thumbnail(0)


def test_the_decoded_array_is_found_where_an_image_is_left_out(tmp_path: Path) -> None:
    data = write_images(tmp_path / "data")
    (data / "a" / "2.png").write_bytes(b"junk")
    cache = tmp_path / "c"
    config = resolve_config(
        {"data": str(data), "image_size": 12, "max_unreadable": 0.2, "cache_dir": str(cache)}
    )
    dataset = prepare_data(config, image_sizes=(), observer=Observer())
    status = make_status("mine", "ab", data=str(data), cache_dir=str(cache))
    assert status.data is not None
    facts = status.data.model_copy(update={"absent": dataset.absent, "image_shape": (12, 12, 1)})
    folder = StudyFolder.create(
        tmp_path, "mine", status.model_copy(update={"data": facts}).to_json()
    )
    folder.write_split(dataset.table_rows())
    shutil.rmtree(data)  # so that only the array can tell
    images = StudyImages(folder)
    assert dataset.absent[0][0] == 1, "the second of its class"
    expected = [20 * int(Path(path).stem) for path in dataset.table.paths]
    assert [int(images.pixels(place).mean()) for place in range(9)] == expected


def test_a_table_of_predictions_that_is_not_whole_is_named(images: StudyImages) -> None:
    path = images.folder.path / "candidates" / "01" / "predictions.csv"
    path.write_text(path.read_text("utf-8").replace(",", ";"))
    with pytest.raises(StudyError, match="the predictions of candidate 1 must be whole"):
        images.find(ImageFilter(candidate=1))


def test_a_study_that_reads_its_images_says_so(tmp_path: Path) -> None:
    folder = make_study(tmp_path, "mine")
    folder.split_path.unlink()
    with pytest.raises(StudyError, match=r"must hold split\.csv to show images"):
        StudyImages(folder).find()
    folder.write_study({**folder.read_study(), "status": "preparing"})
    with pytest.raises(StudyError, match="they are being read"):
        StudyImages(folder).find()
