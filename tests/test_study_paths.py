"""No package but `storage` builds the path of a file inside a study."""

import ast
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "autocnn"

MAKERS = ("folder.path", "study.path", "source.path", "study_dir")
"""Ends of the expressions that stand for the folder of a study."""


def built_paths(source: str) -> list[str]:
    """Expressions that join a name to the folder of a study."""
    return [
        ast.unparse(node)
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.BinOp)
        and isinstance(node.op, ast.Div)
        and ast.unparse(node.left).endswith(MAKERS)
    ]


def test_only_storage_joins_names_to_the_folder_of_a_study() -> None:
    found = {
        path.relative_to(PACKAGE).as_posix(): paths
        for path in PACKAGE.rglob("*.py")
        if "storage" not in path.relative_to(PACKAGE).parts
        and (paths := built_paths(path.read_text("utf-8")))
    }
    assert not found


def test_the_check_finds_what_it_looks_for() -> None:
    source = 'a = session.folder.path / "weights.txt"\nb = folder.weights_log_path'
    assert built_paths(source) == ["session.folder.path / 'weights.txt'"]
