import pytest

from autocnn.training.networks import stored_images


@pytest.fixture
def as_on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Images are put into the processor's memory as into that of a GPU."""
    monkeypatch.setattr(stored_images, "first_gpu", lambda: "CPU:0")
