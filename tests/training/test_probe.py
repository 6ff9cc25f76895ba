"""What a worker says of the GPUs that it sees; there are none where the tests run."""

from types import SimpleNamespace
from typing import Any

import pytest
import tensorflow as tf

from autocnn.execution.machine import Gpu
from autocnn.execution.tasks import GpusTask
from autocnn.training.probe import find_gpus


def test_gpus_have_the_numbers_by_which_cuda_knows_them(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = [SimpleNamespace(name=f"/physical_device:GPU:{number}") for number in (1, 3)]
    details: dict[str, Any] = {"device_name": "A100", "compute_capability": (8, 0)}
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: seen)
    monkeypatch.setattr(tf.config.experimental, "get_device_details", lambda device: details)
    found = find_gpus(GpusTask(), lambda score: False)
    assert found.gpus == (Gpu("A100", (8, 0), 1), Gpu("A100", (8, 0), 3))
