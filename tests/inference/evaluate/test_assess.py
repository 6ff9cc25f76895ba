"""Scores on DATA: the images that count, the groups, the copies, the comparison."""

import hashlib
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from autocnn.core.arrays import Pixels
from autocnn.core.errors import DataError
from autocnn.core.records import Interval
from autocnn.data import DecodedImages
from autocnn.inference.evaluate import Reference, assess, seen
from autocnn.inference.evaluate.assess import IMAGES_AT_ONCE
from autocnn.inference.evaluate.seen import StudyData
from autocnn.metrics.scores import score_split
from tests.inference.evaluate.models import CLASSES, BrightThird, draw, write_folder

STUDY = Reference(
    "mine", 1, CLASSES, "test_clean", {"accuracy": Interval(value=0.98, low=0.96, high=0.99)}
)

NUMBERED = replace(STUDY, class_names=("0", "1", "2"))


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_scores_are_those_of_the_leaderboards_code(tmp_path: Path) -> None:
    pixels, labels = draw(60, wrong=6)
    np.savez(tmp_path / "some.npz", x=pixels, y=labels)
    model = BrightThird()
    found = assess(
        lambda: model, NUMBERED, str(tmp_path / "some.npz"), name="mine", cache_dir=tmp_path
    )
    probabilities = model.predict(list(pixels)).probabilities
    expected = score_split("test", labels, probabilities, ("0", "1", "2"))
    assert found.record.scores == expected
    assert found.record.scores.scores.accuracy == 0.9
    assert found.record.confusion.counts == ((18, 2, 0), (0, 18, 2), (2, 0, 18))
    assert found.paths[:2] == ("x[0]", "x[1]")
    np.testing.assert_array_equal(found.probabilities, probabilities)


def test_arrays_are_read_by_the_black_and_white_of_the_study(tmp_path: Path) -> None:
    """One bright pixel leaves the others as bright as they were in the study."""
    pixels, labels = draw(60, wrong=6)
    deep = pixels.astype(np.uint16)
    deep[0, 0, 0] = 4000
    np.savez(tmp_path / "some.npz", x=deep, y=labels)
    model = BrightThird()
    found = assess(
        lambda: model,
        replace(NUMBERED, array_levels=(0, 255)),
        str(tmp_path / "some.npz"),
        name="mine",
        cache_dir=tmp_path,
    )
    pixels[0, 0, 0] = 255
    expected = model.predict(list(pixels)).probabilities
    np.testing.assert_array_equal(found.probabilities, expected)


def test_classes_are_matched_by_name_and_may_be_missing(tmp_path: Path) -> None:
    data = write_folder(tmp_path / "images", 30)
    for path in (data / "middle").iterdir():
        path.unlink()
    found = assess(BrightThird, STUDY, str(data), name="m", cache_dir=tmp_path / "cache").record
    assert found.scores.scores.accuracy == 1.0
    assert found.missing_classes == ("middle",)
    assert [one.num_images for one in found.scores.classes] == [10, 0, 10]
    assert found.scores.scores.macro_auc is None
    assert any("No image of 'middle'" in sentence for sentence in found.sentences)


def test_the_order_of_the_models_classes_counts(tmp_path: Path) -> None:
    data = write_folder(tmp_path / "images", 30, names=("b", "c", "a"))
    study = replace(STUDY, class_names=("b", "c", "a"))
    found = assess(BrightThird, study, str(data), name="mine", cache_dir=tmp_path / "cache").record
    assert found.scores.scores.accuracy == 1.0
    assert found.confusion.labels == ("b", "c", "a")


def test_one_class_is_enough(tmp_path: Path) -> None:
    data = write_folder(tmp_path / "images", 30)
    found = assess(BrightThird, STUDY, str(data), name="m", cache_dir=tmp_path / "cache").record
    (tmp_path / "one").mkdir()
    (data / "right").rename(tmp_path / "one" / "right")
    alone = assess(
        BrightThird, STUDY, str(tmp_path / "one"), name="m", cache_dir=tmp_path / "cache"
    ).record
    assert alone.scores.classes[2].recall == found.scores.classes[2].recall == 1.0
    assert alone.scores.num_images == 10


