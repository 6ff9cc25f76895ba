"""Reads a folder of class folders, with or without split folders above or below them."""

import os
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from autocnn.core.errors import DataError, Text
from autocnn.core.paths import is_by_file_manager
from autocnn.core.records import SplitName
from autocnn.core.wording import count, first_few, listing
from autocnn.data.image_files import READ, VOLUMES, is_image_file, kind_of_name
from autocnn.data.sources.names import NamePattern, propose_labels
from autocnn.data.table import FileImages, FoundImages, natural_key, split_word

LAYOUT = "Put the images of each class into a folder with its name: DATA/cat/1.png, DATA/dog/1.png."
_HIDDEN_NAMES = frozenset(("__macosx", "dicomdir"))
_MASK = r"(?:masks?|segmentations?|seg|labels?|gt|ground[ _-]?truth|annotations?)"
_MASK_NAME = re.compile(rf"(.+?)[ ._-]+{_MASK}(?:[ ._-]*\d+)?", re.IGNORECASE)
_MASK_FOLDER = re.compile(_MASK, re.IGNORECASE)
_IMAGE_FOLDER = re.compile(
    r"(?:images?|imgs?|originals?|pictures?|photos?|data|raw|jpegimages)", re.IGNORECASE
)
_PREFIX = re.compile(r"(.*[ _-])([^ _-]+)")


@dataclass(frozen=True)
class _Listing:
    """What is directly in one folder: visible folders and image files, in order."""

    folders: tuple[Path, ...]
    images: tuple[Path, ...]


@dataclass(frozen=True)
class _Found:
    """An image, what it is called, and where."""

    path: Path
    label: str
    split: SplitName | None


def read_folder(root: Path, *, label_from_name: str | None = None) -> FoundImages:
    """Find the images below `root`.

    - A folder named train or training, or seg_train, makes its neighbours val, validation, test,
      ... split folders, where it holds class folders; without one, every folder is a class. The
      split folders may also be below each class.
    - All images below a class folder belong to the class.
    - Folders in which there is only another one are stepped through: archive/brain/Training.
    - Left out and counted: what is hidden, what is no image by its name, masks beside their
      images, links that lead back or nowhere, and a test folder without class folders or with none
      that train has.

    Args:
        root: An existing folder; links are followed.
        label_from_name: A regular expression that catches the labels in the names of files, see
            `NamePattern`; None: folders are the labels.

    Raises:
        DataError: When there are no images, images without labels, or folders of which it is not
            clear what the classes are.
    """
    return _FolderReader(root, label_from_name).read()


