"""Whether memory grows with images or trials: `python -m benchmarks.memory`.

Two studies are watched while they run: one of few images and many trials, one of ten
times the images. What counts is anonymous memory, what a process has allocated itself or
has from the server that it was forked from; pages of the decoded images are the page
cache's, shared by all processes and given up when the machine needs them.
"""

from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.images import write_image_folder
from benchmarks.overhead import trial_ends
from benchmarks.processes import ProgramRun, Snapshot, autocnn_command, run_program
from benchmarks.report import Figure, Options, print_progress, print_table, run_benchmarks
from benchmarks.spaces import TINY, write_point

FEW, MANY = 2_000, 20_000
TRIALS, TRIALS_OF_MANY = 20, 2
SIDE = 32
WATCH_EVERY_S = 0.25
"""Each look costs the watched machine some 20 ms."""

MOST_GROWTH_OF_TRIAL = 1.1
MOST_KB_PER_IMAGE = 3.0
"""A picture of the set as RGB has 3 KB: its path, split and checksum must take less."""

MOST_MB_PER_TRIAL = 0.5


@dataclass(frozen=True)
class WatchedStudy:
    """A study and the memory of its processes.

    Attributes:
        num_images: In all splits.
        run: The program.
        ends: When each trial ended.
    """

    num_images: int
    run: ProgramRun
    ends: tuple[float, ...]

    @property
    def search_snapshots(self) -> list[Snapshot]:
        """Those from before the end of the last trial."""
        return [s for s in self.run.snapshots if s.time <= self.ends[-1]]

    def parent_mb_at(self, trial: int) -> float:
        """Anonymous memory of the parent just before the end of its `trial`-th trial."""
        before = [s for s in self.run.snapshots if s.time <= self.ends[trial - 1]]
        return before[-1].parent.anonymous


def measure(options: Options) -> list[Figure]:
    """Watch both studies and compare their processes."""
    few = _watch(options, options.size(FEW, 200), options.size(TRIALS, 4))
    many = _watch(options, options.size(MANY, 2_000), TRIALS_OF_MANY)
    rows = []
    figures = []
    peaks: list[tuple[str, Callable[[Snapshot], float]]] = [
        ("trial process", lambda s: max((w.anonymous for w in s.workers), default=0.0)),
        (
            "trial process, files and shared pages too (RSS)",
            lambda s: max((w.rss for w in s.workers), default=0.0),
        ),
        ("parent", lambda s: s.parent.anonymous),
        ("parent, files and shared pages too (RSS)", lambda s: s.parent.rss),
        ("server that trials are forked from", lambda s: s.server.anonymous if s.server else 0.0),
    ]
    values = {
        name: [max(peak(s) for s in study.search_snapshots) for study in (few, many)]
        for name, peak in peaks
    }
    values["parent, until the study is done"] = [
        max(s.parent.anonymous for s in study.run.snapshots) for study in (few, many)
    ]
    for name, (of_few, of_many) in values.items():
        rows.append((name, f"{of_few:.0f}", f"{of_many:.0f}", f"{of_many / of_few:.2f}"))
    pixels = [study.num_images * SIDE * SIDE * 3 / 1e6 for study in (few, many)]
    print_table(
        f"MEMORY: peak anonymous MB while trials run, images of {SIDE} px RGB",
        ("process", f"{few.num_images:,} images", f"{many.num_images:,} images", "ratio"),
        rows,
        (f"Their decoded images are {pixels[0]:.0f} and {pixels[1]:.0f} MB in the page cache.",),
    )
    last = len(few.ends)
    early = min(2, last - 1)
    milestones = sorted({early, (early + last) // 2, last})
    print_table(
        f"MEMORY: anonymous MB of the parent at the end of a trial, {few.num_images:,} images",
        ("process", *(f"trial {trial}" for trial in milestones)),
        [("parent", *(f"{few.parent_mb_at(trial):.1f}" for trial in milestones))],
    )
    of_few, of_many = values["trial process"]
    figures.append(
        Figure(
            f"memory of a trial, {many.num_images:,} / {few.num_images:,} images",
            of_many / of_few,
            " x",
            most=MOST_GROWTH_OF_TRIAL,
        )
    )
    parent_few, parent_many = values["parent"]
    per_image = 1e3 * (parent_many - parent_few) / (many.num_images - few.num_images)
    figures.append(
        Figure("memory of the parent per further image", per_image, " KB", most=MOST_KB_PER_IMAGE)
    )
    per_trial = (few.parent_mb_at(last) - few.parent_mb_at(early)) / (last - early)
    figures.append(
        Figure("memory of the parent per further trial", per_trial, " MB", most=MOST_MB_PER_TRIAL)
    )
    return figures


def _watch(options: Options, num_images: int, trials: int) -> WatchedStudy:
    """One study of `num_images`, four fifths of them to train on."""
    print_progress(f"memory: {num_images:,} images, {trials} trials")
    folder = options.work_dir / str(num_images)
    tenth = num_images // 10
    counts = {"train": num_images - 2 * tenth, "val": tenth, "test": tenth}
    images = write_image_folder(folder / "images", counts, side=SIDE, channels=3)
    space = write_point(folder / "tiny.yaml", TINY)
    results = folder / "results"
    command = autocnn_command(
        "search",
        str(images),
        "--space",
        str(space),
        "--name",
        "memory",
        "--epochs",
        "1",
        "--trials",
        str(trials),
        "--finalists",
        "1",
        "--pruner",
        "none",
        "--quiet",
        "--results",
        str(results),
        "--cache-dir",
        str(folder / "cache"),
    )
    run = run_program(command, watch_every_s=WATCH_EVERY_S)
    return WatchedStudy(num_images, run, tuple(trial_ends(results / "memory")))


if __name__ == "__main__":
    run_benchmarks(__doc__ or "", [measure])