def test_groups_and_copies_widen_the_intervals(tmp_path: Path) -> None:
    data = write_folder(tmp_path / "images", 30, wrong=3)
    lines = [f"{path.relative_to(data)},{path.parent.name}" for path in sorted(data.rglob("*.png"))]
    (data / "alone.csv").write_text("\n".join(["path,label", *lines]))
    grouped = [f"{line},patient {int(Path(line.split(',')[0]).stem) // 5}" for line in lines]
    (data / "grouped.csv").write_text("\n".join(["path,label,group", *grouped]))
    alone, together = (
        assess(BrightThird, STUDY, str(data / name), name="m", cache_dir=tmp_path / "cache")
        for name in ("alone.csv", "grouped.csv")
    )
    assert len(set(alone.groups.tolist())) == 30
    assert len(set(together.groups.tolist())) == 6
    assert together.record.scores.scores == alone.record.scores.scores
    widths = [
        one.record.scores.intervals["accuracy"].high - one.record.scores.intervals["accuracy"].low
        for one in (alone, together)
    ]
    assert widths[1] > widths[0]


def test_unreadable_images_are_named_and_left_out(tmp_path: Path) -> None:
    data = write_folder(tmp_path / "images", 30)
    (data / "left" / "000.png").write_bytes(b"no image")
    model = BrightThird(unreadable=("001.png",))
    found = assess(lambda: model, STUDY, str(data), name="mine", cache_dir=tmp_path / "cache")
    assert {image.path for image in found.record.unreadable} == {"left/000.png", "middle/001.png"}
    assert found.record.scores.num_images == len(found.paths) == len(found.probabilities) == 28
    assert found.record.scores.scores.accuracy == 1.0
    assert "2 unreadable images left out: left/000.png" in " ".join(found.record.sentences)


def test_data_without_a_readable_image_is_an_error(tmp_path: Path) -> None:
    for name in CLASSES[:2]:
        (tmp_path / "images" / name).mkdir(parents=True)
        (tmp_path / "images" / name / "a.png").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"got none: left/a\.png"):
        assess(BrightThird, STUDY, str(tmp_path / "images"), name="m", cache_dir=tmp_path / "c")


def test_images_that_the_model_has_seen_are_left_out_of_the_comparison(tmp_path: Path) -> None:
    data = write_folder(tmp_path / "images", 30, wrong=3)
    seen = frozenset(digest(path) for path in sorted((data / "right").iterdir()))
    study = Reference("mine", 1, CLASSES, "test", STUDY.figures, seen, frozenset())
    found = assess(BrightThird, study, str(data), name="mine", cache_dir=tmp_path / "cache")
    record = found.record
    assert record.num_seen == 10
    assert found.is_seen is not None
    assert found.is_seen.tolist() == [path.startswith("right") for path in found.paths]
    assert record.unseen is not None
    assert record.unseen.split == "test_clean"
    assert record.unseen.num_images == 20
    assert record.unseen.scores.accuracy == pytest.approx(18 / 20)
    assert record.scores.scores.accuracy == pytest.approx(27 / 30)
    assert record.comparisons[0].here == record.unseen.intervals["accuracy"]
    assert "10 of 30 images are byte copies of the study's train or val" in record.sentences[1]


def test_where_all_were_seen_nothing_is_compared(tmp_path: Path) -> None:
    data = write_folder(tmp_path / "images", 12)
    seen = frozenset(digest(path) for path in data.rglob("*.png"))
    study = Reference("mine", 1, CLASSES, "test", STUDY.figures, seen, frozenset())
    found = assess(BrightThird, study, str(data), name="m", cache_dir=tmp_path / "cache").record
    assert found.num_seen == 12
    assert found.unseen is None
    assert found.comparisons == ()
    assert "say nothing of others" in found.sentences[0]


@pytest.mark.parametrize(("wrong", "is_told_apart"), [(15, True), (1, False)])
def test_the_comparison_with_the_study_is_unpaired(
    wrong: int, is_told_apart: bool, tmp_path: Path
) -> None:
    data = write_folder(tmp_path / "images", 60, wrong=wrong)
    found = assess(BrightThird, STUDY, str(data), name="m", cache_dir=tmp_path / "cache").record
    (accuracy,) = found.comparisons
    here = found.scores.intervals["accuracy"]
    assert (accuracy.metric, accuracy.here) == ("accuracy", here)
    difference = accuracy.difference
    assert difference.value == pytest.approx(1 - wrong / 60 - 0.98)
    assert difference.low == pytest.approx(
        difference.value - np.hypot(here.value - here.low, 0.99 - 0.98)
    )
    assert difference.high == pytest.approx(
        difference.value + np.hypot(here.high - here.value, 0.98 - 0.96)
    )
    assert accuracy.is_told_apart == is_told_apart
    assert found.num_seen is None
    assert found.compared_with == "test_clean"


