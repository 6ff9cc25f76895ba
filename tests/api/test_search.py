"""A whole study through the public API, in a script as people write it: without a guard."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.study.test_run import TINY_SPACE

SCRIPT = """
import json

import autocnn

print("begins")
study = autocnn.search(
    "digits", trials=1, epochs=2, space="tiny.yaml", name="mine", finalists=1, folds=0, members=1,
    cache_dir="cache", verbose=False,
)
found = autocnn.evaluate(study, "digits", split="test", to="there", cache_dir="cache")
row = study.leaderboard.iloc[0]
scores, interval = found.scores.scores, found.scores.intervals["accuracy"]
pairs = {
    name: (float(row[f"test_{name}"]), float(f"{getattr(scores, name):.9g}"))
    for name in ("accuracy", "balanced_accuracy", "macro_f1", "macro_auc", "log_loss", "ece")
}
pairs["low"] = float(row["test_accuracy_low"]), float(f"{interval.low:.9g}")
pairs["high"] = float(row["test_accuracy_high"]), float(f"{interval.high:.9g}")
own = study.best.predictions.query("split == 'test'").set_index("path")
here = found.predictions.set_index("path")
apart = (own.filter(like="p.") - here.loc[own.index].filter(like="p.")).abs().max().max()
again = autocnn.open_study().resume()
print(json.dumps({
    "pairs": pairs, "apart": float(apart), "num": len(own), "seen": found.record.num_seen,
    "own": found.record.num_own_test, "trials": study.trials["state"].tolist(),
    "resumed": again.is_done, "layers": len(study.best.keras().layers),
}))
"""


@pytest.mark.slow
def test_a_script_without_a_guard_searches_and_evaluates_as_the_leaderboard_did(
    tmp_path: Path,
) -> None:
    (tmp_path / "tiny.yaml").write_text(TINY_SPACE)
    (tmp_path / "script.py").write_text(SCRIPT)
    result = subprocess.run(
        [sys.executable, "script.py"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    begins, *lines = result.stdout.splitlines()
    assert begins == "begins"
    assert "begins" not in lines, "the workers started the script over"
    found = json.loads(lines[-1])
    assert found["trials"] == ["complete"]
    assert found["num"] == found["own"] == 270
    assert found["seen"] == 0
    for name, (board, here) in found["pairs"].items():
        # In batches of another size the last digits of a probability are others.
        assert here == pytest.approx(board, rel=1e-6), name
    assert found["apart"] < 2e-6
    assert found["resumed"]
    assert found["layers"] > 3
    assert (tmp_path / "there" / "confusion_matrix.png").is_file()
    assert "Traceback" not in result.stderr
