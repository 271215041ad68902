"""Every field of ``Config`` as an option of the command line, made from the dataclass."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from dataclasses import fields

from entreg_utils import data, erasing, losses, models
from entreg_utils.experiments import validity
from entreg_utils.experiments.config import Config
from entreg_utils.losses import lambda_from_epsilon
from entreg_utils.training import recipe

HELP = {
    "dataset": "data set",
    "model": "network",
    "regularizer": "of the entropy, see `losses.objective`",
    "strength": "lambda >= 0 of the regularizer (eps in [0, 1) for label_smoothing)",
    "seed": "of initial weights, order, crops, flips and erasing",
    "epochs": "passes over the training images",
    "batch_size": "images a step",
    "learning_rate": "highest of the schedule",
    "momentum": "of SGD (Nesterov)",
    "weight_decay": "of SGD",
    "flip": "mirror half of the images, at random",
    "width": "channels of the toy network's stem",
    "num_train": "training images of the embedded world",
    "part": "reliability of the mark, 0..1",
    "body": "reliability of the body's colours, 0..1",
    "context": "reliability of the habitat, 0..1",
    "part_visibility": "share of images in which the mark is painted, 0..1",
    "num_classes": "species, 2..10",
    "image_size": "side of the images in pixels, 32..128",
    "world_seed": "of the embedded world",
    "method": "what is hidden while training; cam: nothing",
    "erase_sides": "HaS: sides of the squares in pixels, 0 hides nothing",
    "erase_rate": "HaS: share of squares hidden; ADL, RDAP: share of passes that hide",
    "erase_beta": "CutMix: b of Beta(b, b)",
    "erase_probability": "CutMix: share of batches that are mixed",
    "erase_gamma": "ADL: share of the maximum from which on a cell is hidden",
    "erase_square": "RDAP: side of the square, a share of the map's",
    "erase_points": "ADL, RDAP: where, names of the network's erasing points",
    "pretrained": "start from published ImageNet weights",
    "weights": "start from this file, in data/weights or a path",
    "large_map": "remove one more stride: 28x28 instead of 14x14 at 224 pixels",
    "normalise": "of the images",
    "freeze_bn": "keep the batch-norm statistics as they are",
    "head_outputs": "classes of the head where it has more than the data; 0: as many",
    "resize": "photographs: side in pixels before the crop",
    "crop": "photographs: side in pixels of the random crop in training",
    "eval_size": "photographs: side in pixels in evaluation",
    "eval_view": "photographs in evaluation: the whole at eval_size, or the middle of resize",
    "classes": "photographs: the first so many classes; 0: all",
    "lists": "whose split of cub",
    "sigma": "fixed threshold of GT-known Loc, a share of the map's maximum",
    "schedule": "of the learning rate",
    "decay_epochs": "step schedule: epochs after which the rate falls",
    "decay": "step schedule: factor of each fall",
    "head_factor": "last stage and head learn so many times faster",
    "grad_clip": "largest L2 norm of a gradient; 0: any",
    "epoch_images": "images an epoch draws; 0: the training split, once",
    "precision": "of the network's passes in training",
    "compile": "run the network through torch.compile",
    "multilabel": "loss of photographs that show several classes",
    "watch_test": "photographs: measure test at each epoch too, for studies of selection",
    "frozen_stages": "so many first stages keep the weights that they begin with",
}
_CHOICES = {
    "dataset": data.DATASETS,
    "model": models.MODELS,
    "regularizer": losses.REGULARIZERS,
    "method": erasing.METHODS,
    "normalise": validity.NORMALISATIONS,
    "eval_view": validity.VIEWS,
    "lists": validity.LISTS,
    "schedule": recipe.SCHEDULES,
    "precision": recipe.PRECISIONS,
    "multilabel": recipe.MULTILABEL,
}
_TYPES = {"int": int, "float": float, "str": str}


def add_config_arguments(parser: argparse.ArgumentParser, leave_out: Iterable[str] = ()) -> None:
    """Add ``--field`` for each field of :class:`Config`; only those given end up in ``args``."""
    group = parser.add_argument_group("what decides the run (fields of Config)")
    for field in fields(Config):
        if field.name in leave_out:
            continue
        kind, several, optional = validity.element_of(field.type)
        default = "that of the preset" if optional else field.default
        said = "" if default in ("", ()) else f" (default: {default})"
        options = {"help": HELP[field.name] + said}
        if kind == "bool":
            options["action"] = argparse.BooleanOptionalAction
        elif several:
            options["type"] = _list_of(_TYPES[kind])
            options["metavar"] = ",".join([kind[0].upper()] * 2) + ",.."
        else:
            options["type"] = _TYPES[kind]
            options["metavar"] = kind.upper() if field.name not in _CHOICES else None
            options["choices"] = list(_CHOICES.get(field.name, ())) or None
        name = "--" + field.name.replace("_", "-")
        group.add_argument(name, dest=field.name, default=argparse.SUPPRESS, **options)


def _list_of(kind: type):
    """Type of an option whose words are written ``A,B,..``; an empty word is an empty list."""

    def read(text: str) -> tuple:
        try:
            return tuple(kind(word) for word in text.split(",") if word)
        except ValueError:
            wanted = "whole numbers like 15,30" if kind is int else "a list like A,B"
            raise argparse.ArgumentTypeError(f"{text!r}: give {wanted}") from None

    return read


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
