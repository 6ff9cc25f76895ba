"""A resumed study goes on with the folds of its split.csv and the audit of its audit.json."""

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from PIL import Image

from autocnn.core.config import StudyConfig
from autocnn.core.errors import DataError, SearchInterrupted, StudyChangedError
from autocnn.core.events import Observer
from autocnn.data import dataset
from autocnn.data.audit.copies import find_copies
from autocnn.selection import plan
from autocnn.selection.plan import Fold
from autocnn.spaces.files import load_space
from autocnn.spaces.space import SearchSpace
from autocnn.storage import StudyFolder
from autocnn.storage.status import FinalistFacts
from autocnn.study import prepare as start_of_study
from autocnn.study import run as session
from autocnn.study.run import resume, search
from tests.samples import read_rows
from tests.simulation.executor import SimulatedExecutor

SPACE = """
description: "One param"
epochs: 3
parameters:
  - {name: width, type: int, low: 8, high: 64, step: 8}
start:
  - {width: 8}
"""


class Finish:
    """In the place of the last stage: keeps the folds, and ends."""

    def __init__(self) -> None:
        self.folds: list[tuple[Fold, ...]] = []

    def __call__(self, context: Any, progress: Any, prepared: Any, searched: Any) -> None:
        self.folds.append(prepared.folds)


@pytest.fixture
def config(tmp_path: Path) -> StudyConfig:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (60, 16, 16), dtype=np.uint8)
    np.savez(tmp_path / "data.npz", allow_pickle=False, x=images, y=np.arange(60) % 2)
    (tmp_path / "space.yaml").write_text(SPACE)
    return StudyConfig(
        data=str(tmp_path / "data.npz"),
        space=str(tmp_path / "space.yaml"),
        name="mine",
        results=tmp_path / "results",
        cache_dir=tmp_path / "cache",
        trials=1,
        folds=2,
        fold_repeats=2,
        workers=1,
    )


def start(config: StudyConfig, finish: Finish) -> StudyFolder:
    return search(config, make_executor=lambda resources: SimulatedExecutor(), finish=finish)


def go_on(folder: StudyFolder, finish: Finish) -> None:
    trials = len(folder.read_trials()) + 1
    resume(
        folder,
        changes={"trials": trials},
        make_executor=lambda resources: SimulatedExecutor(),
        finish=finish,
    )


def held_out(folds: tuple[Fold, ...]) -> list[list[int]]:
    return [fold.held_out.tolist() for fold in folds]


