from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch

from entreg_utils import models
from entreg_utils.fields import settle
from entreg_utils.files import StorageError, project_root


@dataclass(frozen=True)
class Network:
    """Network: which one, and what it begins with."""

    model: str | Callable = "toy"
    """network: a known name, timm:NAME, or own code"""
    width: int = 16
    """channels of the toy network's stem"""
    pretrained: bool = False
    """start from published ImageNet weights"""
    weights: str = ""
    """start from this file, in data/weights or a path"""
    large_map: bool = False
    """remove one more stride: 28x28 instead of 14x14 at 224 pixels"""
    statistics: Literal["published", "imagenet", "half"] = "published"
    """mean and deviation of the images"""
    freeze_bn: bool = False
    """keep the batch-norm statistics as they are"""
    frozen_stages: int = 0
    """so many first stages keep the weights that they begin with"""
    head_outputs: int = 0
    """classes of the head where it has more than the data; 0: as many"""

    def __post_init__(self):
        settle(self)

    def check_classes(self, n):
        if self.head_outputs and self.head_outputs < n:
            raise ValueError(
                f"head_outputs={self.head_outputs}: give 0, one a class, or at least {n}"
            )

    def erasing_points(self):
        with torch.device("meta"):
            return tuple(models.MODELS[self.model](2).erasing_points())

    def weights_file(self):
        if not self.weights:
            return None
        places = [Path(self.weights), project_root() / "data" / "weights" / Path(self.weights).name]
        for path in places:
            if path.is_file():
                return path
        raise StorageError(
            f"weights={self.weights!r}: there is no such file, nor {places[1]}: put it there, or give its path"
        )

    def weights_sha256(self):
        path = self.weights_file()
        return hashlib.sha256(path.read_bytes()).hexdigest() if path else ""

    def build(self, num_classes, seed, with_weights=True):
        self.check_classes(num_classes)
        num_classes = self.head_outputs or num_classes
        options = {"width": self.width}
        if self.model != "toy":
            own = None if self.statistics == "published" else self.statistics
            options = {"large_map": self.large_map, "normalise": own}
        if with_weights and self.pretrained:
            options["pretrained"] = True
        if with_weights and self.weights:
            options["weights"] = self.weights_file()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            model = models.build(self.model, num_classes, **options)
        models.freeze_stages(model, self.frozen_stages)
        return models.freeze_batchnorm(model) if self.freeze_bn else model
