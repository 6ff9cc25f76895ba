"""A checkpoint comes back bit by bit, or is told to be torn; never half of one."""

import io
import os
import random
import zipfile
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from autocnn.core.errors import DiskFullError, StudyError
from autocnn.core.records import EpochScore
from autocnn.storage.checkpoint import (
    Arrays,
    Checkpoint,
    read_checkpoint,
    read_history,
    write_checkpoint,
)
from tests.samples import checkpoint, epoch, fail_disk_full


def is_same(one: Arrays, other: Arrays) -> bool:
    """Whether the arrays are equal in kind, shape and every bit."""
    return [(a.dtype, a.shape, a.tobytes()) for a in one] == [
        (b.dtype, b.shape, b.tobytes()) for b in other
    ]


def is_equal(one: Checkpoint | None, other: Checkpoint) -> bool:
    return (
        one is not None
        and one.history == other.history
        and one.best_epoch == other.best_epoch
        and is_same(one.weights, other.weights)
        and is_same(one.optimizer, other.optimizer)
        and is_same(one.best_weights, other.best_weights)
    )


def with_weights(weights: Arrays, *, best_epoch: int = 2) -> Checkpoint:
    return Checkpoint((epoch(1), epoch(2)), best_epoch, weights, [], list(weights))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "epoch.npz"


# -- round trip ----------------------------------------------------------------------------


def test_no_checkpoint_is_none(path: Path) -> None:
    assert read_checkpoint(path) is None


def test_who_looks_on_reads_the_epochs_alone(path: Path) -> None:
    assert read_history(path) == ()
    write_checkpoint(path, checkpoint())
    assert read_history(path) == checkpoint().history
    path.write_bytes(path.read_bytes()[:-30])
    assert read_history(path) == ()


def test_a_checkpoint_comes_back_bit_by_bit(path: Path) -> None:
    write_checkpoint(path, checkpoint())
    assert is_equal(read_checkpoint(path), checkpoint())


@pytest.mark.parametrize(
    "array",
    [
        np.array([1 / 3, 1e-42, np.inf, -np.inf, np.nan, -0.0], np.float32),
        np.array([1 / 3, 5e-324, 1.7976931348623157e308], np.float64),
        np.array([1 / 3, 6e-8, 65504], np.float16),
        np.array([2**63 - 1, -(2**63)], np.int64),
        np.array([2**64 - 1], np.uint64),
        np.array([True, False]),
        np.array(17, np.int64),
        np.array(0.1, np.float32),
        np.empty((0, 3), np.float32),
        np.arange(12, dtype=np.float32).reshape(3, 4).T,
    ],
    ids=lambda array: f"{array.dtype}{array.shape}",
)
def test_every_kind_of_array_comes_back(path: Path, array: NDArray[np.generic]) -> None:
    before = with_weights([array])
    write_checkpoint(path, before)
    assert is_equal(read_checkpoint(path), before)


def test_random_bits_come_back(path: Path) -> None:
    bits = np.random.default_rng(0).integers(0, 2**32, 5000, dtype=np.uint32)
    before = with_weights([bits.view(np.float32)])
    write_checkpoint(path, before)
    assert is_equal(read_checkpoint(path), before)


def test_many_arrays_keep_their_order(path: Path) -> None:
    before = with_weights([np.array(number) for number in range(1200)])
    write_checkpoint(path, before)
    after = read_checkpoint(path)
    assert after is not None
    assert [int(array) for array in after.weights] == list(range(1200))


def test_scores_come_back_to_the_last_digit(path: Path) -> None:
    score = EpochScore(epoch=1, train_loss=0.1 + 0.2, learning_rate=1e-3 / 3, seconds=1 / 7)
    before = Checkpoint((score,), 1, [np.ones(1)], [], [np.ones(1)])
    write_checkpoint(path, before)
    after = read_checkpoint(path)
    assert after is not None
    assert after.history == (score,)


