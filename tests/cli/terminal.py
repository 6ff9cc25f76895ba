"""The command line in a pseudo-terminal of some width."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path

ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")

ROOT = Path(__file__).parents[2]


def in_terminal(program: str, *, width: int) -> str:
    """What a Python program prints on a terminal, without colours; stderr is not shown.

    Args:
        program: Python source; it should exit with 0.
        width: Columns of the terminal.
    """
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, width, 0, 0))
    environment = {name: text for name, text in os.environ.items() if name != "COLUMNS"}
    environment |= {"TERM": "xterm", "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=theirs,
        stdout=theirs,
        stderr=subprocess.PIPE,
        env=environment,
    )
    os.close(theirs)
    parts = []
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:  # Linux's way of saying that nobody writes any more
            break
        if not part:
            break
        parts.append(part)
    os.close(ours)
    _, errors = process.communicate()
    assert process.returncode == 0, errors.decode()
    return ESCAPES.sub("", b"".join(parts).decode()).replace("\r\n", "\n")


def command(*arguments: str) -> str:
    """The program that is the command line with some arguments."""
    return f"from autocnn.cli.main import run; raise SystemExit(run({list(arguments)!r}))"
