"""What other libraries do not promise is used in one module: Keras' and KerasTuner's."""

import ast
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "autocnn"

MAY = {
    "execution/cluster/ray_executor.py",  # Ray
    "training/networks/keras_private.py",  # Keras and TensorFlow
    "tuning/engines/keras_tuner_oracles.py",  # KerasTuner
}

PUBLIC = {"_exit"}
"""`os._exit` is documented."""


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__") and name not in PUBLIC


def own_names(tree: ast.Module) -> set[str]:
    """What a file defines itself, as a function, a class, a field or an attribute of `self`."""
    names = set()
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                names.add(name)
            case ast.Name(id=name, ctx=ast.Store()):
                names.add(name)
            case ast.Attribute(value=ast.Name(id="self" | "cls"), attr=name, ctx=ast.Store()):
                names.add(name)
    return names


def foreign_privates(source: str, own: set[str]) -> list[str]:
    """Private attributes and modules in a file that are not its own.

    A name that the file defines counts as its own, even where a base class has it too.
    """
    tree = ast.parse(source)
    own = own | own_names(tree)
    found = []
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(attr=name) if is_private(name) and name not in own:
                found.append(ast.unparse(node))
            case ast.Call(
                func=ast.Name(id="getattr" | "setattr" | "hasattr"),
                args=[value, ast.Constant(value=str(name)), *_],
            ) if is_private(name) and ast.unparse(value) != "self":
                found.append(ast.unparse(node))
            case ast.ImportFrom(module=str(module), names=aliases) if module.split(".")[0] in (
                "keras",
                "keras_tuner",
                "tensorflow",
                "optuna",
            ):
                parts = [*module.split("."), *(alias.name for alias in aliases)]
                if any(is_private(part) or part in ("src", "python") for part in parts):
                    found.append(ast.unparse(node))
    return found


def test_private_attributes_of_other_libraries_are_used_in_one_module_each() -> None:
    mixins = own_names(ast.parse((PACKAGE / "storage" / "files.py").read_text("utf-8")))
    for path in sorted(PACKAGE.rglob("*.py")):
        name = path.relative_to(PACKAGE).as_posix()
        inherited = mixins if name.startswith("storage/") else set()
        found = foreign_privates(path.read_text("utf-8"), inherited)
        assert bool(found) == (name in MAY), (name, found)


def test_the_check_finds_what_it_looks_for() -> None:
    source = (
        "from keras.src.layers import Layer\n"
        "class Ours(Layer):\n"
        "    def _build(self): self._mine = self._theirs\n"
        "model._layers\n"
        "getattr(model, '_functional')\n"
        "os._exit(1)\n"
    )
    assert sorted(foreign_privates(source, set())) == [
        "from keras.src.layers import Layer",
        "getattr(model, '_functional')",
        "model._layers",
        "self._theirs",
    ]
