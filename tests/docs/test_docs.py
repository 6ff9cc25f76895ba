"""The pages are tested as they are written; README.md beside this file says how to mark blocks."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest

from autocnn.cli.main import COMMANDS, cli
from tests.docs.inputs import make_inputs
from tests.docs.pages import PAGES, ROOT, Block, read_blocks, read_command_lines, read_links
from tests.shared import share

MOST_S = 1700.0

LINKED = [*PAGES, ROOT / "CONTRIBUTING.md", ROOT / "results" / "README.md"]


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def parse(arguments: list[str]) -> None:
    """Read a command line as autocnn would, without running it.

    Raises:
        click.UsageError: When it is wrong.
    """
    context = click.Context(cli, info_name="autocnn")
    words = [word for word in arguments if word != "--debug"]
    if not words or words[0] in ("--help", "--version", "-h"):
        return
    command = cli.get_command(context, words[0])
    if command is None:
        raise click.UsageError(f"no command {words[0]}; there are {', '.join(COMMANDS)}")
    for parameter in command.params:
        if isinstance(parameter.type, click.Path):
            parameter.type.exists = False  # a page names files that are not here
    if words[1:] and "--help" not in words:  # alone it may be the name of a command
        command.make_context(words[0], words[1:], parent=context)


def runs(block: Block) -> bool:
    return block.verb == "run" or (block.is_python and block.verb not in ("shown", "file"))


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_shown_command_line_can_be_typed(page: Path) -> None:
    wrong = []
    for line, arguments in read_command_lines(page):
        try:
            parse(arguments)
        except click.UsageError as error:
            wrong.append(f"line {line}: autocnn {' '.join(arguments)}: {error.format_message()}")
    assert not wrong


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_python_block_compiles(page: Path) -> None:
    for block in read_blocks(page):
        if block.is_python:
            compile("\n" * block.line + block.text, str(page), "exec")


@pytest.mark.parametrize("page", LINKED, ids=name_of)
def test_every_link_leads_somewhere(page: Path) -> None:
    broken = [
        f"line {line}: {target}"
        for line, target in read_links(page)
        if not (page.parent / target).exists()
    ]
    assert not broken


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that every page begins with, and a small autocnn beside it."""
    return share(tmp_path_factory, "docs", make_place)


def make_place(place: Path) -> None:
    (place / "folder").mkdir()
    make_inputs(place / "folder")
    command = place / "bin" / "autocnn"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m tests.docs.driver autocnn "$@"\n')
    command.chmod(0o755)
    run(["autocnn", "search", "images/", "--name", "mine", "--space", "quick"], place, "folder")
    results = place / "folder" / "results"
    shutil.copytree(results / "mine", results / "yesterday")
    os.utime(results / "yesterday" / "study.json", (0, 0))


def run(command: list[str], place: Path, folder: str) -> None:
    """A process in a folder of the place; its whole output is in the failure."""
    environment = {
        **os.environ,
        "PATH": f"{place / 'bin'}{os.pathsep}{Path(sys.executable).parent}{os.pathsep}"
        + os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "XDG_CACHE_HOME": str(place / "cache"),
    }
    result = subprocess.run(
        command,
        cwd=place / folder,
        env=environment,
        text=True,
        timeout=MOST_S,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
    )
    assert result.returncode == 0, result.stdout[-6000:]


@pytest.mark.slow
@pytest.mark.parametrize(
    "page", [page for page in PAGES if any(map(runs, read_blocks(page)))], ids=name_of
)
def test_a_page_runs_as_written(page: Path, place: Path) -> None:
    folder = name_of(page).replace("/", "-").removesuffix(".md")
    shutil.copytree(place / "folder", place / folder)
    run([sys.executable, "-m", "tests.docs.driver", "page", str(page)], place, folder)


@pytest.mark.parametrize(
    "arguments",
    [
        "search images/ --trails 50",
        "serach images/",
        "search --trials many",
        "leaderboard mine yours",
    ],
)
def test_a_wrong_command_line_is_found(arguments: str) -> None:
    with pytest.raises(click.UsageError):
        parse(arguments.split())


def test_marks_blocks_and_commands_are_read(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(PAGE)
    blocks = list(read_blocks(page))
    assert [(block.line, block.language, block.verb, block.name) for block in blocks] == [
        (5, "bash", "run", ""),
        (12, "", "", ""),
        (17, "python", "file", "mine.py"),
        (20, "", "empty results", ""),
    ]
    assert blocks[0].commands == ["autocnn search   images/ | cat", "echo autocnn nothing"]
    assert blocks[1].commands == ["autocnn resume mine   # later"]
    assert blocks[2].text == "x = 1"
    assert [words for _, words in read_command_lines(page)] == [
        ["search", "images/"],
        ["resume", "mine"],
        ["report", "mine", "--to", "a b"],
    ]
    assert [target for _, target in read_links(page)] == ["other.md"]


PAGE = """# Page

<!-- docs: run -->

```bash
autocnn search \\
 images/ | cat
echo autocnn nothing
```
Text, `autocnn report mine --to "a b"` and `autocnn predict ...`, [there](other.md#here), [x](#y).

    $ autocnn resume mine   # later
    autocnn printed this

- a list
<!-- docs: file mine.py -->
```python
x = 1
```
<!-- docs: empty results -->
"""
