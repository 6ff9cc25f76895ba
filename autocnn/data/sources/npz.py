"""Reads images that lie in arrays: .npz files and the built-in digits."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autocnn.core.archives import BROKEN_ARCHIVE, read_arrays
from autocnn.core.arrays import Pixels
from autocnn.core.errors import DataError
from autocnn.core.records import SPLITS, SplitName
from autocnn.core.wording import count, first_few, listing
from autocnn.data.decode import LEAST_OF_255, Levels, levels_of
from autocnn.data.table import ArrayImages, FoundImages

KEYS = "train_images and train_labels (with val_ and test_ too, if you have them), or x and y"

HIGHEST_INTEGER, HIGHEST_FLOAT = 65_535, 255
"""Larger values are refused."""


def read_npz(file: Path, levels: Levels | None = None) -> FoundImages:
    """Find the images in an .npz with MedMNIST keys, or with x and y.

    Args:
        file: Images (n, h, w) or (n, h, w, 1 | 3 | 4); labels (n,) or (n, 1), integers of
            at least 0, or text. Images that are not uint8 are brought to 0..255 as files of more
            than 8 bits are, see `decode.levels_of`.
        levels: Values that became 0 and 255 in the arrays that a model has learned from; None: by
            these arrays alone. Those of uint8 are read as they are anyway.

    Raises:
        DataError: When the file is no such archive, or an array breaks a rule.
    """
    arrays = _load(file)
    pairs: dict[SplitName | None, tuple[str, str]] = {}
    if "train_images" in arrays:
        for split in SPLITS:
            names = (f"{split}_images", f"{split}_labels")
            if names[0] in arrays or names[1] in arrays:
                pairs[split] = names
    elif "x" in arrays or "y" in arrays:
        pairs[None] = ("x", "y")
    else:
        got = ", ".join(arrays) or "nothing"
        raise DataError(f"{file}: must hold {KEYS}, got {got}.", remedy="Rename the arrays.")
    blocks = [(pair[0], split, *_pair(file, arrays, *pair)) for split, pair in pairs.items()]
    images, array_levels, note = _to_uint8(file, [block[2] for block in blocks], levels)
    class_of = tuple(str(label) for block in blocks for label in block[3].tolist())
    return FoundImages(
        paths=tuple(f"{name}[{i}]" for name, _, x, _ in blocks for i in range(len(x))),
        class_of=class_of,
        splits=tuple(split for _, split, x, _ in blocks for _ in range(len(x))),
        groups=(None,) * sum(map(len, images)),
        images=ArrayImages(images, np.arange(sum(map(len, images)), dtype=np.int64)),
        ignored={},
        notes=(*_understood(file, arrays, [*pairs.values()], class_of), *filter(None, [note])),
        array_levels=array_levels,
    )


def _understood(
    file: Path, names: Iterable[str], pairs: Sequence[tuple[str, str]], class_of: Sequence[str]
) -> Iterator[str]:
    """What was taken for what, and which arrays were not."""
    images, labels = (listing(taken) for taken in zip(*pairs, strict=True))
    classes = count(len(set(class_of)), "class", "classes")
    yield (
        f"Read {count(len(class_of), 'image')} of {file.name}: {images}, labels from {labels} "
        f"({classes}). Otherwise: rename the arrays."
    )
    taken = {name for pair in pairs for name in pair}
    if others := [name for name in names if name not in taken]:
        yield f"Not read are its other arrays: {first_few(others)}."


def read_digits() -> FoundImages:
    """scikit-learn's 1,797 handwritten digits of 8 x 8 px, 0..16 scaled to 0..255."""
    from sklearn.datasets import load_digits  # slow to import

    digits = load_digits()
    images = np.rint(digits.images * (255 / 16)).astype(np.uint8)
    return FoundImages(
        paths=tuple(f"digits[{i}]" for i in range(len(images))),
        class_of=tuple(str(label) for label in digits.target.tolist()),
        splits=(None,) * len(images),
        groups=(None,) * len(images),
        images=ArrayImages((images,), np.arange(len(images), dtype=np.int64)),
        ignored={},
        notes=(),
    )


def _load(file: Path) -> Mapping[str, NDArray[Any]]:
    try:
        with file.open("rb") as opened:
            return read_arrays(opened)
    except BROKEN_ARCHIVE as error:
        raise DataError(
            f"{file}: must be a whole .npz archive, got: {error}.", remedy="Fetch it again."
        ) from error
    except ValueError as error:
        raise _value_error(file, error) from error
    except OSError as error:
        reason = error.strerror or str(error)
        raise DataError(f"{file}: must be readable, got: {reason}.") from error


