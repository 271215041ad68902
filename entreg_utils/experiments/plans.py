"""Sweeps as files: a TOML file says which runs, and becomes configs.

::

    title = "ER on CUB, two networks"        # required
    paper = "main table"                     # optional: what of the paper it stands behind

    [base]                                   # fields of Config that all runs share
    dataset = "cub"
    recipe = "wsol_evaluation"

    [grid]                                   # every combination of these; the first varies slowest
    model = ["preresnet18", "seresnet50"]
    seed = [0, 1, 2]

    [[runs]]                                 # optional: the grid once for each of these blocks
    regularizer = "none"
    [[runs]]
    epsilon = [0.1, 0.3]

    [[also]]                                 # optional: further runs, over base, without the grid
    model = "resnet50"
    weights = "mine.pt"

Where a field takes one value, a list in ``grid``, ``runs`` or ``also`` means each of them; a field
that itself is a list (``decay_epochs``) then takes a list of lists. A block's fields win over the
grid's, those over the base's, and all over what ``recipe`` says, which is the name of one of
``experiments.recipes`` and fills in the rest for the run's data set and model. ``epsilon`` may
stand in place of ``strength``, the regularizer being ``kl_uniform`` where none is named; at 0 there
is none. Equal runs are kept once.
"""

from __future__ import annotations

import difflib
import itertools
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path

from entreg_utils.experiments import validity
from entreg_utils.experiments.config import Config
from entreg_utils.experiments.options import at_epsilon
from entreg_utils.experiments.recipes import RECIPES
from entreg_utils.experiments.toml_lines import Source
from entreg_utils.files import StorageError, read_bytes

FOLDER = Path(__file__).with_name("plans")  # the plans that come with the package
_KINDS = {field.name: field.type for field in fields(Config)} | {
    "epsilon": "float",
    "recipe": "str",
}
_SECTIONS = ("base", "grid", "runs", "also")


@dataclass(frozen=True)
class Plan:
    """A sweep read from a file.

    Attributes:
        name: of the file, without its ending.  title: its title.
        paper: the table or figure of the paper behind which it stands, or "".
        configs: different ones, in the order of the file.
        dropped: how many more there were, equal to one of these.
    """

    name: str
    title: str
    paper: str
    configs: tuple[Config, ...]
    dropped: int


