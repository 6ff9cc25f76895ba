"""The programs that pages and cards show do what they say, run on stand-ins of the runtimes."""

import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, get_args

import numpy as np
import pytest
from PIL import Image

from autocnn.core.records import ExportFormat
from autocnn.reporting.programs import Taken, write_program

CLASSES = ["cat", "two\nlines", "dog"]

PROBABILITIES = np.array([[0.25, 0.125, 0.625]], np.float32)


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[list[Any]]:
    """The path and the pixels that stand-ins of all runtimes get; image.png and classes.json."""
    found: list[Any] = []

    def answer(pixels: Any, **options: Any) -> Any:
        found.append(np.asarray(pixels))
        return PROBABILITIES

    def module(name: str, **content: Any) -> None:
        made = ModuleType(name)
        vars(made).update(content)
        monkeypatch.setitem(sys.modules, name, made)

    def opened(path: str) -> Any:
        found.append(path)
        tensor = SimpleNamespace(numpy=lambda: PROBABILITIES)
        return SimpleNamespace(
            predict=answer,
            run=lambda names, given: [answer(given["image"])],
            signatures={
                "serving_default": lambda image: {"probabilities": answer(image) is None or tensor}
            },
            get_signature_runner=lambda name: lambda image: {"probabilities": answer(image)},
        )

    module("keras", saving=SimpleNamespace(load_model=opened))
    module("tensorflow", saved_model=SimpleNamespace(load=opened), constant=np.asarray)
    module("onnxruntime", InferenceSession=opened)
    module("ai_edge_litert")
    module("ai_edge_litert.interpreter", Interpreter=opened)
    monkeypatch.chdir(tmp_path)
    Path("classes.json").write_text(json.dumps(CLASSES))
    yield found


def run(
    format: ExportFormat,  # noqa: A002 - as in the function
    taken: Taken,
    capsys: pytest.CaptureFixture[str],
) -> str:
    program = write_program(
        format, "there/model", taken, classes='json.loads(Path("classes.json").read_text())'
    )
    exec(compile(program, format, "exec"), {})
    return capsys.readouterr().out


def turned_photograph(width: int = 30, height: int = 20) -> bytes:
    """A JPEG that lies on its side, with a note that says so: bright on top once it is upright."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[:, : width // 2] = 220
    exif = Image.Exif()
    exif[0x0112] = 6
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", exif=exif, quality=95)
    return file.getvalue()


@pytest.mark.parametrize("size", [None, (8, 12)])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", get_args(ExportFormat))
def test_a_turned_photograph_stands_upright_and_classes_are_named(
    name: ExportFormat,
    channels: int,
    size: tuple[int, int] | None,
    seen: list[Any],
    capsys: pytest.CaptureFixture[str],
) -> None:
    Path("image.png").write_bytes(turned_photograph())
    out = run(name, Taken(channels, size), capsys)
    assert out == "cat 0.25\ntwo\nlines 0.125\ndog 0.625\n"
    path, pixels = seen
    assert path == "there/model"
    assert pixels.dtype == np.uint8
    width, height = size or (20, 30)
    assert pixels.shape == (1, height, width, channels)
    upper, lower = pixels[0, : height // 3], pixels[0, -(height // 3) :]
    assert upper.mean() > 200
    assert lower.mean() < 20


def test_more_than_8_bits_are_scaled_as_the_study_scaled_them(
    seen: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    values = np.linspace(0, 4095, 64).astype(np.uint16).reshape(8, 8)
    Image.fromarray(values).save("image.png")
    run("keras", Taken(1, (8, 8), levels=(0, 4095)), capsys)
    np.testing.assert_array_equal(seen[1][0, :, :, 0], np.rint(values * (255 / 4095)))
    Path("image.png").write_bytes(turned_photograph())
    run("keras", Taken(1, (8, 8), levels=(0, 4095)), capsys)
    assert seen[3].max() > 200


def test_levels_keep_all_their_digits(seen: list[Any], capsys: pytest.CaptureFixture[str]) -> None:
    values = np.linspace(1_234_567, 1_234_822, 64).round().astype(np.int32).reshape(8, 8)
    Image.fromarray(values, "I").save("image.png", "TIFF")
    run("keras", Taken(1, (8, 8), levels=(1_234_567, 1_234_822)), capsys)
    np.testing.assert_array_equal(seen[1][0, :, :, 0], values - 1_234_567)
