"""A study that is killed at arbitrary instants ends as if it never had been.

The whole process group is killed, at random within every stage, seeded; training is a
formula with real checkpoints. The same with Keras is in `tests/test_resume.py`.
"""

import json
import random
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.faults.studies import Place, has_trained, kill_when, read_table, trained_epochs

pytestmark = pytest.mark.slow

DELAY_S = 0.08
"""Kills come up to this long after a stage is reached: some fall into the writing of a
checkpoint, which takes about half of an epoch here.
"""

STAGES: dict[str, Callable[[Path], object]] = {
    "created": lambda s: (s / "study.json").exists(),
    "decoding": lambda s: [*s.parents[1].glob(f"cache/{s.name}/*.partial-*")],
    "prepared": lambda s: (s / "split.csv").exists(),
    "first trial": lambda s: (s / "trials/0000/trial.json").exists(),
    "first checkpoint": lambda s: (s / "trials/0001/checkpoint/epoch.npz").exists(),
    "trial end": lambda s: (s / "trials/0001/epochs.csv").exists(),
    "search": lambda s: (s / "trials/0003/trial.json").exists(),
    "second epoch": lambda s: has_trained(s, 3),
    "checkpoint": lambda s: (s / "trials/0004/checkpoint/epoch.npz").exists(),
    "last trial": lambda s: (s / "trials/0007/trial.json").exists(),
    "last trial's end": lambda s: (s / "trials/0007/epochs.csv").exists(),
    "finalists": lambda s: [*s.glob("finalists/*/refit/checkpoint")],
    "refit checkpoint": lambda s: [*s.glob("finalists/*/refit/checkpoint/epoch.npz")],
    "first refit": lambda s: [*s.glob("finalists/*/refit/retrained.json")],
    "first fold": lambda s: [*s.glob("finalists/*/fold-1/retrained.json")],
    "comparing": lambda s: (s / "candidates/.predictions").exists(),
    "test opened": lambda s: (s / "candidates/01").exists(),
    "judging": lambda s: (s / "candidates/.predictions/candidate-1.npz").exists(),
    "drawing": lambda s: (s / "candidates/01/predictions.csv").exists(),
    "leaderboard": lambda s: (s / "leaderboard.csv").exists(),
    "reporting": lambda s: '"status": "done"' in (s / "study.json").read_text(),
}

BRIEF = {"decoding", "first checkpoint", "checkpoint", "finalists", "refit checkpoint"}
"""What they are seen by is deleted soon, so that a busy machine may miss them."""

NUM_SAMPLED = {"tpe": 4, "hyperband": 3}
"""Stages in which each study is killed without `--full`."""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    env = {"EPOCH_S": "0.03", "CHECKPOINT_MB": "20"}
    return Place(tmp_path_factory.mktemp("crash"), env)


@pytest.mark.long
@pytest.mark.parametrize(
    "changes",
    [
        {"name": "tpe", "pruner": "none"},
        pytest.param({"name": "asha", "epochs": 6}, marks=pytest.mark.full),
        pytest.param(
            {"name": "hyperband", "engine": "keras-tuner", "sampler": "hyperband"},
            marks=pytest.mark.full,
        ),
    ],
    ids=lambda changes: changes["name"],
)
def test_a_study_killed_in_every_stage_ends_like_one_that_was_not(
    place: Place, changes: dict[str, Any], request: pytest.FixtureRequest
) -> None:
    rng = random.Random(changes["name"])
    stages = list(STAGES)
    if not request.config.getoption("--full"):
        sample = set(rng.sample(stages, NUM_SAMPLED[changes["name"]]))
        stages = [stage for stage in stages if stage in sample]
    changes = {
        "trials": 8,
        "finalists": 2,
        "folds": 3,
        "members": 2,
        "deterministic": True,
        **changes,
    }
    reference, study = place.study(f"{changes['name']}-reference"), place.study(changes["name"])
    code, stderr = place.search(**changes | {"name": reference.name}).wait()
    assert code == 0, stderr

    cache_dir = str(place.path / "cache" / study.name)
    session = place.search(**changes, cache_dir=cache_dir)
    killed = []
    for stage in stages:
        if kill_when(session, partial(STAGES[stage], study), rng, delay_s=DELAY_S):
            killed.append(stage)
        session = place.resume(study.name)
    code, stderr = session.wait()
    assert code == 0, stderr
    assert {*stages} - {*killed} <= BRIEF
    assert read_table(study / "trials.csv") == read_table(reference / "trials.csv")
    assert read_table(study / "leaderboard.csv") == read_table(reference / "leaderboard.csv")
    for trained in trained_epochs(study).values():
        # An epoch in flight is trained again; one that was saved never is.
        assert sorted(set(trained)) == list(range(min(trained), max(trained) + 1))
        assert len(trained) <= len(set(trained)) + len(killed)
    assert not [*study.rglob("checkpoint/*.npz")]
    written = [(study / name).stat().st_mtime for name in ("leaderboard.csv", "report.html")]
    assert written == sorted(written), "the report is that of this leaderboard"
    looks = [json.loads((s / "study.json").read_text())["test_looks"] for s in (study, reference)]
    assert [len(found) for found in looks] == [1, 1], "a look that was cut off is the same look"