def names() -> list[str]:
    """The plans that come with the package."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def load(name: str | Path) -> Plan:
    """Read a plan.

    Args:
        name: of a plan that comes with the package, or the path of a file that ends in ``.toml``.

    Raises:
        ValueError: no such plan; no TOML; an unknown key, with its line; a value that cannot work.
        StorageError: the file is not there or cannot be read.
    """
    path = Path(name)
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
    return parse(content, path.name)


def parse(content: bytes | str, file: str) -> Plan:
    """The plan that the text of ``file`` describes.

    Raises:
        ValueError: as :func:`load`.
    """
    try:
        text = content.decode() if isinstance(content, bytes) else content
        tree = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{file} is not TOML: {error}") from error
    source = Source(file, text)
    _check_layout(tree, source)
    base, grid = tree.get("base", {}), tree.get("grid", {})
    configs = []
    alone = "also" in tree and not grid  # then base by itself is no run
    for index, block in enumerate(tree.get("runs", [] if alone else [{}])):
        varied = {name: _each(name, value) for name, value in (grid | block).items()}
        # a block varies slower than the grid, whichever of the two comes first in the file
        order = [*block, *(name for name in grid if name not in block)]
        chosen = {name: varied[name] for name in order}
        configs += _configs(base, chosen, source, ("runs", index))
    for index, block in enumerate(tree.get("also", [])):
        chosen = {name: _each(name, value) for name, value in block.items()}
        configs += _configs(base, chosen, source, ("also", index))
    different = tuple(dict.fromkeys(configs))
    name = file.removesuffix(".toml")
    dropped = len(configs) - len(different)
    return Plan(name, tree["title"], tree.get("paper", ""), different, dropped)


def _check_layout(tree: dict, source: Source) -> None:
    """Refuse what no plan has; everything that passes is a field of Config or a list of values."""
    for name in tree:
        if name not in ("title", "paper", *_SECTIONS):
            known = ", ".join(("title", "paper", *_SECTIONS))
            raise source.error(f"unknown key {name!r}: a plan has {known}", name)
    for name in ("title", "paper"):
        if not isinstance(tree.get(name, ""), str):
            raise source.error(f"{name} must be a text", name)
    if not tree.get("title", "").strip():
        raise source.error('a plan needs a title: title = "..." above its sections')
    for name in _SECTIONS:
        section = tree.get(name, {} if name in ("base", "grid") else [])
        several = name in ("runs", "also")
        blocks = section if several and isinstance(section, list) else [section]
        if several != isinstance(section, list) or not all(isinstance(b, dict) for b in blocks):
            wanted = f"[[{name}]]" if several else f"[{name}]"
            raise source.error(f"{name} must be a section that begins with {wanted}", name)
        for index, block in enumerate(blocks):
            at = (name, index) if several else (name,)
            for field, value in block.items():
                _check_field(name, field, value, source, (*at, field))
            if "epsilon" in block and "strength" in block:
                raise source.error(
                    "epsilon and strength say the same thing: give one of them", *at, "strength"
                )


def _check_field(section: str, field: str, value, source: Source, at: tuple) -> None:
    if field not in _KINDS:
        raise source.error(f"unknown field {field!r} in {section}: {_nearest(field)}", *at)
    if isinstance(value, dict):
        raise source.error(f"{field} must be a value, not a section", *at)
    listed, own = _is_listed(field, value), validity.element_of(_KINDS[field])[1]
    if section == "base" and listed:
        raise source.error(f"{field} has several values: lists of values belong in [grid]", *at)
    if section == "grid" and not listed:
        what = "a list of lists" if own else "a list"
        raise source.error(f"grid wants {what} for {field}: single values belong in [base]", *at)
    if listed and not value:
        raise source.error(f"{field} is an empty list: there would be no runs", *at)


def _nearest(field: str) -> str:
    near = difflib.get_close_matches(field, _KINDS, 1)
    known = "known are epsilon, recipe and the options of `python -m entreg_utils run --help`"
    return f"do you mean {near[0]!r}?" if near else known


def _is_listed(field: str, value) -> bool:
    """Whether ``value`` is a list of values of ``field`` rather than one."""
    if not isinstance(value, list):
        return False
    own = validity.element_of(_KINDS[field])[1]
    return all(isinstance(one, list) for one in value) and bool(value) if own else True


def _each(field: str, value) -> list:
    return value if _is_listed(field, value) else [value]


def _configs(base: dict, varied: dict, source: Source, block: tuple) -> Iterator[Config]:
    """A config for each combination of ``varied``, over ``base``."""
    # the two names of one thing replace each other, as equal names do
    one_thing = {"epsilon": "strength", "strength": "epsilon"}
    fixed = {k: v for k, v in base.items() if k not in varied and one_thing.get(k) not in varied}
    for values in itertools.product(*varied.values()):
        given = fixed | dict(zip(varied, values, strict=True))
        try:
            yield _config(given)
        except (ValueError, TypeError) as error:
            chosen = ", ".join(f"{k} = {v!r}" for k, v in zip(varied, values, strict=True))
            run = f" (run with {chosen})" if chosen else ""
            at = source.culprit(str(error), given, (block, ("grid",), ("base",)))
            raise source.error(f"{error}{run}", *at) from error


def _config(given: dict) -> Config:
    given = dict(given)
    name = given.pop("recipe", None)
    if name is not None:
        if name not in RECIPES:
            raise ValueError(f"unknown recipe {name!r}: known are {', '.join(RECIPES)}")
        pair = [given.get(field, getattr(Config, field)) for field in ("dataset", "model")]
        given = RECIPES[name](*pair).fields | given
    if "epsilon" not in given:
        return Config(**given)
    epsilon = given.pop("epsilon")
    number = isinstance(epsilon, (int, float)) and not isinstance(epsilon, bool)
    if not number or not 0 <= epsilon < 1:
        raise ValueError(f"epsilon={epsilon!r}: give a number in [0, 1)")
    if epsilon == 0:
        given.pop("regularizer", None)  # none is left
    return at_epsilon(epsilon, **given)
