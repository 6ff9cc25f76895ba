"""The user's own model, or objective: where it stands, its files, and how it is imported.

Nothing here imports Keras. The parent process only finds the file; workers import it, and
`training.networks.own_model` calls it and checks what it builds.
"""

import hashlib
import importlib
import importlib.util
import sys
import textwrap
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.machinery import PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any

from autocnn.core.errors import ConfigError, StudyChangedError, StudyError, Text, did_you_mean

Build = Callable[..., Any]
"""(params, image_shape, num_classes) to a keras.Model."""

PACKAGE = Path(__file__).resolve().parents[1]

INSTALLED = ("site-packages", "dist-packages")
"""Folders of installed packages, which are no part of a user's own model."""


@dataclass(frozen=True)
class OwnModel:
    """A function of a user's file that builds a network or is an objective; data that pickles.

    Attributes:
        path: The file, absolute.
        function: Name of the function in it.
        files: What it is made of: path relative to `root` -> SHA-256 of its content. Empty
            until it was imported for the first time.
        setting: Which setting names it.
    """

    path: Path
    function: str
    files: Mapping[str, str] = field(default_factory=dict)
    setting: str = "model"

    def __str__(self) -> str:
        return f"{self.path}:{self.function}"

    @property
    def name(self) -> str:
        """Short, for tables: `my_model:build`."""
        return short_name(str(self))

    @property
    def root(self) -> Path:
        """The folder from which its module is imported: above the outermost `__init__.py`."""
        root = self.path.parent
        while (root / "__init__.py").is_file():
            root = root.parent
        return root

    @property
    def module(self) -> str:
        """Name of its module, as imported from `root`."""
        return module_name(self.path.relative_to(self.root).as_posix())

    def read_files(self) -> dict[str, bytes]:
        """Content of the files that it is made of, by their path relative to `root`."""
        return {name: (self.root / name).read_bytes() for name in self.files}

    def changes(self) -> list[str]:
        """How its files differ from what they were, a sentence each."""
        lines = []
        for name, digest in self.files.items():
            try:
                now = _digest(self.root / name)
            except OSError:
                lines.append(f"{name} is gone.")
                continue
            if now != digest:
                lines.append(f"{name} has another content.")
        return lines

    def load(self) -> Build:
        """Import its module and take the function; what the module registers is registered.

        Raises:
            StudyChangedError: When its files are no longer what they were.
            ConfigError: When it cannot be imported, or holds no such function.
        """
        changes = self.changes()
        if changes:
            raise StudyChangedError(
                f"{self.path}: {self._what} must stay as it was when its study began, got: "
                + " ".join(changes),
                remedy="Put it back, then resume the study.",
            )
        function = getattr(self._import(), self.function, None)
        if function is None:
            raise ConfigError(
                Text(
                    f"{{{self.setting}}} {{0}}: {{1}} must define {{2!r}}, got no such name.",
                    self,
                    self.path.name,
                    self.function,
                ),
                remedy=self._nearest()
                or f"Name the function after the colon: {EXAMPLES[self.setting]}.",
            )
        if not callable(function):
            raise ConfigError(
                Text(
                    f"{{{self.setting}}} {{0}}: must be a function, got {{1}}.",
                    self,
                    type(function).__name__,
                ),
                remedy=CONTRACTS[self.setting],
            )
        build: Build = function
        return build

    @property
    def _what(self) -> str:
        return "a model" if self.setting == "model" else f"an {self.setting}"

    def register(self) -> None:
        """Import all its files, so that models with layers of the user's own can be loaded.

        Raises:
            StudyChangedError: When its files are no longer what they were.
            ConfigError: When one cannot be imported.
        """
        self.load()
        for name in self.files:
            path = self.root / name
            if path != self.path:
                OwnModel(path, self.function)._import()

    def _import(self) -> ModuleType:
        """Its module, imported once in a process, with its folder on the path for what it needs."""
        there = sys.modules.get(self.module)
        if there is not None:
            if _is_same(Path(getattr(there, "__file__", None) or ""), self.path):
                return there
            raise ConfigError(
                f"{self.path}: must have a name of its own, got {self.module!r}, which another "
                "module has.",
                remedy="Rename the file, or begin in a new Python.",
            )
        if str(self.root) not in sys.path:
            sys.path.insert(0, str(self.root))
        importlib.invalidate_caches()
        try:
            package, _, _ = self.module.rpartition(".")
            if package:
                importlib.import_module(package)
            spec = importlib.util.spec_from_file_location(self.module, self.path)
            assert spec is not None and spec.loader is not None, "a .py file has a loader"
            module = importlib.util.module_from_spec(spec)
            sys.modules[self.module] = module
            spec.loader.exec_module(module)
        except (Exception, SystemExit) as error:  # a user's file may raise anything
            sys.modules.pop(self.module, None)
            raise ConfigError(
                f"{place_of(error, self)}: must be importable, got: {describe(error)}.",
                remedy=f'To see more, in {self.root}: python -c "import {self.module}"',
            ) from error
        return module

    def _nearest(self) -> str:
        names = [name for name, value in vars(sys.modules[self.module]).items() if callable(value)]
        return did_you_mean(self.function, names)


