"""What a config stands for: its network, its data, and what is measured while it trains."""

from __future__ import annotations

import numpy as np
import torch

from entreg_utils import data, models
from entreg_utils.experiments.config import Config
from entreg_utils.experiments.provenance import weights_file
from entreg_utils.training import View, evaluate, predict, summarise
from entreg_utils.training.outcomes import outcomes_of
from entreg_utils.training.photographs import predict_view, summarise_predictions

TRAIN_PROBE = 100  # training images on which each epoch's train entropy and scores are measured
PANEL = 4  # test images whose maps are kept at each epoch: the first of each of the first classes


def build(
    config: Config, num_classes: int | None = None, with_weights: bool = True
) -> models.Backbone:
    """The untrained model of a config; what is random in it depends on the seed alone.

    Args:
        num_classes: of the data; None looks, which for photographs reads their lists.
        with_weights: False leaves ``pretrained`` and ``weights`` out, for a model whose whole state
            is loaded anyway.

    Raises:
        ValueError: fewer ``head_outputs`` than classes, or weights that do not fit.
        StorageError: weights or data that are not there.
    """
    if num_classes is None:
        num_classes = config.num_classes
        if config.dataset != "toy":
            num_classes = _load(config, "test").num_classes
    if config.head_outputs:
        if config.head_outputs < num_classes:
            raise ValueError(
                f"head_outputs={config.head_outputs} is less than the {num_classes} classes of "
                f"{config.dataset}: give 0, one a class, or more"
            )
        num_classes = config.head_outputs
    options = {"width": config.width}
    if config.model != "toy":
        own = None if config.normalise == "published" else config.normalise
        options = {"large_map": config.large_map, "statistics": own}
    if with_weights and config.pretrained:
        options["pretrained"] = True
    if with_weights and config.weights:
        options["weights"] = weights_file(config.weights)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        model = models.build(config.model, num_classes, **options)
    models.freeze_stages(model, config.frozen_stages)
    return models.freeze_batchnorm(model) if config.freeze_bn else model


def splits(config: Config) -> tuple:
    """Train, validation and test data of a config.

    Raises:
        StorageError: photographs that are not there, with how to get them.
    """
    return tuple(_load(config, split) for split in ("train", "val", "test"))


def _load(config: Config, split: str):
    if config.dataset == "toy":
        options = {"num_images": config.num_train} if split == "train" else {}
        return data.load(config.dataset, split, **config.knobs, **options)
    whole = split == "train" or config.eval_view == "centre_crop"
    options = {"size": config.resize if whole else config.eval_size}
    if config.classes:
        options["classes"] = config.classes
    if config.dataset == "cub":
        options["lists"] = config.lists
    return data.load(config.dataset, split, **options)


class WorldMeasures:
    """The embedded world: every score of every split at every epoch, and the last checkpoint.

    Attributes:
        panel: indices of the test images whose maps are kept.
        criterion: None: no checkpoint is chosen, the last one counts.
    """

    criterion = None

    def __init__(self, config: Config, train, val, test):
        self.sigma, self.train, self.val, self.test = config.sigma, train, val, test
        self.panel = [
            int(np.flatnonzero(test.labels.numpy() == c)[0])
            for c in range(test.num_classes)[:PANEL]
        ]

    def after_epoch(self, epoch: int, model) -> dict:
        """``train_*`` (on the first images, without flips), ``val_*``, ``test_*`` and ``maps``."""
        row = {}
        for name in ("train", "val", "test"):
            dataset = getattr(self, name)
            prediction = predict(model, dataset, TRAIN_PROBE if name == "train" else None)
            row |= _named(name, evaluate(prediction, dataset, self.sigma))
        return row | {"maps": prediction.maps[self.panel].tolist()}

    def final(self, model) -> tuple[dict, dict]:
        """Scores of ``training.summarise``, rounded; and no outcomes of single images."""
        return _rounded(summarise(model, self.val, self.test, self.sigma)), {}


class PhotographMeasures:
    """Photographs: validation at every epoch, and test at the end alone.

    Looking at test while training would only tempt to choose by it; ``watch_test`` does so all the
    same, for studies of just that. Of the training images, whose
    places nobody knows here, class and entropy are measured, on an evenly spaced few.

    Attributes:
        panel: indices of the test images whose maps are kept.
        criterion: column of the history by which the best checkpoint is chosen.
    """

    def __init__(self, config: Config, train, val, test):
        crop = config.crop if config.eval_view == "centre_crop" else 0
        several, self.sigma = config.multilabel, config.sigma
        self.watched = ("train", "val", "test") if config.watch_test else ("train", "val")
        for split in (train, val, test):
            split.images  # noqa: B018  decoded now, with a bar of its own, where they were not yet
        probe = np.unique(np.linspace(0, len(train) - 1, TRAIN_PROBE).round().astype(int))
        # its images are cached at the size of training alone, so the middle of them is shown
        self.train = View(train, config.crop, probe, several)
        self.val, self.test = (View(split, crop, None, several) for split in (val, test))
        self.criterion = f"val_{self.val.criterion}"
        self.test.criterion  # noqa: B018  likewise its masks
        wanted = _first_of_classes(test.pairs.numpy())
        self.panel = [image for image, _ in wanted]
        self.shown = View(test, crop, sorted(set(self.panel)), several)
        own = self.shown.rows.tolist()
        places = {(own[i], c): row for row, (i, c) in enumerate(self.shown.pairs.tolist())}
        self.places = [places[pair] for pair in wanted]

    def after_epoch(self, epoch: int, model) -> dict:
        """``train_*``, ``val_*``, perhaps ``test_*``, and ``maps``."""
        row = {}
        for name in self.watched:
            view = getattr(self, name)
            row |= _named(name, evaluate(predict_view(model, view), view, self.sigma))
        return row | {"maps": self.panel_maps(model)}

    def panel_maps(self, model) -> list:
        """Raw maps of the panel, (n, h, w) as lists."""
        return predict_view(model, self.shown).maps[self.places].tolist()

    def scores(self, model) -> dict:
        """Scores of ``training.photographs.summarise_views``, rounded."""
        return _rounded(summarise(model, self.val, self.test, self.sigma))

    def final(self, model) -> tuple[dict, dict]:
        """:meth:`scores` and those of ``training.outcomes``, rounded;
        and with one class and boxes the outcomes of the single images."""
        on_val, on_test = (predict_view(model, view) for view in (self.val, self.test))
        scores = summarise_predictions(on_val, self.val, on_test, self.test, self.sigma)
        if self.test.boxes is None or self.val.boxes is None or self.test.labels.ndim == 2:
            return _rounded(scores), {}
        outcomes, more = outcomes_of(on_val, self.val, on_test, self.test)
        return _rounded(scores | more), outcomes


def measures_of(config: Config, train, val, test) -> WorldMeasures | PhotographMeasures:
    """What is measured while ``config`` trains on these splits."""
    kind = WorldMeasures if config.dataset == "toy" else PhotographMeasures
    return kind(config, train, val, test)


def _first_of_classes(pairs: np.ndarray) -> list[tuple[int, int]]:
    """(image, class): the first image of each of the first classes that there are."""
    present = np.unique(pairs[:, 1])[:PANEL]
    return [(int(pairs[pairs[:, 1] == c][0, 0]), int(c)) for c in present]


def _rounded(scores: dict) -> dict:
    return {name: round(value, 5) for name, value in scores.items()}


def _named(split: str, scores: dict) -> dict:
    return {f"{split}_{name}": value for name, value in _rounded(scores).items()}
