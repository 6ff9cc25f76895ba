"""What a worker measures on a candidate's model, and the file that brings it to the parent."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autocnn.core.arrays import FloatArray, IntArray, Pixels
from autocnn.core.atomic import replacing
from autocnn.metrics.familiarity import Reference

DISTURBED, FAMILIARITY, UNLIKE = "disturbed/", "familiarity/", "unlike/"
"""How the names of the arrays in the file begin of which there are several."""


@dataclass(frozen=True, eq=False)
class Measurements:
    """Everything about a candidate for which its model is needed.

    Attributes:
        test: (test images, classes) probabilities.
        test_before: The same before the temperature that was fitted on the candidate.
        disturbed: (d,) Positions in the test split of the images that were disturbed.
        disturbed_test: Disturbance and strength -> (d, classes) probabilities.
        explained: (m,) Positions in the test split of the images that have a map, ascending.
        maps: (m, height, width) Grad-CAM of the predicted class; None where a model of the
            user's own cannot be opened.
        random_maps: The same with random weights.
        familiarity: What familiar images are measured with; None where the model has no
            features to be had.
        num_weights: Of the whole model.
        flops: Floating-point operations of one forward pass of one image.
        latency_ms: Median time to predict one image, while other candidates may be measured on
            the other processors.
        recipe: `CandidateTask.recipe` of the candidate.
        augmented: uint8 (images, versions, height, width, channels), what augmentation makes of
            some training images; None where it changes nothing.
        is_unlike: val and test -> (images,), whether each is unlike the training images; empty
            without `familiarity`.
    """

    test: FloatArray
    test_before: FloatArray
    disturbed: IntArray
    disturbed_test: Mapping[tuple[str, int], FloatArray]
    explained: IntArray
    maps: FloatArray | None
    random_maps: FloatArray | None
    familiarity: Reference | None
    num_weights: int
    flops: int
    latency_ms: float
    recipe: str = ""
    augmented: Pixels | None = None
    is_unlike: Mapping[str, NDArray[np.bool_]] = field(default_factory=dict)

    def write(self, path: Path) -> None:
        """Write an .npz, whole or not at all.

        Raises:
            DiskFullError: When the disk is full.
        """
        arrays: dict[str, NDArray[Any]] = {
            "test": self.test,
            "test_before": self.test_before,
            "disturbed": self.disturbed,
            "explained": self.explained,
            "recipe": np.array(self.recipe),
            "cost": np.array([self.num_weights, self.flops, self.latency_ms], np.float64),
        }
        for (name, strength), probabilities in self.disturbed_test.items():
            arrays[f"{DISTURBED}{name}/{strength}"] = probabilities
        if self.maps is not None and self.random_maps is not None:
            arrays |= {"maps": self.maps, "random_maps": self.random_maps}
        if self.augmented is not None:
            arrays["augmented"] = self.augmented
        if self.familiarity is not None:
            for name, array in self.familiarity.arrays().items():
                arrays[f"{FAMILIARITY}{name}"] = array
        for split, unlike in self.is_unlike.items():
            arrays[f"{UNLIKE}{split}"] = unlike
        with replacing(path) as file:
            np.savez(file, allow_pickle=False, **arrays)

    @classmethod
    def read(cls, path: Path) -> "Measurements":
        """What `write` wrote.

        Raises:
            ValueError: When an array is missing or is another than it should be.
        """
        with np.load(path) as file:
            arrays = dict(file)
        try:
            disturbed = {}
            for key, array in arrays.items():
                if key.startswith(DISTURBED):
                    name, strength = key.removeprefix(DISTURBED).split("/")
                    disturbed[name, int(strength)] = array
            familiarity, is_unlike = (
                {key.removeprefix(p): array for key, array in arrays.items() if key.startswith(p)}
                for p in (FAMILIARITY, UNLIKE)
            )
            num_weights, flops, latency_ms = arrays["cost"].tolist()
            return cls(
                test=arrays["test"],
                test_before=arrays["test_before"],
                disturbed=arrays["disturbed"],
                disturbed_test=disturbed,
                explained=arrays["explained"],
                maps=arrays.get("maps"),
                random_maps=arrays.get("random_maps"),
                familiarity=Reference.from_arrays(familiarity) if familiarity else None,
                num_weights=int(num_weights),
                flops=int(flops),
                latency_ms=latency_ms,
                recipe=str(arrays["recipe"]) if "recipe" in arrays else "",
                augmented=arrays.get("augmented"),
                is_unlike=is_unlike,
            )
        except KeyError as error:
            raise ValueError(f"{path}: must hold the array {error}.") from error


def read_recipe(path: Path) -> str:
    """What the candidate was made of whose measurements stand here; empty without any."""
    if not path.exists():
        return ""
    with np.load(path) as file:
        return str(file["recipe"]) if "recipe" in file else ""
