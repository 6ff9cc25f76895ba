"""Cases that reach new lines of autocnn: `python -m tests.fuzz.guided --target table`.

Atheris (Linux) sees which lines a case reaches, and goes on from those that reached new ones. What
a case must not do is as in `tests.fuzz.running`.
"""

import argparse
import itertools
import tempfile
from collections import Counter
from pathlib import Path


def main() -> None:
    """Print how many cases had a fault; one of each kind is then in the corpus."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.guided", description=__doc__)
    parser.add_argument("--target", required=True)
    parser.add_argument("--cases", type=int, default=10_000)
    options = parser.parse_args()
    fuzz(options.target, options.cases)


def fuzz(target: str, number: int) -> None:
    """Open so many cases; the process ends with them.

    Args:
        target: One of `targets.TARGETS`.
        number: Of cases.
    """
    import atheris

    with atheris.instrument_imports(include=["autocnn"]):  # so they are imported here
        from tests.fuzz.mutation import MOST_BYTES
        from tests.fuzz.running import find_fault, keep, kept, kind_of, limit_memory, watch
        from tests.fuzz.targets import TARGETS

        seeds = [*TARGETS[target].seeds(), *kept(target)]
        assert find_fault(target, seeds[0]) is None  # also imports what is imported late
    kinds: Counter[str] = Counter()
    cases = itertools.count(1)

    def open_case(content: bytes) -> None:
        fault = find_fault(target, content)
        if fault is not None:
            kinds[kind_of(fault)] += 1
            if kinds[kind_of(fault)] == 1:
                keep(target, content)
                print(f"{target}: {fault}", flush=True)
        if next(cases) == number:
            faults = f"{sum(kinds.values())} faults of {len(kinds)} kinds"
            print(f"{target}: {number} cases, {faults}", flush=True)

    folder = Path(tempfile.mkdtemp(prefix="autocnn-guided-"))
    (folder / "seeds").mkdir()
    for place, content in enumerate(seeds):
        (folder / "seeds" / str(place)).write_bytes(content)
    words = ("".join(f"\\x{byte:02x}" for byte in word) for word in TARGETS[target].tokens)
    (folder / "words.txt").write_text("".join(f'"{word}"\n' for word in words))
    watch()
    limit_memory()
    arguments = [f"-runs={number}", f"-max_len={MOST_BYTES}", "-timeout=0"]
    arguments += [f"-dict={folder / 'words.txt'}"] if TARGETS[target].tokens else []
    atheris.Setup(["guided", *arguments, str(folder / "seeds")], open_case)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