CONTRACT = (
    "A model of your own is a function of (params, image_shape, num_classes) that returns a "
    "keras.Model: see docs/your-model.md."
)

CONTRACTS = {
    "model": CONTRACT,
    "objective": "An objective of your own is a function of (labels, probabilities, class_names) "
    "that returns a number: see docs/your-objective.md.",
}
"""What the function of a setting is."""

EXAMPLES = {"model": "my_model.py:build", "objective": "my_metrics.py:benefit"}


def module_name(path: str) -> str:
    """Name of the module in a file, relative to where it is imported from.

    >>> module_name("pkg/nets.py"), module_name("pkg/__init__.py")
    ('pkg.nets', 'pkg')
    """
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def short_name(text: str) -> str:
    """An own model as tables name it.

    >>> short_name("/home/me/my_model.py:build")
    'my_model:build'
    """
    place, _, function = text.rpartition(":")
    return f"{Path(place).name.removesuffix('.py')}:{function}"


def locate_own_model(text: str, *, setting: str = "model") -> OwnModel:
    """The own model, or objective, that a setting names; its file is found, not imported.

    Args:
        text: `path/to/my_model.py:build`, or `my_module:build` with a module that stands in
            the current folder or is installed.
        setting: Which one: `model` or `objective`.

    Raises:
        ConfigError: When the text has another form, or there is no such file or module.
    """
    place, _, function = text.rpartition(":")
    if not place or not function.isidentifier():
        raise ConfigError(
            Text(f"{{{setting}}} must be FILE:FUNCTION or MODULE:FUNCTION, got {{0!r}}.", text),
            remedy=f"Write {EXAMPLES[setting]}.",
        )
    if place.endswith(".py") or "/" in place or "\\" in place:
        path = Path(place).resolve()
        if not path.is_file() or path.suffix != ".py":
            got = "a folder" if path.is_dir() else "none" if not path.exists() else "another file"
            raise ConfigError(
                Text(f"{{{setting}}} must name a Python file, got {{0}} at {{1}}.", got, place)
            )
        if not path.stem.isidentifier():
            raise ConfigError(
                Text(
                    f"{{{setting}}} must name a file that Python can import, got {{0!r}}.",
                    path.name,
                ),
                remedy="Rename it: letters, digits and underscores, no digit first.",
            )
        return OwnModel(path, function, setting=setting)
    found = _find_module(place)
    if found is None:
        here = Path(f"{place.replace('.', '/')}.py").name
        raise ConfigError(
            Text(
                f"{{{setting}}} must name a module in this folder or an installed one, got "
                "{0!r}, which is neither.",
                place,
            ),
            remedy=Text(f"Give its file: {{{setting}:path/to/{{0}}:{{1}}}}.", here, function),
        )
    own_model = OwnModel(found, function, setting=setting)
    if own_model.module != place:
        raise ConfigError(
            Text(
                f"{{{setting}}} {{0}}: every folder of a package must hold an __init__.py, got "
                "{1} without one.",
                text,
                found.parent,
            ),
            remedy="Add an empty one, or give the file.",
        )
    return own_model


