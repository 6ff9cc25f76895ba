"""Many seeds, one after another: `python -m tests.simulation --seeds 0:100000`.

A seed that fails is printed as one command, made as simple as it can be and still fail.
"""

import argparse
import gc
import json
import sys
import tempfile
import time
import traceback
from pathlib import Path

from autocnn.data import Dataset
from tests.selection.studies import make_dataset
from tests.simulation.scenario import Scenario, draw, from_json, simpler, to_json
from tests.simulation.studies import run

MOST_TRIES = 300
"""Scenarios that are tried to make one simpler."""


def find_fault(scenario: Scenario, dataset: Dataset) -> Exception | None:
    """What a scenario ends in; None: all promises were kept."""
    try:
        run(scenario, dataset)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is a finding
        return error
    return None


def shrink(scenario: Scenario, fault: Exception, dataset: Dataset) -> tuple[Scenario, Exception]:
    """The simplest scenario that is found to end in an error of the same kind."""
    num_tries = 0
    is_simpler = True
    while is_simpler and num_tries < MOST_TRIES:
        is_simpler = False
        for candidate in simpler(scenario):
            num_tries += 1
            found = find_fault(candidate, dataset)
            if found is not None and _kind_of(found) == _kind_of(fault):
                scenario, fault, is_simpler = candidate, found, True
                break
    return scenario, fault


def command(scenario: Scenario) -> str:
    """What runs this scenario alone."""
    changes = to_json(scenario)
    more = f" --change '{json.dumps(changes)}'" if changes else ""
    return f"python -m tests.simulation --seeds {scenario.seed}:{scenario.seed + 1}{more}"


def _kind_of(error: Exception) -> tuple[str, str]:
    """Class, and the words without numbers."""
    return type(error).__name__, "".join(c for c in str(error)[:40] if not c.isdigit())


def main(arguments: list[str]) -> int:
    """Exit code 1 when a promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", default="0:1000", help="FIRST:BEHIND_LAST")
    parser.add_argument("--change", default="{}", help="what is other than the seed draws, as JSON")
    parser.add_argument("--traceback", action="store_true", help="where it was broken")
    options = parser.parse_args(arguments)
    first, last = (int(part) for part in options.seeds.split(":"))
    changes = json.loads(options.change)
    num_broken = 0
    with tempfile.TemporaryDirectory() as folder:
        dataset = make_dataset(Path(folder), num_train=12, num_others=4)
        gc.disable()  # a sixth of the time
        began, used = time.monotonic(), time.process_time()
        for seed in range(first, last):
            scenario = from_json(seed, dict(changes)) if changes else draw(seed)
            fault = find_fault(scenario, dataset)
            if fault is not None:
                num_broken += 1
                if not changes:
                    scenario, fault = shrink(scenario, fault, dataset)
                print(f"{type(fault).__name__}: {fault}\n    {command(scenario)}", flush=True)
                if options.traceback:
                    traceback.print_exception(fault)
            if seed % 500 == 0:
                gc.collect()
            if (seed + 1 - first) % 1000 == 0:
                print(f"{seed + 1 - first} seeds, {num_broken} broken", flush=True)
    minutes = max(1e-9, time.monotonic() - began) / 60
    used_s = time.process_time() - used
    print(
        f"{last - first} seeds, {num_broken} broken; {(last - first) / minutes:.0f} a minute, "
        f"{1e3 * used_s / (last - first):.1f} ms of CPU each"
    )
    return 1 if num_broken else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
