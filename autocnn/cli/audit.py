"""`autocnn audit`."""

from pathlib import Path
from typing import Any

import click

from autocnn.cli.options import setting, settings
from autocnn.cli.words import DataPlace


@click.command("audit")
@click.argument("data", type=DataPlace())
@click.option(
    "--split-out",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Write a split without leaks, a CSV to be given as DATA.  [none]",
)
@click.option("--json", "as_json", is_flag=True, help="Print audit.json in place of the tables.")
@settings("val_fraction", "test_fraction", "seed")
@setting("image_size", meaning="Side in px at which images are compared.")
@setting("channels", unset="auto")
@settings("max_unreadable", "cache_dir", "cache_limit_gb")
@click.option("--quiet", "-q", is_flag=True, help="No progress on stderr.")
def command(data: str, split_out: Path | None, as_json: bool, quiet: bool, **flags: Any) -> int:
    """Look at DATA before anything is trained on it; a search does the same first.

    Counts images per split and class; finds unreadable, blank and odd files, copies within and
    across splits (equal files, equal pixels, and near copies: turned, mirrored, scaled or
    compressed again), copies with different labels, and file facts that give the class away.
    Says what is spoiled by it, and what to do.

    \b
    Examples:
      autocnn audit images/
      autocnn audit images/ --split-out images/split.csv
      autocnn search images/split.csv
    """  # noqa: D301 - click wants the backspace character itself
    from autocnn.api.display import show_progress
    from autocnn.cli.audit_table import ProgressOnly, print_audit
    from autocnn.core.config import resolve_config
    from autocnn.data import check_split_file, correct_split, prepare_data, read_source, write_split

    config = resolve_config({"data": data, **flags})
    display = show_progress(is_quiet=quiet)
    try:
        if split_out is not None:
            check_split_file(split_out, read_source(data))
        dataset = prepare_data(config, image_sizes=[], observer=ProgressOnly(display))
    finally:
        display.close()
    if as_json:
        click.echo(dataset.audit.model_dump_json(indent=2))
    else:
        print_audit(dataset.audit)
    if split_out is not None:
        corrected = correct_split(
            dataset,
            val_fraction=config.val_fraction,
            test_fraction=config.test_fraction,
            seed=config.seed,
        )
        write_split(split_out, corrected)
        for line in corrected.sentences:
            click.echo(line, err=True)
        click.echo(f"split: {split_out}", err=as_json)
    return 0
