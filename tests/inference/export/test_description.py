"""labels.txt, metadata and the program of the card."""

import hashlib
import json
from pathlib import Path

import pytest

from autocnn.core.records import ExportMetadata, ModelInput
from autocnn.inference.export.description import describe_usage, hash_files, label_lines

NAMES = (
    "plain",
    "a, b",
    'say "hi"',
    "two\nlines",
    "back\\slash",
    "опухоль",
    "腫瘍",
    "u\u2028v",
    "\r\n",
    " space ",
    "x\x85y",
)


def metadata(**changes: object) -> ExportMetadata:
    facts: dict[str, object] = {
        "format": "onnx",
        "model": "model.onnx",
        "study": "mine",
        "candidate": 1,
        "kind": "refit",
        "class_names": NAMES,
        "is_calibrated": False,
        "input": ModelInput(shape=(None, None, None, 3), height=8, width=8, is_grey=True),
    }
    return ExportMetadata.model_validate(facts | changes)


def test_every_class_has_one_line_that_gives_its_name_back() -> None:
    text = label_lines(NAMES)
    lines = text.splitlines()
    assert len(lines) == len(NAMES)
    assert lines[:3] == ["plain", "a, b", 'say "hi"']
    assert lines[5:7] == ["опухоль", "腫瘍"]
    assert [json.loads('"' + line.replace('"', '\\"') + '"') for line in lines] == list(NAMES)


def test_metadata_keeps_the_exact_names() -> None:
    again = ExportMetadata.model_validate_json(metadata().model_dump_json())
    assert again.class_names == NAMES


def test_the_card_says_what_goes_in() -> None:
    open_size = describe_usage(metadata())
    assert "RGB images of any size" in open_size.sentence
    assert "turns grey" in open_size.sentence
    assert 'convert("RGB")' in open_size.program
    assert "resize" not in open_size.program
    fixed = ModelInput(shape=(None, 8, 8, 1), height=8, width=8, is_grey=True)
    lite = describe_usage(metadata(format="litert", model="model.tflite", input=fixed))
    assert 'convert("L").resize((8, 8), Image.Resampling.BILINEAR)' in lite.program
    assert "grey images" in lite.sentence
    own = describe_usage(metadata(format="keras", model="model.keras", requires=("my_layers",)))
    assert "First import my_layers" in own.sentence
    assert own.program.startswith("import my_layers\n")


@pytest.mark.parametrize("name", ["keras", "savedmodel", "onnx", "litert"])
def test_the_program_of_every_format_is_python(name: str) -> None:
    compile(describe_usage(metadata(format=name)).program, name, "exec")


def test_files_are_hashed_by_their_place(tmp_path: Path) -> None:
    (tmp_path / "saved_model/variables").mkdir(parents=True)
    (tmp_path / "saved_model/variables/index").write_bytes(b"x")
    (tmp_path / "labels.txt").write_bytes(b"cat\n")
    (tmp_path / "metadata.json").write_bytes(b"{}")
    assert hash_files(tmp_path) == {
        "labels.txt": hashlib.sha256(b"cat\n").hexdigest(),
        "saved_model/variables/index": hashlib.sha256(b"x").hexdigest(),
    }
