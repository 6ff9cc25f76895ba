import errno
import json
import os
import pickle
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from autocnn.core.errors import DataError
from autocnn.core.events import Observer
from autocnn.data import arrays
from autocnn.data.arrays import choose_image_size, decode_images, find_decoded
from autocnn.data.cache import ArrayCache, InUse
from autocnn.data.decode import decode_image
from autocnn.data.sources.open import read_source


@pytest.fixture
def table(class_folders: Any) -> Any:
    return read_source(str(class_folders({"a": 5, "b": 4})))


def decode(table: Any, cache_dir: Path, **kwargs: Any) -> Any:
    options: dict[str, Any] = {
        "image_size": 12,
        "channels": "auto",
        "cache_limit_gb": 1.0,
        "observer": Observer(),
    }
    return decode_images(table, cache_dir=cache_dir, **(options | kwargs))


def test_decodes_in_the_order_of_the_table(table: Any, tmp_path: Path, grey_pixels: Any) -> None:
    decoded = decode(table, tmp_path / "cache")
    pixels = decoded.open()
    assert pixels.shape == (9, 12, 12, 1)
    assert pixels.dtype == np.uint8
    assert isinstance(pixels, np.memmap)
    assert not pixels.flags.writeable
    assert decoded.image_shape == (12, 12, 1)
    assert decoded.channels == "grey"
    assert decoded.rows.tolist() == list(range(9))
    for i in range(9):
        assert np.array_equal(pixels[i, :, :, 0], grey_pixels(i if i < 5 else 1000 + i - 5))


def test_reused_by_the_next_call(table: Any, tmp_path: Path, recorder: Any) -> None:
    first = decode(table, tmp_path / "cache", observer=recorder)
    assert recorder.stages == [("decode", 9)]
    assert recorder.steps == 9
    changed = first.path.stat().st_mtime_ns
    second = decode(table, tmp_path / "cache", observer=recorder)
    assert recorder.stages == [("decode", 9)]
    assert second.path == first.path
    assert second.path.stat().st_mtime_ns == changed
    for other in ({"image_size": 8}, {"channels": "rgb"}):
        assert decode(table, tmp_path / "cache", **other).path != first.path
    assert decode(table.select([1, 0, 2]), tmp_path / "cache").path != first.path


@pytest.mark.parametrize("place", [0, 4, 8])
def test_becomes_rgb_at_the_first_colour(
    class_folders: Any, tmp_path: Path, place: int, grey_pixels: Any, colour_pixels: Any, save: Any
) -> None:
    root = class_folders({"a": 5, "b": 4})
    names = sorted(path.relative_to(root).as_posix() for path in root.rglob("*.png"))
    save(root / names[place], colour_pixels(7))
    decoded = decode(read_source(str(root)), tmp_path / "cache")
    pixels = decoded.open()
    assert decoded.image_shape == (12, 12, 3)
    assert decoded.coloured == (place,)
    for i in range(9):
        grey = np.repeat(grey_pixels(i if i < 5 else 1000 + i - 5)[..., None], 3, axis=2)
        assert np.array_equal(pixels[i], colour_pixels(7) if i == place else grey)
    assert sorted(file.name[:4] for file in decoded.path.parent.iterdir()) == [
        "entr",
        "imag",
        "use-",
    ]


def test_many_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recorder: Any) -> None:
    monkeypatch.setattr(arrays, "usable_cpus", lambda: 2)
    x = np.random.default_rng(0).integers(0, 256, (150, 6, 6, 3), dtype=np.uint8)
    x[:100] = x[:100, :, :, :1]
    np.savez(tmp_path / "x.npz", x=x, y=np.arange(150) % 3)
    decoded = decode(
        read_source(str(tmp_path / "x.npz")), tmp_path / "c", image_size=6, observer=recorder
    )
    assert np.array_equal(decoded.open(), x)
    assert recorder.steps == 150


