"""Near copies: how many of those that are made are found, and what else is taken for one.

    python -m benchmarks.near_copies images/ --side 64 --side 96
    python -m benchmarks.near_copies photographs

Images of DATA are changed and compared with themselves; `photographs` are crops of the two that
scikit-learn has. Then the groups of copies in DATA itself are counted.
"""

import io
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

import click
import numpy as np
from PIL import Image, ImageOps

from autocnn.core.arrays import Pixels
from autocnn.core.events import Observer
from autocnn.data import choose_image_size, decode_images, find_copies, read_source
from autocnn.data.audit.copies import NEAR
from autocnn.data.audit.fingerprints import compute_spectra, squared_distances

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


def measure_recall(data: str, side: int) -> list[str]:
    """Of each change: the share that is found, and the 90th percentile of the distance."""
    images = list(draw_sample(data, side))
    if not images:
        return ["-"] * len(CHANGES)
    before = compute_spectra(_stack(images, side))
    cells = []
    for change in CHANGES.values():
        after = compute_spectra(_stack([change(image) for image in images], side))
        distances = squared_distances(before, after).min(axis=1)
        cells.append(f"{(distances <= NEAR).mean():.2f} ({np.quantile(distances, 0.9):.4f})")
    return cells


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


@click.command()
@click.argument("data", nargs=-1, required=True)
@click.option("--side", "sides", type=int, multiple=True, default=(32, 64, 96, 128, 160, 224))
def main(data: tuple[str, ...], sides: tuple[int, ...]) -> None:
    """Measure recall in DATA, then count its copies."""
    click.echo(f"| data | px | {' | '.join(CHANGES)} |")
    click.echo(f"|---|---|{'---|' * len(CHANGES)}")
    for place in data:
        for side in sides:
            click.echo(
                f"| {Path(place).name} | {side} | {' | '.join(measure_recall(place, side))} |"
            )
    for place in data:
        if place != PHOTOGRAPHS:
            click.echo(count_copies(place))


if __name__ == "__main__":
    main()
