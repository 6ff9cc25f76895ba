"""Which lines the tests hold: `python -m tests.mutation autocnn/core/objective.py`.

Changes one thing of a module at a time (an operator, a comparison, a number, a return, a call that
is left out) and runs its tests in a forked process. A change that no test notices is printed: a
test is missing, or the change means nothing. docs/reliability.md says what was found.
"""

import argparse
import ast
import copy
import os
import signal
import sys
import time
from collections.abc import Iterator
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType

SWAPPED: dict[type[ast.AST], type[ast.AST]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.Pow: ast.Mult,
    ast.And: ast.Or,
    ast.Or: ast.And,
}

MOST_S = 120
"""That the tests of one change may take: it may make a loop endless."""


def _change(node: ast.AST) -> bool:
    """Change a node in place; whether there is something to change."""
    match node:
        case ast.Compare(ops=[operator]) if type(operator) in SWAPPED:
            node.ops = [SWAPPED[type(operator)]()]  # type: ignore[list-item]
        case ast.BinOp(op=operator) | ast.BoolOp(op=operator) if type(operator) in SWAPPED:
            node.op = SWAPPED[type(operator)]()  # type: ignore[assignment]
        case ast.AugAssign(op=operator) if type(operator) in SWAPPED:
            node.op = SWAPPED[type(operator)]()  # type: ignore[assignment]
        case ast.UnaryOp(op=ast.Not() | ast.USub()):
            node.op = ast.UAdd() if isinstance(node.op, ast.USub) else ast.Not()
            if isinstance(node.op, ast.Not):
                node.operand = ast.UnaryOp(ast.Not(), node.operand)
        case ast.Constant(value=bool()):
            node.value = not node.value
        case ast.Constant(value=int() | float() as value):
            node.value = value + 1
        case ast.Return(value=ast.expr()) if ast.unparse(node) != "return None":
            node.value = ast.Constant(None)
        case ast.Expr(value=ast.Call()):
            node.value = ast.Constant(None)
        case _:
            return False
    return True


def mutants(source: str) -> Iterator[tuple[int, str, str, CodeType]]:
    """Line, the code as it is, as it is changed, and the whole module so, of each change."""
    tree = ast.parse(source)
    spared = {  # annotations and decorators
        id(part)
        for node in ast.walk(tree)
        for name in ("annotation", "returns", "decorator_list")
        for one in [getattr(node, name, None) or []]
        for whole in (one if isinstance(one, list) else [one])
        for part in ast.walk(whole)
    }
    for number, node in enumerate(ast.walk(tree)):
        if id(node) in spared or not _change(copy.deepcopy(node)):
            continue
        changed = copy.deepcopy(tree)
        place = list(ast.walk(changed))[number]
        _change(place)
        ast.fix_missing_locations(changed)
        line = getattr(node, "lineno", 0)
        yield line, ast.unparse(node), ast.unparse(place), compile(changed, "mutant", "exec")


def is_noticed(module: Path, code: CodeType | None, tests: list[str]) -> bool:
    """Whether the tests fail, or do not end, with this code in the place of the module's."""
    child = os.fork()
    if child == 0:
        null = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(null, descriptor)
        theirs = SourceFileLoader.get_code

        def get_code(loader: SourceFileLoader, name: str) -> CodeType | None:
            is_it = code is not None and Path(loader.path) == module
            return code if is_it else theirs(loader, name)

        SourceFileLoader.get_code = get_code  # type: ignore[method-assign,assignment]
        import pytest

        result = 1
        try:
            options = ["-x", "-q", "-n0", "-p", "no:cacheprovider", "-m", "not slow"]
            result = int(pytest.main([*options, *tests]))
        finally:
            os._exit(result)
    until = time.monotonic() + MOST_S
    while time.monotonic() < until:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return status != 0
        time.sleep(0.02)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return True


def main(arguments: list[str]) -> int:
    """Exit code 1 when a change was not noticed."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    parser.add_argument("module", type=Path)
    parser.add_argument("tests", nargs="*", help="default: those that mirror it")
    options = parser.parse_args(arguments)
    module = options.module.resolve()
    mirrored = Path("tests", *options.module.parent.parts[1:]).glob(f"test_{module.stem}*.py")
    tests = options.tests or sorted(map(str, mirrored))
    if not tests:
        parser.error(f"no tests mirror {options.module}: name some")
    for heavy in ("numpy", "pandas", "pydantic", "scipy.stats", "sklearn.metrics", "pytest"):
        __import__(heavy)  # once, not in each child
    if is_noticed(module, None, tests):
        raise SystemExit(f"{tests} must pass as the module is")
    found = list(mutants(module.read_text()))
    num_missed = 0
    for line, before, after, code in found:
        if not is_noticed(module, code, tests):
            num_missed += 1
            print(f"{options.module}:{line}: {before}  ->  {after}", flush=True)
    print(f"{len(found)} changes, {num_missed} not noticed")
    return 1 if num_missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
