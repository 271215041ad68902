"""``Network``: which network a run trains, and what it begins with."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Literal

import torch

from entreg_utils import names
from entreg_utils.fields import plain_numbers, settle
from entreg_utils.files import StorageError, expand, project_root, read_bytes, sha256
from entreg_utils.models.base import Backbone
from entreg_utils.models.factory import MODELS, build
from entreg_utils.models.reading import check_name
from entreg_utils.models.tuning import freeze_batchnorm, freeze_stages


@dataclass(frozen=True)
class Network:
    """The network of a run.

    Raises:
        ValueError: an unknown name, or what cannot work together.
    """

    model: str | Callable = "toy"
    """a known network, timm:NAME, or package.module:function"""
    width: int = 16
    """channels of the toy network's stem"""
    pretrained: bool = False
    """start from published ImageNet weights"""
    weights: str = ""
    """start from this file, in data/weights or a path"""
    large_map: bool = False
    """remove one more stride: 28x28 instead of 14x14 at 224 pixels"""
    statistics: Literal["published", "imagenet", "half"] = "published"
    """mean and deviation by which images are normalised"""
    freeze_bn: bool = False
    """keep the batch-norm statistics as they are"""
    frozen_stages: int = 0
    """so many first stages keep the weights that they begin with"""
    head_outputs: int = 0
    """classes of the head where it has more than the data; 0: as many"""

    def __post_init__(self):
        settle(self)
        toy, ours = self.model == "toy", self.model in MODELS and self.model != "toy"
        timm = isinstance(self.model, str) and self.model.startswith("timm:")
        if not (toy or ours or timm or names.is_own(self.model)):
            known = ", ".join((*MODELS, "timm:NAME", "module:function"))
            raise ValueError(f"unknown model {self.model!r}: known are {known}")
        photographs = "belongs to the networks for photographs: the toy network has none"
        for given, fits, why in (
            (("width",), toy, "belongs to the toy network"),
            (("pretrained", "weights", "statistics", "frozen_stages"), not toy, photographs),
            (("large_map",), ours, "belongs to the course's networks for photographs"),
            (("pretrained",), ours or timm, "has no meaning for own code"),
        ):
            for name in given:
                if getattr(self, name) != _DEFAULTS[name] and not fits:
                    raise ValueError(f"{name} {why}: leave it out")
        if self.width < 1:
            raise ValueError(f"width={self.width}: give a whole number of at least 1")
        if self.pretrained and self.weights:
            raise ValueError("pretrained and weights are two sources of weights: give one of them")
        if self.pretrained and self.statistics != "published":
            raise ValueError("published weights come with their statistics: leave statistics out")
        if self.weights:
            check_name(self.weights)
        if not 0 <= self.frozen_stages < 4:
            raise ValueError(
                f"frozen_stages={self.frozen_stages}: give 0 to 3, the last stage has to learn"
            )
        if self.frozen_stages and (toy or ours) and not (self.weights or self.pretrained):
            raise ValueError(
                "frozen_stages keep what they begin with, and here they begin at random: give "
                "weights or pretrained as well"
            )
        if self.head_outputs:
            self.check_classes(2)

    def check_classes(self, num_classes: int) -> None:
        """ValueError if the head would have fewer outputs than the data have classes."""
        if 0 != self.head_outputs < num_classes:
            raise ValueError(
                f"head_outputs={self.head_outputs}: give 0, one a class, or at least {num_classes}"
            )

    @plain_numbers
    def build(self, num_classes: int, seed: int, with_weights: bool = True) -> Backbone:
        """The untrained network; what is random in it depends on the seed alone.

        ``with_weights=False`` leaves ``pretrained`` and ``weights`` out, for a network whose whole
        state is loaded anyway. ValueError for fewer ``head_outputs`` than classes or weights that
        do not fit, StorageError for weights that are not there.
        """
        self.check_classes(num_classes)
        options = {name: getattr(self, name) for name in ("width", "large_map", "statistics")}
        options = {name: value for name, value in options.items() if value != _DEFAULTS[name]}
        if with_weights:
            options |= {"pretrained": self.pretrained, "weights": self.weights_file()}
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed % 2**63)
            model = build(self.model, self.head_outputs or num_classes, **options)
        freeze_stages(model, self.frozen_stages)
        return freeze_batchnorm(model) if self.freeze_bn else model

    def erasing_points(self) -> tuple[str, ...] | None:
        """Names of the network's erasing points; None: they are known when it is built."""
        return tuple(MODELS[self.model].points) if self.model in MODELS else None

    def weights_file(self) -> Path | None:
        """The file of ``weights``: a path, else in ``data/weights``; StorageError for neither."""
        if not self.weights:
            return None
        path = expand(self.weights)
        places = [path, project_root() / "data" / "weights" / path.name]
        for place in places:
            if place.is_file():
                return place
        if folder := next((place for place in places if place.is_dir()), None):
            raise StorageError(f"{folder} is a folder: give the file of weights in it")
        raise StorageError(
            f"weights={self.weights!r}: there is no such file, nor {places[1]}: put it there, or "
            "give its path"
        )

    def weights_sha256(self) -> str:
        """SHA-256 of :meth:`weights_file` in hex digits, empty without one."""
        path = self.weights_file()
        return "" if path is None else sha256(read_bytes(path))


_DEFAULTS = {field.name: field.default for field in fields(Network)}