def test_images_unlike_the_training_images_are_counted_if_the_model_can(tmp_path: Path) -> None:
    pixels, labels = draw(30)
    pixels[:6] = 255 - np.arange(6, dtype=np.uint8)[:, None, None]
    np.savez(tmp_path / "some.npz", x=pixels, y=labels)
    for knows, number in ((True, 6), (False, None)):
        load = partial(BrightThird, knows_unlike=knows)
        data = str(tmp_path / "some.npz")
        found = assess(load, NUMBERED, data, name="m", cache_dir=tmp_path / "cache").record
        assert found.num_unlike == number
        assert any("unlike the training images" in s for s in found.sentences) == knows


def test_the_model_gets_as_many_images_at_once_as_memory_allows(tmp_path: Path) -> None:
    pixels, labels = draw(IMAGES_AT_ONCE + 5)
    np.savez(tmp_path / "some.npz", x=pixels, y=labels)
    model = BrightThird()
    assess(
        lambda: model, NUMBERED, str(tmp_path / "some.npz"), name="m", cache_dir=tmp_path / "cache"
    )
    assert model.calls == [IMAGES_AT_ONCE, 5]


def test_the_model_is_not_loaded_for_data_that_cannot_be_used(tmp_path: Path) -> None:
    def load() -> BrightThird:
        raise AssertionError("loading a model is slow")

    data = str(write_folder(tmp_path / "images", 9))
    with pytest.raises(DataError, match="got no such path"):
        assess(load, STUDY, "no/data", name="m", cache_dir=tmp_path / "c")
    with pytest.raises(DataError, match="every class must be one of the model's"):
        assess(load, NUMBERED, data, name="m", cache_dir=tmp_path / "c")
    with pytest.raises(DataError, match="must have a test split"):
        assess(load, STUDY, data, name="m", asked="test", cache_dir=tmp_path / "c")


def near_study(tmp_path: Path) -> tuple[Reference, Path]:
    """A study of 30 images, and 12 new ones of which three are its first ones, mirrored or not."""
    theirs = write_folder(tmp_path / "study", 30, seed=1)
    data = write_folder(tmp_path / "images", 12, seed=2)
    first, second, third = sorted((theirs / "left").iterdir())[:3]
    for number, (path, turn) in enumerate(
        ((first, Image.Transpose.FLIP_TOP_BOTTOM), (second, Image.Transpose.ROTATE_180))
    ):
        with Image.open(path) as image:
            image.transpose(turn).save(data / "left" / f"near-{number}.png")
    (data / "left" / "same.png").write_bytes(third.read_bytes())
    seen = frozenset(digest(path) for path in theirs.rglob("*.png"))
    source = StudyData(str(theirs), 12, "auto", seen)
    return replace(STUDY, seen=seen, tested=frozenset(), source=source), data


def test_near_copies_of_the_studys_images_are_left_out_of_the_comparison(tmp_path: Path) -> None:
    study, data = near_study(tmp_path)
    found = assess(BrightThird, study, str(data), name="m", cache_dir=tmp_path / "cache")
    assert found.is_seen is not None
    known = [path for path, one in zip(found.paths, found.is_seen, strict=True) if one]
    assert known == ["left/near-0.png", "left/near-1.png", "left/same.png"]
    assert (found.record.num_seen, found.record.num_near) == (3, 2)
    assert found.record.unseen is not None
    assert found.record.unseen.num_images == 12
    assert any("3 of 15 images are copies" in sentence for sentence in found.record.sentences)


