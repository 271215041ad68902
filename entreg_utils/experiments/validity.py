"""What a ``Config`` refuses, in one sentence each, before anything is trained."""

from __future__ import annotations

import functools
import math
import numbers
from pathlib import Path

import numpy as np
import torch

from entreg_utils import data, losses, models
from entreg_utils.data.world import KNOBS
from entreg_utils.models import weights as weight_files
from entreg_utils.training import recipe as training

PHOTOGRAPHS = tuple(name for name in data.DATASETS if name != "toy")
SEVERAL_CLASSES = ("voc",)  # data sets whose photographs show several classes
LISTS = ("official", "evaluation")
VIEWS = ("resize", "centre_crop")
NORMALISATIONS = ("published", *models.STATISTICS)
LARGEST_SIDE = 2048

# What has a meaning in one part of the fields only: (fields, whether they have one, why not).
_ONLY = (
    (
        ("num_train", *(name for name in KNOBS if name != "seed"), "world_seed"),
        lambda c: c.dataset == "toy",
        "belongs to the embedded world: photographs are what they are",
    ),
    (
        ("resize", "crop", "eval_size", "eval_view", "classes", "watch_test"),
        lambda c: c.dataset != "toy",
        "belongs to photographs: the embedded world has image_size and num_classes",
    ),
    (("lists",), lambda c: c.dataset == "cub", "is a choice that only cub has"),
    (("width",), lambda c: c.model == "toy", "belongs to the toy network"),
    (
        ("pretrained", "weights", "large_map", "normalise", "frozen_stages"),
        lambda c: c.model != "toy",
        "belongs to the networks for photographs: the toy network has none",
    ),
    (
        ("decay_epochs", "decay"),
        lambda c: c.schedule == "step",
        "belongs to schedule='step'",
    ),
)


def check(config, defaults: dict) -> None:
    """Raise the ValueError that says what is wrong with ``config``.

    Args:
        defaults: value of every field when it is not given.
    """
    _check_names(config)
    for names, fits, why in _ONLY:
        for name in names:
            if getattr(config, name) != defaults[name] and not fits(config):
                raise ValueError(f"{name} {why}: leave it out")
    _check_numbers(config)
    if config.dataset == "toy":
        data.World(**config.knobs)  # refuses knobs out of range
    _check_network(config)
    _check_photographs(config)
    _check_erasing(config)


def _check_names(config) -> None:
    for field, known in (
        ("dataset", data.DATASETS),
        ("model", models.MODELS),
        ("regularizer", losses.REGULARIZERS),
        ("schedule", training.SCHEDULES),
        ("precision", training.PRECISIONS),
        ("multilabel", training.MULTILABEL),
        ("normalise", NORMALISATIONS),
        ("lists", LISTS),
        ("eval_view", VIEWS),
    ):
        if getattr(config, field) not in known:
            raise ValueError(
                f"unknown {field} {getattr(config, field)!r}: known are {', '.join(known)}"
            )


def _check_numbers(config) -> None:
    for field in ("epochs", "batch_size", "width", "num_train"):
        value = getattr(config, field)
        if value < 1:
            raise ValueError(f"{field}={value!r}: give a whole number of at least 1")
    if config.dataset == "toy" and config.batch_size > config.num_train:
        raise ValueError(
            f"batch_size={config.batch_size} is larger than num_train={config.num_train}"
        )
    if 0 < config.epoch_images < config.batch_size or config.epoch_images < 0:
        raise ValueError(
            f"epoch_images={config.epoch_images}: give 0, one pass, or at least batch_size="
            f"{config.batch_size}"
        )
    positive = ("strength", "learning_rate", "momentum", "weight_decay", "grad_clip")
    for field in positive:
        value = getattr(config, field)
        if not math.isfinite(value) or value < 0:
            raise ValueError(f"{field}={value!r}: give a finite number of at least 0")
    if config.schedule == "one_cycle":
        if config.momentum and not 0.05 <= config.momentum < 0.95:
            raise ValueError(f"momentum={config.momentum}: give 0, or a number in [0.05, 0.95)")
    elif config.momentum >= 1:
        raise ValueError(f"momentum={config.momentum}: give a number in [0, 1)")
    if not 0 < config.head_factor < math.inf:
        raise ValueError(f"head_factor={config.head_factor}: give a positive number, 1 for none")
    if not 0 < config.decay <= 1:
        raise ValueError(f"decay={config.decay}: give a factor in (0, 1]")
    if list(config.decay_epochs) != sorted({e for e in config.decay_epochs if e >= 1}):
        raise ValueError(f"decay_epochs={config.decay_epochs}: give rising epochs from 1 on")
    if not 0 <= config.sigma < 1:
        raise ValueError(f"sigma={config.sigma} is no share of a map's maximum: give one in [0, 1)")
    if config.regularizer == "label_smoothing" and config.strength >= 1:
        raise ValueError(f"strength={config.strength}: label smoothing wants eps in [0, 1)")
    if config.regularizer == "none" and config.strength:
        raise ValueError("strength has no meaning without a regularizer: set it to 0")
    if config.seed < 0:
        raise ValueError(f"seed={config.seed!r}: give a non-negative whole number")


