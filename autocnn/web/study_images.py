"""The images of a study: found by class, split and what is odd; shown small and large."""

import io
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from autocnn.core.arrays import Pixels
from autocnn.core.csv_tables import SHARE_PREFIX
from autocnn.core.errors import DataError, MissingExtraError, StudyError
from autocnn.core.records import Channels, LabelIssue
from autocnn.data import FoundImages, decode_image, find_decoded, find_images
from autocnn.data.decode import pillow_quiet
from autocnn.data.thumbnails import draw_thumbnail
from autocnn.reporting.names import title
from autocnn.storage import StudyFolder
from autocnn.storage.predictions import torn_predictions
from autocnn.storage.status import DataFacts

Kind = Literal["all", "wrong", "suspect", "copy", "unlike"]
Order = Literal["path", "least sure", "most sure"]

MOST_SHARES = 20_000_000
"""Probabilities of a candidate that are kept; of larger sets only what was predicted."""

SIDE = 112
"""Of a thumbnail, px."""

UNREADABLE = (DataError, MissingExtraError, OSError)
"""Why an image cannot be shown."""

GREY = 128
"""In the place of an image that cannot be read any more."""


@dataclass(frozen=True)
class ImageFilter:
    """Which images are asked for, and in which order; what is empty asks for nothing.

    Attributes:
        label: Of this class.
        predicted: Taken for this class by the candidate.
        split: In train, val or test.
        kind: Taken for another class; with a label that is doubted; with a copy; unlike the
            training images, as the candidate sees them; or all.
        order: By path; or by how sure the candidate is.
        candidate: That is asked; None: nobody is.
        text: That stands in the path.
    """

    label: str = ""
    predicted: str = ""
    split: str = ""
    kind: Kind = "all"
    order: Order = "path"
    candidate: int | None = None
    text: str = ""


EVERY = ImageFilter()


@dataclass(frozen=True, eq=False)
class Judged:
    """What a candidate says of the n images of a study.

    Attributes:
        predicted: (n,) Index of the class; -1 where it says nothing.
        sure: (n,) Probability of that class; NaN where it says nothing.
        is_unlike: (n,) Whether each is unlike the training images, as far as that is known.
        shares: (n, classes) float32; None of sets that are too large.
    """

    predicted: NDArray[np.int32]
    sure: NDArray[np.float32]
    is_unlike: NDArray[np.bool_]
    shares: NDArray[np.float32] | None


