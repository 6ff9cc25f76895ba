"""A whole study folder, made of records and small drawn pictures: for tests, and to look at.

python -m tests.reporting.studies FOLDER    makes FOLDER/mine and its report
"""

import io
import itertools
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from autocnn.core.atomic import replace_file
from autocnn.core.config import resolve_config
from autocnn.core.records import (
    AuditReport,
    AugmentedImage,
    Calibration,
    CalibrationScores,
    CandidateRecord,
    ClassPixels,
    ClassScores,
    Comparison,
    CopyCounts,
    CopyGroup,
    Corruption,
    EpochScore,
    ExplainedImage,
    Explanation,
    Gap,
    GapLoss,
    GapStep,
    Interval,
    LabelConflict,
    LabelIssue,
    Member,
    OddImage,
    ReliabilityBin,
    Robustness,
    SampleImage,
    ScoredSet,
    Scores,
    Shortcut,
    SplitScores,
    TrialRecord,
    TrialState,
    UnreadableImage,
)
from autocnn.reporting.facts import BEST_PICTURES, PICTURES
from autocnn.reporting.page import write_report
from autocnn.storage import StudyFolder
from autocnn.storage.status import Choice, DataFacts, FinalistFacts, StudyStatus, TestLook
from tests.predicted import write_predictions

CLASSES = ("glioma", "meningioma", "notumor", "pituitary")

AWKWARD_CLASSES = ("<script>alert(1)</script>", "a \"quoted\" & 'name'", "אבג\nדהח", "опухоль 腫瘍")

CORRUPTIONS = (
    "noise",
    "blur",
    "brightness",
    "contrast",
    "jpeg",
    "rotation",
    "shift",
    "low resolution",
    "intensity field",
)

VERSIONS = {"autocnn": "0.3.0", "tensorflow": "2.21.0", "keras": "3.15.0", "optuna": None}


def interval(value: float, half: float = 0.01) -> Interval:
    return Interval(value=value, low=value - half, high=min(1.0, value + half / 2))


def split_scores(
    name: ScoredSet, accuracy: float, *, num_images: int = 1311, classes: Sequence[str] = CLASSES
) -> SplitScores:
    """Scores of one set; the second class is the hardest."""
    per_class = []
    for index, label in enumerate(classes):
        value = accuracy - 0.03 * (index == 1)
        scored = ("precision", "recall", "specificity", "f1", "auc")
        per_class.append(
            ClassScores(
                label=label,
                num_images=num_images // len(classes),
                precision=value,
                recall=value,
                specificity=0.99,
                f1=value,
                auc=0.995,
                intervals={score: interval(value, 0.02) for score in scored},
            )
        )
    return SplitScores(
        split=name,
        num_images=num_images,
        scores=Scores(
            accuracy=accuracy,
            balanced_accuracy=accuracy - 0.002,
            macro_f1=accuracy,
            macro_auc=0.998,
            log_loss=0.11,
            ece=0.012,
        ),
        intervals={"accuracy": interval(accuracy), "balanced_accuracy": interval(accuracy - 0.002)},
        classes=tuple(per_class),
    )


def make_history(number: int, best: float) -> tuple[EpochScore, ...]:
    scores = []
    for epoch in range(1, number + 1):
        val = best - 0.5 / epoch + 0.5 / number
        train = min(1.0, val + 0.02)
        scores.append(
            EpochScore(
                epoch=epoch,
                train_loss=1.5 / epoch,
                train=Scores(accuracy=train, balanced_accuracy=train, log_loss=1.02 - train),
                val=Scores(accuracy=val, balanced_accuracy=val, log_loss=1.02 - val),
                learning_rate=2e-3 / epoch,
                seconds=11.0,
            )
        )
    return tuple(scores)


