"""What must not change a result, or must change it in a known way; no right answer is needed."""

import random
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from autocnn.core.records import SplitScores
from autocnn.data.sources.open import read_source
from autocnn.metrics.calibration import apply_temperature
from autocnn.metrics.scores import score_split
from autocnn.tuning.budget import Budget, Shortlist
from tests.data.byte_copies import find_byte_copies
from tests.properties.test_scores import Predicted, predictions
from tests.samples import epoch, trial

RESAMPLES = 200


def names_of(number: int) -> list[str]:
    return [f"class {index}" for index in range(number)]


def judged(drawn: Predicted, **options: object) -> SplitScores:
    names = names_of(drawn.probabilities.shape[1])
    return score_split(
        "test",
        drawn.labels,
        drawn.probabilities,
        names,
        num_resamples=RESAMPLES,
        **options,  # type: ignore[arg-type]
    )


@given(predictions())
def test_each_image_twice_changes_no_score_and_no_interval(drawn: Predicted) -> None:
    """The two are one group: they tell no more than one of them."""
    number = len(drawn.labels)
    once = judged(drawn, groups=np.arange(number))
    twice = Predicted(
        np.repeat(drawn.labels, 2), np.repeat(drawn.probabilities, 2, axis=0), drawn.weights
    )
    both = judged(twice, groups=np.repeat(np.arange(number), 2))
    for name, value in once.scores.model_dump().items():
        other = getattr(both.scores, name)
        assert (value is None) == (other is None)
        assert value is None or np.isclose(value, other, atol=1e-9), name
    assert once.intervals.keys() == both.intervals.keys()
    for name in ("accuracy", "balanced_accuracy", "macro_f1", "macro_auc", "log_loss"):
        if name in once.intervals:
            one, other_interval = once.intervals[name], both.intervals[name]
            assert np.isclose(one.low, other_interval.low, atol=1e-6), name
            assert np.isclose(one.high, other_interval.high, atol=1e-6), name


@given(predictions(), st.randoms(use_true_random=False))
def test_other_numbers_for_the_classes_permute_the_tables_alone(
    drawn: Predicted, rng: random.Random
) -> None:
    """Where no two classes are equally probable: of equals, the first is predicted."""
    number = drawn.probabilities.shape[1]
    noise = np.random.default_rng(1).random(drawn.probabilities.shape) / 100
    unequal = drawn.probabilities + noise
    unequal = (unequal / unequal.sum(axis=1, keepdims=True)).astype(np.float32)
    order = rng.sample(range(number), number)  # the class that stands at each place
    place = np.argsort(order)
    first = judged(Predicted(drawn.labels, unequal, drawn.weights))
    second = judged(Predicted(place[drawn.labels], unequal[:, order], drawn.weights))
    for name, value in first.scores.model_dump().items():
        other = getattr(second.scores, name)
        assert value is None or np.isclose(value, other, atol=1e-6), name
    for index, old in enumerate(order):
        one, moved = first.classes[old], second.classes[index]
        assert one.num_images == moved.num_images
        for name in ("precision", "recall", "f1", "auc"):
            before, after = getattr(one, name), getattr(moved, name)
            assert (before is None) == (after is None)
            assert before is None or np.isclose(before, after, atol=1e-6), name


@given(predictions(), st.floats(0.05, 20))
def test_a_temperature_keeps_the_label(drawn: Predicted, temperature: float) -> None:
    """The probability of what was predicted stays the largest; equals stay equal."""
    scaled = apply_temperature(drawn.probabilities, temperature)
    rows = np.arange(len(scaled))
    top = drawn.probabilities.argmax(axis=1)
    assert np.allclose(scaled[rows, top], scaled.max(axis=1), rtol=1e-6)
    assert np.allclose(scaled.sum(axis=1), 1)