def test_the_folds_are_those_that_were_written_whatever_would_be_cut_now(
    config: StudyConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with a scikit-learn that shuffles otherwise."""
    finish = Finish()
    folder = start(config, finish)
    rows = read_rows(folder.path / "split.csv")
    assert list(rows[0]) == ["path", "label", "group", "split", "fold", "sha256", "fold_2"]
    assert {(row["fold"], row["fold_2"]) for row in rows if row["split"] == "test"} == {("", "")}

    def cut(labels: Any, bundles: Any, *, num_folds: int, seed: int) -> Any:
        return np.arange(len(labels)) // 2 % num_folds

    monkeypatch.setattr(plan, "make_folds", cut)
    go_on(folder, finish)
    before, after = map(held_out, finish.folds)
    assert after == before


def test_what_was_black_and_white_in_an_npz_is_kept(config: StudyConfig) -> None:
    images = np.random.default_rng(0).integers(0, 4000, (60, 16, 16), dtype=np.uint16)
    np.savez(config.data, allow_pickle=False, x=images, y=np.arange(60) % 2)
    status = start(config, Finish()).read_status()
    assert status.data is not None
    assert status.data.array_levels == (0, 4095)


def test_a_study_of_before_goes_on_with_the_folds_that_are_cut_now(config: StudyConfig) -> None:
    finish = Finish()
    folder = start(config, finish)
    folder.write_split(folder.read_split())
    assert folder.read_folds() == []
    go_on(folder, finish)
    before, after = map(held_out, finish.folds)
    assert after == before


def test_folds_that_were_changed_by_hand_stop_a_resume(config: StudyConfig) -> None:
    finish = Finish()
    folder = start(config, finish)
    columns = folder.read_folds()
    del columns[1][min(columns[1])]
    folder.write_split(folder.read_split(), columns)
    with pytest.raises(StudyChangedError, match=r"split\.csv: must hold the folds .* got no fold"):
        go_on(folder, finish)
    assert len(finish.folds) == 1


def test_groups_that_are_others_stop_a_resume(config: StudyConfig) -> None:
    finish = Finish()
    folder = start(config, finish)
    (path, label, _, split, content), *rows = folder.read_split()
    folder.write_split([(path, label, "p1", split, content), *rows], folder.read_folds())
    with pytest.raises(StudyChangedError, match=r"1 image has another group: .* \(p1, now none\)"):
        go_on(folder, finish)
    assert len(finish.folds) == 1


@pytest.mark.parametrize(
    ("lines", "change"),
    [
        ("epochs: 5", "Space: epochs was 3, is 5."),
        ("epochs: 3\nchannels: grey", "Space: channels was auto, is grey."),
    ],
)
def test_epochs_and_channels_of_an_own_space_that_are_others_stop_a_resume(
    config: StudyConfig, lines: str, change: str
) -> None:
    finish = Finish()
    folder = start(config, finish)
    Path(config.space).write_text(SPACE.replace("epochs: 3", lines))
    with pytest.raises(StudyChangedError, match=change):
        go_on(folder, finish)
    assert len(finish.folds) == 1


def test_epochs_of_a_space_mean_nothing_where_they_were_asked_for(config: StudyConfig) -> None:
    finish = Finish()
    folder = start(config.model_copy(update={"epochs": 2}), finish)
    Path(config.space).write_text(SPACE.replace("epochs: 3", "epochs: 5"))
    go_on(folder, finish)
    assert len(finish.folds) == 2


def test_a_shipped_space_that_is_another_by_now_is_that_of_the_study(
    config: StudyConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after an upgrade of autocnn."""

    class Listener(Observer):
        heard: ClassVar[list[str]] = []

        def warn(self, text: str) -> None:
            self.heard.append(text)

    def go() -> None:
        trials = len(folder.read_trials()) + 1
        make: Any = lambda resources: SimulatedExecutor()  # noqa: E731
        changes: dict[str, object] = {"trials": trials}
        resume(folder, Listener(), changes=changes, make_executor=make, finish=finish)

    finish = Finish()
    folder = start(config.model_copy(update={"space": "quick", "image_size": 16}), finish)
    go()
    assert Listener.heard == []

    def load_other(name: str, **options: Any) -> SearchSpace:
        space = load_space(name, **options)
        return space.narrow("batch_size", [32]) if name == "quick" else space

    monkeypatch.setattr(session, "load_space", load_other)
    go()
    (warning,) = Listener.heard
    assert warning.startswith("This version of autocnn has another space 'quick'")
    assert len(finish.folds) == 3


def test_two_searches_without_a_name_at_one_time_are_two_studies(
    config: StudyConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "_default_name", lambda data: "data-1")
    unnamed = config.model_copy(update={"name": None})
    names = [start(unnamed, Finish()).name for _ in range(3)]
    assert names == ["data-1", "data-1-2", "data-1-3"]
    assert StudyFolder(config.results / "data-1-2").read_status().config.name == "data-1-2"


def count_audits(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    made: list[str] = []

    def find(*arguments: Any, **options: Any) -> tuple[()]:
        made.append("audit")
        return ()

    monkeypatch.setattr(dataset, "find_shortcuts", find)
    return made


def test_the_images_are_audited_once(config: StudyConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    made = count_audits(monkeypatch)
    finish = Finish()
    folder = start(config, finish)
    audit = folder.read_audit()
    assert audit is not None
    go_on(folder, finish)
    assert made == ["audit"]
    assert folder.read_audit() == audit


def test_copies_are_sought_once(config: StudyConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a resume takes over keeps the images that belong together on one side, as before."""
    held = dict(np.load(config.data))
    held["x"][2] = held["x"][0]
    np.savez(config.data, allow_pickle=False, **held)
    sought: list[int] = []

    def find(*arguments: Any, **options: Any) -> Any:
        sought.append(1)
        return find_copies(*arguments, **options)

    monkeypatch.setattr(dataset, "find_copies", find)
    finish = Finish()
    folder = start(config, finish)
    audit = folder.read_audit()
    assert audit is not None and len(audit.copies) == 1
    split = folder.read_split()
    go_on(folder, finish)
    assert len(sought) == 1
    assert folder.read_split() == split
    held["x"][4] = held["x"][6]  # other images: another audit
    np.savez(config.data, allow_pickle=False, **held)
    with pytest.raises(StudyChangedError):
        go_on(folder, finish)
    assert len(sought) == 2


class Done(Finish):
    """The same; the study is finished."""

    def __call__(self, context: Any, progress: Any, prepared: Any, searched: Any) -> None:
        super().__call__(context, progress, prepared, searched)
        progress.update(status="done", finalists=(FinalistFacts(trial=0, epochs=3),))


def test_a_finished_study_stays_so_where_its_data_are_gone(config: StudyConfig) -> None:
    finish = Done()
    folder = start(config, finish)
    finished = folder.read_status()
    moved = Path(config.data).rename(Path(config.data).with_name("elsewhere.npz"))
    with pytest.raises(DataError):
        go_on(folder, finish)
    assert folder.read_status() == finished
    moved.rename(config.data)
    go_on(folder, finish)
    assert len(finish.folds) == 2


def test_a_finished_study_stays_so_when_its_images_are_being_read(
    config: StudyConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = start(config, Done())
    finished = folder.read_status()

    def press(*arguments: Any, **options: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(start_of_study, "prepare_data", press)
    with pytest.raises(SearchInterrupted, match="stays finished as it was; ask for more again"):
        go_on(folder, Done())
    assert folder.read_status() == finished


def test_a_finished_study_that_goes_on_has_no_finalists(config: StudyConfig) -> None:
    class Seen(Done):
        def __call__(self, context: Any, progress: Any, prepared: Any, searched: Any) -> None:
            seen.append((context.folder.read_status().status, progress.status.finalists))
            super().__call__(context, progress, prepared, searched)

    seen: list[Any] = []
    folder = start(config, Seen())
    go_on(folder, Seen())
    assert seen == [("searching", None)] * 2


def test_an_audit_that_cannot_be_read_is_made_again(
    config: StudyConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = count_audits(monkeypatch)
    finish = Finish()
    folder = start(config, finish)
    (folder.path / "audit.json").write_text("{")
    go_on(folder, finish)
    assert len(made) == 2


@pytest.fixture
def table_config(config: StudyConfig, tmp_path: Path) -> StudyConfig:
    """A study of a table that has to be told its label, away from its images."""
    rng = np.random.default_rng(0)
    (tmp_path / "photos").mkdir()
    rows = ["id,kind,sex,fold"]
    for i in range(60):
        pixels = rng.integers(0, 256, (16, 16), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "photos" / f"{i:03d}.png")
        rows.append(f"{i:03d},{'ab'[i % 2]},{'fm'[i // 30]},{i % 5}")
    (tmp_path / "table.csv").write_text("\n".join(rows))
    given = {
        "data": str(tmp_path / "table.csv"),
        "images": tmp_path / "photos",
        "label_column": "kind",
    }
    return config.model_copy(update=given)


@pytest.mark.slow
def test_how_a_table_is_read_is_kept_for_resume(table_config: StudyConfig) -> None:
    finish = Finish()
    folder = start(table_config, finish)
    rows = read_rows(folder.path / "split.csv")
    assert list(rows[0])[6:] == ["fold_2", "sex", "table.fold"]
    assert (rows[31]["path"], rows[31]["label"]) == ("031.png", "b")
    assert (rows[31]["sex"], rows[31]["table.fold"]) == ("m", "1")
    go_on(folder, finish)
    before, after = map(held_out, finish.folds)
    assert after == before


def test_paths_hold_wherever_a_study_is_resumed(
    table_config: StudyConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    paths = {"data": "~/table.csv", "images": Path("photos"), "cache_dir": Path("cache")}
    finish = Finish()
    folder = start(table_config.model_copy(update=paths), finish)
    kept = folder.read_status().config
    assert kept.data == str(tmp_path / "table.csv")
    assert (kept.images, kept.cache_dir) == (tmp_path / "photos", tmp_path / "cache")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    go_on(folder, finish)
    assert len(finish.folds) == 2
    assert list(Path().iterdir()) == []


def test_no_name_is_no_data_and_not_this_folder(
    config: StudyConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match="'': DATA must be a folder"):
        start(config.model_copy(update={"data": ""}), Finish())


def test_what_was_understood_is_said_before_anything_else(table_config: StudyConfig) -> None:
    class Listener(Observer):
        heard: ClassVar[list[str]] = []

        def note(self, text: str) -> None:
            self.heard.append(text)

        def stage(self, name: str, *, total: int | None = None, unit: str = "") -> None:
            self.heard.append(name)

    search(
        table_config,
        Listener(),
        make_executor=lambda resources: SimulatedExecutor(),
        finish=Finish(),
    )
    said = [text for text in Listener.heard if text.startswith("Read 60 rows of table.csv")]
    assert len(said) == 1
    assert Listener.heard.index(said[0]) < Listener.heard.index("decode")


@pytest.mark.slow
def test_images_left_out_stay_out_whatever_becomes_of_the_file(
    config: StudyConfig, tmp_path: Path
) -> None:
    drop = tmp_path / "drop.csv"
    drop.write_text("path\nimages[3]\nimages[4]\n")
    with pytest.raises(DataError, match="that are not there"):
        start(config.model_copy(update={"drop_labels": drop}), Finish())
    whole = start(config.model_copy(update={"name": "whole"}), Finish())
    rows = read_rows(whole.split_path)
    named = [row["path"] for row in rows if row["split"] == "train"][:2]
    drop.write_text("\n".join(["path", *named]) + "\n")
    folder = start(config.model_copy(update={"drop_labels": drop}), Finish())
    assert folder.read_status().config.drop_labels == drop.resolve()
    left = [row["path"] for row in read_rows(folder.split_path)]
    assert left == [row["path"] for row in rows if row["path"] not in named]
    assert folder.read_dropped() == tuple(named)
    drop.unlink()
    finish = Finish()
    resume(
        folder,
        changes={"trials": 2},
        make_executor=lambda resources: SimulatedExecutor(),
        finish=finish,
    )
    assert len(finish.folds) == 1
