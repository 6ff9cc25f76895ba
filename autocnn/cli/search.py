"""`autocnn search`."""

from pathlib import Path
from typing import Any

import click

from autocnn.cli.options import Duration, Size
from autocnn.cli.sections import SectionedCommand
from autocnn.cli.words import DataPlace, FilePlace, SamplerName, SpaceName, StudyName

_PATH = click.Path(path_type=Path)
_FRACTION = click.FloatRange(0, 0.5, min_open=True, max_open=True)


SECTIONS = {
    "How much": ("--trials", "--budget", "--epochs", "--trial-timeout"),
    "What is searched": (
        "--space",
        "--model",
        "--weights",
        "--objective",
        "--max-gap",
        "--engine",
        "--sampler",
        "--pruner",
        "--fork",
    ),
    "Who wins": ("--finalists", "--folds", "--fold-repeats"),
    "The images": (
        "--image-size",
        "--channels",
        "--val-fraction",
        "--test-fraction",
        "--max-unreadable",
    ),
    "The machine": (
        "--workers",
        "--threads",
        "--precision",
        "--deterministic",
        "--seed",
        "--memory-limit",
        "--disk-limit",
    ),
    "Where it goes": (
        "--name",
        "--results",
        "--cache-dir",
        "--cache-limit",
        "--tensorboard",
        "--mlflow",
    ),
}
"""Heading in --help -> its options."""


# fmt: off
@click.command("search", cls=SectionedCommand, sections=SECTIONS)
@click.argument("data", required=False, type=DataPlace())
@click.option("--trials", type=click.IntRange(1), help="Trials in the study.  [50]")
@click.option("--budget", "budget_s", type=Duration(),
              help="Time for all of it, finalists included: 90s, 30m, 2h.  [no limit]")
@click.option("--name", help="Name of the study: its folder under --results.  [data and time]")
@click.option("--space", type=SpaceName(),
              help="What is searched: quick, default, mri, resnet, transfer, or a "
              "YAML file; see `autocnn spaces`.  [default]")
@click.option("--model", metavar="FILE:FUNCTION", type=FilePlace(),
              help="Search a model of your own: a function of (params, image_shape, num_classes); "
              "with a --space of your own.  [autocnn's networks]")
@click.option("--epochs", type=click.IntRange(1), help="Most epochs per trial.  [the space's]")
@click.option("--finalists", type=click.IntRange(1),
              help="Best trials that are retrained and judged on test, beside the default "
              "configuration.  [3]")
@click.option("--folds", type=click.IntRange(0, 20),
              help="Folds of train + val on which finalists are compared; 0: val decides.  [3]")
@click.option("--fold-repeats", type=click.IntRange(1, 10),
              help="Times that the folds are cut anew.  [1]")
@click.option("--objective", type=click.Choice(["balanced_accuracy", "accuracy", "macro_f1",
                                                "macro_auc", "log_loss"]),
              help="What the search improves, measured on val.  [balanced_accuracy]")
@click.option("--max-gap", type=click.FloatRange(0),
              help="Largest gap between train and val that is acceptable, e.g. 0.02.  [any]")
@click.option("--trial-timeout", "trial_timeout_s", type=Duration(),
              help="Time for one trial.  [no limit]")
@click.option("--engine", type=click.Choice(["optuna", "keras-tuner"]),
              help="What proposes params.  [optuna]")
@click.option("--sampler",
              type=SamplerName(["tpe", "random", "qmc", "bayesian", "hyperband", "grid"]),
              help="How: Optuna's tpe, random, qmc; KerasTuner's bayesian, random, hyperband, "
              "grid.  [tpe; bayesian]")
@click.option("--pruner", type=click.Choice(["asha", "median", "none"]),
              help="How Optuna stops hopeless trials.  [asha]")
@click.option("--image-size", type=click.IntRange(8, 1024),
              help="Side of the square input in px.  [chosen from the data]")
@click.option("--channels", type=click.Choice(["auto", "grey", "rgb"]),
              help="auto: grey if all images are grey in content.  [the space's]")
@click.option("--val-fraction", type=_FRACTION, help="Size of a missing val split.  [0.15]")
@click.option("--test-fraction", type=_FRACTION, help="Size of a missing test split.  [0.15]")
@click.option("--max-unreadable", type=click.FloatRange(0, 1),
              help="Fraction of unreadable files that is tolerated.  [0.05]")
@click.option("--weights", type=_PATH, help="Pretrained weights for the transfer space (.h5).")
@click.option("--workers", type=click.IntRange(1), help="Trials at once.  [one per processor]")
@click.option("--threads", type=click.IntRange(1), help="Threads per trial.  [processors/workers]")
@click.option("--precision", type=click.Choice(["auto", "float32", "bfloat16", "float16"]),
              help="Arithmetic; auto: bfloat16 where the machine has it.  [auto]")
@click.option("--deterministic", is_flag=True, default=None,
              help="One trial at a time on one thread, to the same numbers at any time.")
@click.option("--memory-limit", "memory_limit_gb", type=Size(),
              help="Memory of one trial: 500MB, 2GB.  [its share of the machine's]")
@click.option("--disk-limit", "disk_limit_gb", type=Size(),
              help="Size that the study's folder may reach.  [50GB]")
@click.option("--fork", type=StudyName(),
              help="Begin with the trials of STUDY that are still valid.")
@click.option("--tensorboard", is_flag=True, default=None,
              help="Write the curves of all trials for TensorBoard too, into the study.")
@click.option("--mlflow", is_flag=False, flag_value="default", metavar="[URI]",
              help="Log all trials to MLflow too: http://HOST:PORT, sqlite:///FILE or, left out, "
              "what MLFLOW_TRACKING_URI says.")
@click.option("--seed", type=click.IntRange(0, 2**31 - 1), help="Seed of everything.  [0]")
@click.option("--results", type=_PATH, help="Folder that holds the studies.  [results]")
@click.option("--cache-dir", type=_PATH,
              help="Folder for decoded images.  [the platform's cache folder]")
@click.option("--cache-limit", "cache_limit_gb", type=Size(),
              help="Size at which the oldest decoded images go.  [10GB]")
@click.option("--config", "config_file", type=click.Path(path_type=Path),
              help="YAML file, or a study.json, with these settings; flags come first.")
@click.option("--quiet", "-q", is_flag=True, help="No progress on stderr, only warnings.")
def command(data: str | None, config_file: Path | None, quiet: bool, **flags: Any) -> int:
    """Search the CNN, augmentation and regularisation that generalise best on DATA.

    DATA is a folder of class folders, with or without train/val/test folders above them;
    a CSV of path,label[,split][,group]; an .npz (MedMNIST's keys, or x and y); or the
    built-in digits, the default, or phantoms, drawn head slices. Splits that are missing
    are made, and identical images never stand on both sides.

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
    from autocnn.api.display import show_progress
    from autocnn.api.interruption import handle_signals
    from autocnn.cli.tables import print_leaderboard, print_study_paths
    from autocnn.core.config import resolve_config
    from autocnn.study.run import search

    config = resolve_config({"data": data, **flags}, file=config_file)
    folder = search(config, show_progress(is_quiet=quiet), interruption=handle_signals())
    print_leaderboard(folder)
    print_study_paths(folder)
    return 0
