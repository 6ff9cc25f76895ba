"""An exported model: what its folder says of it in metadata.json."""

from typing import Literal

from pydantic import Field

from autocnn.core.records.base import SCHEMA_VERSION, Channels, Fit, Record
from autocnn.core.records.candidates import CandidateKind
from autocnn.core.records.operating_points import OperatingPoint
from autocnn.core.records.scores import Interval

ExportFormat = Literal["keras", "savedmodel", "onnx", "litert"]
Precision = Literal["float32", "int8"]


class ModelInput(Record):
    """The images that a model takes: uint8, 0 to 255.

    Attributes:
        name: Of the input.
        shape: (batch, height, width, channels); None: any number.
        height, width: What the network inside works on; images of another size come to it with
            an antialiasing triangle filter, inside the model where `shape` leaves the size open,
            by the caller where it does not.
        is_grey: Whether the network works on grey images; a model that takes three channels
            turns them grey by itself.
        read_as: How the study's reader took its files, for who reads files as it did; auto:
            grey where an image is grey in content.
        levels: Values that became 0 and 255 in the study's images of more than 8 bits, so that new
            ones are read so; None: it had none, and a new one is scaled by itself.
        fit: How an image that is not square becomes one before, in the same place.
        array_levels: Values that became 0 and 255 in the study's .npz, where that was not uint8;
            None: it was, or the images were files, or the export is of an earlier version.
    """

    name: str = "image"
    shape: tuple[int | None, int | None, int | None, int]
    height: int
    width: int
    is_grey: bool
    read_as: Channels = "auto"
    levels: tuple[float, float] | None = None
    fit: Fit = "stretch"
    array_levels: tuple[float, float] | None = None


class RejectionPoint(Record):
    """What holds when only probabilities of at least `threshold` are believed.

    Attributes:
        threshold: Smallest probability of the predicted class that counts as sure.
        coverage: Share of the images that are still answered.
        error: Share of wrong ones among them.
        num_independent: How many of them count: of copies, of one image in several repeats of the
            folds, and of images of one named group, one; 0 in exports of earlier versions.
    """

    threshold: float
    coverage: float
    error: float
    num_independent: int = 0


class Familiarity(Record):
    """When an image counts as unlike the training images.

    Attributes:
        neighbours: The distance is 1 - cosine to the k-th nearest reference image, in the
            space of the model's last features.
        num_reference: Training images that it is measured to.
        threshold: A larger distance is unlike.
        val_share: Share of the val images beyond it: what it was set by.
        test_share: Share of the test images beyond it; None where it was not measured.
        unseen_share: The same of those without a copy in train or val; None in older studies.
        unseen_quantiles: How far these lie, from the nearest to the farthest, evenly spread over
            their ranks: what new images are held against. Empty in older studies.
        num_unseen: How many they are; of copies, and of one group, as many as they are worth.
    """

    neighbours: int
    num_reference: int
    threshold: float
    val_share: float
    test_share: float | None = None
    unseen_share: float | None = None
    unseen_quantiles: tuple[float, ...] = ()
    num_unseen: float = 0


class Parity(Record):
    """What a fresh process found, with the format's own runtime, against the study's model.

    Attributes:
        runtime: Name and version of what loaded the model.
        num_images: Images that both predicted.
        images: `val`; `drawn`, nobody's images, where the study's data were gone.
        largest_difference: Of any probability.
        agreement: Share of images with the same predicted class.
        tolerance: What was allowed: the largest difference (float32), or the least
            agreement (int8).
    """

    runtime: str
    num_images: int
    images: Literal["val", "drawn"] = "val"
    largest_difference: float
    agreement: float
    tolerance: float


class ExportMetadata(Record):
    """metadata.json beside an exported model.

    Attributes:
        format, precision: Of the model file.
        activations: What it computes in between: float32 also in an int8 file whose answers
            would change with int8 there.
        model: Name of the model file or folder beside this file.
        study, candidate, kind: Where it comes from.
        class_names: In the order of the probabilities; also in labels.txt.
        input: What goes in.
        outputs: Names of what comes out: `probabilities` (batch, classes) float32, and
            `distance` (batch,) where the file measures familiarity itself.
        is_calibrated: Whether the probabilities were calibrated; the temperature is inside.
        rejection: From sure to unsure; by predictions of images that the model had not seen.
        rejection_source: `folds` or `val`: where these predictions come from.
        familiarity: None where the study did not measure it.
        predicted: Class -> share of the study's images that was taken for it by models that had
            not seen them: what the predictions of new images are held against.
        num_predicted: Independent images that these are shares of; 0 in older exports.
        operating_point: How the model decides, where that is not by the largest probability alone.
        scores: `test_accuracy`, `test_clean_accuracy`, ... with their intervals.
        parity: None before the check.
        requires: Packages without which the model cannot be loaded; empty but for models of
            an own model with layers of its own.
        versions: Package -> version that wrote the file.
        sha256: File, relative to this folder -> hex digest; without metadata.json.
    """

    schema_version: int = SCHEMA_VERSION
    format: ExportFormat
    precision: Precision = "float32"
    activations: Precision = "float32"
    model: str
    study: str
    candidate: int = Field(ge=1)
    kind: CandidateKind
    class_names: tuple[str, ...]
    input: ModelInput
    outputs: tuple[str, ...] = ("probabilities",)
    is_calibrated: bool
    rejection: tuple[RejectionPoint, ...] = ()
    rejection_source: Literal["folds", "val"] | None = None
    familiarity: Familiarity | None = None
    predicted: dict[str, float] = Field(default_factory=dict)
    num_predicted: int = 0
    operating_point: OperatingPoint | None = None
    scores: dict[str, Interval] = Field(default_factory=dict)
    parity: Parity | None = None
    requires: tuple[str, ...] = ()
    versions: dict[str, str] = Field(default_factory=dict)
    sha256: dict[str, str] = Field(default_factory=dict)
