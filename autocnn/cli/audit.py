"""`autocnn audit`."""

from pathlib import Path
from typing import Any

import click

from autocnn.cli.options import setting, settings
from autocnn.cli.words import DATA


@click.command("audit")
@click.argument("data", type=DATA)
@click.option(
    "--split-out",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Write a split without leaks, a CSV to be given as DATA.  [none]",
)
@click.option(
    "--to",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write a page, HTML: classes, samples of each, pixels, and all of the audit.  [none]",
)
@setting("samples")
@click.option("--json", "as_json", is_flag=True, help="Print audit.json in place of the tables.")
@settings("images", "path_column", "label_column", "split_column", "group_column")
@settings("label_from_name", "group_from_name", "window")
@settings("val_fraction", "test_fraction")
@setting("seed", meaning="Seed of the splits that are made.")
@setting("image_size", meaning="Side in px at which images are compared.")
@settings("fit")
@setting("channels", unset="auto")
@settings("max_unreadable", "cache_dir", "cache_limit_gb")
@click.option("--quiet", "-q", is_flag=True, help="No progress on stderr.")
def command(
    data: str, split_out: Path | None, to: Path | None, as_json: bool, quiet: bool, **flags: Any
) -> int:
    """Look at DATA before anything is trained on it; a search does the same first.

    Counts images per split and class; finds unreadable, blank and odd files, copies within and
    across splits (equal files, equal pixels, and near copies: turned, mirrored, scaled or
    compressed again), copies with different labels, and file facts that give the class away.
    Says what is spoiled by it, and what to do.

    \b
    Examples:
      autocnn audit images/
      autocnn audit images/ --to page.html
      autocnn audit images/ --split-out images/split.csv
      autocnn search images/split.csv
    """  # noqa: D301 - click wants the backspace character itself
    from autocnn.api import audit
    from autocnn.cli.audit_table import print_audit
    from autocnn.cli.tables import echo

    if flags["samples"] is not None and to is None and not as_json:
        raise click.UsageError("--samples goes with --to or --json.")
    found = audit(data, split_out=split_out, to=to, verbose=not quiet, **flags)
    if as_json:
        click.echo(found.record.model_dump_json(indent=2))
    else:
        print_audit(found.record)
    for line in found.split_notes:
        echo(line, err=True)
    if found.split_path is not None:
        echo(f"split: {found.split_path}", err=as_json)
    if found.page_path is not None:
        echo(f"page: {found.page_path}", err=as_json)
    return 0
