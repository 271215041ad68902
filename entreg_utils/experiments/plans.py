"""Sweeps as files: a TOML file says which runs, and becomes configs.

::

    title = "ER on CUB, two networks"        # required
    paper = "main table"                     # optional: what of the paper it stands behind

    [base]                                   # settings that all runs share, by their flat names
    dataset = "cub"
    preset = "wsol_evaluation"

    [grid]                                   # every combination of these; the first varies slowest
    model = ["preresnet18", "seresnet50"]
    seed = [0, 1, 2]

    [[runs]]                                 # optional: the grid once for each of these blocks
    regularizer = "none"
    [[runs]]
    epsilon = [0.1, 0.3]
    seed = 0                                 # in place of the grid's

    [files]                                  # optional: digests that the runs are meant for
    weights = "8f3c..."                      # SHA-256 of the weights file
    photographs = "02ab..."                  # fingerprint of the photographs

Where a setting takes one value, a list means each of them; one that itself is a list
(``decay_epochs``) then takes a list of lists. A block's settings win over the grid's, those over
the base's, and all over what ``preset`` says, see ``presets.config_of``: so ``epsilon`` may stand
in place of ``strength``. Equal runs are kept once.
"""

import difflib
import itertools
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path

from entreg_utils.experiments.config import DEFAULTS, FLAT, Config
from entreg_utils.experiments.presets import config_of
from entreg_utils.experiments.provenance import Files
from entreg_utils.files import StorageError, parsed, path_from, read_bytes, text_of

FOLDER = Path(__file__).with_name("plans")  # the plans that come with the package
_LISTS = {name for name in FLAT if isinstance(DEFAULTS[name], tuple)}
_LISTS |= {"erase_sides", "erase_points"}
_SETTINGS = [*FLAT, "epsilon", "preset"]
# What a section is, and what may stand in it.
_SECTIONS = {"base": (dict, _SETTINGS), "grid": (dict, _SETTINGS), "runs": (list, _SETTINGS)}
_SECTIONS["files"] = dict, [field.name for field in fields(Files)]
_ONE_THING = {"epsilon": "strength", "strength": "epsilon"}  # each replaces the other


@dataclass(frozen=True)
class Plan:
    """A sweep read from a file: different configs in its order.

    ``paper`` is the table or figure of the paper behind which it stands, or ""; ``files`` are the
    digests of the files that it is meant for, empty where it does not say.
    """

    name: str
    title: str
    paper: str
    configs: tuple[Config, ...]
    files: Files = Files()


def names() -> list[str]:
    """The plans that come with the package."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def load(name: str | Path) -> Plan:
    """Read a plan that comes with the package, or a file whose path ends in ``.toml``.

    Raises:
        ValueError: no such plan; no TOML; an unknown key; a value that cannot work.
        StorageError: the file is not there or cannot be read.
    """
    path = path_from(name, "plan")
    if path.suffix != ".toml":
        if str(name) not in names():
            raise ValueError(
                f"no plan {str(name)!r}: there are {', '.join(names())}; or give the path of a "
                "file that ends in .toml"
            )
        path = FOLDER / f"{name}.toml"
    content = read_bytes(path)
    if content is None:
        raise StorageError(f"there is no file {path}: give the path of a plan (sweep --list)")
    return parse(text_of(content, path.name), path.name)


def parse(text: str, file: str) -> Plan:
    """The plan that the text of ``file`` describes; errors as :func:`load`, with the section."""
    try:
        tree = parsed(text, tomllib.loads)
    except ValueError as error:
        raise ValueError(f"{file} is not TOML: {error}") from error
    try:
        _check(tree)
        blocks = enumerate(tree.get("runs", [{}]), 1)
        configs = (one for block in blocks for one in _configs(tree, *block))
        different = tuple(dict.fromkeys(configs))
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from error
    said = file.removesuffix(".toml"), tree["title"], tree.get("paper", "")
    return Plan(*said, different, Files(**tree.get("files", {})))


def _check(tree: dict) -> None:
    """Refuse what no plan has; what passes are sections of settings or of lists of values."""
    known = ("title", "paper", *_SECTIONS)
    for name in tree:
        if name not in known:
            raise ValueError(f"unknown key {name!r}: a plan has {', '.join(known)}")
    if not str(tree.get("title", "")).strip():
        raise ValueError('a plan needs a title: title = "..." above its sections')
    for name in ("title", "paper"):
        if not isinstance(tree.get(name, ""), str):
            raise ValueError(f"{name} must be a text")
    for name, (kind, keys) in _SECTIONS.items():
        section = tree.get(name, kind())
        blocks = section if kind is list else [section]
        if not isinstance(section, kind) or not all(isinstance(b, dict) for b in blocks):
            wanted = f"[[{name}]]" if kind is list else f"[{name}]"
            raise ValueError(f"{name} must be a section that begins with {wanted}")
        for key, value in ((key, value) for block in blocks for key, value in block.items()):
            if key not in keys:
                near = difflib.get_close_matches(key, keys, 1)
                every = "`run --help` lists them" if keys is _SETTINGS else ", ".join(keys)
                hint = f"do you mean {near[0]!r}?" if near else f"known ones: {every}"
                raise ValueError(f"unknown setting {key!r} in {name}: {hint}")
            if value == [] and key not in _LISTS:
                raise ValueError(f"{key} in {name} is an empty list: there would be no runs")


def _configs(tree: dict, number: int, block: dict) -> Iterator[Config]:
    """The configs of a block, which varies slower than the grid, wherever it stands in the file."""
    grid = {key: value for key, value in tree.get("grid", {}).items() if key not in block}
    own = block | grid
    base = {k: v for k, v in tree.get("base", {}).items() if _ONE_THING.get(k) not in own}
    every = {k: v for k, v in base.items() if k not in own} | own
    for values in itertools.product(*(_each(key, value) for key, value in every.items())):
        settings = dict(zip(every, values, strict=True))
        try:
            yield config_of(**settings)
        except (ValueError, TypeError) as error:
            chosen = ", ".join(f"{key} = {settings[key]!r}" for key in own)
            where = f"[[runs]] {number} with {chosen}" if chosen else f"[[runs]] {number}"
            raise ValueError(f"{error} ({where})") from error


def _each(key: str, value) -> list:
    """The values of a setting: a list is one value of a setting that itself is a list."""
    nested = isinstance(value, list) and all(isinstance(one, list) for one in value)
    several = nested and value if key in _LISTS else isinstance(value, list)
    return value if several else [value]
