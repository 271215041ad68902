"""Open doors: a name that stands for somebody's own function, and the source that it stands for.

Wherever a name is taken (network, data set, regulariser, erasing method, probe), it may also be
``package.module:function``, or in one process the function itself. The source behind it is a part
of what names a record, so that a changed function is another run.
"""

from __future__ import annotations

import ast
import functools
import importlib
import importlib.util
import inspect
import operator
import re
import sys
from collections.abc import Callable
from importlib.machinery import PathFinder
from pathlib import Path

from entreg_utils.files import sha256

PREFIXES = ("timm", "folder")  # names of other kinds that have a colon as well
_REFERENCE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")


def is_own(value) -> bool:
    """Whether ``value`` is somebody's own code: a function, a class, or ``module:function``."""
    if isinstance(value, str):
        return bool(_REFERENCE.fullmatch(value)) and value.partition(":")[0] not in PREFIXES
    return callable(value)


def resolve(value, what: str) -> Callable:
    """The function that ``value`` names, its module imported; a function is itself.

    ``what`` it is for is how the error begins.

    Raises:
        ValueError: no such module or function, no function, or the module cannot be imported.
    """
    found = value
    if isinstance(value, str):
        module, _, name = value.partition(":")
        _forget_what_changed(module)
        try:
            found = operator.attrgetter(name)(importlib.import_module(module))
        except AttributeError as error:
            raise ValueError(f"{what} {value!r}: {module} has no {name!r}") from error
        except Exception as error:  # somebody's own file may raise anything
            raise ValueError(
                f"{what} {value!r} cannot be imported ({type(error).__name__}: {error}): start "
                "Python where that file lies, or put its folder on PYTHONPATH"
            ) from error
    if not callable(found):
        raise ValueError(f"{what} {value!r} is {type(found).__name__}: give a name or a function")
    return found


def text_of(value) -> str:
    """A name as text: ``module:function``, for what other processes can import.

    A function of a script is named by the script's file; one of a notebook keeps the module
    ``__main__``, and lives in one process.

    Raises:
        ValueError: an object with values that its name does not tell, as ``functools.partial``.
    """
    if isinstance(value, str):
        return value
    name = getattr(value, "__qualname__", "")
    module = getattr(value, "__module__", None) or "__main__"
    found = sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    if found is not value and getattr(value, "__closure__", value) is not None:
        raise ValueError(
            f"{value!r} holds values that no name tells: give a function or a class that is "
            "defined by itself, with these values written in it"
        )
    script = getattr(sys.modules["__main__"], "__file__", None)
    if module == "__main__" and script and Path(script).stem.isidentifier():
        module = Path(script).stem
    return f"{module}:{name}"


def label(value) -> str:
    """What a message calls it: a name as it is, of an object its own."""
    return value if isinstance(value, str) else getattr(value, "__qualname__", type(value).__name__)


def travels(value) -> bool:
    """Whether another process finds what ``value`` names. Errors as of :func:`text_of`."""
    text = text_of(value)
    return not is_own(value) or not (text.startswith("__main__:") or "<" in text)


def digest(value) -> str:
    """SHA-256 of the source behind an own name: its file, and those beside it that it imports.

    The file is found and read, not run. Of a function of a notebook it is the function's own text.

    Raises:
        ValueError: the source cannot be found, or a function is given that was imported before its
            file changed (a name is imported anew).
    """
    text = text_of(value)
    module = text.partition(":")[0]
    path = source_file(module) if travels(value) else None
    if path is not None:
        found = _of_files(path)
        if not isinstance(value, str) and not _is_current(module, found):
            raise ValueError(
                f"{path.name} or a file beside it has changed since this process imported it: "
                "import it anew, so that what is trained is what stands there"
            )
        return found
    try:
        return sha256(inspect.getsource(value).encode())
    except (OSError, TypeError) as error:
        raise ValueError(
            f"the source of {text!r} cannot be found: put it in a file, and start Python where the "
            "file lies or put its folder on PYTHONPATH"
        ) from error


_imported_as: dict[str, tuple] = {}  # module: its spec, which a reload renews, and the digest then


def _of_files(path: Path) -> str:
    files = sorted(_family(path))
    return sha256(b"\0".join(f.name.encode() + b"\0" + f.read_bytes() for f in files))


def _is_current(module: str, digest: str) -> bool:
    """Whether the module that this process has, if it has it, is the source of ``digest``."""
    spec = getattr(sys.modules.get(module), "__spec__", None)
    if spec is not None and _imported_as.get(module, (None,))[0] is not spec:
        _imported_as[module] = spec, digest
    return spec is None or _imported_as[module][1] == digest


def _forget_what_changed(module: str) -> None:
    """Drop a module, and those beside it that it imports, where their files are others by now."""
    path = source_file(module)
    if path is not None and not _is_current(module, _of_files(path)):
        family = {str(file) for file in _family(path)}
        for name, loaded in list(sys.modules.items()):
            if getattr(loaded, "__file__", None) in family:
                del sys.modules[name]


def source_file(module: str) -> Path | None:
    """The file of a module, found without running it or the packages it lies in."""
    first, *rest = module.split(".")
    importlib.invalidate_caches()
    try:
        spec = importlib.util.find_spec(first)
    except ValueError:  # there is none, as of __main__ in a notebook
        return None
    for part in rest:
        places = spec and spec.submodule_search_locations
        spec = PathFinder.find_spec(part, places) if places else None
    path = Path(spec.origin or "") if spec else Path()
    return path if path.suffix == ".py" and path.exists() else None


def _family(path: Path) -> set[Path]:
    """The file and those of its folder that it imports, directly or through one of them."""
    found, waiting = set(), [path.resolve()]
    while waiting:
        file = waiting.pop()
        if file not in found and file.exists():
            found.add(file)
            names = _imported(file.read_bytes())
            beside = (path.parent / f"{n}{end}" for n in names for end in (".py", "/__init__.py"))
            waiting += [own.resolve() for own in beside]
    return found


@functools.lru_cache(maxsize=256)
def _imported(source: bytes) -> frozenset[str]:
    """Names of modules that a source imports, each without the package it lies in."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return frozenset()  # it will be refused when it is run
    found = []
    for node in ast.walk(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            named = [alias.name for alias in node.names]
            found += [*named, getattr(node, "module", None) or ""]
    return frozenset(part for name in found for part in name.split(".")) - {""}
