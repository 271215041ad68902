"""``Config``: everything that decides a run, as the settings of the rooms, and nothing else."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields, replace
from pathlib import PurePath
from typing import Literal

from entreg_utils import erasing, names
from entreg_utils.data import Data
from entreg_utils.erasing import Erasing
from entreg_utils.fields import settle
from entreg_utils.files import sha256
from entreg_utils.models import Network
from entreg_utils.training import SIGMA, Recipe
from entreg_utils.training.recipe import weight_of

# Raise it when painter, network, loop, metrics or a default change what a config gives.
PROTOCOL = 5  # 4 resized maps in float32


@dataclass(frozen=True)
class Evaluation:
    """Evaluation: what the trained network is shown, and what is measured; ValueError for others
    than it can be."""

    eval_size: int = 224
    """photographs: side in pixels that is shown; scores are taken at 224"""
    eval_view: Literal["resize", "centre_crop"] = "resize"
    """photographs: the whole at eval_size, or the middle of resize"""
    sigma: float = SIGMA
    """fixed threshold of GT-known Loc, a share of the map's maximum"""
    watch_test: bool = False
    """photographs: measure test at each epoch too, for studies of selection"""
    probes: tuple[str | Callable, ...] = ()
    """own metrics (model, view, prediction) -> numbers by name"""

    def __post_init__(self):
        settle(self)
        if not 8 <= self.eval_size <= 2048:
            raise ValueError(f"eval_size={self.eval_size} is outside 8..2048 pixels")
        if not 0 <= self.sigma < 1:
            raise ValueError(
                f"sigma={self.sigma} is no share of a map's maximum: give one in [0, 1)"
            )
        for probe in self.probes:
            if not names.is_own(probe):
                raise ValueError(f"the probe {probe!r} is not package.module:function")


GROUPS: dict[str, type] = {
    "data": Data,
    "network": Network,
    "training": Recipe,
    "erasing": Erasing,
    "evaluation": Evaluation,
}
# By the flat name of a setting: its group and its name there, and its default.
FLAT: dict[str, tuple[str, str]] = {}
DEFAULTS: dict = {}
for _group, _kind in GROUPS.items():
    for _field in fields(_kind):  # a method's own hyperparameters are told apart by `erase_`
        _own = _group == "erasing" and _field.name != "method"
        FLAT["erase_" * _own + _field.name] = _group, _field.name
        DEFAULTS["erase_" * _own + _field.name] = _field.default
_ERASE = re.compile(rf"\b({'|'.join(field.name for field in fields(Erasing))})\b(?=[=,:]|\Z)")


@dataclass(frozen=True, init=False)
class Config:
    """One training run with its data, network, loss and seed; its content hash names its record.

    ``Config(epochs=3, seed=1)`` takes the settings of all groups by their own names; a group may
    also be given whole, ``Config(training=Recipe(epochs=3))``. They are read alike: ``config.seed``
    is ``config.training.seed``. The hyperparameters of an erasing method are ``erase_rate`` and so
    on; those that are not given take the values of ``erasing.preset``. The loss that is minimised
    is ``(CE + strength * R) / (1 + strength)``, see ``training.regularised_loss``.

    What a setting means stands in its group, and in ``python -m entreg_utils run --help``.

    Raises:
        ValueError: an unknown setting, or one that cannot work, before anything is trained.
    """

    data: Data
    network: Network
    training: Recipe
    erasing: Erasing
    evaluation: Evaluation

    def __init__(self, **given):
        own = {group: {} for group in GROUPS}
        for name, value in given.items():
            if name in FLAT:
                own[FLAT[name][0]][FLAT[name][1]] = value
            elif name not in GROUPS:
                raise ValueError(
                    f"unknown setting {name!r}: `python -m entreg_utils run --help` lists all"
                )
            elif not isinstance(value, GROUPS[name]):
                raise ValueError(f"{name}={value!r}: give it as {GROUPS[name].__name__}(...)")
        for group, kind in GROUPS.items():
            if group != "erasing":
                made = replace(given.get(group) or kind(), **own[group])
                object.__setattr__(self, group, made)
        try:
            method = _erasing(given.get("erasing"), own["erasing"], self.data.dataset, self.model)
        except ValueError as error:  # which speaks of the group's own names
            raise ValueError(_ERASE.sub(r"erase_\1", str(error))) from error
        object.__setattr__(self, "erasing", method)
        _check(self)

    def __getattr__(self, name: str):
        if name not in FLAT:  # and copies ask for more
            raise AttributeError(f"a Config has no setting {name!r}")
        group, own = FLAT[name]
        return getattr(object.__getattribute__(self, group), own)

    @property
    def epsilon(self) -> float:
        """Weight of the regulariser in the average of the two terms, 0..1: lambda/(1 + lambda)."""
        return self.training.epsilon

    def to_dict(self, places: bool = False) -> dict:
        """Every setting by its flat name as JSON has it: lists for tuples, own code as its name.

        With ``places`` also where files lie here, which is no part of what a run is: ``root`` and
        the path of ``weights``.
        """
        settings = {flat: _as_json(getattr(self, flat)) for flat in FLAT}
        if not places:
            del settings["root"]
            settings["weights"] = PurePath(self.weights).name
        return settings

    @property
    def code(self) -> dict[str, str]:
        """Own code that the settings name, with the SHA-256 of its source (``names.digest``).

        Raises:
            ValueError: a source that cannot be found.
        """
        return {names.text_of(value): names.digest(value) for value in own_code(self)}

    @property
    def name(self) -> str:
        """Name of the record: readable first, unique by the hash of all settings and own code."""
        return name_of(self.to_dict(), self.code)

    @property
    def title(self) -> str:
        """A run in a few words: what is unusual about it, regulariser, strength and seed."""
        own = self.to_dict()
        words = [own[n] for n in ("dataset", "model", "method") if own[n] != DEFAULTS[n]]
        return " ".join([*words, f"{own['regularizer']} {self.epsilon:g} seed {self.seed}"])