def make_trials(number: int = 24) -> list[TrialRecord]:
    """Trials of all ends, the default first."""
    rng = np.random.default_rng(0)
    trials = []
    for index in range(number):
        state, reason = TrialState.COMPLETE, ""
        if index % 4 == 3:
            state, reason = TrialState.PRUNED, "balanced accuracy was among the lower two thirds"
        if index == 9:
            state, reason = TrialState.OUT_OF_MEMORY, "needed more than 10.6 GB"
        if index == 14:
            state, reason = TrialState.FAILED, "ValueError: loss <b>is</b> not finite"
        objective = float(0.97 - 0.08 * rng.random() ** 2)
        family = ("resnet", "plain", "separable")[index % 3]
        epochs = 4 if state == TrialState.PRUNED else 12
        params: dict[str, Any] = {
            "family": family,
            "image_size": (64, 96)[index % 2],
            "width": int(rng.integers(8, 64)),
            "learning_rate": float(10 ** rng.uniform(-4, -2)),
            "dropout": round(float(rng.random() * 0.5), 3),
            "weight_averaging": bool(index % 2),
        }
        if family == "resnet":
            params["stochastic_depth"] = round(float(rng.random() * 0.3), 3)
        is_scored = state in (TrialState.COMPLETE, TrialState.PRUNED)
        trials.append(
            TrialRecord(
                trial=index,
                state=state,
                reason=reason,
                params=params,
                objective=objective if is_scored else None,
                best_epoch=epochs if is_scored else None,
                history=make_history(epochs, objective) if is_scored else (),
                num_weights=int(rng.integers(200_000, 2_000_000)),
                seconds=60.0 + index,
                from_start=index == 0,
                epochs=12,
                end_order=index,
            )
        )
    return trials


def make_gap(accuracies: dict[ScoredSet, float]) -> Gap:
    sets = list(accuracies)
    causes = {"train": "overfitting", "val": "luck", "folds": "leakage or shift"}
    return Gap(
        steps=tuple(
            GapStep(scored=name, num_images=1000, accuracy=interval(value))
            for name, value in accuracies.items()
        ),
        losses=tuple(
            GapLoss(
                start=first,
                end=second,
                cause=causes[first],  # type: ignore[arg-type]
                loss=interval(accuracies[first] - accuracies[second]),
                is_real=first == "train",
            )
            for first, second in itertools.pairwise(sets)
        ),
        sentence="From train to val 2.1 points are lost, which is overfitting; no other step "
        "loses more than chance explains.",
    )


def make_robustness(accuracy: float) -> Robustness:
    corruptions = tuple(
        Corruption(
            name=name,
            strength=strength,
            setting=f"setting {strength} of {name}",
            accuracy=accuracy - 0.01 * strength * (index + 1) / 2,
            drop=0.01 * strength * (index + 1) / 2,
        )
        for index, name in enumerate(CORRUPTIONS)
        for strength in (1, 2, 3)
    )
    mean = sum(corruption.drop for corruption in corruptions) / len(corruptions)
    return Robustness(num_images=500, accuracy=accuracy, mean_drop=mean, corruptions=corruptions)


def make_explanation(classes: Sequence[str] = CLASSES) -> Explanation:
    images = []
    for index in range(12):
        is_right = index >= 8
        label = classes[index % 4]
        images.append(
            ExplainedImage(
                path=f"Testing/{label}/Te-{index:04d}.jpg",
                label=label,
                predicted=label if is_right else classes[(index + 1) % 4],
                probability=0.99 - 0.04 * index,
                is_right=is_right,
                border_share=0.08,
                picture=f"explained_{index:02d}.jpg",
            )
        )
    return Explanation(
        num_images=40,
        border_share=0.081,
        border_area=0.19,
        outside_share=0.24,
        outside_area=0.47,
        randomized_similarity=0.11,
        agreement=0.68,
        warnings=(),
        images=tuple(images),
    )


