"""`autocnn spaces`."""

import click


@click.command("spaces")
@click.argument("name", required=False)
def command(name: str | None) -> int:
    """List the search spaces that come with autocnn, or show the one called NAME.

    NAME may be a YAML file of your own; it works wherever a name does:
    `autocnn search --space mine.yaml`.
    """
    from autocnn.cli.tables import print_space, print_spaces
    from autocnn.space_files import load_space, shipped_names

    if name is None:
        print_spaces([load_space(shipped) for shipped in shipped_names()])
    else:
        print_space(load_space(name))
    return 0