def kept_own_model(
    text: str | None, files: Mapping[str, str] | None, copies: Path
) -> OwnModel | None:
    """The own model in the copy that a study keeps, as it was when the study began.

    Args:
        text: The config's `model`; None: the networks are autocnn's.
        files: Relative path -> SHA-256, as the study noted them.
        copies: Folder of the copies.

    Returns:
        None for autocnn's networks, and where the study keeps no copy. Before its models are
        loaded, `register` it.

    Raises:
        StudyError: When a file's path leaves the folder.
    """
    name = kept_name(text, files)
    if text is None or name is None:
        return None
    for one in files or ():
        if Path(one).is_absolute() or ".." in Path(one).parts:
            raise StudyError(f"{copies}: files of a model must stay in this folder, got {one!r}.")
    return OwnModel((copies / name).resolve(), text.rpartition(":")[2], dict(files or {}))


def kept_name(text: str | None, files: Mapping[str, str] | None) -> str | None:
    """Which of a study's files defines the own model: its path relative to the copies.

    >>> kept_name("/home/me/pkg/nets.py:build", {"pkg/__init__.py": "", "pkg/nets.py": ""})
    'pkg/nets.py'
    """
    place = f"/{Path((text or '').rpartition(':')[0]).as_posix()}"
    return max((name for name in files or () if place.endswith(f"/{name}")), key=len, default=None)


def new_files(own_model: OwnModel, before: Sequence[str]) -> dict[str, str]:
    """The files of the user's that were imported on the way: relative path -> SHA-256.

    Args:
        own_model: After it was loaded and called.
        before: Names in `sys.modules` from before.
    """
    files = {}
    known = set(before)
    for name, module in list(sys.modules.items()):
        path = getattr(module, "__file__", None)
        if name in known or not path or name.split(".")[0] == "autocnn":
            continue
        place = Path(path).resolve()
        if place.suffix == ".py" and place.is_relative_to(own_model.root):
            relative = place.relative_to(own_model.root)
            is_own = relative.parts[0] == own_model.path.relative_to(own_model.root).parts[0]
            is_installed = any(part in INSTALLED for part in place.parts)
            if is_own or not is_installed:
                files[relative.as_posix()] = _digest(place)
    files[own_model.path.relative_to(own_model.root).as_posix()] = _digest(own_model.path)
    return dict(sorted(files.items()))


def describe(error: BaseException) -> str:
    """An error in a line: its kind and the first line of its message."""
    first = next(iter(str(error).strip().splitlines()), "")
    text = f"{type(error).__name__}: {first}".rstrip(": ").rstrip(".")
    return textwrap.shorten(text, 200, placeholder=" ...")


def place_of(error: BaseException, own_model: OwnModel) -> str:
    """File and line of the user's where an error came up: the innermost one."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}:{error.lineno}"
    place = str(own_model.path)
    for frame in traceback.extract_tb(error.__traceback__):
        path = Path(frame.filename)
        is_foreign = path.is_relative_to(PACKAGE) or any(part in INSTALLED for part in path.parts)
        if path.is_relative_to(own_model.root) and not is_foreign:
            place = f"{path}:{frame.lineno}"
    return place


def _find_module(name: str) -> Path | None:
    """The file of a module in the current folder or on the path; no package is imported."""
    places: Sequence[str] | None = [str(Path.cwd()), *sys.path]
    spec = None
    parts = name.split(".")
    for number in range(1, len(parts) + 1):
        spec = PathFinder.find_spec(".".join(parts[:number]), places)
        if spec is None:
            return None
        places = spec.submodule_search_locations or []
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        return None
    return Path(spec.origin).resolve()


def _is_same(one: Path, other: Path) -> bool:
    """Whether two files are the same module: a study's copy is as good as the user's file."""
    return one.is_file() and (one.resolve() == other or one.read_bytes() == other.read_bytes())


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
