"""Ways to train on photographs, of the papers' codes and our own: ``presets.toml``, and
:func:`config_of`, which makes configs of them.

preset = presets.wsol_evaluation("cub", "resnet50")
config = preset.config(regularizer="kl_uniform", strength=0.1, seed=1)
"""

from __future__ import annotations

import contextlib
import tomllib
import warnings
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

from entreg_utils import names
from entreg_utils.data import DRAWN, SEVERAL_CLASSES
from entreg_utils.experiments.config import DEFAULTS, Config
from entreg_utils.fields import known, plain
from entreg_utils.files import StorageError
from entreg_utils.losses import lambda_from_epsilon

DEFAULT = "photographs"  # of photographs that name none
_WAYS = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
_COMMON = _WAYS.pop("all")
_OF_WEIGHTS = ("pretrained", "statistics", "freeze_bn")
_INSTEAD = {"weights": ("pretrained",), "pretrained": ("weights", "statistics")}  # of a preset's


class Preset(NamedTuple):
    """How one trains a network on a data set.

    ``status`` is ``published`` (for this very pair), ``carried over`` (published for others, or
    completed by us) or ``own choice``; ``source`` says where the values come from.
    """

    settings: dict
    status: str
    source: str

    def config(self, **changes) -> Config:
        """The config of this preset, with ``changes`` on top."""
        return Config(**(self.settings | changes))


def preset(name: str, dataset, model=None) -> Preset:
    """The preset ``name`` for a data set of photographs and a network, both as ``Config`` has them.

    ``model`` None: the network that the preset is meant for. Own code and the toy network bring
    weights of their own or none: nothing is fetched or read for them.

    Raises:
        ValueError: a drawn world, whose recipe is the default of ``Config``.
    """
    way = _WAYS[name]
    if dataset in DRAWN:
        raise ValueError(
            f"no preset for the data set {dataset!r}: {name} trains photographs, give dataset=NAME "
            "(--dataset NAME)"
        )
    model = way["model"] if model is None else model
    settings = {"dataset": dataset, "model": model} | _COMMON | way["settings"]
    settings |= way.get("cub", {}) if dataset == "cub" else {}
    settings = {key: tuple(v) if isinstance(v, list) else v for key, v in settings.items()}
    if dataset in SEVERAL_CLASSES:
        settings["multilabel"] = "softmax"
    elif name == "adl_code":
        settings["head_outputs"] = 1000
    if model == "toy" or names.is_own(model):
        settings = {key: own for key, own in settings.items() if key not in _OF_WEIGHTS}
    elif name == "two_cores":
        settings["weights"] = f"{str(model).removeprefix('timm:')}_imagenet.npz"
    source = way["source"].format(search="CUB" if dataset == "cub" else "OpenImages30k")
    if "published" not in way:
        return Preset(settings, "own choice", source)
    if [dataset, model] in way["published"]:
        return Preset(settings, "published", source)
    source += "; stated there for CUB with SE-ResNet-50" * (name == "adl_code")
    return Preset(settings, "carried over", source)


PRESETS = {name: partial(preset, name) for name in _WAYS}  # each (dataset, model) -> Preset
adl_code, wsol_evaluation, modern, two_cores, photographs = PRESETS.values()


def config_of(preset: str | None = None, epsilon: float | None = None, **settings) -> Config:
    """The config of ``settings`` over a preset, the regularizer's weight given as ``epsilon``.

    That is lambda = epsilon / (1 - epsilon), or label smoothing's own eps; at 0 there is none.
    Photographs never train as drawn worlds do: without a preset it is ``photographs``, and a
    warning says so. A source of weights that is named stands in place of the preset's.

    Raises:
        ValueError: an unknown preset, an epsilon outside [0, 1) or beside a strength, bad settings.
    """
    dataset = settings.get("dataset", DEFAULTS["dataset"])
    name = preset or (None if dataset in DRAWN else DEFAULT)
    if name is not None:
        instead = [own for given in _INSTEAD if settings.get(given) for own in _INSTEAD[given]]
        base = PRESETS[known("preset", name, PRESETS)](dataset, settings.get("model")).settings
        settings = {key: v for key, v in base.items() if key not in instead} | settings
    if epsilon is not None:
        settings = _with_strength(epsilon, **settings)
    config = Config(**settings)
    if name is not None and preset is None:
        said = config.to_dict()
        shown = ("model", "pretrained", "weights", "epochs", "batch_size", "learning_rate")
        values = ", ".join(f"{key} {said[key]}" for key in shown if said[key] != "")
        warnings.warn(
            f"{said['dataset']} trains by the preset {name}, for none is named: {values}",
            stacklevel=2,
        )
    return config


def _with_strength(epsilon: float, regularizer="kl_uniform", **settings) -> dict:
    if "strength" in settings:
        raise ValueError("epsilon and strength say the same thing: give one of them")
    epsilon = plain("epsilon", float, epsilon)
    if not 0 <= epsilon < 1:
        raise ValueError(f"epsilon={epsilon!r}: give a number in [0, 1)")
    if epsilon == 0:
        return settings
    if regularizer == "none":
        raise ValueError("an epsilon needs a regularizer: leave `--regularizer none` out")
    if regularizer != "label_smoothing":
        classes = settings.get("num_classes", DEFAULTS["num_classes"])
        epsilon = lambda_from_epsilon(epsilon, classes)
    return settings | {"regularizer": regularizer, "strength": epsilon}


def named(config: Config) -> str:
    """The nearest preset, with status, source and up to three other settings; empty for none."""
    if config.data.is_drawn:
        return ""
    found = {}
    for name, of in PRESETS.items():
        one = of(config.dataset, config.model)
        own = {key: getattr(config, key) for key in one.settings}
        changed = [f"{key} {value}" for key, value in own.items() if value != one.settings[key]]
        found[f"{name} ({one.status}; {one.source})"] = changed
    nearest, but = min(found.items(), key=lambda pair: len(pair[1]))
    return "" if len(but) > 3 else nearest + f", but {', '.join(but)}" * bool(but)


def filled(configs: Sequence[Config]) -> list[Config]:
    """The configs, whose epochs of less than three batches become three batches.

    A small folder is passed over as often as that takes; a warning says so. Where photographs are
    not there a config stays as it is.
    """
    counts, result = {}, []
    for config in configs:
        data, least = config.data, 3 * config.batch_size
        if data not in counts and not data.is_drawn:
            with contextlib.suppress(StorageError):
                counts[data] = len(data.load("train"))
        if counts.get(data, least) < least and not config.epoch_images:
            warnings.warn(
                f"{names.label(data.dataset)} has {counts[data]} photographs to train on: an epoch "
                f"passes over them until it has drawn {least} (--epoch-images)",
                stacklevel=2,
            )
            config = replace(config, epoch_images=least)
        result.append(config)
    return result