@dataclass(frozen=True, eq=False)
class StudyImages:
    """The images of a study, in the order of its split.csv; read when they are first asked for.

    Attributes:
        folder: The study.
    """

    folder: StudyFolder
    _arrays: dict[int, Pixels | None] = field(default_factory=dict)
    _judged: dict[int, Judged] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _source_lock: threading.Lock = field(default_factory=threading.Lock)

    @cached_property
    def rows(self) -> list[tuple[str, ...]]:
        """Path, label, group, split and sha256 of each image."""
        rows = self.folder.read_split()
        if not rows and self.folder.read_status().is_done:
            raise StudyError(f"{self.folder.path}: must hold split.csv to show images, got none.")
        if not rows:
            raise StudyError(f"{self.folder.path}: has no images yet: they are being read.")
        return rows

    @cached_property
    def place_of(self) -> dict[str, int]:
        """Path -> place in `rows`."""
        return {row[0]: place for place, row in enumerate(self.rows)}

    @cached_property
    def class_names(self) -> tuple[str, ...]:
        """In the order of all probabilities."""
        data = self.folder.read_status().data
        return data.class_names if data else ()

    @cached_property
    def labels(self) -> NDArray[np.int32]:
        """(n,) Index of the class that each is of."""
        return np.array([self._class_of.get(row[1], -1) for row in self.rows], np.int32)

    @cached_property
    def _class_of(self) -> dict[str, int]:
        return {name: place for place, name in enumerate(self.class_names)}

    @cached_property
    def splits(self) -> NDArray[np.str_]:
        """(n,) train, val or test."""
        return np.array([row[3] for row in self.rows])

    @cached_property
    def is_suspect(self) -> NDArray[np.bool_]:
        """(n,) Whether the label is likely wrong."""
        return self._mask(path for path, issue in self._issues.items() if issue.is_suspect)

    @cached_property
    def is_copy(self) -> NDArray[np.bool_]:
        """(n,) Whether another image shows the same."""
        return self._mask(self._copies)

    @cached_property
    def _copies(self) -> dict[str, tuple[str, ...]]:
        """Path -> it and those that show the same."""
        audit = self.folder.read_audit()
        groups = audit.copies if audit else ()
        return {path: group.paths for group in groups for path in group.paths}

    @cached_property
    def _issues(self) -> dict[str, LabelIssue]:
        """Path -> what is doubtful about its label; none while a spreadsheet's file is no list."""
        try:
            return {issue.path: issue for issue in self.folder.read_label_issues() or ()}
        except StudyError:
            return {}

    @cached_property
    def _folded(self) -> list[str]:
        """The paths, to be searched without regard to capitals."""
        return [row[0].casefold() for row in self.rows]

    def _mask(self, paths: Any) -> NDArray[np.bool_]:
        found = np.zeros(len(self.rows), bool)
        found[[self.place_of[path] for path in paths if path in self.place_of]] = True
        return found

    @cached_property
    def titles(self) -> list[tuple[int, str]]:
        """Number and title of each candidate; none while the study is not finished."""
        if not self.folder.leaderboard_path.exists():
            return []
        return [(record.candidate, title(record)) for record in self.folder.read_candidates()]

    def judged(self, number: int) -> Judged:
        """What a candidate says of all images."""
        with self._lock:
            if number not in self._judged:
                self._judged[number] = self._read_judged(number)
            return self._judged[number]

    def _read_judged(self, number: int) -> Judged:
        self.folder.read_candidate(number)  # or say that there is none
        n, k = len(self.rows), len(self.class_names)
        predicted, sure = np.full(n, -1, np.int32), np.full(n, np.nan, np.float32)
        is_unlike = np.zeros(n, bool)
        shares = np.full((n, k), np.nan, np.float32) if n * k <= MOST_SHARES else None
        columns = [f"{SHARE_PREFIX}{name}" for name in self.class_names]
        try:
            for row in self.folder.read_candidate_table(number, "predictions"):
                place = self.place_of.get(row["path"])
                if place is None:
                    continue
                predicted[place] = self._class_of[row["predicted"]]
                sure[place] = float(row[f"{SHARE_PREFIX}{row['predicted']}"])
                is_unlike[place] = row.get("unlike") == "true"
                if shares is not None:
                    shares[place] = [float(row[column]) for column in columns]
        except (KeyError, ValueError, TypeError) as error:
            raise torn_predictions(self.folder, number, error) from error
        return Judged(predicted, sure, is_unlike, shares)

    def find(self, asked: ImageFilter = EVERY) -> NDArray[np.int64]:
        """Places of the images that are asked for, in the order that is asked for."""
        wanted = np.ones(len(self.rows), bool)
        if asked.label:
            wanted &= self.labels == self._class_of.get(asked.label, -2)
        if asked.split:
            wanted &= self.splits == asked.split
        if asked.kind == "suspect":
            wanted &= self.is_suspect
        elif asked.kind == "copy":
            wanted &= self.is_copy
        if asked.text:
            small = asked.text.casefold()
            wanted &= np.array([small in path for path in self._folded])
        if asked.candidate is None:  # nobody says what would be wrong or unlike
            is_said = asked.predicted or asked.kind in ("wrong", "unlike")
            return np.flatnonzero(wanted & (not is_said))
        judged = self.judged(asked.candidate)
        if asked.predicted:
            wanted &= judged.predicted == self._class_of.get(asked.predicted, -2)
        if asked.kind == "wrong":
            wanted &= (judged.predicted >= 0) & (judged.predicted != self.labels)
        elif asked.kind == "unlike":
            wanted &= judged.is_unlike
        found = np.flatnonzero(wanted)
        if asked.order != "path":
            sure = judged.sure[found]
            found = found[np.argsort(-sure if asked.order == "most sure" else sure, kind="stable")]
        return found

    def describe(self, places: Sequence[int], candidate: int | None) -> list[dict[str, Any]]:
        """What a tile shows of each image."""
        judged = None if candidate is None else self.judged(candidate)
        found = []
        for place in places:
            path, label, _, split, _ = self.rows[place]
            tile: dict[str, Any] = {"place": int(place), "path": path, "label": label}
            tile |= {"split": split, "suspect": bool(self.is_suspect[place])}
            if judged is not None and judged.predicted[place] >= 0:
                tile["predicted"] = self.class_names[judged.predicted[place]]
                tile["probability"] = round(float(judged.sure[place]), 4)
                tile["unlike"] = bool(judged.is_unlike[place])
            found.append(tile)
        return found

    def detail(self, place: int) -> dict[str, Any]:
        """All that is known of an image: what every candidate says, its copies, its group."""
        path, label, group, split, _ = self.rows[place]
        said = []
        for number, name in self.titles:
            judged = self.judged(number)
            if judged.predicted[place] < 0:
                continue
            shares = None
            if judged.shares is not None:
                order = np.argsort(-judged.shares[place])[:10]
                shares = [[self.class_names[i], float(judged.shares[place][i])] for i in order]
            said.append(
                {
                    "candidate": number,
                    "title": name,
                    "shares": shares,
                    "unlike": bool(judged.is_unlike[place]),
                    "is_own": split == "test",  # else by the model of the search, as it was then
                }
            )
        copies = [
            self.place_of[other]
            for other in self._copies.get(path, ())
            if other != path and other in self.place_of
        ]
        issue = self._issues.get(path)
        return {
            "place": place,
            "path": path,
            "label": label,
            "split": split,
            "group": group,
            "said": said,
            "copies": copies,
            "doubt": None
            if issue is None
            else {"predicted": issue.predicted, "label": issue.label_probability},
        }

    def problem(self) -> str:
        """Why the images cannot be shown; empty where the first one can."""
        try:
            self.pixels(0)
        except UNREADABLE as error:
            return getattr(error, "message", None) or str(error)
        return ""

    def thumbnail(self, place: int) -> bytes:
        """A JPEG of an image, from the decoded array where it is still kept; else a grey one."""
        try:
            pixels = self.pixels(place)
        except UNREADABLE:
            pixels = np.full((SIDE, SIDE, 1), GREY, np.uint8)
        return draw_thumbnail(pixels, side=SIDE)

    def pixels(self, place: int, *, side: int | None = None) -> Pixels:
        """(side, side, 1 | 3) uint8, as the study's networks see it.

        Args:
            place: Of the image.
            side: That a network takes, px; None: the study's default one.

        Raises:
            DataError: When the image cannot be read any more.
            MissingExtraError: When a package that reads it is not installed.
        """
        data = self._data
        side = side or data.image_shape[0]
        if side not in self._arrays:
            self._arrays[side] = self._find_arrays(side)
        arrays = self._arrays[side]
        if arrays is not None:
            found: Pixels = arrays[self._rows[place]]
            return found
        with self._source_lock:
            source = self._source
        if isinstance(source, DataError):
            raise source
        path = self.rows[place][0]
        index = self._index.get(path)
        if index is None:
            raise DataError(f"{path}: is not there any more")
        channels: Channels = "grey" if data.image_shape[2] == 1 else "rgb"
        with pillow_quiet():
            return decode_image(
                source.images.open(path, index),
                side=side,
                channels=channels,
                levels=data.levels,
                fit=self.folder.read_status().config.fit,
            )

    @cached_property
    def _data(self) -> DataFacts:
        data = self.folder.read_status().data
        if data is None:
            raise DataError("the study has not read its images yet")
        return data

    def _find_arrays(self, side: int) -> Pixels | None:
        """The decoded images of a side, where they are still kept."""
        config, contents = self.folder.read_status().config, [row[4] for row in self.rows]
        for row, content in self._data.absent:  # in their order: each goes where it was
            contents.insert(row, content)
        return find_decoded(
            contents,
            image_size=side,
            channels=config.channels or "auto",
            cache_dir=config.cache_dir,
            levels=config.levels,
            fit=config.fit,
        )

    @cached_property
    def _rows(self) -> NDArray[np.int64]:
        """(n,) Row of each image in the decoded array."""
        absent = [row for row, _ in self._data.absent]
        return np.setdiff1d(np.arange(len(self.rows) + len(absent)), absent)

    @cached_property
    def _source(self) -> FoundImages | DataError:
        config = self.folder.read_status().config
        try:
            return find_images(config.data, reading=config.reading)
        except DataError as error:  # told for each image, but looked for once
            return error

    @cached_property
    def _index(self) -> dict[str, int]:
        paths = () if isinstance(self._source, DataError) else self._source.paths
        return {path: index for index, path in enumerate(paths)}


KINDS: tuple[Kind, ...] = get_args(Kind)
ORDERS: tuple[Order, ...] = get_args(Order)


def encode_png(pixels: Pixels, *, side: int) -> bytes:
    """A PNG of an image, enlarged without smoothing where it is small."""
    from PIL import Image

    image = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
    if image.width < side:
        factor = side // image.width
        image = image.resize((factor * image.width, factor * image.height), 0)
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()
