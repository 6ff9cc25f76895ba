"""Near copies: how many of those that are made are found, and what else is taken for one.

    python -m benchmarks.near_copies images/ --side 64 --side 96
    python -m benchmarks.near_copies photographs

Images of DATA are changed and compared with themselves; `photographs` are crops of the two that
scikit-learn has. Then the groups of copies in DATA itself are counted. `--peer` does the same with
the pHash of ImageHash (`pip install imagehash`), of the image and its mirror image, at the largest
distance that takes no more pairs of different images for copies than autocnn does.
"""

import io
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from autocnn.core.arrays import Pixels
from autocnn.core.events import Observer
from autocnn.data import choose_image_size, decode_images, find_copies, read_source
from autocnn.data.audit.copies import NEAR
from autocnn.data.audit.fingerprints import Spectra, compute_spectra, squared_distances
from benchmarks.commands import BenchmarkCommand

SAMPLE = 100
"""Images that are changed."""

SMALLEST_CROP = 250
"""Of a photograph, px."""

PHOTOGRAPHS = "photographs"


def _saved(image: Image.Image, kind: str, quality: int) -> Image.Image:
    """As it comes back from a file; the colours at half the resolution."""
    file = io.BytesIO()
    image.save(file, kind, quality=quality)
    with Image.open(file) as opened:
        return opened.convert(image.mode)


def _halved(image: Image.Image) -> Image.Image:
    return image.resize((image.width // 2, image.height // 2), Image.Resampling.LANCZOS)


CHANGES: Mapping[str, Callable[[Image.Image], Image.Image]] = {
    "JPEG 90": partial(_saved, kind="JPEG", quality=90),
    "JPEG 75": partial(_saved, kind="JPEG", quality=75),
    "JPEG 50": partial(_saved, kind="JPEG", quality=50),
    "WebP 80": partial(_saved, kind="WEBP", quality=80),
    "half": _halved,
    "mirrored, JPEG 75": lambda image: _saved(ImageOps.mirror(image), "JPEG", 75),
}


def draw_sample(data: str, side: int) -> Iterator[Image.Image]:
    """Some images at a side in px; none where they are smaller than that."""
    rng = np.random.default_rng(0)
    if data == PHOTOGRAPHS:
        from sklearn.datasets import load_sample_images

        photographs = load_sample_images().images
        for _ in range(SAMPLE):
            photograph = photographs[rng.integers(2)]
            # As cameras' images are made small: no pixel is as it was taken.
            cut = int(rng.integers(max(side, SMALLEST_CROP), min(photograph.shape[:2])))
            top, left = (int(rng.integers(size - cut)) for size in photograph.shape[:2])
            crop = Image.fromarray(photograph[top : top + cut, left : left + cut])
            yield crop.resize((side, side), Image.Resampling.LANCZOS)
        return
    paths = sorted(p for p in Path(data).rglob("*") if p.suffix.lower() in (".jpg", ".png"))
    for place in rng.permutation(len(paths))[:SAMPLE].tolist():
        with Image.open(paths[place]) as image:
            if min(image.size) >= side:
                yield image.convert("RGB").resize((side, side), Image.Resampling.LANCZOS)


def measure_recall(data: str, side: int, *, peer: bool) -> list[list[str]]:
    """Of each finder and change: the share that is found."""
    images = list(draw_sample(data, side))
    if not images:
        return [["autocnn"] + ["-"] * len(CHANGES)]
    changed = [[change(image) for image in images] for change in CHANGES.values()]
    spectra = compute_spectra(_stack(images, side))
    num_false = int((_of_others(spectra, _nearest_turn) <= NEAR).sum())
    row = [f"autocnn ({num_false} false)"]
    for copies in changed:
        distances = _nearest_turn(spectra, compute_spectra(_stack(copies, side)))
        row.append(f"{(distances <= NEAR).mean():.2f} ({np.quantile(distances, 0.9):.4f})")
    if not peer:
        return [row]
    hashes = _hash(images)
    limit = np.sort(_of_others(hashes, _nearest_hash))[num_false]
    found = [(_nearest_hash(hashes, _hash(copies)) < limit).mean() for copies in changed]
    return [row, [f"pHash (below {limit} of 64)", *(f"{share:.2f}" for share in found)]]


def _nearest_turn(first: Spectra, second: Spectra) -> NDArray[np.float64]:
    nearest: NDArray[np.float64] = squared_distances(first, second).min(axis=1)
    return nearest


def _hash(images: list[Image.Image]) -> NDArray[np.bool_]:
    """(n, 2, 64) Of each image and its mirror image."""
    from imagehash import phash  # type: ignore[import-not-found]

    both = ([phash(image), phash(ImageOps.mirror(image))] for image in images)
    return np.array([[one.hash.ravel() for one in pair] for pair in both])


def _nearest_hash(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Bits in which they differ."""
    nearest: NDArray[np.int64] = (first[:, :1] != second).sum(axis=2).min(axis=1)
    return nearest


def _of_others(described: Any, distances: Callable[[Any, Any], NDArray[Any]]) -> NDArray[Any]:
    """The distances between each two different images."""
    pairs = (distances(described, np.roll(described, n, axis=0)) for n in range(1, len(described)))
    return np.concatenate(list(pairs))


def _stack(images: list[Image.Image], side: int) -> Pixels:
    every = (image.resize((side, side), Image.Resampling.LANCZOS) for image in images)
    return np.stack([np.asarray(image) for image in every])


def count_copies(data: str) -> str:
    """The groups of copies in DATA, at its own default size."""
    table = read_source(data)
    decoded = decode_images(
        table,
        image_size=choose_image_size(table),
        channels="auto",
        cache_dir=None,
        cache_limit_gb=10.0,
        observer=Observer(),
    )
    rows = np.flatnonzero(decoded.rows >= 0).astype(np.int64)
    found = find_copies(table.select(rows), decoded.open(), rows=rows, observer=Observer())
    kinds = Counter(group.kind for group in found)
    surplus = sum(len(group.members) - 1 for group in found)
    several = sum(len({int(table.labels[rows[i]]) for i in one.members}) > 1 for one in found)
    return (
        f"{data}: {len(rows):,} images, {dict(kinds)} groups, {surplus:,} surplus, {several} with "
        "several labels"
    )


@click.command(cls=BenchmarkCommand)
@click.argument("data", nargs=-1, required=True)
@click.option("--side", "sides", type=int, multiple=True, default=(32, 64, 96, 128, 160, 224))
@click.option("--peer", is_flag=True, help="ImageHash's pHash beside it.")
@click.option("--count/--no-count", default=True, help="Whether DATA's own copies are counted.")
def main(data: tuple[str, ...], sides: tuple[int, ...], peer: bool, count: bool) -> None:
    """Measure recall in DATA, then count its copies."""
    click.echo(f"| data | px | | {' | '.join(CHANGES)} |")
    click.echo(f"|---|---|---|{'---|' * len(CHANGES)}")
    for place in data:
        for side in sides:
            for row in measure_recall(place, side, peer=peer):
                click.echo(f"| {Path(place).name} | {side} | {' | '.join(row)} |")
    for place in data:
        if count and place != PHOTOGRAPHS:
            click.echo(count_copies(place))


if __name__ == "__main__":
    main()
