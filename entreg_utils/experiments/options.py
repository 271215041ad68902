"""Every field of ``Config`` as an option of the command line, made from the dataclass."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from dataclasses import fields

from entreg_utils import data, losses, models
from entreg_utils.experiments.config import Config
from entreg_utils.losses import lambda_from_epsilon

HELP = {
    "dataset": "data set",
    "model": "network",
    "regularizer": "of the entropy, see `losses.objective`",
    "strength": "lambda >= 0 of the regularizer (eps in [0, 1) for label_smoothing)",
    "seed": "of initial weights, order and flips",
    "epochs": "passes over the training images",
    "batch_size": "images a step",
    "learning_rate": "peak of the one-cycle schedule",
    "momentum": "of SGD (Nesterov)",
    "weight_decay": "of SGD",
    "flip": "mirror half of the images, at random",
    "width": "channels of the stem",
    "num_train": "training images",
    "part": "reliability of the mark, 0..1",
    "body": "reliability of the body's colours, 0..1",
    "context": "reliability of the habitat, 0..1",
    "part_visibility": "share of images in which the mark is painted, 0..1",
    "num_classes": "species, 2..10",
    "image_size": "side of the images in pixels, 32..128",
    "world_seed": "of the embedded world",
}
_CHOICES = {"dataset": data.DATASETS, "model": models.MODELS, "regularizer": losses.REGULARIZERS}
_TYPES = {"int": int, "float": float, "str": str}


def add_config_arguments(parser: argparse.ArgumentParser, leave_out: Iterable[str] = ()) -> None:
    """Add ``--field`` for each field of :class:`Config`; only those given end up in ``args``."""
    group = parser.add_argument_group("what decides the run (fields of Config)")
    for field in fields(Config):
        if field.name in leave_out:
            continue
        options = {"help": f"{HELP[field.name]} (default: {field.default})"}
        if field.type == "bool":
            options["action"] = argparse.BooleanOptionalAction
        else:
            options["type"] = _TYPES[field.type]
            options["metavar"] = field.type.upper() if field.name not in _CHOICES else None
            options["choices"] = list(_CHOICES.get(field.name, ())) or None
        name = "--" + field.name.replace("_", "-")
        group.add_argument(name, dest=field.name, default=argparse.SUPPRESS, **options)


def given_fields(args: argparse.Namespace) -> dict:
    """The fields of :class:`Config` that were named on the command line, with their values."""
    names = [field.name for field in fields(Config)]
    return {name: getattr(args, name) for name in names if hasattr(args, name)}


def at_epsilon(epsilon: float, regularizer: str = "kl_uniform", **changes) -> Config:
    """The config whose regularizer has weight ``epsilon`` in the average of the two terms.

    That is lambda = epsilon / (1 - epsilon), or label smoothing's own eps; at 0 there is none.

    Raises:
        ValueError: epsilon outside [0, 1), no regularizer, or another field that cannot work.
    """
    if regularizer == "none" and epsilon:
        raise ValueError("an epsilon needs a regularizer: leave `--regularizer none` out")
    strength = lambda_from_epsilon(epsilon, changes.get("num_classes", Config.num_classes))
    if epsilon == 0:
        return Config(**changes)
    if regularizer == "label_smoothing":
        strength = epsilon
    return Config(regularizer=regularizer, strength=strength, **changes)