def make_candidate(
    rank: int, *, classes: Sequence[str] = CLASSES, has_all: bool = True
) -> CandidateRecord:
    """A candidate that was measured in full, or only as much as the first studies did."""
    kind = ("folds", "refit", "ensemble")[(rank - 1) % 3]
    test, trial = 0.985 - 0.003 * rank, 0 if rank == 6 else 22 - 2 * rank
    facts: dict[str, Any] = {
        "candidate": rank,
        "rank": rank,
        "kind": kind,
        "trial": trial,
        "params": make_trials()[trial].params,
        "is_default": rank == 6,
        "objective": 0.968 - 0.002 * rank,
        "num_weights": 2_071_332 if rank % 3 == 1 else 690_444,
        "flops": 10**9,
        "latency_ms": 10.6 + rank,
        "size_mb": 8.4,
        "epochs": 30,
        "train_seconds": 612.0,
        "seed": 0,
        "history": make_history(12, 0.99),
        "train": split_scores("train", 0.991, num_images=4856, classes=classes),
        "val": split_scores("val", 0.97, num_images=856, classes=classes),
        "test": split_scores("test", test, classes=classes),
    }
    if has_all:
        clean = test - 0.004
        before = CalibrationScores(ece=0.031, log_loss=0.13)
        after = CalibrationScores(ece=0.012, log_loss=0.11)
        facts |= {
            "members": tuple(Member(trial=trial, fold=f, weight=1 / 3) for f in (1, 2, 3))
            if kind == "folds"
            else tuple(Member(trial=t, fold=None, weight=0.5) for t in (trial, 8))
            if kind == "ensemble"
            else (),
            "cv_mean": 0.966 - 0.002 * rank,
            "cv_sd": 0.004,
            "fold_scores": (0.962, 0.966, 0.97),
            "folds": split_scores("folds", 0.967, num_images=5712, classes=classes),
            "augmented": tuple(
                AugmentedImage(
                    path=f"Training/{classes[index]}/Tr-{index}.jpg",
                    label=classes[index],
                    picture=f"augmented-{index + 1}-0.jpg",
                    versions=tuple(f"augmented-{index + 1}-{v}.jpg" for v in (1, 2, 3)),
                )
                for index in range(3)
                if rank == 1
            ),
            "checked_on": "test_clean",
            "num_test_clean": 1095,
            "test_clean": split_scores("test_clean", clean, num_images=1095, classes=classes),
            "gap": make_gap({"train": 0.991, "val": 0.97, "folds": 0.967, "test_clean": clean}),
            "calibration": Calibration(
                temperature=1.31,
                fitted_on="folds",
                num_images=5712,
                fitted_before=before,
                fitted_after=after,
                test_before=before,
                test_after=after,
                bins=tuple(
                    ReliabilityBin(
                        low=low,
                        high=low + 0.2,
                        num_images=200,
                        confidence=low + 0.1,
                        accuracy=interval(low + 0.1, 0.05),
                    )
                    for low in (0.2, 0.4, 0.6, 0.8)
                ),
            ),
            "comparisons": tuple(
                Comparison(
                    other=other,
                    p_value=0.04 / (rank - other),
                    is_told_apart=rank > 4,
                    difference=Interval(value=-0.003, low=-0.01, high=0.004),
                )
                for other in range(1, rank)
            ),
            "tied_with": 1 if 1 < rank < 5 else None,
            "robustness": make_robustness(clean),
            "explanation": make_explanation(classes),
        }
    return CandidateRecord(**facts)