@given(
    st.lists(st.floats(0.1, 500), min_size=1, max_size=8),
    st.floats(5, 50_000),
    st.floats(1, 4),
    st.integers(1, 4),
    st.integers(0, 3),
    st.integers(1, 3),
)
def test_a_larger_budget_never_gives_fewer_finalists(
    seconds: list[float], total_s: float, factor: float, workers: int, folds: int, members: int
) -> None:
    ranked = [
        trial(
            number,
            params={"width": number},
            best_epoch=2,
            history=tuple(epoch(n).model_copy(update={"seconds": one}) for n in (1, 2)),
        )
        for number, one in enumerate(seconds)
    ]

    def shortlist(budget_s: float) -> Shortlist:
        budget = Budget(
            budget_s,
            workers,
            3,
            1.2,
            lambda params: params["width"] == 0,
            num_folds=folds,
            members=members,
            fold_size=0.6,
            num_train=100,
            num_judged=50,
            clock=lambda: 0.0,
        )
        return budget.shortlist_now(ranked)

    def made_of(found: Shortlist) -> tuple[int, int, int, int]:
        first = ranked.index(found.retrained[0]) if found.retrained else 0
        return found.num_folds, len(found.retrained), -first, len(found.trials)

    less, more = shortlist(total_s), shortlist(total_s * factor)
    assert len(less.retrained) <= len(more.retrained)
    assert made_of(less) <= made_of(more)


def write_images(folder: Path, names: list[str], *, seed: int = 0) -> None:
    for name in names:
        pixels = np.random.default_rng(hash_of(name, seed)).integers(0, 256, (9, 9), dtype=np.uint8)
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(folder / name)


def hash_of(name: str, seed: int) -> int:
    return random.Random(f"{name} {seed}").randrange(2**32)


@given(st.randoms(use_true_random=False))
def test_the_order_in_which_files_were_made_changes_nothing(rng: random.Random) -> None:
    names = [f"{label}/{number}.png" for label in ("cat", "dog") for number in range(5)]
    with tempfile.TemporaryDirectory() as place:
        tables = []
        for folder in (Path(place) / "a", Path(place) / "b"):
            write_images(folder, rng.sample(names, len(names)))
            tables.append(read_source(str(folder)))
    first, second = tables
    assert first.paths == second.paths
    assert first.sha256 == second.sha256
    assert first.labels.tolist() == second.labels.tolist()


def test_copies_of_test_in_train_are_found_and_no_other_image(tmp_path: Path) -> None:
    """Added copies are copies; what they are not copies of stays clean."""
    names = [
        f"{split}/{label}/{n}.png" for split in ("train", "test") for label in "ab" for n in "123"
    ]
    write_images(tmp_path, names)
    before = read_source(str(tmp_path))
    assert find_byte_copies(before) == ()
    content = (tmp_path / "test/a/1.png").read_bytes()
    (tmp_path / "train/a/copy.png").write_bytes(content)
    table = read_source(str(tmp_path))
    (found,) = find_byte_copies(table)
    assert {table.paths[index] for index in found.members} == {"test/a/1.png", "train/a/copy.png"}


@pytest.mark.parametrize("turn", ["rotate", "mirror"])
def test_an_image_and_its_mirror_count_as_one(tmp_path: Path, turn: str) -> None:
    from autocnn.core.config import StudyConfig
    from autocnn.core.events import Observer
    from autocnn.data import prepare_data

    rng = np.random.default_rng(3)
    for number in range(12):
        small = Image.fromarray(rng.integers(0, 256, (6, 6), dtype=np.uint8))
        image = small.resize((48, 48), Image.Resampling.BICUBIC)
        path = tmp_path / "images" / "ab"[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        image.save(path)
        if number == 0:
            other = (
                image.rotate(90)
                if turn == "rotate"
                else image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
            )
            other.save(path.with_name("again.png"))
    config = StudyConfig(data=str(tmp_path / "images"), cache_dir=tmp_path / "cache", image_size=16)
    dataset = prepare_data(config, image_sizes=[None], observer=Observer())
    both = {dataset.table.paths.index(name) for name in ("a/0.png", "a/again.png")}
    assert [set(group.members) for group in dataset.copies] == [both]
    assert len({int(dataset.bundles[position]) for position in both}) == 1
