"""Names of formats, and what they need."""

import importlib.util

import pytest

from autocnn.core.errors import MissingExtraError, UsageError
from autocnn.inference.export.formats import FORMATS, check_packages, find_format


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("tflite", "litert"),
        ("onx", "onnx"),
        ("saved_model", "savedmodel"),
        (".h5", "keras"),
        ("Keras", "keras"),
        ("TF", "savedmodel"),
    ],
)
def test_an_unknown_format_names_the_nearest(name: str, nearest: str) -> None:
    with pytest.raises(UsageError, match=f"Did you mean '{nearest}'") as caught:
        find_format(name)
    assert caught.value.exit_code == 2


def test_a_format_like_none_lists_all() -> None:
    with pytest.raises(UsageError, match="keras, savedmodel, onnx or litert, got 'xyzzy'") as info:
        find_format("xyzzy")
    assert info.value.remedy == ""


def test_only_litert_has_int8() -> None:
    assert find_format("litert", "int8")[1] == "int8"
    with pytest.raises(UsageError, match="Only litert has int8"):
        find_format("onnx", "int8")
    with pytest.raises(UsageError, match="got 'int4'"):
        find_format("litert", "int4")


@pytest.mark.parametrize(
    ("name", "module", "line"),
    [
        ("onnx", "tf2onnx", "'onnx>="),
        ("onnx", "onnxruntime", "'onnx>="),
        ("litert", "ai_edge_litert", "'ai-edge-litert>="),
    ],
)
def test_a_missing_extra_gives_the_line_that_installs_it(
    name: str, module: str, line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda asked: None if asked == module else find_spec(asked)
    )
    with pytest.raises(MissingExtraError) as caught:
        check_packages(FORMATS[name])
    assert line in caught.value.remedy
    assert caught.value.remedy.startswith("Install it: pip install '")
    assert caught.value.exit_code == 7
    check_packages(FORMATS["keras"])
