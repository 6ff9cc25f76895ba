"""What is known of the data before anything is trained on them."""

from typing import Literal

from autocnn.core.records.base import SCHEMA_VERSION, Record, SplitName


class UnreadableImage(Record):
    """A file that was left out, and why."""

    path: str
    reason: str


class LabelConflict(Record):
    """Copies of one image under different labels."""

    paths: tuple[str, ...]
    labels: tuple[str, ...]


class CopyGroup(Record):
    """Images that show the same.

    Attributes:
        kind: `bytes`: the same file; `pixels`: other bytes, the same decoded pixels; `near`:
            alike after turning, mirroring, scaling or recompression. The weakest tie counts.
        paths, labels, splits: One entry per image.
        turns: How each lies to the first: `as is`, `turned 90`, `mirrored`, ...
        thumbnails: Files in the study's `audit/` folder; empty where none were drawn.
    """

    kind: Literal["bytes", "pixels", "near"]
    paths: tuple[str, ...]
    labels: tuple[str, ...]
    splits: tuple[SplitName, ...]
    turns: tuple[str, ...]
    thumbnails: tuple[str, ...] = ()


class CopyCounts(Record):
    """How many copies there are. "Seen" images are those in train or val.

    Attributes:
        groups: Sets of two or more images that show the same.
        surplus: Images less distinct images.
        groups_within_seen: Those that have two or more images in train and val together.
        groups_across_splits: Those with images both in test and in train or val.
        test_images_in_train: Test images that have a copy in train or val.
        test_images_in_train_by_class: The same per class, by the test image's label.
        val_images_in_train: Val images that have a copy in train.
    """

    groups: int
    surplus: int
    groups_within_seen: int
    groups_across_splits: int
    test_images_in_train: int
    test_images_in_train_by_class: dict[str, int]
    val_images_in_train: int


class OddImage(Record):
    """An image that is not like the others, and how: its size, its mode, blank."""

    path: str
    reason: str


class Shortcut(Record):
    """How well facts about the files, without their content, predict what they should not.

    Attributes:
        predicts: `class`, or `split`: whether an image is in test.
        target: The class; `test` for a split.
        fact: The fact that tells most: `width`, `mode`, `border`, ...
        auc: Cross-validated area under the ROC curve of all facts together; 0.5 is chance.
        fact_auc: Of that fact alone.
        is_warning: Whether it is beyond what is likely by chance and harmless.
        sentence: The same in words, with numbers.
    """

    predicts: Literal["class", "split"]
    target: str
    fact: str
    auc: float
    fact_auc: float
    is_warning: bool
    sentence: str


class LikelyGroups(Record):
    """Images that seem to be of one patient, scan or video, and are not kept together.

    Attributes:
        regex: For `--group-from-name`; None: names tell no groups, only neighbours are alike.
        num_groups: Groups by that pattern; 0 without one.
        num_images: Images that are not alone in their group.
        examples: Some of one group.
        classes: In which neighbours are alike, where names tell no groups.
        resemblance: How often an image is more like its partner than like another of its class,
            0.5 is chance; None: too few to tell.
    """

    regex: str | None
    num_groups: int
    num_images: int
    examples: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    resemblance: float | None


class ClassPixels(Record):
    """What the decoded images of a class look like, in numbers.

    Attributes:
        label: The class.
        num_images: Readable ones.
        brightness: Mean grey value of its images, 0..255.
        brightness_sd: Standard deviation of that from image to image.
        contrast: Mean standard deviation of the pixels of an image, 0..128.
        colourfulness: Mean difference between the largest and the smallest channel, 0..255.
        width, height: Medians over its files, px, upright.
    """

    label: str
    num_images: int
    brightness: float
    brightness_sd: float
    contrast: float
    colourfulness: float
    width: float
    height: float


class SampleImage(Record):
    """An image of a class that is shown.

    Attributes:
        path, label, split: Of the image.
        picture: File in the study's `audit/` folder.
    """

    path: str
    label: str
    split: SplitName
    picture: str


class AuditReport(Record):
    """What the data look like, before anything is trained on them.

    Attributes:
        source: DATA as it was given.
        num_images: Readable images.
        class_names: In label order.
        counts: Split -> class -> images.
        ignored: Kind of file or folder that was left out -> how many.
        unreadable: Images that could not be decoded.
        blank: Images of one colour.
        num_vanished: Images of one colour whose content is in their transparency alone.
        odd: Images whose size or mode differs from nearly all others.
        modes, sizes, file_types: Class -> value -> images: channels and depth; `224 x 224`;
            JPEG, PNG, ...
        coloured: Class -> images with colour, where `--channels auto` looked for them.
        byte_copies: Counts of files with the same sha256.
        pixel_copies: Counts of these, and of equal pixels; None in older studies.
        all_copies: Counts of these, and of near copies.
        copies: Every group of images that show the same.
        label_conflicts: Groups whose images carry different labels.
        groups_across_splits: Named groups with images in more than one split.
        likely_groups: Groups that nobody has named, as names or neighbours tell; None: no sign.
        shortcuts: What file facts predict, strongest first.
        pixels: An entry per class that has images; none in older studies.
        samples: Images of each class, class after class; empty where none are to be shown.
        notes: Choices made while reading and splitting, one sentence each.
        warnings: What may spoil the result, one sentence each.
    """

    schema_version: int = SCHEMA_VERSION
    source: str
    num_images: int
    class_names: tuple[str, ...]
    counts: dict[SplitName, dict[str, int]]
    ignored: dict[str, int]
    unreadable: tuple[UnreadableImage, ...]
    blank: tuple[str, ...]
    num_vanished: int = 0
    odd: tuple[OddImage, ...]
    modes: dict[str, dict[str, int]]
    sizes: dict[str, dict[str, int]]
    file_types: dict[str, dict[str, int]]
    coloured: dict[str, int]
    byte_copies: CopyCounts
    pixel_copies: CopyCounts | None = None
    all_copies: CopyCounts
    copies: tuple[CopyGroup, ...]
    label_conflicts: tuple[LabelConflict, ...]
    groups_across_splits: int
    likely_groups: LikelyGroups | None = None
    shortcuts: tuple[Shortcut, ...]
    pixels: tuple[ClassPixels, ...] = ()
    samples: tuple[SampleImage, ...] = ()
    notes: tuple[str, ...]
    warnings: tuple[str, ...]
