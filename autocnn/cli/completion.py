"""`autocnn completion`."""

import click

from autocnn.cli.main import cli

COMPLETION_VARIABLE = "_AUTOCNN_COMPLETE"
"""In which the script asks: click's name for it."""

INSTALL = {
    "bash": (
        'In ~/.bashrc:  eval "$(autocnn completion bash)"',
        "or once:       autocnn completion bash > "
        "~/.local/share/bash-completion/completions/autocnn",
    ),
    "zsh": (
        'In ~/.zshrc, after compinit:  eval "$(autocnn completion zsh)"',
        "or once, into a folder of $fpath:  autocnn completion zsh > ~/.zfunc/_autocnn",
    ),
    "fish": ("Once:  autocnn completion fish > ~/.config/fish/completions/autocnn.fish",),
}
"""Shell -> how its script is installed."""


@click.command("completion")
@click.argument("shell", type=click.Choice(list(INSTALL)))
def command(shell: str) -> int:
    """Print the script that lets SHELL complete autocnn: bash, zsh or fish.

    Completed are commands, options and their values, and the names of studies and search
    spaces. The script says how it is installed; open a new shell afterwards.

    \b
    Examples:
      eval "$(autocnn completion bash)"
      autocnn completion zsh > ~/.zfunc/_autocnn
      autocnn completion fish > ~/.config/fish/completions/autocnn.fish
    """  # noqa: D301 - click wants the backspace character itself
    from click.shell_completion import get_completion_class

    found = get_completion_class(shell)
    assert found is not None
    script = found(cli, {}, "autocnn", COMPLETION_VARIABLE).source()
    first, _, rest = script.partition("\n")
    how = "".join(f"# {line}\n" for line in INSTALL[shell])
    # zsh reads the first line of a file in $fpath: it must stay the first.
    script = f"{first}\n{how}{rest}" if first.startswith("#compdef") else f"{how}{script}"
    click.echo(script, nl=False)
    return 0
