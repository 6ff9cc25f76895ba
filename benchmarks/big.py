"""What a big set costs the parent: `python -m benchmarks.big`.

100,000 drawn images in 1,000 classes go through a whole study: read, audit, split, folds, one
trial and its end, report. Trainings follow a formula, and predictions are drawn, three of four
right: what is measured is the parent's own work, its seconds and the peak of its memory (resident,
looked at every 50 ms) in each step.
"""

import multiprocessing
import resource
import threading
import time
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from numpy.typing import NDArray
from PIL import Image

from autocnn.core.config import StudyConfig
from autocnn.core.events import Observer
from autocnn.execution.tasks import (
    MAKE_CANDIDATE,
    PREDICT,
    CandidateResult,
    CandidateTask,
    PredictionResult,
    PredictionTask,
)
from autocnn.study.run import resume, search
from autocnn.training.measurements import Measurements
from benchmarks.report import Figure, Options, print_progress, print_table, run_benchmarks
from tests.faults import trainer
from tests.simulation.executor import SimulatedExecutor

NUM_IMAGES, NUM_CLASSES = 100_000, 1_000
SIDE = 16

STEPS = (
    ("autocnn.data.dataset", "read_source"),
    ("autocnn.data.dataset", "decode_images"),
    ("autocnn.data.dataset", "read_facts"),
    ("autocnn.data.dataset", "find_copies"),
    ("autocnn.data.dataset", "make_split"),
    ("autocnn.data.dataset", "find_series"),
    ("autocnn.data.dataset", "find_marks"),
    ("autocnn.data.dataset", "find_shortcuts"),
    ("autocnn.data.dataset", "audit"),
    ("autocnn.study.prepare", "cut_folds"),
    ("autocnn.study.prepare", "picture_data"),
    ("autocnn.study.finish", "retrain"),
    ("autocnn.study.finish", "judge"),
    ("autocnn.study.finish", "score_candidates"),
    ("autocnn.study.finish", "explain_candidates"),
    ("autocnn.study.finish", "write_candidate_files"),
    ("autocnn.study.finish", "write_label_issues"),
    ("autocnn.study.finish", "write_report"),
)
"""Where a function is called, and its name."""

MOST_STEP_S = 120.0
MOST_PEAK_MB = 2000.0
TRAININGS = ("read_source", "decode_images", "retrain")
"""Reading and training, which the aim leaves out."""

SPACE = """
description: "One small network"
epochs: 1
parameters:
  - {name: family, type: categorical, choices: [plain]}
  - {name: width, type: categorical, choices: [8]}
"""


@dataclass
class Step:
    """What the calls of a function took.

    Attributes:
        wall_s, cpu_s: Together.
        peak_mb: Largest memory of the process meanwhile.
    """

    wall_s: float = 0.0
    cpu_s: float = 0.0
    peak_mb: float = 0.0