class _FolderReader:
    """One walk through a folder; counts what it leaves out."""

    def __init__(self, root: Path, label_from_name: str | None) -> None:
        self.root = root
        self.pattern = None if label_from_name is None else NamePattern(label_from_name)
        self.ignored: Counter[str] = Counter()
        self.notes: list[str] = []
        self.found: list[_Found] = []
        self.split_places: dict[SplitName, str] = {}
        self.nameless: list[Path] = []
        self.mask_folders: list[str] = []
        # Listed once each, so that what is ignored is counted once.
        self.listing = cache(self._list)
        self.without_masks = cache(self._without_masks)

    def read(self) -> FoundImages:
        top = self._step_down(self.root)
        listing = self.listing(top)
        splits = self._split_folders(listing)
        if splits:
            self._read_splits(listing.folders, splits)
            if self.found:
                self._leave_out("image outside the split folders", len(listing.images))
        elif self.pattern is not None:
            self._read_names(top, None)
        else:
            self._read_classes(top, None)
        if not self.found:
            self._refuse_empty()
        names = Counter(one.label for one in self.found)
        if self.mask_folders:
            hold = "hold" if len(self.mask_folders) > 1 else "holds"
            shown = first_few(self.mask_folders)
            self.notes.append(f"{shown} {hold} masks of the images beside: not read.")
        self.notes.insert(0, self._understood(top, names))
        return FoundImages(
            paths=tuple(one.path.relative_to(self.root).as_posix() for one in self.found),
            class_of=tuple(one.label for one in self.found),
            splits=tuple(one.split for one in self.found),
            groups=(None,) * len(self.found),
            images=FileImages(self.root),
            ignored=dict(sorted(self.ignored.items())),
            notes=tuple(self.notes),
        )

    def _understood(self, top: Path, names: Mapping[str, int]) -> str:
        """One sentence: what was taken for what."""
        where = "" if top == self.root else f" in {top.relative_to(self.root)}"
        if self.pattern is None:
            labels = f"labels from the names of {count(len(names), 'class folder')}{where}"
        else:
            shown = first_few([f"{name}: {number:,}" for name, number in names.items()])
            labels = f"labels from names by --label-from-name{where} ({shown})"
        splits = listing([f"{split} from {place}" for split, place in self.split_places.items()])
        otherwise = " Otherwise: --label-from-name, or a table." if self.pattern is None else ""
        return (
            f"Read {count(len(self.found), 'image')}: {labels}{splits and ', '}{splits}.{otherwise}"
        )

    def _step_down(self, folder: Path) -> Path:
        """Through folders that hold nothing but one folder of folders: archive/brain/Training."""
        while True:
            listing = self.listing(folder)
            if listing.images or len(listing.folders) != 1:
                return folder
            (only,) = listing.folders
            below = self.listing(only)
            if self.pattern is None and (below.images or not below.folders):
                return folder
            if split_word(only.name) == "train" and below.folders:
                return folder
            folder = only

    # -- splits ----------------------------------------------------------------------------

    def _split_folders(self, listing: _Listing) -> dict[Path, SplitName]:
        """The folders that are splits; empty where all are classes."""
        folders = listing.folders
        words = {folder: word for folder in folders if (word := _split_of(folder))}
        if "train" not in words.values():
            words = self._prefixed(folders) or words
        if not words:
            return {}
        if self.pattern is not None:
            return words
        divided = [folder for folder in words if self._has_class_folders(folder)]
        if "train" in words.values():
            if any(words[folder] == "train" for folder in divided):
                return words
            others = [folder for folder in folders if folder not in words]
            images = [path.name for folder in words for path in self.listing(folder).images]
            is_class = any(self.listing(folder).images for folder in others)
            if is_class and propose_labels(images) is None:
                self._say_class_is_named_so(words)
                return {}
            return words
        # Without train: splits where all are, as in a set that is kept for later.
        return words if len(words) == len(folders) > 1 and len(divided) == len(folders) else {}

    def _say_class_is_named_so(self, words: Mapping[Path, SplitName]) -> None:
        names = listing([folder.name for folder in words])
        if len(words) == 1:
            self.notes.append(
                f"{names} is a class like its neighbours, not a split: it holds images and no "
                "class folders."
            )
        else:
            self.notes.append(f"{names} are classes like their neighbours, not splits.")

    def _prefixed(self, folders: Sequence[Path]) -> dict[Path, SplitName]:
        """Splits that begin alike: seg_train, seg_test."""
        by_prefix: dict[str, dict[Path, SplitName]] = defaultdict(dict)
        for folder in folders:
            parts = _PREFIX.fullmatch(folder.name)
            word = split_word(parts[2]) if parts else None
            if parts and word:
                by_prefix[parts[1].casefold()][folder] = word
        groups = [words for words in by_prefix.values() if len(words) > 1]
        return next((words for words in groups if "train" in words.values()), {})

    def _has_class_folders(self, folder: Path) -> bool:
        return bool(self.listing(self._inner(folder)).folders)

    def _inner(self, folder: Path) -> Path:
        """Below a doubled folder: seg_train/seg_train."""
        below = self.listing(folder)
        if len(below.folders) != 1 or below.images:
            return folder
        (only,) = below.folders
        word = split_word(folder.name)
        is_double = only.name.casefold() == folder.name.casefold() or (
            word is not None and split_word(only.name) == word
        )
        return only if is_double else folder

    def _read_splits(self, folders: Sequence[Path], splits: Mapping[Path, SplitName]) -> None:
        trained = (self._inner(folder) for folder, split in splits.items() if split == "train")
        known = frozenset[str]().union(*map(self._class_names, trained))
        for folder in folders:
            split = splits.get(folder)
            inner = self._inner(folder)
            if split is None:
                outside = sum(1 for _ in self._images_below(folder))
                if outside:
                    self._leave_out("image outside the split folders", outside)
                    self.notes.append(f"{folder.name} is no split folder: not read.")
                continue
            before = len(self.found)
            if self.pattern is not None:
                self._read_names(inner, split)
            elif split != "train" and not self._has_classes(inner, known):
                unlabelled = sum(1 for _ in self._images_below(inner))
                self._leave_out("image without a label", unlabelled)
                if unlabelled:
                    of_train = " that train has" if self.listing(inner).folders else ""
                    self.notes.append(
                        f"{inner.relative_to(self.root)} has no class folders{of_train}: its "
                        f"{count(unlabelled, 'image')} without labels are left out."
                    )
                    continue
            else:
                self._read_classes(inner, split)
            if len(self.found) == before:
                if self.pattern is None:
                    self.notes.append(f"{folder.name} holds no image: not read.")
            else:
                self.split_places.setdefault(split, inner.relative_to(self.root).as_posix())

    def _class_names(self, folder: Path) -> frozenset[str]:
        """Names of the folders in a split folder, in one form of Unicode and one case."""
        folders = self.without_masks(self.listing(folder).folders)
        return frozenset(unicodedata.normalize("NFC", one.name).casefold() for one in folders)

    def _has_classes(self, folder: Path, known: frozenset[str]) -> bool:
        """Whether a split folder holds a class of train: in test/images nothing is labelled."""
        names = self._class_names(folder)
        return bool(names & known if len(known) > 1 else names)  # one is no set of classes

    # -- classes ---------------------------------------------------------------------------

    def _read_classes(self, folder: Path, split: SplitName | None) -> None:
        listing = self.listing(folder)
        folders = self.without_masks(listing.folders)
        inner_splits = self._splits_below(folders) if split is None else {}
        if not inner_splits:
            self._check_level(folders)
        names = {one.name for one in folders}
        real = {os.path.realpath(one) for one in folders}
        before = len(self.found)
        for class_folder in folders:
            below = self.listing(class_folder)
            label = unicodedata.normalize("NFC", class_folder.name)
            if not below.images and len(names & {one.name for one in below.folders}) > 1:
                again = sum(1 for _ in self._images_below(class_folder))
                self._leave_out("image of a folder that holds the class folders again", again)
                self.notes.append(f"{class_folder.name} holds the class folders again: not read.")
                continue
            start = len(self.found)
            blocked = frozenset(real) | _real_parents(class_folder)
            parts = [(split, class_folder)]
            if inner_splits:
                parts = [(_split_of(one), one) for one in below.folders]
            for part, place in parts:
                self.found.extend(
                    _Found(path, label, part) for path in self._images_below(place, blocked)
                )
            if len(self.found) == start:
                self.notes.append(f"{class_folder.relative_to(self.root)} holds no image.")
        for name in inner_splits.values():
            self.split_places.setdefault(name, f"the {name} folder of each class")
        if len(self.found) > before or not listing.images:
            if len(self.found) > before:
                self._leave_out("image outside the class folders", len(listing.images))
            return
        self._refuse_flat(folder, listing.images)

    def _splits_below(self, folders: Sequence[Path]) -> dict[str, SplitName]:
        """Split folders in every class folder, cat/train and cat/test; empty: there are none."""
        found: dict[str, SplitName] = {}
        for folder in folders:
            below = self.listing(folder)
            words = {one.name: _split_of(one) for one in below.folders}
            if below.images or "train" not in words.values():
                return {}
            for name, word in words.items():
                if word is None:
                    return {}
                found[name] = word
        return found

    def _check_level(self, folders: Sequence[Path]) -> None:
        """Folders that hold all the same folders are no classes: batch1/cat, batch2/cat."""
        listings = [self.listing(folder) for folder in folders]
        if len(folders) < 2 or any(one.images for one in listings):
            return
        inner = [self.without_masks(one.folders) for one in listings]
        below = [frozenset(one.name for one in some) for some in inner]
        if len(below[0]) > 1 and len(set(below)) == 1:
            raise DataError(
                f"{folders[0].parent}: its folders must be classes, got "
                f"{first_few([folder.name for folder in folders])}, which all hold the folders "
                f"{first_few(sorted(below[0], key=natural_key))}.",
                remedy=Text(
                    "If the inner folders are the classes: {label_from_name:{0}}; if the outer "
                    "ones are: {label_from_name:{1}}.",
                    r"([^/]+)/[^/]+$",
                    r"([^/]+)/[^/]+/[^/]+$",
                ),
            )

    def _without_masks(self, folders: tuple[Path, ...]) -> tuple[Path, ...]:
        """Less a folder masks/ beside images/, with files of the same names."""
        if not any(_MASK_FOLDER.fullmatch(folder.name) for folder in folders):
            return folders
        pictured = {
            _stem(path)
            for folder in folders
            if _IMAGE_FOLDER.fullmatch(folder.name)
            for path in self.listing(folder).images
        }
        kept = []
        for folder in folders:
            # A class may be called so: people with masks.
            stems = {_stem(path) for path in self.listing(folder).images}
            if _MASK_FOLDER.fullmatch(folder.name) and stems and stems <= pictured:
                self._leave_out("mask of an image", len(stems))
                self.mask_folders.append(folder.relative_to(self.root).as_posix())
            else:
                kept.append(folder)
        return tuple(kept)

    def _read_names(self, folder: Path, split: SplitName | None) -> None:
        """All images below a folder, with labels from their names."""
        assert self.pattern is not None
        unmatched = []
        for path in self._images_below(folder, _real_parents(folder)):
            label = self.pattern.find(path.relative_to(self.root).as_posix())
            if label is None:
                unmatched.append(path)
            else:
                label = unicodedata.normalize("NFC", label)
                self.found.append(_Found(path, label, split))
        self.nameless += unmatched
        if unmatched:
            shown = first_few([path.relative_to(self.root).as_posix() for path in unmatched])
            self.notes.append(
                "Left out, without a match of --label-from-name: "
                f"{count(len(unmatched), 'name')} ({shown})."
            )
        self._leave_out("name without a label", len(unmatched))

    # -- what is in a folder ---------------------------------------------------------------

    def _images_below(
        self, folder: Path, blocked: frozenset[str] = frozenset(), *, is_top: bool = True
    ) -> Iterator[Path]:
        """The images below a folder; never again into one of the blocked ones, by links."""
        real = os.path.realpath(folder)
        if real in blocked and not is_top:
            self.ignored["link to a folder that is read anyway"] += 1
            return
        listing = self.listing(folder)
        yield from listing.images
        for below in self.without_masks(listing.folders):
            yield from self._images_below(below, blocked | {real}, is_top=False)

    def _list(self, folder: Path) -> _Listing:
        folders, images = [], []
        try:
            with os.scandir(folder) as scan:
                entries = sorted(scan, key=lambda entry: natural_key(entry.name))
        except OSError as error:
            raise DataError(f"{folder}: must be readable, got: {error.strerror}.") from error
        for entry in entries:
            kind = _kind_of(entry)
            if kind == "folder":
                folders.append(Path(entry.path))
            elif kind == "image":
                images.append(Path(entry.path))
            else:
                self.ignored[kind] += 1
        stems = {_stem(path) for path in images}
        is_mask = [
            (match := _MASK_NAME.fullmatch(_stem(path))) is not None and match[1] in stems
            for path in images
        ]
        self._leave_out("mask of an image", sum(is_mask))
        return _Listing(
            tuple(folders),
            tuple(path for path, mask in zip(images, is_mask, strict=True) if not mask),
        )

    def _leave_out(self, kind: str, number: int) -> None:
        if number:
            self.ignored[kind] += number

    # -- errors ----------------------------------------------------------------------------

    def _refuse_flat(self, folder: Path, images: Sequence[Path]) -> None:
        proposal = propose_labels([path.name for path in images])
        remedy: str | Text = LAYOUT
        if proposal is not None:
            shown = first_few([f"{label}: {number:,}" for label, number in proposal.counts.items()])
            remedy = Text(
                "If their names hold the labels ({0}): {label_from_name:{1}}.",
                shown,
                proposal.regex,
            )
        raise DataError(
            f"{folder}: must hold one folder per class, "
            f"got {count(len(images), 'image')} directly in it.",
            remedy=remedy,
        )

    def _refuse_empty(self) -> None:
        if self.nameless:
            shown = first_few([path.relative_to(self.root).as_posix() for path in self.nameless])
            raise DataError(
                Text(
                    "{0}: {label_from_name} must match the names of the images, got none of "
                    "{1:,} that it matches: {2}.",
                    self.root,
                    len(self.nameless),
                    shown,
                ),
                remedy="It is searched in the name of each file; with a / in it, in its path.",
            )
        kinds = [f"{number:,} {kind}" for kind, number in self.ignored.most_common()]
        got = f" ({first_few(kinds, limit=5)})" if kinds else ""
        volumes = sorted(set(VOLUMES) & set(self.ignored))
        raise DataError(
            f"{self.root}: must be a folder of class folders with images, got no image{got}.",
            remedy=f"{listing(volumes)} are volumes: autocnn reads single images. Save the slices "
            "that count as PNG or TIFF, and give those of one patient one group."
            if volumes
            else f"{LAYOUT} {READ}",
        )


