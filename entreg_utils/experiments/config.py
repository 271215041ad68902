"""``Config``: everything that decides a run, and nothing else."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from pathlib import PurePath

from entreg_utils import data, erasing
from entreg_utils.data.world import KNOBS
from entreg_utils.erasing import Erasing
from entreg_utils.experiments import validity
from entreg_utils.files import sha256
from entreg_utils.training import SIGMA, Recipe

PROTOCOL = 4  # raise it when painter, network, loop or metrics change what a config gives
_ERASE = "erase_"  # prefix of the fields that are hyperparameters of an erasing method


@dataclass(frozen=True)
class Config:
    """One training run with its data, model, loss and seed; its content hash names its record.

    Attributes:
        dataset, model: names that ``data.load`` and ``models.build`` know.
        regularizer, strength: as in ``losses.objective``; the loss that is minimised is
            ``(CE + strength * R) / (1 + strength)``, see ``training.regularised_loss``.
        seed: of initial weights, order, crops, flips and erasing.  world_seed: of the embedded
            world.
        epochs, batch_size, learning_rate, momentum, weight_decay, flip, schedule, decay_epochs,
            decay, head_factor, grad_clip, epoch_images, precision, compile, multilabel: see
            ``training.Recipe``.
        width: channels of the toy network's stem.
        num_train: training images of the embedded world.
        part, body, context, part_visibility, num_classes, image_size: knobs of ``data.World``.
        method: erasing method, ``erasing.METHODS``; ``cam`` erases nothing.
        erase_sides, erase_rate, erase_beta, erase_probability, erase_gamma, erase_square,
            erase_points: its hyperparameters, as in ``erasing.Erasing``; None takes the value of
            ``erasing.preset(method, dataset, model)``.
        pretrained, weights, large_map, normalise: as in ``models.build``; ``weights`` is the name
            of a file in ``data/weights`` or a path (the key has the name only, the record's
            provenance its SHA-256); ``normalise`` is ``published``, ``imagenet`` or ``half``.
        freeze_bn: ``models.freeze_batchnorm``.
        head_outputs: classes of the head, where it has more than the data; 0 is as many.
        resize, crop: photographs are squashed to ``resize`` x ``resize`` pixels, and trained on
            random crops of side ``crop``.
        eval_size: side of the photographs in evaluation (scores are always taken at 224).
        eval_view: ``resize``, the whole photograph at ``eval_size``; ``centre_crop``, the middle
            ``crop`` pixels of ``resize``.
        classes: the first so many classes of a photographic data set; 0 is all.
        lists: of ``cub``: ``official`` or ``evaluation``, see ``data.cub``.
        watch_test: of photographs, measure test at each epoch too: for studies of what choosing by
            test would give, never for a choice.
        frozen_stages: so many stages, the first ones, keep the weights that they begin with
            (:func:`entreg_utils.models.freeze_stages`).
        sigma: fixed threshold of GT-known Loc and Top-1 Loc, a share of the map's maximum.

    The first twenty fields make the key; others enter it where they differ from their default, so
    that a field can be added without renaming the records there are. A hyperparameter that equals
    the preset becomes None, and the key holds the value either way.

    Raises:
        ValueError: an unknown name, a number that cannot work or a field of another type, before
            anything is trained. Where a float belongs a whole number will do, NumPy's numbers do
            everywhere, and lists for tuples: equal configs have equal keys.
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
    # ---- what is added from here on enters the key only where it differs from its default
    method: str = "cam"
    erase_sides: tuple[int, ...] | None = None
    erase_rate: float | None = None
    erase_beta: float | None = None
    erase_probability: float | None = None
    erase_gamma: float | None = None
    erase_square: float | None = None
    erase_points: tuple[str, ...] | None = None
    pretrained: bool = False
    weights: str = ""
    large_map: bool = False
    normalise: str = "published"
    freeze_bn: bool = False
    head_outputs: int = 0
    resize: int = 256
    crop: int = 224
    eval_size: int = 224
    eval_view: str = "resize"
    classes: int = 0
    lists: str = "official"
    sigma: float = SIGMA
    schedule: str = Recipe.schedule
    decay_epochs: tuple[int, ...] = Recipe.decay_epochs
    decay: float = Recipe.decay
    head_factor: float = Recipe.head_factor
    grad_clip: float = Recipe.grad_clip
    epoch_images: int = Recipe.epoch_images
    precision: str = Recipe.precision
    compile: bool = Recipe.compile
    multilabel: str = Recipe.multilabel
    watch_test: bool = False
    frozen_stages: int = 0

    def __post_init__(self):
        for field in fields(self):
            value = validity.plain(field.name, field.type, getattr(self, field.name))
            object.__setattr__(self, field.name, value)
        validity.check(self, _DEFAULTS)
        for name, value in asdict(self._preset() or Erasing()).items():
            given = getattr(self, _ERASE + name, None)
            if given is not None and given == value:
                object.__setattr__(self, _ERASE + name, None)

    @property
    def knobs(self) -> dict:
        """Arguments of ``data.load("toy", ...)``."""
        own = {name: getattr(self, name) for name in KNOBS if name != "seed"}
        return own | {"seed": self.world_seed}

    @property
    def erasing(self) -> Erasing:
        """Method and hyperparameters, those of the preset where none is given."""
        given = {
            field.name.removeprefix(_ERASE): getattr(self, field.name)
            for field in fields(self)
            if field.name.startswith(_ERASE) and getattr(self, field.name) is not None
        }
        wanted = erasing.METHODS.get(self.method, ())
        if set(wanted) <= set(given):
            return Erasing(self.method, **given)
        preset = erasing.preset(self.method, self.dataset, self.model)
        return Erasing(**{name: getattr(preset, name) for name in ("method", *wanted)} | given)

    def _preset(self) -> Erasing | None:
        try:
            return erasing.preset(self.method, self.dataset, self.model)
        except ValueError:  # nobody published any: all hyperparameters were given
            return None

    @property
    def recipe(self) -> Recipe:
        """The part that the training loop reads."""
        own = {f.name for f in fields(Recipe)} & {f.name for f in fields(self)} - {"crop"}
        crop = 0 if self.dataset == "toy" else self.crop
        named = {name: getattr(self, name) for name in own}
        return Recipe(**named, erasing=self.erasing, crop=crop)

    @property
    def epsilon(self) -> float:
        """Weight of the regulariser in the average of the two terms, 0..1: lambda/(1 + lambda)."""
        if self.regularizer == "label_smoothing":
            return self.strength
        return round(self.strength / (1 + self.strength), 9)

    @property
    def content(self) -> dict:
        """What a record holds: the first twenty fields, and of the others what is no default."""
        own = {name: value for name, value in asdict(self).items() if value != _DEFAULTS[name]}
        if self.weights:
            own["weights"] = PurePath(self.weights).name
        own = {name: getattr(self, name) for name in _FIRST} | own
        return {name: _as_json(value) for name, value in own.items()}

    @property
    def key(self) -> str:
        """16 hex digits of the SHA-256 of the content and the protocol version."""
        content = self.content
        if self.method != "cam":
            named = {n: v for n, v in content.items() if not n.startswith(_ERASE)}
            content = named | {"erasing": self.erasing.to_dict()}
        text = json.dumps([PROTOCOL, content], sort_keys=True)
        return sha256(text.encode())[:16]

    @property
    def name(self) -> str:
        """File name of the record: readable first, unique by the key."""
        changed = [n for n in ("model", "method") if getattr(self, n) != _DEFAULTS[n]]
        parts = [self.dataset, *(getattr(self, name) for name in changed), self.regularizer]
        return "-".join([*parts, f"{self.epsilon:g}", f"s{self.seed}", self.key])

    def to_dict(self) -> dict:
        """All fields as JSON has them: a plain dictionary, lists for tuples."""
        return {name: _as_json(value) for name, value in asdict(self).items()}


def _as_json(value):
    return list(value) if isinstance(value, tuple) else value


_DEFAULTS = {field.name: field.default for field in fields(Config)}
_FIRST = tuple(_DEFAULTS)[: tuple(_DEFAULTS).index("method")]  # the fields of the first records
