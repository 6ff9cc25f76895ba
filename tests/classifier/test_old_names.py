"""Pickles made before modules moved load."""

import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from autocnn.classifier.network import OwnFiles, WinningNetwork
from autocnn.classifier.old_names import OLD_NAMES
from autocnn.core.own_model import OwnModel
from autocnn.core.records import ModelInput

LOAD = """
import pickle, sys
network = pickle.loads(open(sys.argv[1], "rb").read())
print(network.taken.shape, network.own_files.builder.function)
"""


@pytest.mark.slow
def test_a_pickle_with_the_old_names_loads_in_a_process_that_imported_nothing(
    tmp_path: Path,
) -> None:
    own = OwnFiles(OwnModel(tmp_path / "my_model.py", "build"), {"my_model.py": b""})
    taken = ModelInput(shape=(None, 4, 4, 1), height=4, width=4, is_grey=True, read_as="grey")
    # The oldest protocol: names in it are lines, so that another can take their place.
    content = pickle.dumps(WinningNetwork(b"a model", taken, own), protocol=0)
    for module, classes in OLD_NAMES.items():
        for name, now in classes.items():
            new = f"c{now.__module__}\n{now.__name__}\n".encode()
            assert content.count(new) == 1
            content = content.replace(new, f"c{module}\n{name}\n".encode())
    path = tmp_path / "old.pickle"
    path.write_bytes(content)
    done = subprocess.run(
        [sys.executable, "-c", LOAD, str(path)], capture_output=True, text=True, check=True
    )
    assert done.stdout == "(None, 4, 4, 1) build\n"