def _real_parents(folder: Path) -> frozenset[str]:
    """The folders that hold a folder, as it is written and as it is; links to them lead back."""
    places = {folder.absolute(), folder.resolve()}
    return frozenset(os.path.realpath(parent) for place in places for parent in place.parents)


def _split_of(folder: Path) -> SplitName | None:
    """As `split_word`, of test1 and train2017 too."""
    return split_word(folder.name.rstrip("0123456789"))


def _stem(path: Path) -> str:
    return path.name.rpartition(".")[0]


def _kind_of(entry: os.DirEntry[str]) -> str:
    """`folder`, `image`, or the kind under which the entry is ignored."""
    try:
        is_dir, is_file = entry.is_dir(), entry.is_file()
    except OSError:  # a link to itself, or into a folder that may not be read
        is_dir = is_file = False
    is_hidden = entry.name.startswith(".") or entry.name.casefold() in _HIDDEN_NAMES
    if is_hidden or is_by_file_manager(entry.name):
        return "hidden folder" if is_dir else "hidden file"
    try:
        entry.name.encode("utf-8")
    except UnicodeEncodeError:
        return "name that is no UTF-8"
    if is_dir:
        return "folder"
    if not is_file:
        return "broken link or special file"
    return "image" if is_image_file(entry.path) else kind_of_name(entry.name)
