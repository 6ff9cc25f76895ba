"""`autocnn audit`: tables and warnings on stdout, JSON, and a corrected split."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from autocnn.cli.main import run
from autocnn.core.records import AuditReport

Output = pytest.CaptureFixture[str]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """20 train and 10 test images per class; test has a copy, and a mirrored one mislabelled."""
    rng = np.random.default_rng(0)
    for place in ("train/cat", "train/dog", "test/cat", "test/dog"):
        (tmp_path / "pets" / place).mkdir(parents=True)
        for i in range(20 if place.startswith("train") else 10):
            pixels = rng.integers(0, 256, (16, 16), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "pets" / place / f"{i}.png")
    pets = tmp_path / "pets"
    (pets / "test/cat/3.png").write_bytes((pets / "train/cat/0.png").read_bytes())
    with Image.open(pets / "train/dog/0.png") as image:
        image.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(pets / "test/cat/4.png")
    return pets


def audit(*arguments: str) -> int:
    return run(["audit", *arguments, "--cache-dir", "cache"])


def test_tables_and_warnings(folder: Path, capsys: Output) -> None:
    assert audit("pets") == 0
    out, err = capsys.readouterr()
    assert "Warning" not in err
    text = " ".join(out.split())
    for words in (
        "Images of pets",
        "│ dog │ 17 │ 3 │ 10 │ 30 │",
        "│ mode L │ 60 │ cat: 30, dog: 30 │",
        "│ test images with a copy in train or val │ 1 │ 2 │",
        "│ cat │ 1 of 10 │ 2 of 10 │",
        "Copies with different labels: 1",
        "val: 6 of 40 training images, stratified.",
    ):
        assert words in text
    assert (
        "Warning 1: 1 of 20 test images is a byte-identical copy of training images "
        "(cat: 1 of 10); with near copies 2 (cat: 2 of 10). The test score is too good by "
        "what the model remembers of them. `autocnn audit pets --split-out "
        "pets/split.csv` writes a split without."
    ) in text
    assert "Warning 2: 1 group of copies carries different labels (1 near): test/cat/4.png" in text
    assert "Warning 3" not in text


def test_quiet_says_nothing_on_stderr(folder: Path, capsys: Output) -> None:
    assert audit("pets", "--quiet") == 0
    assert capsys.readouterr().err == ""


def test_json_is_the_record(folder: Path, capsys: Output) -> None:
    assert audit("pets", "--json", "--seed", "3", "--image-size", "8", "--channels", "rgb") == 0
    report = AuditReport.model_validate(json.loads(capsys.readouterr().out))
    assert report.num_images == 60
    assert report.all_copies.test_images_in_train == 2
    assert report.copies[1].turns == ("as is", "mirrored")


@pytest.mark.slow
def test_a_corrected_split_is_clean(folder: Path, capsys: Output) -> None:
    assert audit("pets", "--split-out", "pets/split.csv") == 0
    out, err = capsys.readouterr()
    assert out.endswith("split: pets/split.csv\n")
    assert "1 group of copies with different labels left out: 2 images." in err
    assert audit("pets/split.csv", "--json", "--split-out", "pets/again.csv") == 0
    report = AuditReport.model_validate(json.loads(capsys.readouterr().out))
    assert report.num_images == 58
    assert report.all_copies.groups == 1
    assert report.all_copies.test_images_in_train == 0
    assert report.warnings == ()
    assert Path("pets/again.csv").read_text() == Path("pets/split.csv").read_text()


def test_made_splits_follow_the_fractions(folder: Path, capsys: Output) -> None:
    fractions = ("--val-fraction", "0.1", "--test-fraction", "0.3")
    assert audit("pets/train", *fractions, "--json") == 0
    counts = json.loads(capsys.readouterr().out)["counts"]
    assert {split: sum(n.values()) for split, n in counts.items()} == {
        "train": 24,
        "val": 4,
        "test": 12,
    }


def test_a_split_of_no_files_is_refused_before_the_work(capsys: Output) -> None:
    assert audit("digits", "--split-out", "split.csv") == 3
    out, err = capsys.readouterr()
    assert out == ""
    assert "for image files only" in err
    assert not Path("split.csv").exists()


@pytest.mark.slow
def test_a_split_may_stand_elsewhere(folder: Path, capsys: Output) -> None:
    Path("other").mkdir()
    assert audit("pets", "--split-out", "other/split.csv") == 0
    first = Path("other/split.csv").read_text().splitlines()[1]
    assert first.startswith("../pets/test/cat/")
    assert audit("other/split.csv") == 0
    assert "Read 58 rows of split.csv: images from `path` in" in capsys.readouterr().out


def test_a_table_is_explained_and_read_as_told(folder: Path, capsys: Output) -> None:
    Path("tables").mkdir()
    rows = [
        f"{place}_{i}.png\t{place}\t{'fm'[i % 2]}\t{i % 3}"
        for place in ("cat", "dog")
        for i in range(10)
    ]
    for place in ("cat", "dog"):
        for i in range(10):
            (folder / f"{place}_{i}.png").write_bytes(
                (folder / f"train/{place}/{i}.png").read_bytes()
            )
    Path("tables/list.tsv").write_text("\n".join(["photo\tkind\tsex\tsite", *rows]))
    assert audit("tables/list.tsv", "--images", "pets") == 3
    assert (
        "Error: tables/list.tsv: one column must be the label, got several that may be it: kind "
        "(cat, dog), sex (f, m), site (0, 1, 2).\nName it, as --label-column kind."
    ) in capsys.readouterr().err
    (folder / "dog_3.png").write_bytes((folder / "dog_2.png").read_bytes())
    Path("tables/torn.tsv").write_text(
        "\n".join(
            ["photo\tkind\tsex\tsplit", "dog_2.png\tdog\tf\ttrain", "dog_3.png\tdog\tf\ttest"]
        )
        + "".join(
            f"\n{place}_{i}.png\t{place}\tm\t{('train', 'val', 'test')[i % 3]}"
            for place in ("cat", "dog")
            for i in (4, 5, 6, 7, 8, 9)
        )
    )
    assert audit("tables/torn.tsv", "--images", "pets", "--label-column", "kind") == 0
    assert (
        "`autocnn audit tables/torn.tsv --images pets --label-column kind --split-out "
        "tables/split.csv` writes a split without."
    ) in " ".join(capsys.readouterr().out.split())
    split = "tables/split.csv"
    flags = ("--images", "pets", "--label-column", "kind")
    assert audit("tables/list.tsv", *flags, "--split-out", split) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "Read 20 rows of list.tsv: images from `photo` in " in text
    assert (
        "labels from `kind` (2 classes); 2 other columns kept. "
        "Otherwise: --path-column, --label-column, --images."
    ) in text
    assert Path(split).read_text().splitlines()[:2] == [
        "path,label,split,sex,site",
        "../pets/cat_0.png,cat,test,f,0",
    ]
    assert audit("pets", "--label-column", "kind") == 3
    assert "pets: --label-column says how a table is read" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("data", ["digits", "phantoms"])
def test_built_in_data_raise_no_alarm(data: str, capsys: Output) -> None:
    assert audit(data, "--quiet", "--cache-limit", "1GB") == 0
    assert "No warnings." in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ((), 2, "Missing argument 'DATA'"),
        (("nowhere",), 3, "got no such path"),
        (("pets", "--max-unreadable", "0"), 3, "at most 0% of the images may be unreadable"),
    ],
)
def test_errors(
    arguments: tuple[str, ...], code: int, words: str, folder: Path, capsys: Output
) -> None:
    (folder / "train/cat/1.png").write_bytes(b"")
    assert audit(*arguments) == code
    assert words in capsys.readouterr().err


def many_classes(root: Path, names: list[str]) -> None:
    rng = np.random.default_rng(0)
    for place, name in enumerate(names):
        (root / name).mkdir(parents=True)
        for i in range(3 + (place == 1)):
            pixels = rng.integers(0, 256, (8, 8), dtype=np.uint8)
            Image.fromarray(pixels).save(root / name / f"{i}.png")


@pytest.mark.slow
def test_many_classes_fit_on_a_page(
    tmp_path: Path, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    many_classes(tmp_path / "species", [f"species_{i:03d}" for i in range(110)])
    assert audit("species", "-q") == 0
    out = capsys.readouterr().out
    assert len(out.splitlines()) < 60
    assert max(len(line) for line in out.splitlines() if line.startswith("│")) <= 80
    text = " ".join(out.split())
    assert "│ species_000 │ 1 │ 1 │ 1 │ 3 │" in text
    assert "│ 100 classes between (all: --json) │ 100 │ 100 │ 100 │ 300 │" in text
    assert "│ species_001 │ 2 │ 1 │ 1 │ 4 │" in text  # the largest
    assert "│ all │ 111 │ 110 │ 110 │ 331 │" in text
    assert "│ mode L │ 331 │ all 110 classes │" in text


def test_long_names_of_classes_have_a_row_each(tmp_path: Path, capsys: Output) -> None:
    names = [
        f"{chr(97 + i)} species with a rather long name that goes on and on" for i in range(26)
    ]
    many_classes(tmp_path / "set", names)
    assert audit("set", "-q") == 0
    out = capsys.readouterr().out
    rows = [line for line in out.splitlines() if "│     1 │   1 │    1 │   3 │" in line]
    assert len(rows) == 25
    assert "│ all 26 classes" in out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--label-from-name", "(a"), "--label-from-name must be a regular expression (missing )"),
        (("--group-from-name", "^x"), "--group-from-name must match the names of the images, got"),
        (("--label-from-name", "^x"), "--label-from-name must match the names of the images, got"),
        (("--window", "40"), "--window must be CENTER,WIDTH, two numbers of which the second is"),
        (("--window", "40,0"), "--window must be CENTER,WIDTH, two numbers of which the second is"),
        (("--window", "40,nan"), "--window must be CENTER,WIDTH, two numbers of which the second"),
    ],
)
def test_settings_of_reading_that_are_none(
    folder: Path, capsys: Output, options: tuple[str, ...], message: str
) -> None:
    assert audit("pets", "-q", *options) in (2, 3)
    err = capsys.readouterr().err
    assert f"Error: {message}" in err.replace("pets: --", "--")
    assert "Traceback" not in err