def make_audit(classes: Sequence[str] = CLASSES) -> AuditReport:
    leaked = dict(zip(classes, (0, 106, 105, 5), strict=True))
    counts = CopyCounts(
        groups=344,
        surplus=426,
        groups_within_seen=155,
        groups_across_splits=189,
        test_images_in_train=216,
        test_images_in_train_by_class=leaked,
        val_images_in_train=0,
    )
    copies = [
        CopyGroup(
            kind=("bytes", "pixels", "near")[index % 3],
            paths=(f"Training/{classes[1]}/Tr-{index}.jpg", f"Testing/{classes[1]}/Te-{index}.jpg"),
            labels=(classes[1], classes[2] if index == 0 else classes[1]),
            splits=("train", "test" if index < 10 else "train"),
            turns=("as is", "mirrored" if index % 3 == 2 else "as is"),
            thumbnails=(f"{index:04d}-1.jpg", f"{index:04d}-2.jpg"),
        )
        for index in range(20)
    ]
    return AuditReport(
        source="brain",
        num_images=7019,
        class_names=tuple(classes),
        counts={
            "train": dict.fromkeys(classes, 1214),
            "val": dict.fromkeys(classes, 214),
            "test": dict(zip(classes, (300, 306, 405, 300), strict=True)),
        },
        ignored={"hidden folder": 1},
        unreadable=(UnreadableImage(path="Training/glioma/broken.jpg", reason="cut off"),),
        blank=("Training/notumor/black.png",),
        odd=(OddImage(path="Training/notumor/wide.jpg", reason="1400 x 200 px"),),
        modes={label: {"L": 900, "RGB": 300 + 40 * i} for i, label in enumerate(classes)},
        sizes={label: {"224 x 224": 1728} for label in classes},
        file_types={label: {"JPEG": 1728} for label in classes},
        coloured=dict.fromkeys(classes, 0),
        byte_copies=counts,
        all_copies=counts,
        copies=tuple(copies),
        pixels=tuple(
            ClassPixels(
                label=label,
                num_images=1728,
                brightness=40.0 + 9 * index,
                brightness_sd=12.0,
                contrast=44.0,
                colourfulness=0.1,
                width=224.0,
                height=224.0,
            )
            for index, label in enumerate(classes)
        ),
        samples=tuple(
            SampleImage(
                path=f"Training/{index}-{number}.jpg",
                label=label,
                split="train",
                picture=f"sample-{index + 1}-{number}.jpg",
            )
            for index, label in enumerate(classes)
            for number in (1, 2, 3)
        ),
        label_conflicts=(LabelConflict(paths=copies[0].paths, labels=(classes[1], classes[2])),),
        groups_across_splits=0,
        shortcuts=(
            Shortcut(
                predicts="class",
                target=classes[2],
                fact="mode",
                auc=0.91,
                fact_auc=0.88,
                is_warning=True,
                sentence="The mode alone tells this class from the others with an AUC of 0.88.",
            ),
            Shortcut(
                predicts="split",
                target="test",
                fact="brightness",
                auc=0.55,
                fact_auc=0.53,
                is_warning=False,
                sentence="Nothing tells test from train.",
            ),
        ),
        notes=("No val split was given: 15 % of the training images are val.",),
        warnings=(
            f"216 of 1,311 test images are copies of training images ({classes[1]} 106 of 306).",
            "1 group of copies has different labels.",
            f"{classes[2]} can be told by the mode of its files alone (AUC 0.88).",
            "1 file could not be read.",
            "1 image is of one colour.",
        ),
    )


def make_status(name: str, classes: Sequence[str] = CLASSES, **asked: Any) -> StudyStatus:
    config = resolve_config({"name": name, "data": "brain", "trials": 24, "space": "mri", **asked})
    finalists = tuple(FinalistFacts(trial=trial, epochs=30) for trial in (0, 17, 18, 19))
    return StudyStatus(
        name=name,
        created="2026-01-05T09:30:00+00:00",
        status="done",
        seconds=7012.0,
        resumed=("2026-01-05T12:00:00+00:00",),
        config=config,
        epochs=30,
        versions=VERSIONS,
        machine={"num_cpus": 2, "memory_gb": 25.1, "cpu": "AMD EPYC"},
        resources={"workers": 2, "threads": 1, "precision": "mixed_bfloat16"},
        data=DataFacts(
            fingerprint="3f" * 16,
            class_names=tuple(classes),
            image_shape=(96, 96, 1),
            split={"train": 4856, "val": 856, "test": 1311},
        ),
        space_fingerprint="a7" * 16,
        finalists=finalists,
        num_folds=3,
        choice=Choice(
            candidate=1,
            sentences=(
                "Candidate 1 is the simplest within one standard error of the best on the folds.",
                "It beats the default configuration by 1.2 points on the folds.",
            ),
        ),
        test_looks=(TestLook(at="2026-01-05T12:40:00+00:00", finalists=finalists, is_over=True),),
    )


