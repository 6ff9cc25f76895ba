"""`autocnn search`."""

from pathlib import Path
from typing import Any

import click

from autocnn.cli.options import settings
from autocnn.cli.sections import SectionedCommand
from autocnn.cli.words import DATA

SECTIONS = {
    "How much": ("trials", "budget_s", "epochs", "trial_timeout_s"),
    "What is searched": (
        "space",
        "model",
        "weights",
        "objective",
        "max_gap",
        "engine",
        "sampler",
        "pruner",
        "fork",
    ),
    "Who wins": ("finalists", "folds", "fold_repeats", "members", "prefer", "by"),
    "The images": (
        "images",
        "path_column",
        "label_column",
        "split_column",
        "group_column",
        "label_from_name",
        "group_from_name",
        "drop_labels",
        "window",
        "image_size",
        "fit",
        "channels",
        "val_fraction",
        "test_fraction",
        "max_unreadable",
    ),
    "The machine": (
        "cluster",
        "storage",
        "workers",
        "threads",
        "precision",
        "deterministic",
        "seed",
        "memory_limit_gb",
        "disk_limit_gb",
    ),
    "Where it goes": (
        "name",
        "results",
        "samples",
        "cache_dir",
        "cache_limit_gb",
        "tensorboard",
        "mlflow",
    ),
}
"""Heading in --help -> its settings, by their names in the config."""


@click.command("search", cls=SectionedCommand, sections=SECTIONS)
@click.argument("data", required=False, type=DATA)
@settings(*(field for fields in SECTIONS.values() for field in fields))
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    help="YAML file, or a study.json, with these settings; flags come first.",
)
@click.option("--quiet", "-q", is_flag=True, help="No progress on stderr, only warnings.")
def command(data: str | None, config: Path | None, quiet: bool, **flags: Any) -> int:
    """Search the CNN, augmentation and regularisation that generalise best on DATA.

    DATA is a folder of class folders, with or without train/val/test folders above them;
    a table (CSV, TSV, Excel, Parquet) of images and labels, whatever its columns are called;
    an .npz (MedMNIST's keys, or x and y); or the built-in digits, the default, or phantoms,
    drawn head slices. Splits that are missing are made, and identical images never stand on
    both sides. `autocnn audit DATA` says how DATA is understood before anything is trained.

    The best trials are retrained on train + val, compared on folds, and judged on test, once.
    All of it lands in results/NAME; Ctrl-C stops it softly, and `autocnn resume` goes on.

    \b
    Examples:
      autocnn search images/ --trials 50 --budget 2h --name mine
      autocnn search brain/ --space mri --budget 30m
      autocnn search list.csv --objective macro_auc --max-gap 0.02
      autocnn search images/ --model my_model.py:build --space my_space.yaml
      autocnn search --config results/mine/study.json --seed 1
    """  # noqa: D301 - click wants the backspace character itself
    from autocnn.api import search
    from autocnn.cli.tables import print_leaderboard, print_study_files

    study = search(data, config=config, verbose=not quiet, **flags)
    print_leaderboard(study)
    print_study_files(study)
    return 0