def test_unreadable_images_are_reported(class_folders: Any, tmp_path: Path) -> None:
    root = class_folders({"a": 3, "b": 3})
    (root / "a/1.png").write_bytes(b"")
    (root / "b/2.png").write_text("no image")
    table = read_source(str(root))
    for _ in range(2):  # decoded, and found decoded
        decoded = decode(table, tmp_path / "cache")
        assert decoded.unreadable == {1: "is empty (0 bytes)", 5: "is no image that autocnn reads"}
        assert decoded.rows.tolist() == [0, -1, 2, 3, 4, -1]
        assert decoded.open()[1].max() == 0


def test_images_that_can_be_read_by_now_are_decoded(
    table: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recorder: Any
) -> None:
    reason = "needs a decoder"

    def refuse(image: Path, **options: Any) -> Any:
        if image.name == "1.png":
            raise DataError(reason)
        return decode_image(image, **options)

    with monkeypatch.context() as patch:
        patch.setattr(arrays, "decode_image", refuse)
        first = decode(table, tmp_path / "cache")
        assert first.unreadable == {1: "needs a decoder", 6: "needs a decoder"}
        reason = "is truncated"
        again = decode(table, tmp_path / "cache", observer=recorder)
        assert again.path == first.path
        assert again.unreadable == {1: "is truncated", 6: "is truncated"}
    second = decode(table, tmp_path / "cache")
    assert second.unreadable == {}
    assert second.rows.tolist() == list(range(9))
    assert second.open()[[1, 6]].any(axis=(1, 2, 3)).all()
    assert not first.open()[[1, 6]].any()  # other studies keep what they have seen
    third = decode(table, tmp_path / "cache", observer=recorder)
    assert third.path == second.path
    assert recorder.stages == []
    found = find_decoded(table.sha256, image_size=12, channels="auto", cache_dir=tmp_path / "cache")
    assert found is not None
    assert np.array_equal(found, second.open())


@pytest.mark.parametrize("damage", ["array", "json", "cut"])
def test_a_damaged_entry_is_built_again(table: Any, tmp_path: Path, damage: str) -> None:
    first = decode(table, tmp_path / "cache")
    expected = first.open().copy()
    if damage == "array":
        first.path.unlink()
    elif damage == "json":
        (first.path.parent / "entry.json").write_text("{")
    else:
        first.path.write_bytes(first.path.read_bytes()[:-5])
    assert np.array_equal(decode(table, tmp_path / "cache").open(), expected)


BUILD = """
import sys, time
from pathlib import Path
import autocnn.data.arrays as arrays
from autocnn.data import read_source, decode_images
from autocnn.core.events import Observer
slow = arrays.decode_image
def decode_image(*args, **kwargs):
    time.sleep(0.05)
    return slow(*args, **kwargs)
arrays.decode_image = decode_image
arrays.usable_cpus = lambda: 1
class Say(Observer):
    def stage(self, name, **kwargs): print(name)
    def note(self, text): print(text)
table = read_source(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
decoded = decode_images(table, image_size=12, channels="auto", cache_dir=Path(sys.argv[2]),
                        cache_limit_gb=1.0, observer=Say())
print("sum", decoded.open().sum(), flush=True)
sys.stdin.readline()
"""