def _value_error(file: Path, error: ValueError) -> DataError:
    """NumPy says ValueError to pickled arrays, to other files and to cut arrays alike."""
    if "Object arrays" in str(error):
        return DataError(
            f"{file}: must hold plain arrays, got pickled objects, which could run code.",
            remedy="Save images as uint8 and labels as int64.",
        )
    reason = "another kind of file" if "pickle" in str(error) else str(error)
    return DataError(f"{file}: must be a whole .npz archive, got: {reason}.")


def _pair(
    file: Path, arrays: Mapping[str, NDArray[Any]], images_name: str, labels_name: str
) -> tuple[NDArray[Any], NDArray[np.int64] | NDArray[np.str_]]:
    """Images as they are and labels (n,), both checked."""
    for name, other in ((images_name, labels_name), (labels_name, images_name)):
        if name not in arrays:
            raise DataError(f"{file}: must hold {name} beside {other}, got {', '.join(arrays)}.")
    images, labels = arrays[images_name], arrays[labels_name]
    is_grey = images.ndim == 3
    if not (is_grey or (images.ndim == 4 and images.shape[3] in (1, 3, 4))) or 0 in images.shape:
        channels_first = images.ndim == 4 and images.shape[1] in (1, 3, 4) and images.shape[3] > 4
        raise DataError(
            f"{file}: {images_name} must be (images, height, width) or (images, height, width, "
            f"1, 3 or 4), got the shape {images.shape}.",
            remedy="Move the channels to the end: x.transpose(0, 2, 3, 1)." * channels_first,
        )
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim != 1:
        rule = "must be (images,) or (images, 1), one class per image"
        raise DataError(f"{file}: {labels_name} {rule}, got the shape {labels.shape}.")
    if len(labels) != len(images):
        rule = f"must be as many as {images_name} ({len(images):,})"
        raise DataError(f"{file}: {labels_name} {rule}, got {len(labels):,}.")
    if labels.dtype.kind == "U":
        if (labels == "").any():
            raise DataError(f"{file}: {labels_name} must not be empty, got an empty text.")
        return images, labels
    if not np.issubdtype(labels.dtype, np.integer):
        rule = f"must be integers or text, got {labels.dtype} like {labels[0].item()!r}"
        raise DataError(f"{file}: {labels_name} {rule}.", remedy="Number the classes from 0.")
    wrong = labels[(labels < 0) | (labels > np.iinfo(np.int32).max)]
    if len(wrong):
        rule = f"must be in [0, 2^31), got {wrong[0].item()}"
        raise DataError(f"{file}: {labels_name} {rule}.", remedy="Number the classes from 0.")
    return images, labels.astype(np.int64)


def _to_uint8(
    file: Path, blocks: Sequence[NDArray[Any]], known: Levels | None
) -> tuple[tuple[Pixels, ...], Levels | None, str]:
    """All blocks on one scale, 0..255, what black and white was, and a sentence on changes."""
    kinds = {block.dtype.kind for block in blocks}
    if not kinds <= set("buif"):
        raise DataError(f"{file}: images must be numbers, got {blocks[0].dtype}.")
    low = np.min([block.min() for block in blocks]).item()
    high = np.max([block.max() for block in blocks]).item()
    has_floats = "f" in kinds
    if not (low >= 0 and high <= (HIGHEST_FLOAT if has_floats else HIGHEST_INTEGER)):  # or NaN
        rule = "must be in 0..1 or 0..255, or whole numbers below 65,536"
        raise DataError(
            f"{file}: image values {rule}, got {low:g} to {high:g}.",
            remedy="Scale them to 0..255 and save them as uint8.",
        )
    black, white = levels_of(low, high, has_floats=has_floats)
    is_8_bit = all(block.dtype.itemsize == 1 for block in blocks)  # 0..255, or yes and no
    if is_8_bit or known is None or _are_other_units(high, known[1], has_floats=has_floats):
        known = None
    else:
        black, white = known
    levels = None if is_8_bit else (black, white)
    if (black, white) == (0, 255) and not has_floats and high <= white:
        return tuple(block.astype(np.uint8, copy=False) for block in blocks), levels, ""
    factor = 255 / ((white - black) or 1)
    scaled = tuple(
        np.rint((block.astype(np.float32) - np.float32(black)) * np.float32(factor))
        .clip(0, 255)
        .astype(np.uint8)
        for block in blocks
    )
    if known is not None:
        how = f"read from {black:g}, black, to {white:g}, white, as those of the study"
        how += ", and cut off beyond" if low < black or high > white else ""
    elif (black, white) == (0, 255):
        how = "taken as 0..255, unscaled"
    else:
        how = f"scaled by {factor:g} to 0..255"
    return scaled, levels, f"Image values {low:g} to {high:g} were {how}."


def _are_other_units(high: float, white: float, *, has_floats: bool) -> bool:
    """Whether values up to `high` and a white of the study are in 0..1 here, in 0..255 there."""
    shares_there, shares_here = white <= 1, has_floats and high <= 1
    return (shares_there and high >= LEAST_OF_255) or (shares_here and white >= LEAST_OF_255)
