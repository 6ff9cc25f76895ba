"""Tasks as they leave this machine: they name things, and each machine finds them for itself.

A task of this machine holds paths, and a process of this machine opens them as they are. What
leaves it names things instead: images by the fingerprint of their content, their side and their
channels (`images/4be0f6c2a1d3e5f7-64px-rgb.npy`); what a task reads and leaves by its place in
the study, which says trial or finalist, part and kind (`trials/0007/model.keras`). A file that a
task wrote is known by that name and the number of its submission (`remote.py`), so that two
attempts never share one.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from autocnn.execution.tasks import CandidateTask, PredictionTask, Task, TrainingTask, WeightsTask

IMAGES, OWN_MODEL, OBJECTIVE, WEIGHTS = "images", "builder", "objective", "weights"
"""First parts of names that stand nowhere in a study, or elsewhere in it."""


READ = 32 * 2**20
"""Bytes of images that are read between two looks at everything else."""


@dataclass(frozen=True)
class NamedTask:
    """A task with names in the place of paths, and what stands behind them on this machine.

    Attributes:
        task: Each of its paths is a name: relative.
        reads: Name -> file that must be there before it begins.
        writes: Name -> file that it leaves.
        checkpoint: Name of the file with its last whole epoch, which it may begin with; or none.
        images: Name of its images, or none.
    """

    task: Task
    reads: Mapping[str, Path]
    writes: Mapping[str, Path]
    checkpoint: str | None = None
    images: str | None = None


def name_task(task: Task, study: Path, name_images: Callable[[Path], str]) -> NamedTask:
    """A task of this machine as it leaves it.

    Args:
        task: Its files stand in the study, but images, pretrained weights and an own model.
        study: Folder of the study.
        name_images: File of decoded images -> its name, from `images_name`.

    Raises:
        ValueError: When another of its files stands elsewhere.
    """
    others: dict[Path, str] = {}
    images = None
    if isinstance(task, TrainingTask | PredictionTask | CandidateTask):
        images = name_images(task.images.path)
        others[task.images.path] = images
        own = [] if task.own_model is None else [task.own_model]
        if isinstance(task, TrainingTask) and task.goal.function is not None:
            own.insert(0, task.goal.function)
        for one in own:
            # What is imported from one folder here is there, too; another has a name of its own.
            place = OWN_MODEL if one.root == own[-1].root else OBJECTIVE
            others |= {one.root / file: f"{place}/{file}" for file in one.files}
            others[one.path] = f"{place}/{one.path.relative_to(one.root).as_posix()}"

    def name(path: Path) -> str:
        return others.get(path) or path.relative_to(study).as_posix()

    reads = {name(path): path for path in _reads(task)}
    reads |= {others[path]: path for path in others if path != _images_path(task)}
    named: Task = _with_paths(task, lambda path: Path(name(path)))
    if isinstance(named, TrainingTask | WeightsTask) and Path(named.weights).is_file():
        weights = f"{WEIGHTS}/{Path(named.weights).name}"
        reads[weights] = Path(named.weights)
        named = replace(named, weights=weights)
    writes = {name(path): path for path in _writes(task)}
    checkpoint = None
    if isinstance(task, TrainingTask):
        checkpoint = name(task.checkpoint_path)
        writes[checkpoint] = task.checkpoint_path
    return NamedTask(named, reads, writes, checkpoint, images)


def locate_task(task: Task, folder: Path, images: Path | None) -> Task:
    """A task with names as a machine finds them.

    Args:
        task: With names.
        folder: Where its files stand, by their names.
        images: The file with its images, if it has any.
    """

    def locate(name: Path) -> Path:
        return images if images is not None and name.parts[0] == IMAGES else folder / name

    located: Task = _with_paths(task, locate)
    if isinstance(located, TrainingTask | WeightsTask) and located.weights.startswith(
        f"{WEIGHTS}/"
    ):
        located = replace(located, weights=str(folder / located.weights))
    return located


def images_name(path: Path, meanwhile: Callable[[], None] = lambda: None) -> str:
    """The name of decoded images: the fingerprint of their content, their side, their channels.

    Args:
        path: Their file; all of it is read.
        meanwhile: Called after each piece, for what cannot wait so long.
    """
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(READ):
            digest.update(piece)
            meanwhile()
    _, side, _, channels = np.load(path, mmap_mode="r").shape
    kind = "grey" if channels == 1 else "rgb"
    return f"{IMAGES}/{digest.hexdigest()[:32]}-{side}px-{kind}.npy"


def is_named_by(digest: str, name: str) -> bool:
    """Whether images with this fingerprint are those of that name.

    >>> is_named_by("4be0f6c2a1d3e5f7" * 4, "images/4be0f6c2a1d3e5f74be0f6c2a1d3e5f7-64px-rgb.npy")
    True
    """
    return Path(name).name.startswith(f"{digest[:32]}-")


def _images_path(task: Task) -> Path | None:
    if isinstance(task, TrainingTask | PredictionTask | CandidateTask):
        return task.images.path
    return None


def _reads(task: Task) -> Iterator[Path]:
    if isinstance(task, TrainingTask) and task.start_path is not None:
        yield task.start_path
    if isinstance(task, PredictionTask):
        yield from (prediction.model_path for prediction in task.predictions)
    if isinstance(task, CandidateTask):
        for member in task.members:
            yield from (member.path, member.predicted_path)


def _writes(task: Task) -> Iterator[Path]:
    if isinstance(task, TrainingTask | CandidateTask):
        yield task.model_path
    if isinstance(task, PredictionTask):
        yield from (prediction.probabilities_path for prediction in task.predictions)
    if isinstance(task, CandidateTask):
        yield task.results_path


def _with_paths(value: Any, change: Callable[[Path], Path]) -> Any:
    """The same plain data with each of its paths changed."""
    if isinstance(value, Path):
        return change(value)
    if isinstance(value, tuple) and any(map(is_dataclass, value)):
        return tuple(_with_paths(item, change) for item in value)
    if not is_dataclass(value) or isinstance(value, type):
        return value
    before = {field.name: getattr(value, field.name) for field in fields(value)}
    after = {name: _with_paths(item, change) for name, item in before.items()}
    return replace(
        value, **{name: after[name] for name in after if after[name] is not before[name]}
    )