def test_best_weights_that_are_the_latest_are_written_once(path: Path) -> None:
    weights: Arrays = [np.random.default_rng(0).random(10_000)]
    write_checkpoint(path, with_weights(weights, best_epoch=2))
    size = path.stat().st_size
    after = read_checkpoint(path)
    assert after is not None
    assert is_same(after.best_weights, weights)
    other = Checkpoint(after.history, 1, weights, [], [weights[0] + 1])
    write_checkpoint(path, other)
    assert is_equal(read_checkpoint(path), other)
    assert path.stat().st_size > size + 80_000


def test_a_training_without_a_best_epoch_yet_keeps_what_it_has(path: Path) -> None:
    before = checkpoint(1, best_epoch=0)
    write_checkpoint(path, before)
    assert is_equal(read_checkpoint(path), before)


def test_the_next_epoch_takes_the_place_of_the_last(path: Path) -> None:
    write_checkpoint(path, checkpoint(1))
    write_checkpoint(path, checkpoint(2, start=5.0))
    assert is_equal(read_checkpoint(path), checkpoint(2, start=5.0))
    assert [file.name for file in path.parent.iterdir()] == ["epoch.npz"]


# -- torn files ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A whole checkpoint, its arrays small and large."""
    path = tmp_path_factory.mktemp("whole") / "epoch.npz"
    before = checkpoint()
    large = np.random.default_rng(0).random((60, 40)).astype(np.float32)
    write_checkpoint(
        path,
        Checkpoint(
            before.history,
            1,
            [*before.weights, large],
            before.optimizer,
            [*before.best_weights, large + 1],
        ),
    )
    return path.read_bytes()


def lengths_of(content: bytes) -> list[int]:
    """Some everywhere, all in the list of files at the end, which tells what is in a zip."""
    return sorted(
        {
            0,
            1,
            3,
            4,
            30,
            100,
            *range(0, len(content), 997),
            *range(len(content) - 120, len(content)),
        }
    )


def test_a_file_cut_at_any_length_is_told(path: Path, content: bytes) -> None:
    accepted = []
    for length in lengths_of(content):
        path.write_bytes(content[:length])
        with pytest.raises(ValueError, match=r"epoch\.npz: must be a whole checkpoint, got: "):
            accepted.append((length, read_checkpoint(path)))
    assert accepted == []


@pytest.mark.parametrize("filler", [b"\x00", b"\xff"])
def test_a_file_whose_end_never_reached_the_disk_is_told(
    path: Path, content: bytes, filler: bytes
) -> None:
    last = content.index(b"PK\x05\x06")  # what follows may be a comment, for all that zip cares
    for length in [length for length in lengths_of(content) if length < last]:
        path.write_bytes(content[:length] + filler * (len(content) - length))
        with pytest.raises(ValueError, match="must be a whole checkpoint, got: "):
            read_checkpoint(path)


def test_a_flipped_bit_in_the_values_is_told(path: Path, content: bytes) -> None:
    rng = random.Random(0)
    with zipfile.ZipFile(io.BytesIO(content)) as file:
        starts = [(info.header_offset, info.file_size) for info in file.infolist()]
    for start, size in starts:
        # The values are the last bytes of a file; before them are two headers.
        first = content.index(b"\n", content.index(b"NUMPY", start)) + 1
        last = content.index(b"NUMPY", start) - 1 + size
        for _ in range(6):
            place = rng.randrange(first, last)
            flipped = bytearray(content)
            flipped[place] ^= 1 << rng.randrange(8)
            path.write_bytes(flipped)
            with pytest.raises(ValueError, match=r"must be a whole checkpoint, got: Bad CRC-32"):
                read_checkpoint(path)