@dataclass
class Watch:
    """Times functions, and looks at the memory all the while."""

    steps: dict[str, Step] = field(default_factory=dict)
    running: list[str] = field(default_factory=list)
    is_over: bool = False

    def wrap(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, watched."""

        def watched(*args: Any, **kwargs: Any) -> Any:
            with self.step(name):
                return function(*args, **kwargs)

        return watched

    @contextmanager
    def step(self, name: str) -> Any:
        """Watch a block."""
        step = self.steps.setdefault(name, Step())
        wall, cpu = time.perf_counter(), time.process_time()
        self.running.append(name)
        try:
            yield
        finally:
            self.running.remove(name)
            step.wall_s += time.perf_counter() - wall
            step.cpu_s += time.process_time() - cpu
            print_progress(f"{name}: {step.wall_s:.1f} s, CPU {step.cpu_s:.1f} s")

    def look(self) -> None:
        """Note the memory of the running steps until it is over."""
        process = psutil.Process()
        while not self.is_over:
            used = process.memory_info().rss / 1e6
            for name in list(self.running):
                step = self.steps[name]
                step.peak_mb = max(step.peak_mb, used)
            time.sleep(0.05)


def simulated() -> SimulatedExecutor:
    """Runs nothing but drawings of predictions, in processes of their own as workers are."""
    functions: dict[str, tuple[Callable[..., Any], Callable[[], Any]]] = {
        PREDICT: (predict, PredictionResult),
        MAKE_CANDIDATE: (make_candidate, CandidateResult),
    }

    def apart(name: str) -> Callable[..., Any]:
        function, answer = functions[name]

        def call(task: Any) -> Any:
            process = multiprocessing.get_context("fork").Process(
                target=function, args=(task, lambda score: False)
            )
            process.start()
            process.join()
            assert process.exitcode == 0
            return answer()

        return call

    return SimulatedExecutor(others={name: apart(name) for name in functions})


def predict(task: PredictionTask, report: trainer.Report) -> None:
    """What `trainer` predicts, of models that have learned something."""
    trainer.predict(task, report)
    for prediction in task.predictions:
        path, labels = prediction.probabilities_path, task.images.labels[prediction.rows]
        np.save(path, _learned(np.load(path), labels))


def make_candidate(task: CandidateTask, report: trainer.Report) -> None:
    """What `trainer` makes, of models that have learned something."""
    trainer.make_candidate(task, report)
    found = Measurements.read(task.results_path)
    test = _learned(found.test, task.images.labels[task.test_rows])
    disturbed = dict.fromkeys(found.disturbed_test, test[found.disturbed])
    found = replace(found, test=test, test_before=test, disturbed_test=disturbed)
    found.write(task.results_path)


def _learned(probabilities: NDArray[Any], labels: NDArray[Any]) -> NDArray[np.float32]:
    """(n, k) Three of four images are taken for what they are, the others for any class."""
    rng = np.random.default_rng(0)
    number, num_classes = probabilities.shape
    any_class = rng.integers(0, num_classes, number)
    named = np.where(rng.random(number) < 0.75, labels, any_class)
    scores = probabilities.astype(np.float32)
    scores[np.arange(number), named] += rng.uniform(0.2, 3.0, number)
    shares: NDArray[np.float32] = scores / scores.sum(axis=1, keepdims=True)
    return shares


def write_images(folder: Path, *, num_images: int, num_classes: int, seed: int = 0) -> None:
    """Small grey clouds, alike within a class; one in a thousand is a copy of another."""
    rng = np.random.default_rng(seed)
    bases = rng.normal(128, 60, (num_classes, 4, 4))
    for number in range(num_images):
        label = number % num_classes
        path = folder / f"class_{label:04d}" / f"{number:06d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        if number >= num_classes and number % 997 == 0:
            path.write_bytes((path.parent / f"{number - num_classes:06d}.png").read_bytes())
            continue
        small = bases[label] + rng.normal(0, 45, (4, 4))
        image = Image.fromarray(small.clip(0, 255).astype(np.uint8))
        image.resize((SIDE, SIDE), Image.Resampling.BICUBIC).save(path, compress_level=1)


def measure(options: Options) -> list[Figure]:
    """One study of a big set, and a resume of it."""
    num_images = options.size(NUM_IMAGES, 3_000)
    num_classes = options.size(NUM_CLASSES, 100)
    work, watch = options.work_dir, Watch()
    threading.Thread(target=watch.look, daemon=True).start()
    with watch.step("write the images"):
        write_images(work / "set", num_images=num_images, num_classes=num_classes)
    for module_name, name in STEPS:
        module = import_module(module_name)
        setattr(module, name, watch.wrap(name, getattr(module, name)))
    (work / "space.yaml").write_text(SPACE)
    config = StudyConfig(
        data=str(work / "set"),
        space=str(work / "space.yaml"),
        results=work / "results",
        cache_dir=work / "cache",
        name="big",
        trials=1,
        finalists=1,
        folds=2,
        members=1,
    )
    with watch.step("the whole study"):
        folder = search(config, Observer(), make_executor=lambda resources: simulated())
    with watch.step("resume"):
        resume(
            folder,
            Observer(),
            changes={"trials": 2},
            finish=lambda *stages: None,
            make_executor=lambda resources: simulated(),
        )
    watch.is_over = True
    _print(watch, num_images, num_classes)
    sizes = {
        path.relative_to(folder.path).as_posix(): path.stat().st_size / 1e6
        for path in folder.path.rglob("*")
        if path.is_file() and path.stat().st_size > 5e6
    }
    rows = [[name, f"{size:.0f}"] for name, size in sorted(sizes.items(), key=lambda i: -i[1])]
    print_table("Files of more than 5 MB", ["file", "MB"], rows[:12])
    slowest = max(
        (step.wall_s, name)
        for name, step in watch.steps.items()
        if name not in (*TRAININGS, "write the images", "the whole study", "resume")
    )
    return [
        Figure(f"slowest step ({slowest[1]})", slowest[0], " s", most=MOST_STEP_S),
        Figure("peak memory", watch.steps["the whole study"].peak_mb, " MB", most=MOST_PEAK_MB),
        Figure("report", folder.report_path.stat().st_size / 1e6, " MB", most=5.0),
    ]


def _print(watch: Watch, num_images: int, num_classes: int) -> None:
    rows = [
        [name, f"{step.wall_s:.1f}", f"{step.cpu_s:.1f}", f"{step.peak_mb:.0f}"]
        for name, step in watch.steps.items()
    ]
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    print_table(
        f"{num_images:,} images in {num_classes:,} classes",
        ["step", "s", "CPU s", "peak MB"],
        rows,
        [f"Largest memory of the process: {own:.0f} MB."],
    )


if __name__ == "__main__":
    run_benchmarks(__doc__ or "", [measure])
