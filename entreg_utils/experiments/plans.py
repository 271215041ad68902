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

Where a setting takes one value, a list in ``grid`` or ``runs`` means each of them; one that itself
is a list (``decay_epochs``) then takes a list of lists. A block's settings win over the
grid's, those over the base's, and all over what ``preset`` says, which is the name of one of
``experiments.presets`` and fills in the rest for the run's data set and model; photographs without
one take ``photographs``. ``epsilon`` may stand in place of ``strength``, the regularizer being
``kl_uniform`` where none is named; at 0 there is none. Equal runs are kept once.
"""

import difflib
import itertools
import tomllib
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from entreg_utils.data import DRAWN
from entreg_utils.experiments.config import DEFAULTS, FLAT, Config
from entreg_utils.experiments.presets import DEFAULT, PRESETS
from entreg_utils.experiments.store import Files
from entreg_utils.fields import plain
from entreg_utils.files import StorageError, parsed, path_from, read_bytes, text_of
from entreg_utils.losses import lambda_from_epsilon

FOLDER = Path(__file__).with_name("plans")  # the plans that come with the package
_LISTS = {name for name in FLAT if isinstance(DEFAULTS[name], tuple)}
_LISTS |= {"erase_sides", "erase_points"}
_INSTEAD = {"weights": ("pretrained",), "pretrained": ("weights", "statistics")}  # of a preset's
_SECTIONS = {"base": dict, "grid": dict, "runs": list, "files": dict}


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
    return parse(content, path.name)


def parse(content: bytes | str, file: str) -> Plan:
    """The plan that the text of ``file`` describes; errors as :func:`load`, with the section."""
    try:
        text = text_of(content, file) if isinstance(content, bytes) else content
        tree = parsed(text, tomllib.loads)
    except ValueError as error:
        raise ValueError(f"{file} is not TOML: {error}") from error
    try:
        return _plan(tree, file.removesuffix(".toml"))
    except (ValueError, TypeError) as error:
        raise ValueError(f"{file}: {error}") from error


def _plan(tree: dict, name: str) -> Plan:
    _check(tree)
    base, grid = tree.get("base", {}), tree.get("grid", {})
    configs = []
    for number, block in enumerate(tree.get("runs", [{}]), 1):
        # a block varies slower than the grid, whichever of the two comes first in the file
        together = block | {key: value for key, value in grid.items() if key not in block}
        varied = {k: v if _is_listed(k, v) else [v] for k, v in together.items()}
        configs += _configs(base, varied, f"[[runs]] {number}")
    different = tuple(dict.fromkeys(configs))
    said = name, tree["title"], tree.get("paper", "")
    return Plan(*said, different, Files(**tree.get("files", {})))


def _check(tree: dict) -> None:
    """Refuse what no plan has; what passes is a setting, or a list of values of one."""
    known = ("title", "paper", *_SECTIONS)
    for name in tree:
        if name not in known:
            raise ValueError(f"unknown key {name!r}: a plan has {', '.join(known)}")
    for name in ("title", "paper"):
        if not isinstance(tree.get(name, ""), str):
            raise ValueError(f"{name} must be a text")
    if not tree.get("title", "").strip():
        raise ValueError('a plan needs a title: title = "..." above its sections')
    for name, kind in _SECTIONS.items():
        section = tree.get(name, kind())
        blocks = section if kind is list else [section]
        if not isinstance(section, kind) or not all(isinstance(b, dict) for b in blocks):
            wanted = f"[[{name}]]" if kind is list else f"[{name}]"
            raise ValueError(f"{name} must be a section that begins with {wanted}")
        for block in blocks:
            if name == "files":
                if unknown := set(block) - {"weights", "photographs"}:
                    raise ValueError(f"unknown key {min(unknown)!r} in files: weights, photographs")
                continue
            for key, value in block.items():
                _check_value(name, key, value)
            if {"epsilon", "strength"} <= set(block):
                raise ValueError(
                    f"epsilon and strength in {name} say the same thing: give one of them"
                )


def _check_value(section: str, key: str, value) -> None:
    known = [*FLAT, "epsilon", "preset"]
    if key not in known:
        near = difflib.get_close_matches(key, known, 1)
        hint = f"do you mean {near[0]!r}?" if near else "`run --help` lists the known ones"
        raise ValueError(f"unknown setting {key!r} in {section}: {hint}")
    if isinstance(value, dict):
        raise ValueError(f"{key} in {section} must be a value, not a section")
    listed = _is_listed(key, value)
    if section == "base" and listed:
        raise ValueError(f"{key} has several values: lists of values belong in [grid]")
    if section == "grid" and not listed:
        what = "a list of lists" if key in _LISTS else "a list"
        raise ValueError(f"grid wants {what} for {key}: single values belong in [base]")
    if listed and not value:
        raise ValueError(f"{key} in {section} is an empty list: there would be no runs")


def _is_listed(key: str, value) -> bool:
    """Whether ``value`` is a list of values of a setting rather than one."""
    if not isinstance(value, list):
        return False
    return key not in _LISTS or bool(value) and all(isinstance(one, list) for one in value)


def _configs(base: dict, varied: dict, block: str) -> Iterator[Config]:
    """A config for each combination of ``varied``, over ``base``."""
    # the two names of one thing replace each other, as equal names do
    one_thing = {"epsilon": "strength", "strength": "epsilon"}
    fixed = {k: v for k, v in base.items() if k not in varied and one_thing.get(k) not in varied}
    for values in itertools.product(*varied.values()):
        try:
            yield config_of(**fixed | dict(zip(varied, values, strict=True)))
        except (ValueError, TypeError) as error:
            chosen = ", ".join(f"{k} = {v!r}" for k, v in zip(varied, values, strict=True))
            where = f" ({block} with {chosen})" if chosen else f" ({block})"
            raise ValueError(f"{error}{where}") from error


def config_of(preset: str | None = None, epsilon: float | None = None, **settings) -> Config:
    """The config of ``settings`` over a preset, the regularizer's weight given as ``epsilon``.

    That is lambda = epsilon / (1 - epsilon), or label smoothing's own eps; at 0 there is none.
    Photographs never train as drawn worlds do: without a preset it is ``photographs``, and a
    warning says so. A source of weights that is named stands in place of the preset's.

    Raises:
        ValueError: an unknown preset, an epsilon outside [0, 1) or beside a strength, bad settings.
    """
    if preset is None and settings.get("dataset", DEFAULTS["dataset"]) in DRAWN:
        return _with_epsilon(epsilon, settings)
    config = _with_epsilon(epsilon, _over_preset(preset or DEFAULT, settings))
    if preset is None:
        said = config.to_dict()
        shown = ("model", "pretrained", "weights", "epochs", "batch_size", "learning_rate")
        values = ", ".join(f"{name} {said[name]}" for name in shown if said[name] != "")
        warnings.warn(
            f"{said['dataset']} trains by the preset {DEFAULT}, for none is named: {values}",
            stacklevel=2,
        )
    return config


def _over_preset(name: str, settings: dict) -> dict:
    if name not in PRESETS:
        raise ValueError(f"unknown preset {name!r}: known are {', '.join(PRESETS)}")
    dataset = settings.get("dataset", DEFAULTS["dataset"])
    base = PRESETS[name](dataset, settings.get("model")).settings
    replaced = [name for given in _INSTEAD if settings.get(given) for name in _INSTEAD[given]]
    return {name: value for name, value in base.items() if name not in replaced} | settings


def _with_epsilon(epsilon: float | None, settings: dict) -> Config:
    if epsilon is None:
        return Config(**settings)
    if "strength" in settings:
        raise ValueError("epsilon and strength say the same thing: give one of them")
    epsilon = plain("epsilon", float, epsilon)
    if not 0 <= epsilon < 1:
        raise ValueError(f"epsilon={epsilon!r}: give a number in [0, 1)")
    named = settings.pop("regularizer", "kl_uniform")
    if epsilon == 0:
        return Config(**settings)
    if named == "none":
        raise ValueError("an epsilon needs a regularizer: leave `--regularizer none` out")
    if named != "label_smoothing":
        classes = settings.get("num_classes", DEFAULTS["num_classes"])
        epsilon = lambda_from_epsilon(epsilon, classes)
    return Config(regularizer=named, strength=epsilon, **settings)
