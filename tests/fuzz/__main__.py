"""Many cases: `python -m tests.fuzz --target image --cases 100000`; `--keep 17` keeps case 17."""

import argparse
import sys
import tempfile
import time
import traceback
from pathlib import Path

from tests.fuzz.running import draw, find_fault, keep, limit_memory, run, watch
from tests.fuzz.targets import TARGETS


def main(arguments: list[str]) -> int:
    """Exit code 1 when there was a fault."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--target", choices=[*TARGETS, "all"], default="all")
    parser.add_argument("--cases", type=int, default=1000)
    parser.add_argument("--first", type=int, default=0, help="number of the first case")
    parser.add_argument("--keep", type=int, help="write this case into the corpus")
    parser.add_argument("--show", type=int, help="open this case, with its traceback")
    options = parser.parse_args(arguments)
    targets = list(TARGETS) if options.target == "all" else [options.target]
    if options.keep is not None:
        keep(targets[0], draw(targets[0], options.keep))
        return 0
    if options.show is not None:
        content = draw(targets[0], options.show)
        print(content[:400])
        try:
            with tempfile.TemporaryDirectory() as folder:
                TARGETS[targets[0]].open(content, Path(folder))
        except Exception:  # noqa: BLE001 - it is shown
            traceback.print_exc()
        return 0
    for target in targets:
        for seed in TARGETS[target].seeds():
            fault = find_fault(target, seed)  # also imports what is imported late
            assert fault is None, f"{target}: a good file is refused: {fault}"
    watch()
    limit_memory()
    num_faults = 0
    for target in targets:
        began = time.process_time()
        faults = run(target, options.first, options.first + options.cases)
        used = time.process_time() - began
        num_faults += sum(faults.values())
        print(
            f"{target}: {options.cases} cases, {sum(faults.values())} faults of {len(faults)} "
            f"kinds, {1e3 * used / options.cases:.1f} ms each",
            flush=True,
        )
    return 1 if num_faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
