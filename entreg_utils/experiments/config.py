"""``Config``: everything that decides a run, and nothing else."""

from __future__ import annotations

import json
import math
import numbers
from dataclasses import asdict, dataclass, fields

import numpy as np

from entreg_utils import data, losses, models
from entreg_utils.data.world import KNOBS
from entreg_utils.files import sha256
from entreg_utils.training import Recipe

PROTOCOL = 4  # raise it when painter, network, loop or metrics change what a config gives


@dataclass(frozen=True)
class Config:
    """One training run with its data, model, loss and seed; its content hash names its record.

    Attributes:
        dataset, model: names that ``data.load`` and ``models.build`` know.
        regularizer, strength: as in ``losses.objective``; the loss that is minimised is
            ``(CE + strength * R) / (1 + strength)``, see ``training.regularised_loss``.
        seed: of initial weights, order and flips.  world_seed: of the embedded world.
        epochs, batch_size, learning_rate, momentum, weight_decay, flip: see ``training.Recipe``.
        width: channels of the toy network's stem.
        num_train: training images.
        part, body, context, part_visibility, num_classes, image_size: knobs of ``data.World``.

    Raises:
        ValueError: an unknown name, a number that cannot work or a field of another type, before
            anything is trained. Where a float belongs a whole number will do, and NumPy's numbers
            do everywhere: they become Python's own, so that equal configs have equal keys.
    """

    dataset: str = "toy"
    model: str = "toy"
    regularizer: str = Recipe.regularizer
    strength: float = Recipe.strength
    seed: int = Recipe.seed
    epochs: int = Recipe.epochs
    batch_size: int = Recipe.batch_size
    learning_rate: float = Recipe.learning_rate
    momentum: float = Recipe.momentum
    weight_decay: float = Recipe.weight_decay
    flip: bool = Recipe.flip
    width: int = 16
    num_train: int = 2000
    part: float = data.World.part
    body: float = data.World.body
    context: float = data.World.context
    part_visibility: float = data.World.part_visibility
    num_classes: int = data.World.num_classes
    image_size: int = data.World.image_size
    world_seed: int = data.World.seed

    def __post_init__(self):
        for field in fields(self):
            value = _plain(field.name, field.type, getattr(self, field.name))
            object.__setattr__(self, field.name, value)
        for field, known in (
            ("dataset", data.DATASETS),
            ("model", models.MODELS),
            ("regularizer", losses.REGULARIZERS),
        ):
            if getattr(self, field) not in known:
                raise ValueError(
                    f"unknown {field} {getattr(self, field)!r}: known are {', '.join(known)}"
                )
        for field in ("epochs", "batch_size", "width", "num_train"):
            value = getattr(self, field)
            if value < 1:
                raise ValueError(f"{field}={value!r}: give a whole number of at least 1")
        if self.batch_size > self.num_train:
            raise ValueError(
                f"batch_size={self.batch_size} is larger than num_train={self.num_train}"
            )
        for field in ("strength", "learning_rate", "momentum", "weight_decay"):
            value = getattr(self, field)
            if not math.isfinite(value) or value < 0:
                raise ValueError(f"{field}={value!r}: give a finite number of at least 0")
        if self.momentum and not 0.05 <= self.momentum < 0.95:
            raise ValueError(f"momentum={self.momentum}: give 0, or a number in [0.05, 0.95)")
        if self.regularizer == "label_smoothing" and self.strength >= 1:
            raise ValueError(f"strength={self.strength}: label smoothing wants eps in [0, 1)")
        if self.regularizer == "none" and self.strength:
            raise ValueError("strength has no meaning without a regularizer: set it to 0")
        if self.seed < 0:
            raise ValueError(f"seed={self.seed!r}: give a non-negative whole number")
        data.World(**self.knobs)  # refuses knobs out of range

    @property
    def knobs(self) -> dict:
        """Arguments of ``data.load("toy", ...)``."""
        own = {name: getattr(self, name) for name in KNOBS if name != "seed"}
        return own | {"seed": self.world_seed}

    @property
    def recipe(self) -> Recipe:
        """The part that the training loop reads."""
        return Recipe(**{field.name: getattr(self, field.name) for field in fields(Recipe)})

    @property
    def epsilon(self) -> float:
        """Weight of the regulariser in the average of the two terms, 0..1: lambda/(1 + lambda)."""
        if self.regularizer == "label_smoothing":
            return self.strength
        return round(self.strength / (1 + self.strength), 9)

    @property
    def key(self) -> str:
        """16 hex digits of the SHA-256 of the content and the protocol version."""
        content = json.dumps([PROTOCOL, asdict(self)], sort_keys=True)
        return sha256(content.encode())[:16]

    @property
    def name(self) -> str:
        """File name of the record: readable first, unique by the key."""
        return f"{self.dataset}-{self.regularizer}-{self.epsilon:g}-s{self.seed}-{self.key}"

    def to_dict(self) -> dict:
        """Fields as a plain dictionary."""
        return asdict(self)


_KINDS = {"int": numbers.Integral, "float": numbers.Real, "bool": (bool, np.bool_), "str": str}
_PLAIN = {"int": int, "float": float, "bool": bool, "str": str}


def _plain(name: str, kind: str, value):
    """``value`` as Python's own ``kind``; -0.0 becomes 0.0, which it equals."""
    if not isinstance(value, _KINDS[kind]) or (kind != "bool" and isinstance(value, bool)):
        wanted = {"int": "a whole number", "float": "a number", "bool": "True or False"}
        raise ValueError(f"{name}={value!r}: give {wanted.get(kind, 'a name')}")
    return _PLAIN[kind](value) + 0.0 if kind == "float" else _PLAIN[kind](value)
