from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from PIL import Image

from autocnn.core.config import BUILT_IN
from autocnn.data.sources.open import read_source
from autocnn.data.sources.phantom_drawing import PHANTOM_CLASSES, Box, draw_head, draw_phantom
from autocnn.data.sources.phantoms import Mark, PhantomSet, make_phantoms

NAMES = ("glioma", "meningioma", "notumor", "pituitary")


@pytest.fixture(scope="module")
def drawn() -> PhantomSet:
    return make_phantoms(50, seed=3)


def middle(box: Box) -> tuple[float, float]:
    return (box.left + box.right) / 128, (box.top + box.bottom) / 128


def test_what_is_in_a_set(drawn: PhantomSet) -> None:
    assert drawn.images.shape == (200, 64, 64)
    assert drawn.images.dtype == np.uint8
    assert drawn.class_names == PHANTOM_CLASSES == NAMES
    assert drawn.labels.tolist() == sorted(drawn.labels.tolist())
    assert np.bincount(drawn.labels).tolist() == [50] * 4
    for label, box in zip(drawn.labels, drawn.lesion_boxes, strict=True):
        assert (box is None) == (NAMES[label] == "notumor")
    assert drawn.mark_boxes == (None,) * 200


def test_a_patient_has_one_to_three_slices_of_one_class(drawn: PhantomSet) -> None:
    patients = list(dict.fromkeys(drawn.patients))
    counts = [drawn.patients.count(patient) for patient in patients]
    assert set(counts) == {1, 2, 3}
    assert [a == b for a, b in pairwise(drawn.patients)].count(False) == len(patients) - 1
    of = dict(zip(drawn.patients, drawn.labels, strict=True))
    assert [of[patient] for patient in drawn.patients] == drawn.labels.tolist()


def test_the_seed_decides(drawn: PhantomSet) -> None:
    again = make_phantoms(10, seed=3)
    firsts = np.concatenate([np.arange(10) + 50 * label for label in range(4)])
    assert np.array_equal(again.images, drawn.images[firsts])
    assert not np.array_equal(again.images, make_phantoms(10, seed=4).images)


def test_the_picture_does_not_depend_on_its_side(drawn: PhantomSet) -> None:
    large = make_phantoms(2, seed=3, side=128)
    for place, image in zip((0, 1, 50, 51, 100, 101, 150, 151), large.images, strict=True):
        small = np.asarray(Image.fromarray(image).resize((64, 64), Image.Resampling.BOX))
        assert np.corrcoef(small.ravel(), drawn.images[place].ravel())[0, 1] > 0.95


def test_lesions_lie_where_their_class_says(drawn: PhantomSet) -> None:
    boxes: dict[str, list[Box]] = {name: [] for name in NAMES}
    for label, box in zip(drawn.labels, drawn.lesion_boxes, strict=True):
        if box is not None:
            boxes[NAMES[label]].append(box)
    for x, y in map(middle, boxes["pituitary"]):
        assert 0.3 < x < 0.7
        assert y > 0.6
    from_middle = {
        name: np.mean([np.hypot(x - 0.5, y - 0.5) for x, y in map(middle, boxes[name])])
        for name in ("glioma", "meningioma")
    }
    assert from_middle["meningioma"] > from_middle["glioma"] + 0.05
    # Free of the place of the gland.
    assert not [x for x, y in map(middle, boxes["meningioma"]) if y > 0.75 and 0.4 < x < 0.6]


@pytest.mark.parametrize("kind", ["glioma", "meningioma", "pituitary"])
def test_the_lesion_is_what_is_bright_inside_its_box(kind: Any) -> None:
    rng = np.random.default_rng(5)
    brighter = []
    for _ in range(20):
        phantom = draw_phantom(kind, side=48, rng=rng)
        assert phantom.lesion is not None
        assert phantom.box is not None
        left, top, right, bottom = phantom.box
        assert phantom.lesion.sum() == phantom.lesion[top:bottom, left:right].sum() >= 9
        assert phantom.lesion[top].any()
        assert phantom.lesion[:, right - 1].any()
        tissue = np.median(phantom.image[phantom.image > 40])
        brighter.append(np.percentile(phantom.image[phantom.lesion], 75) > tissue)
    assert sum(brighter) >= 18


def test_slices_of_one_head_differ() -> None:
    rng = np.random.default_rng(1)
    head = draw_head(rng)
    one, other = (draw_phantom("glioma", side=64, rng=rng, head=head) for _ in range(2))
    assert one.box != other.box
    assert np.abs(one.image.astype(float) - other.image).mean() > 5