def test_near_copies_are_looked_for_in_the_channels_of_the_study(tmp_path: Path) -> None:
    study, data = near_study(tmp_path)
    seen_hashes = set()
    for path in (tmp_path / "study").rglob("*.png"):
        with Image.open(path) as image:
            Image.merge("RGB", (image, image.point(lambda v: v // 2), image)).save(path)
        seen_hashes.add(digest(path))
    for path in data.rglob("*.png"):
        with Image.open(path) as image:
            Image.merge("RGB", (image, image.point(lambda v: v // 2), image)).save(path)
    assert study.source is not None
    source = replace(study.source, channels="grey", sha256=frozenset(seen_hashes))
    found = assess(
        BrightThird,
        replace(study, source=source, seen=source.sha256),
        str(data),
        name="m",
        cache_dir=tmp_path / "cache",
    )
    assert (found.record.num_seen, found.record.num_near) == (3, 2)


@pytest.mark.parametrize("reason", ["gone", "too many"])
def test_where_near_copies_cannot_be_looked_for_it_is_said(
    reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study, data = near_study(tmp_path)
    if reason == "gone":
        (tmp_path / "study").rename(tmp_path / "moved")
    else:
        monkeypatch.setattr(seen, "MOST_IMAGES", 40)
    found = assess(BrightThird, study, str(data), name="m", cache_dir=tmp_path / "cache").record
    assert (found.num_seen, found.num_near) == (1, None)
    assert any("were not looked for" in sentence for sentence in found.sentences)


def test_of_too_many_images_no_array_is_taken_into_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study, data = near_study(tmp_path)
    monkeypatch.setattr(seen, "MOST_IMAGES", 40)
    opened: list[DecodedImages] = []
    open_array = DecodedImages.open

    def open_one(decoded: DecodedImages) -> Pixels:
        opened.append(decoded)
        return open_array(decoded)

    monkeypatch.setattr(DecodedImages, "open", open_one)
    assess(BrightThird, study, str(data), name="m", cache_dir=tmp_path / "cache")
    assert len(opened) == 1, "for the copies within DATA, which stay on the disk"


def test_images_of_a_group_in_train_are_no_clean_ones(tmp_path: Path) -> None:
    """With a given split, test may hold other images of the patients of train."""
    data = write_folder(tmp_path / "images", 30)
    lines = ["path,label,group,split"]
    seen_hashes = set()
    for number, path in enumerate(sorted(data.rglob("*.png"))):
        split = "train" if number % 3 else "test"
        if split == "train" and number < 20:
            seen_hashes.add(digest(path))
        lines.append(f"{path.relative_to(data)},{path.parent.name},patient {number // 5},{split}")
    (data / "list.csv").write_text("\n".join(lines))
    lines = [line for line in lines if not line.endswith("train")]
    (data / "test.csv").write_text("\n".join(lines))
    by_image = replace(STUDY, seen=frozenset(seen_hashes))
    by_name = replace(STUDY, seen=frozenset({"0"}), seen_groups=frozenset({"patient 0"}))
    for reference, name, number in ((by_image, "list.csv", 7), (by_name, "test.csv", 2)):
        found = assess(
            BrightThird,
            reference,
            str(data / name),
            name="m",
            asked="test",
            cache_dir=tmp_path / "cache",
        ).record
        assert (found.scores.num_images, found.num_seen, found.num_kin) == (10, number, number)
        assert found.unseen is not None
        assert found.unseen.num_images == 10 - number


def write_table(folder: Path, num: int, *, wrong: int) -> Path:
    """A table with the site of each image: the first ones, which are wrong, are of `north`."""
    data = write_folder(folder / "images", num, wrong=wrong)
    lines = ["path,label,site"]
    for path in sorted(data.rglob("*.png")):
        site = "north" if int(path.stem) < 2 * wrong else "south"
        lines.append(f"images/{path.parent.name}/{path.name},{path.parent.name},{site}")
    (folder / "list.csv").write_text("\n".join(lines) + "\n")
    return folder / "list.csv"


def test_each_value_of_a_column_is_scored(tmp_path: Path) -> None:
    data = str(write_table(tmp_path, 90, wrong=15))
    known = partial(assess, BrightThird, STUDY, data, name="m", cache_dir=tmp_path / "cache")
    assert known().record.subgroups == ()
    worst, other = known(by=("site",)).record.subgroups
    assert (worst.column, worst.value, worst.num_images) == ("site", "north", 30)
    assert worst.scores["accuracy"].value == 0.5
    assert (worst.verdict, other.verdict) == ("worse", "better")
    with pytest.raises(DataError, match=r"must name other columns of the table \(site\)"):
        known(by=("sex",))


def test_only_unseen_images_are_scored_by_value(tmp_path: Path) -> None:
    data = write_table(tmp_path, 60, wrong=15)
    seen_paths = sorted((tmp_path / "images/left").iterdir())[:8]
    reference = replace(STUDY, seen=frozenset(digest(path) for path in seen_paths))
    found = assess(
        BrightThird, reference, str(data), name="m", by=("site",), cache_dir=tmp_path / "cache"
    ).record
    assert found.unseen is not None
    assert sum(one.num_images for one in found.subgroups) == found.unseen.num_images == 52