def make_study(
    results: Path,
    name: str = "mine",
    *,
    num_candidates: int = 6,
    classes: Sequence[str] = CLASSES,
    has_all: bool = True,
) -> StudyFolder:
    """A finished study.

    Args:
        results: Folder that it is put into.
        name: Its name.
        num_candidates: Candidates.
        classes: Four names.
        has_all: Whether folds, calibration, robustness, maps, audit and their pictures are
            there; else it is like a study of the first versions.
    """
    status = make_status(name, classes, results=str(results))
    if not has_all:
        status = status.model_copy(update={"choice": None, "test_looks": (), "num_folds": 0})
    folder = StudyFolder.create(results, name, status.to_json())
    for trial in make_trials():
        folder.write_trial(trial)
    for rank in range(1, num_candidates + 1):
        folder.write_candidate(make_candidate(rank, classes=classes, has_all=has_all))
        draw_pictures(folder, rank, has_all=has_all)
    replace_file(folder.leaderboard_path, b"rank\n")
    if has_all:
        replace_file(folder.candidate_model_path(1), b"a model")
        write_predictions(folder, 1, classes)
        audit = make_audit(classes)
        names = [name for group in audit.copies for name in group.thumbnails]
        names += [sample.picture for sample in audit.samples]
        thumbnails = {name: draw_jpeg(96, 96, seed=7) for name in names}
        folder.write_audit(audit.model_dump_json(), thumbnails)
        issues = make_issues(classes)
        drawn = {one.picture: draw_jpeg(96, 96, seed=1) for one in issues if one.picture}
        folder.write_label_issues(issues, drawn)
    return folder


def make_issues(classes: Sequence[str] = CLASSES) -> list[LabelIssue]:
    """Labels that look wrong, and one that is only doubted."""
    return [
        LabelIssue(
            path=f"Training/{number}.jpg",
            label=classes[number % 4],
            predicted=classes[(number + 1) % 4],
            label_probability=round(0.01 * number, 2),
            predicted_probability=round(0.98 - 0.01 * number, 2),
            split="val" if number == 2 else "train",
            is_suspect=number < 5,
            picture=f"{number:02d}.jpg" if number < 5 else "",
        )
        for number in range(1, 6)
    ]


def draw_pictures(folder: StudyFolder, candidate: int, *, has_all: bool = True) -> None:
    """The pictures of a candidate: its name on white, and grey blobs for images."""
    path = folder.candidate_dir(candidate)
    for name in (*PICTURES, *BEST_PICTURES) if has_all else ("confusion_matrix", "roc"):
        picture = Image.new("RGB", (640, 480), "white")
        draw = ImageDraw.Draw(picture)
        draw.rectangle((20, 20, 620, 460), outline="#0072B2", width=4)
        draw.text((60, 200), f"{name} of candidate {candidate}", fill="black")
        picture.save(path / f"{name}.png")
    if has_all:
        for index, version in itertools.product((1, 2, 3), range(4)):
            name = f"augmented-{index}-{version}.jpg"
            (path / name).write_bytes(draw_jpeg(96, 96, seed=10 * index + version))
        for index in range(12):
            (path / f"explained_{index:02d}.jpg").write_bytes(draw_jpeg(192, 96, seed=index))


def draw_jpeg(width: int, height: int, *, seed: int) -> bytes:
    """A blurred blob: a small JPEG."""
    rows, columns = np.mgrid[0:height, 0:width]
    centre = np.random.default_rng(seed).uniform(0.3, 0.7, 2) * (height, height)
    distance = np.hypot(rows - centre[0], columns % height - centre[1]) / height
    buffer = io.BytesIO()
    Image.fromarray((255 * np.exp(-8 * distance**2)).astype(np.uint8)).save(buffer, "JPEG")
    return buffer.getvalue()


def main() -> None:
    print(write_report(make_study(Path(sys.argv[1]))))


if __name__ == "__main__":
    main()
