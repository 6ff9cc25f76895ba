import os
import subprocess
import sys

import pytest

from autocnn.core.quiet import silent_stderr


def test_only_what_is_written_inside_is_dropped(capfd: pytest.CaptureFixture[str]) -> None:
    os.write(2, b"before ")
    with silent_stderr():
        os.write(2, b"inside ")
        print("python ", file=sys.__stderr__, flush=True)
        subprocess.run([sys.executable, "-c", "import os; os.write(2, b'child ')"], check=True)
    os.write(2, b"after")
    assert capfd.readouterr().err == "before after"


def test_it_ends_with_an_error_too(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match="x"), silent_stderr():
        raise ValueError("x")
    os.write(2, b"after")
    assert capfd.readouterr().err == "after"