def test_no_two_are_near_copies(drawn: PhantomSet) -> None:
    small = drawn.images.reshape(200, 32, 2, 32, 2).mean(axis=(2, 4))
    for turned in (small, small[:, :, ::-1]):
        alike = np.corrcoef(small.reshape(200, -1), turned.reshape(200, -1))[:200, 200:]
        np.fill_diagonal(alike, 0)
        assert alike.max() < 0.97


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1])
def test_pixel_facts_do_not_tell_the_class(seed: int) -> None:
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    drawn = make_phantoms(100, seed=seed)
    grey = drawn.images.astype(float)
    around = grey[:, :-2, 1:-1] + grey[:, 2:, 1:-1] + grey[:, 1:-1, :-2] + grey[:, 1:-1, 2:]
    sharpness = (4 * grey[:, 1:-1, 1:-1] - around).std(axis=(1, 2))
    border = grey[:, [0, -1]].mean(axis=(1, 2)) + grey[:, :, [0, -1]].mean(axis=(1, 2))
    facts = np.stack([grey.mean(axis=(1, 2)), grey.std(axis=(1, 2)), sharpness, border], axis=1)
    model = make_pipeline(StandardScaler(), LogisticRegression())
    folds = StratifiedGroupKFold(5, shuffle=True, random_state=0)
    for label in range(4):
        is_class = drawn.labels == label
        predicted = cross_val_predict(
            model, facts, is_class, groups=drawn.patients, cv=folds, method="predict_proba"
        )
        assert roc_auc_score(is_class, predicted[:, 1]) < 0.65, NAMES[label]


@pytest.mark.parametrize("shape", ["cross", "square", "letter"])
def test_a_mark_is_all_that_it_changes(shape: Any) -> None:
    plain = make_phantoms(8, seed=2)
    marked = make_phantoms(8, seed=2, mark=Mark("meningioma", shape=shape))
    places = set()
    for i, box in enumerate(marked.mark_boxes):
        assert (box is not None) == (NAMES[plain.labels[i]] == "meningioma")
        differs = plain.images[i] != marked.images[i]
        if box is None:
            assert not differs.any()
            continue
        inside = np.s_[box.top : box.bottom, box.left : box.right]
        assert differs.sum() == differs[inside].sum() > 0
        assert (marked.images[i][inside] == 255).mean() >= 0.3
        assert marked.images[i][inside].shape == (8, 8)
        lesion = plain.lesion_boxes[i]
        assert lesion is not None
        apart = (
            lesion.left >= box.right,
            lesion.right <= box.left,
            lesion.top >= box.bottom,
            lesion.bottom <= box.top,
        )
        assert any(apart)
        places.add(box)
    assert len(places) == 8


def test_a_mark_may_stand_in_a_fixed_place_of_some_images_of_all_classes() -> None:
    mark = Mark(None, share=0.5, place=(0.1, 1.0), size=0.1)
    drawn = make_phantoms(6, mark=mark)
    has = np.array([box is not None for box in drawn.mark_boxes])
    assert np.bincount(drawn.labels[has]).tolist() == [3] * 4
    assert {box for box in drawn.mark_boxes if box} == {Box(3, 58, 9, 64)}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"share": 1.1}, r"share must be in \[0, 1\], got 1.1"),
        ({"size": 0.5}, r"size must be in \[0.05, 0.25\], got 0.5"),
        ({"place": (0.5, 2)}, r"place must be in \[0, 1\] x \[0, 1\], got \(0.5, 2\)"),
    ],
)
def test_marks_that_cannot_be(settings: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Mark("glioma", **settings)


def test_phantoms_that_cannot_be() -> None:
    rng: Any = np.random.default_rng(0)
    kind: Any = "gliom"
    with pytest.raises(ValueError, match=r"kind must be one of glioma, .*, got 'gliom'"):
        draw_phantom(kind, side=64, rng=rng)
    with pytest.raises(ValueError, match="side must be at least 32, got 31"):
        draw_phantom("glioma", side=31, rng=rng)
    with pytest.raises(ValueError, match="number_per_class must be at least 1, got 0"):
        make_phantoms(0)


@pytest.mark.slow
def test_built_in(recorder: Any) -> None:
    assert "phantoms" in BUILT_IN
    table = read_source("phantoms", observer=recorder)
    assert table.class_names == NAMES
    assert np.bincount(table.labels).tolist() == [150] * 4
    assert table.paths[599] == "phantoms[599]"
    assert table.splits == (None,) * 600
    assert len(set(table.sha256)) == 600
    assert recorder.steps == 600
    of: dict[str | None, set[int]] = {}
    for group, label in zip(table.groups, table.labels.tolist(), strict=True):
        of.setdefault(group, set()).add(label)
    assert None not in of
    assert 200 <= len(of) < 400
    assert all(len(labels) == 1 for labels in of.values())