def _check_network(config) -> None:
    if config.pretrained and config.weights:
        raise ValueError("pretrained and weights are two sources of weights: give one of them")
    if config.pretrained and config.normalise != "published":
        raise ValueError("published weights come with their normalisation: leave normalise out")
    if config.weights and Path(config.weights).suffix not in weight_files.SUFFIXES:
        raise ValueError(
            f"weights={config.weights!r}: use a file that ends in "
            f"{', '.join(weight_files.SUFFIXES)}"
        )
    if not 0 <= config.frozen_stages < 4:
        raise ValueError(
            f"frozen_stages={config.frozen_stages}: give 0 to 3, the last stage has to learn"
        )
    if config.frozen_stages and not (config.weights or config.pretrained):
        raise ValueError(
            "frozen_stages keep what they begin with, and here they begin at random: give weights "
            "or pretrained as well"
        )
    fewest = config.num_classes if config.dataset == "toy" else 2
    if config.head_outputs and config.head_outputs < fewest:
        raise ValueError(
            f"head_outputs={config.head_outputs}: give 0, one a class, or at least {fewest}"
        )


def _check_photographs(config) -> None:
    several = config.dataset in SEVERAL_CLASSES
    if several and config.multilabel == "none":
        raise ValueError(
            f"photographs of {config.dataset} show several classes: choose multilabel='softmax' or "
            "'sigmoid'"
        )
    if not several and config.multilabel != "none":
        raise ValueError(f"{config.dataset} has one class an image: leave multilabel out")
    if several and (config.head_outputs or config.classes):
        name = "head_outputs" if config.head_outputs else "classes"
        raise ValueError(f"{config.dataset} has a column for each class: leave {name} out")
    if config.classes and config.classes < 2:
        raise ValueError(f"classes={config.classes}: give 0 for all, or at least 2")
    for name in ("resize", "eval_size"):
        if not 8 <= getattr(config, name) <= LARGEST_SIDE:
            raise ValueError(f"{name}={getattr(config, name)} is outside 8..{LARGEST_SIDE} pixels")
    if not 1 <= config.crop <= config.resize:
        raise ValueError(
            f"crop={config.crop} does not fit into resize={config.resize}: give 1..{config.resize}"
        )


def _check_erasing(config) -> None:
    erasing = config.erasing  # refuses hyperparameters of other methods, and out of range
    side = config.image_size if config.dataset == "toy" else config.crop
    if erasing.sides and max(erasing.sides) > side:
        raise ValueError(
            f"a square of {max(erasing.sides)} pixels is larger than the {side}x{side} image: give "
            "smaller erase_sides"
        )
    known = points_of(config.model) if erasing.points else ()
    for point in erasing.points or ():
        if point not in known:
            raise ValueError(
                f"{config.method} cannot go behind {point!r}: {config.model} has the points "
                f"{', '.join(known)}"
            )


@functools.cache
def points_of(model: str) -> tuple[str, ...]:
    """Names of a model's erasing points; no weight is allocated for them."""
    with torch.device("meta"):
        return tuple(models.MODELS[model](2).erasing_points())


_KINDS = {"int": numbers.Integral, "float": numbers.Real, "bool": (bool, np.bool_), "str": str}
_PLAIN = {"int": int, "float": float, "bool": bool, "str": str}
_WANTED = {"int": "a whole number", "float": "a number", "bool": "True or False", "str": "a name"}


def element_of(kind: str) -> tuple[str, bool, bool]:
    """A field's type as (type of its elements, whether it is a tuple, whether None will do)."""
    inner, _, optional = kind.partition(" | ")
    several = inner.startswith("tuple[")
    return (inner[6:-6] if several else inner), several, optional == "None"


def plain(name: str, kind: str, value):
    """``value`` as Python's own ``kind``, sequences as tuples; -0.0 becomes 0.0, which it equals.

    Raises:
        ValueError: it is of another type.
    """
    element, several, optional = element_of(kind)
    if value is None and optional:
        return None
    if several:
        if not isinstance(value, (tuple, list)):
            raise ValueError(f"{name}={value!r}: give a list, each {_WANTED[element]}")
        return tuple(plain(name, element, one) for one in value)
    if not isinstance(value, _KINDS[element]) or (element != "bool" and isinstance(value, bool)):
        raise ValueError(f"{name}={value!r}: give {_WANTED[element]}")
    return _PLAIN[element](value) + 0.0 if element == "float" else _PLAIN[element](value)
