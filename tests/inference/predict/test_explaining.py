"""Overlays in a folder: their names, and what has no layers to look into."""

from pathlib import Path

import numpy as np
import pytest

from autocnn.core.errors import ExportError
from autocnn.inference.predict.explaining import Explainer, overlay_name
from tests.inference.predict.models import model


@pytest.mark.parametrize(
    ("name", "label", "expected"),
    [
        ("a/b/scan 1.png", "cat", "000001-scan_1-cat.jpg"),
        ("../../etc/passwd", "../..", "000001-passwd-_____.jpg"),
        ("..", "", "000001-__-_.jpg"),
        ("猫.png", "लेबल", "000001-猫-लेबल.jpg"),
        ("a\nb\x1b[2J.png", "x\0y", "000001-a_b__2J-x_y.jpg"),
        ("\udcff.png", "a", "000001-_-a.jpg"),
        ("C:\\windows\\a.png", "CON", "000001-C__windows_a-CON.jpg"),
    ],
)
def test_names_stay_in_their_folder(name: str, label: str, expected: str) -> None:
    assert overlay_name(1, name, label) == expected


def test_long_names_fit_and_never_collide() -> None:
    names = {overlay_name(number, "猫" * 200, "кот" * 200) for number in range(1, 4)}
    assert len(names) == 3
    assert all(len(name.encode()) < 200 for name in names)


def test_a_model_without_layers_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="explain needs the layers of a Keras model") as caught:
        Explainer(model(format="onnx", model="model.onnx"), tmp_path / "maps")
    assert "study itself" in caught.value.remedy
    assert not (tmp_path / "maps").exists()


def test_every_image_that_can_be_read_gets_a_picture(tmp_path: Path) -> None:
    from PIL import Image

    from autocnn.core.records import ModelInput
    from autocnn.inference.predict.model import Model
    from autocnn.inference.predict.reading import name_images
    from autocnn.inference.predict.runtimes import KerasRuntime
    from autocnn.training.networks import build_model

    network = build_model({"width": 4, "num_stages": 1}, (8, 8, 1), 2)
    taken = ModelInput(shape=(None, 8, 8, 1), height=8, width=8, is_grey=True)
    opened = Model(model(input=taken).metadata, KerasRuntime(network, None), threads=1)
    images = [np.full((8, 8), 9, np.uint8), tmp_path / "gone.png", np.full((8, 8), 99, np.uint8)]
    explainer = Explainer(opened, tmp_path / "deep" / "maps")
    for batch in opened.read(name_images(images)):
        explainer.write(batch, opened.answer(batch))
    written = sorted((tmp_path / "deep" / "maps").iterdir())
    assert [path.name[:15] for path in written] == ["000001-images_0", "000003-images_2"]
    assert explainer.num_written == 2
    with Image.open(written[0]) as picture:
        assert (picture.format, picture.size) == ("JPEG", (2 * 176 + 4, 176))