@pytest.mark.slow
def test_a_flipped_bit_in_what_describes_the_arrays_is_told_or_harmless(
    path: Path, content: bytes
) -> None:
    path.write_bytes(content)
    whole = read_checkpoint(path)
    assert whole is not None
    wrong: list[str] = []
    # The header of a large array, and the end of the list of files.
    header = content.index(b"NUMPY", content.index(b"weights.2.npy")) - 1
    listed = content.rindex(b"PK\x01\x02")
    for place in [*range(header, header + 80), *range(listed, len(content))]:
        for bit in range(8):
            flipped = bytearray(content)
            flipped[place] ^= 1 << bit
            path.write_bytes(flipped)
            try:
                after = read_checkpoint(path)
            except ValueError:
                continue
            except Exception as error:  # noqa: BLE001 - that none comes is what is tested
                wrong.append(f"byte {place}: {type(error).__name__}: {error}")
                continue
            if not is_equal(after, whole):
                wrong.append(f"byte {place}: other arrays")
    assert wrong == []


@pytest.mark.parametrize(
    "content",
    [b"", b"no zip", b"\x93NUMPY", b"\x80\x04K\x01."],
    ids=["empty", "text", "numpy", "pickle"],
)
def test_a_file_of_another_kind_is_told(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(ValueError, match="must be a whole checkpoint, got: ") as caught:
        read_checkpoint(path)
    assert str(caught.value).startswith(f"{path}: ")


def test_a_zip_without_the_facts_is_told(path: Path) -> None:
    np.savez(path, weights=np.ones(3))
    with pytest.raises(ValueError, match=r"must be a whole checkpoint, got: .*facts"):
        read_checkpoint(path)


@pytest.mark.parametrize(
    "facts",
    [
        "no json",
        "{}",
        '{"history": [{"epoch": 0}], "best_epoch": 1}',
        pytest.param("[]"),
        pytest.param('{"history": []}'),
    ],
)
def test_facts_of_another_version_are_told(path: Path, facts: str) -> None:
    np.savez(path, facts=np.array(facts), weights=np.ones(3))
    with pytest.raises(ValueError, match="must be a whole checkpoint, got: "):
        read_checkpoint(path)


def test_a_folder_in_its_place_is_told(path: Path) -> None:
    path.mkdir()
    with pytest.raises(ValueError, match="must be a whole checkpoint, got: "):
        read_checkpoint(path)


def test_a_pickled_object_is_never_run(path: Path) -> None:
    np.savez(path, facts=np.array({"history": []}, dtype=object))
    with pytest.raises(ValueError, match="allow_pickle=False"):
        read_checkpoint(path)


# -- a full disk ---------------------------------------------------------------------------


def test_a_full_disk_leaves_the_old_checkpoint(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_checkpoint(path, checkpoint(1))
    monkeypatch.setattr(os, "fsync", fail_disk_full)
    with pytest.raises(DiskFullError, match=r"epoch\.npz: the disk must have free space"):
        write_checkpoint(path, checkpoint(2))
    assert is_equal(read_checkpoint(path), checkpoint(1))
    assert [file.name for file in path.parent.iterdir()] == ["epoch.npz"]


class SmallDisk(io.FileIO):
    """A file on a disk with 2,000 bytes of free space."""

    def write(self, data: object, /) -> int:
        assert isinstance(data, memoryview | bytes)
        if self.tell() + len(data) > 2000:
            fail_disk_full()
        return super().write(data)


def test_a_disk_that_fills_up_within_an_array_leaves_the_old_checkpoint(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The zip is still open then, and its own end cannot be written either."""
    write_checkpoint(path, checkpoint(1))
    opened: list[Path] = []

    def open_small(file: Path, mode: str) -> io.BufferedWriter:
        opened.append(file)
        return io.BufferedWriter(SmallDisk(file, mode.removesuffix("b")), 512)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", open_small)
        with pytest.raises(DiskFullError, match=r"epoch\.npz: the disk must have free space"):
            write_checkpoint(path, with_weights([np.ones(10_000)]))
    assert opened != []
    assert is_equal(read_checkpoint(path), checkpoint(1))
    assert [file.name for file in path.parent.iterdir()] == ["epoch.npz"]


def test_a_folder_that_is_gone_is_told(path: Path) -> None:
    with pytest.raises(StudyError, match="must be writable, got: No such file or directory"):
        write_checkpoint(path.parent / "gone" / "epoch.npz", checkpoint())
