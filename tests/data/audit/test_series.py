from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from autocnn.core.records import LikelyGroups
from autocnn.data.audit.series import find_series
from autocnn.data.sources.names import NamePattern
from autocnn.data.table import ArrayImages, ImageTable

SIDE = 16
Named = Callable[[int, int], str]


def make(
    make_table: Any, name: Named, *, num: int = 240, per_scan: int = 8, alike: float = 0.9
) -> tuple[ImageTable, Any]:
    """Scans of some slices, `alike` each other, in two classes; names by (scan, slice)."""
    rng = np.random.default_rng(0)
    scans = np.arange(num) // per_scan
    own = rng.normal(0, 1, (num, SIDE, SIDE))
    shared = rng.normal(0, 1, (num, SIDE, SIDE))[scans]
    pixels = (128 + 40 * (alike * shared + (1 - alike) * own)).clip(0, 255).astype(np.uint8)
    labels = (scans % 2).tolist()
    paths = tuple(
        f"{'ab'[label]}/{name(int(scan), i % per_scan)}"
        for i, (scan, label) in enumerate(zip(scans, labels, strict=True))
    )
    return replace(make_table(labels), paths=paths), pixels[..., None]


def find(table: ImageTable, pixels: Any, bundles: Any = None) -> LikelyGroups | None:
    n = len(table)
    return find_series(
        table, pixels, np.arange(n), np.arange(n) if bundles is None else bundles, seed=0
    )


@pytest.mark.parametrize(
    ("name", "group"),
    [
        (lambda scan, i: f"patient_{scan:03d}_slice_{i:02d}.png", "patient_003"),
        (lambda scan, i: f"Subject{scan}-{i}.png", "Subject3"),
        (lambda scan, i: f"{i}_case {scan}.png", "case 3"),
        (lambda scan, i: f"video{scan}_frame{i:04d}.jpg", "video3"),
        (lambda scan, i: f"P{scan:02d}_L_{i}.jpg", "P03"),
        (lambda scan, i: f"{scan}.{i}.dcm", "3"),
        (lambda scan, i: f"scan {scan}/{i}.png", "scan 3"),
    ],
)
def test_names_of_series(make_table: Any, name: Named, group: str) -> None:
    table, pixels = make(make_table, name)
    found = find(table, pixels)
    assert found is not None
    assert found.regex is not None
    caught = [NamePattern(found.regex).find(path) for path in table.paths]
    assert caught[3 * 8 : 4 * 8] == [group] * 8
    assert len(set(caught)) == found.num_groups == 30
    assert found.num_images == 240
    assert len(found.examples) == 3
    assert found.resemblance is not None
    assert found.resemblance > 0.95


def test_numbers_that_begin_again_in_every_class(make_table: Any) -> None:
    table, pixels = make(make_table, lambda scan, i: f"{scan // 2:05d}_{i:05d}.ppm")
    found = find(table, pixels)
    assert found is not None
    assert found.regex is not None
    assert NamePattern(found.regex).find(table.paths[0]) == "a/00000"
    assert found.num_groups == 30


def test_words_for_patients_count_without_resemblance(make_table: Any) -> None:
    table, pixels = make(make_table, lambda scan, i: f"patient{scan}_{i}.png", alike=0.0)
    found = find(table, pixels)
    assert found is not None
    assert found.resemblance is not None
    assert 0.35 < found.resemblance < 0.65


def test_numbers_alone_do_not_count_without_resemblance(make_table: Any) -> None:
    table, pixels = make(make_table, lambda scan, i: f"IMG_{scan}_{i}.png", alike=0.0)
    assert find(table, pixels) is None


@pytest.mark.parametrize(
    "name",
    [
        lambda scan, i: f"{8 * scan + i:04d}.png",
        lambda scan, i: f"Tr-gl_{8 * scan + i:04d}.png",
        lambda scan, i: f"patient_{8 * scan + i}.png",  # each of another one
    ],
)
def test_neighbours_that_resemble_each_other(make_table: Any, name: Named) -> None:
    table, pixels = make(make_table, name)
    found = find(table, pixels)
    assert found is not None
    assert (found.regex, found.classes, found.num_images) == (None, ("a", "b"), 240)
    assert found.resemblance is not None
    assert found.resemblance > 0.8
    # Copies, which are kept together anyway, are no news.
    scans = np.arange(240) // 8
    assert find(table, pixels, scans) is None
    assert find(*make(make_table, name, alike=0.0)) is None


def test_what_has_groups_or_no_files_is_left_alone(make_table: Any) -> None:
    table, pixels = make(make_table, lambda scan, i: f"patient_{scan}_{i}.png")
    grouped = replace(table, groups=("p1", *[None] * 239))
    arrays = replace(table, images=ArrayImages((), np.arange(240)))
    assert find(grouped, pixels) is None
    assert find(arrays, pixels) is None


def test_few_images_tell_nothing(make_table: Any) -> None:
    table, pixels = make(make_table, lambda scan, i: f"{8 * scan + i:04d}.png", num=24)
    assert find(table, pixels) is None