def own_code(config: Config) -> list:
    """The settings that name somebody's own code, or are it."""
    named = [config.dataset, config.model, config.regularizer, config.method, *config.probes]
    return [value for value in dict.fromkeys(named) if names.is_own(value)]


def name_of(settings: dict, code: dict[str, str], protocol: int = PROTOCOL) -> str:
    """Name of the record of ``settings`` (:meth:`Config.to_dict`), of own code as it was then.

    A setting enters the hash where it differs from its default, so that one can be added without
    renaming the records there are.
    """
    changed = {n: v for n, v in settings.items() if v != _as_json(DEFAULTS[n])}
    text = json.dumps([protocol, changed, code], sort_keys=True)
    words = [settings["dataset"]]
    words += [settings[n] for n in ("model", "method") if settings[n] != DEFAULTS[n]]
    pair = settings["regularizer"], settings["strength"]
    words += [pair[0], f"{weight_of(*pair):g}", f"s{settings['seed']}"]
    plain = ["".join(c if c.isalnum() or c in "._" else "." for c in word) for word in words]
    return "-".join([*(word[-40:] for word in plain), sha256(text.encode())[:16]])


def _as_json(value):
    if isinstance(value, (tuple, list)):
        return [_as_json(one) for one in value]
    return names.text_of(value) if names.is_own(value) else value


def _erasing(base: Erasing | None, given: dict, dataset, model) -> Erasing:
    """The group, with the preset's values for hyperparameters that are not given."""
    method = given.get("method", (base or Erasing).method)
    if base is not None and method == base.method:
        return replace(base, **given)
    given = {name: value for name, value in given.items() if value is not None}
    wanted = erasing.METHODS.get(method, ()) if isinstance(method, str) else ()
    if not set(wanted) <= set(given):
        preset = asdict(erasing.preset(method, dataset, model))
        given = {name: preset[name] for name in wanted} | given
    return Erasing(**given | {"method": method})


def _check(config: Config) -> None:
    """What no group can refuse by itself, in one sentence each."""
    for value in own_code(config):
        names.text_of(value)  # refuses what no name stands for
    data, network, recipe = config.data, config.network, config.training
    if data.is_drawn:
        if recipe.batch_size > data.num_train:
            raise ValueError(
                f"batch_size={recipe.batch_size} is larger than num_train={data.num_train}"
            )
        for name in ("eval_size", "eval_view", "watch_test"):
            if getattr(config, name) != DEFAULTS[name]:
                raise ValueError(
                    f"{name} belongs to photographs: the drawn world is shown as it is, and watched"
                )
        network.check_classes(data.num_classes)
    if data.several and recipe.multilabel == "none":
        raise ValueError(
            f"images of {data.dataset} show several classes: choose multilabel='softmax' or "
            "'sigmoid'"
        )
    if data.several is False and recipe.multilabel != "none":
        raise ValueError(f"{data.dataset} has one class an image: leave multilabel out")
    if data.several and network.head_outputs:
        raise ValueError(f"{data.dataset} has a column for each class: leave head_outputs out")
    sides = config.erasing.sides or ()
    if sides and max(sides) > data.side:
        raise ValueError(
            f"a square of {max(sides)} pixels is larger than the {data.side}x{data.side} image: "
            "give smaller erase_sides"
        )
    known, points = network.erasing_points(), config.erasing.points or ()
    if known is not None and (wrong := [point for point in points if point not in known]):
        raise ValueError(
            f"{config.method} cannot go behind {wrong[0]!r}: {network.model} has the points "
            f"{', '.join(known)}"
        )