@pytest.fixture
def start() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start a process that decodes when it is sent a line; it is ended with the test."""
    processes = []

    def start(*args: Any) -> subprocess.Popen[str]:
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
        command = [sys.executable, "-W", "error", "-c", BUILD, *map(str, args)]
        process = subprocess.Popen(
            command, env=environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        processes.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def tell(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


@pytest.mark.slow
def test_two_processes_decode_once(table: Any, tmp_path: Path, start: Any) -> None:
    processes = [start(table.source, tmp_path / "cache") for _ in range(2)]
    for process in processes:
        tell(process)
    outputs = [process.communicate("\n", timeout=60)[0].splitlines() for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    assert sum("decode" in lines for lines in outputs) == 1
    assert sum("Another study decodes" in line for lines in outputs for line in lines) == 1
    assert outputs[0][-1] == outputs[1][-1]
    assert outputs[0][-1].startswith("sum ")


def test_a_killed_build_leaves_nothing_that_counts(table: Any, tmp_path: Path, start: Any) -> None:
    process = start(table.source, tmp_path / "cache")
    tell(process)
    deadline = time.monotonic() + 20
    while not list(tmp_path.glob("cache/*.partial-*")) and time.monotonic() < deadline:
        time.sleep(0.01)
    process.kill()
    process.communicate()
    assert list(tmp_path.glob("cache/*.partial-*"))
    assert not list(tmp_path.glob("cache/*/entry.json"))
    decode(table, tmp_path / "cache")
    assert not list(tmp_path.glob("cache/*.partial-*"))


def sizes(cache_dir: Path) -> set[int]:
    return {json.loads(file.read_text())["shape"][1] for file in cache_dir.glob("*/entry.json")}


def test_the_least_recently_used_goes_first(table: Any, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    for size in (20, 21, 22):
        decode(table, cache, image_size=size)
        time.sleep(0.02)
    decode(table, cache, image_size=20)
    time.sleep(0.02)
    limit_gb = 9 * (20**2 + 23**2) / 1e9 + 2e-6  # two arrays and their small files
    decode(table, cache, image_size=23, cache_limit_gb=limit_gb)
    assert sizes(cache) == {20, 23}
    assert not list(cache.glob("*.partial-*"))


@pytest.mark.slow
def test_what_is_in_use_is_never_deleted(table: Any, tmp_path: Path, start: Any) -> None:
    cache = tmp_path / "cache"
    held = decode(table, cache, image_size=20)
    process = start(table.source, cache)
    assert process.stdout is not None
    tell(process)
    while not process.stdout.readline().startswith("sum"):
        pass
    decode(table, cache, image_size=14)
    decode(table, cache, image_size=16, cache_limit_gb=1e-9)
    assert sizes(cache) == {12, 16, 20}
    assert held.open().shape == (9, 20, 20, 1)
    process.kill()  # its lock ends with it, without any farewell
    process.communicate()
    del held
    decode(table, cache, image_size=16, cache_limit_gb=1e-9)
    assert sizes(cache) == {16}


def test_the_marker_goes_with_the_object(table: Any, tmp_path: Path) -> None:
    decoded = decode(table, tmp_path / "cache")
    folder = decoded.path.parent
    copy = pickle.loads(pickle.dumps(decoded))
    assert np.array_equal(copy.open(), decoded.open())
    assert isinstance(copy.in_use, InUse)
    assert len(list(folder.glob("use-*"))) == 1
    del decoded
    assert not list(folder.glob("use-*"))


def test_a_cache_that_cannot_be_written(table: Any, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file/below", Path("/proc/autocnn")):
        with pytest.raises(DataError, match=r"writable folder with free space.*with cache_dir\."):
            decode(table, folder)


@pytest.mark.usefixtures("permissions_hold")
def test_a_read_only_cache(table: Any, tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir(mode=0o555)
    with pytest.raises(DataError, match=r"Permission denied\. Give another one with cache_dir"):
        decode(table, tmp_path / "cache")


def test_a_full_disk(table: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # /dev/full says "no space" to real writes, like a full disk.
    monkeypatch.setattr(arrays, "_start_array", lambda path, shape: open("/dev/full", "wb"))  # noqa: PTH123, SIM115
    with pytest.raises(DataError, match=os.strerror(errno.ENOSPC)):
        decode(table, tmp_path / "cache")
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["locks"]


def test_an_interrupt_leaves_nothing(table: Any, tmp_path: Path) -> None:
    class Interrupting(Observer):
        def advance(self, steps: int = 1) -> None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        decode(table, tmp_path / "cache", observer=Interrupting())
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["locks"]


def test_evict_leaves_an_entry_that_is_being_finished(tmp_path: Path) -> None:
    """What another study holds may take minutes from its last file to its name."""
    cache, key = ArrayCache(tmp_path, limit_gb=1e-9), "a" * 40
    with cache.locked(key, Observer()), cache.building(key) as partial:
        (partial / "images.npy").write_bytes(b"x" * 99)
        (partial / "entry.json").write_text("{}")
        assert ArrayCache(tmp_path, limit_gb=1e-9).evict() == 0
    assert (cache.entry_dir(key) / "images.npy").exists()


def test_evict_of_an_empty_cache(tmp_path: Path) -> None:
    assert ArrayCache(tmp_path / "nowhere", limit_gb=1).evict() == 0


@pytest.mark.parametrize(
    ("sides", "size"),
    [
        ([(28, 28)] * 3, 28),
        ([(32, 40)] * 3, 32),
        ([(33, 33)] * 3, 32),
        ([(60, 90), (70, 50), (300, 70)], 56),
        ([(224, 224)] * 3, 96),
        ([(5, 5)] * 3, 8),
    ],
)
def test_choose_image_size(
    tmp_path: Path, sides: list[tuple[int, int]], size: int, save: Any
) -> None:
    for i, (width, height) in enumerate(sides):
        for c in "ab":
            save(tmp_path / c / f"{i}.png", np.zeros((height, width), np.uint8))
    (tmp_path / "a/none.png").touch()
    assert choose_image_size(read_source(str(tmp_path))) == size


def test_choose_image_size_without_a_readable_image(tmp_path: Path) -> None:
    for c in "ab":
        (tmp_path / c).mkdir()
        (tmp_path / c / "none.png").touch()
    assert choose_image_size(read_source(str(tmp_path))) == 32


def write_deep(folder: Path, *highs: int) -> None:
    """A grey ramp of 16 bits up to each value."""
    for number, high in enumerate(highs):
        path = folder / "ab"[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        ramp = np.linspace(0, high, 64).astype(np.uint16).reshape(8, 8)
        Image.fromarray(ramp).save(path)


def test_images_of_more_than_8_bits_share_their_levels(tmp_path: Path) -> None:
    write_deep(tmp_path / "images", 900, 4000, 2000)
    table = read_source(str(tmp_path / "images"))
    for _ in ("decoded", "found again"):
        decoded = decode(table, tmp_path / "cache", image_size=8)
        assert decoded.levels == (0, 4095)
        brightest = sorted(int(image.max()) for image in decoded.open())
        assert brightest == [round(high * 255 / 4095) for high in (900, 2000, 4000)]


def test_images_of_8_bits_are_decoded_once(table: Any, tmp_path: Path) -> None:
    stages: list[str] = []

    class Stages(Observer):
        def stage(self, name: str, *, total: int | None = None, unit: str = "") -> None:
            stages.append(name)

    assert decode(table, tmp_path / "cache", observer=Stages()).levels is None
    assert stages == ["decode"]


def test_each_way_to_make_squares_is_decoded_for_itself(tmp_path: Path, save: Any) -> None:
    rng = np.random.default_rng(0)
    for number in range(6):
        pixels = rng.integers(1, 256, (8, 16), dtype=np.uint8)
        save(tmp_path / "set" / "ab"[number % 2] / f"{number}.png", pixels)
    table = read_source(str(tmp_path / "set"))
    found = {fit: decode(table, tmp_path / "cache", fit=fit) for fit in ("stretch", "pad", "crop")}
    assert len({decoded.path for decoded in found.values()}) == 3
    assert decode(table, tmp_path / "cache").path == found["stretch"].path
    assert not found["pad"].open()[:, :2].any()
    assert found["crop"].open()[:, :2].all()
