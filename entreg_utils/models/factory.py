"""``build``: a network by its name, by somebody's own function, or as it is; ``Network``: the same
as a part of a run's settings."""

from __future__ import annotations

import difflib
import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Literal

import torch
from torch import nn

from entreg_utils import names
from entreg_utils.fields import MOST_CLASSES, plain, plain_numbers, settle, shown, whole
from entreg_utils.files import StorageError, expand, project_root, read_bytes, sha256
from entreg_utils.models import reading
from entreg_utils.models import weights as files
from entreg_utils.models.adapt import adapt
from entreg_utils.models.backbones import MODELS, remove_stride
from entreg_utils.models.base import STATISTICS, Backbone, begin
from entreg_utils.models.tuning import freeze_batchnorm, freeze_stages


@plain_numbers
def build(
    name: str | Callable | nn.Module,
    num_classes: int,
    pretrained: bool = False,
    weights=None,
    statistics: str | None = None,
    **options,
) -> Backbone:
    """Build a model.

    Args:
        name: one of ``MODELS``; all but ``toy`` give a 14x14 map of a 224x224 image. ``timm:NAME``
            is a network of timm, its last stride removed where that can be done;
            ``module:function``, or a function, gives a network for a number of classes; a module is
            taken as it is. All of these go through :func:`entreg_utils.models.adapt`.
        num_classes: C, at least 2; a module given as it is may have more outputs.
        pretrained: start from published ImageNet weights (``models.PUBLISHED``, or timm's own; of
            ``timm:tf_efficientnet_lite0`` without network where the extra ``photo`` is installed).
        weights: a file of them (``reading.SUFFIXES``) in place of ``pretrained``, with the keys of
            timm, for ``mobilenet_v2`` of torchvision, of other networks their own; what training
            programs put around keys and beside weights is seen through (``weights.load``).
            ``model.weights_note`` says what was taken over. A file whose batch-norm was folded
            into the convolutions (running mean 0, variance 1) wants :func:`freeze_batchnorm`.
        statistics: ``imagenet`` or ``half``, of the images that the weights know; None: the
            published ones (``half`` for ``preresnet18``), or those that ``adapt`` finds.
        options: ``width`` of ``toy``; ``large_map`` (28x28) of the networks for
            photographs; others go to timm or to the function.

    Raises:
        ValueError: unknown name or option, fewer than two classes, ``pretrained`` where no weights
            exist or with ``statistics``, or weights that do not fit.
        StorageError: weights cannot be fetched or read.
    """
    num_classes = whole("num_classes", num_classes, 2, MOST_CLASSES)
    pretrained = plain("pretrained", bool, pretrained)
    if statistics not in (None, *STATISTICS):
        raise ValueError(f"unknown statistics={statistics!r}: use {' or '.join(STATISTICS)}")
    _check_sources(pretrained, weights, statistics)
    make = _known if isinstance(name, str) and name in MODELS else _other
    model = make(name, num_classes, pretrained, statistics, options)
    if weights is not None:
        if name == "toy":
            raise ValueError("toy has no option 'weights': it has width")
        files.load(model, *reading.read(weights))
    _begin_head(model, pretrained)
    return model


def _check_sources(pretrained: bool, weights, statistics: str | None) -> None:
    if pretrained and weights:
        raise ValueError("pretrained and weights are two sources of weights: give one of them")
    if pretrained and statistics:
        raise ValueError("published weights come with their statistics: leave statistics out")


def _check_model(model) -> None:
    timm = isinstance(model, str) and model.startswith("timm:")
    if not (timm or names.is_own(model) or (isinstance(model, str) and model in MODELS)):
        known = ", ".join((*MODELS, "timm:NAME", "module:function"))
        raise ValueError(f"unknown model {shown(model)}: known are {known}")


def _known(name: str, num_classes: int, pretrained: bool, statistics, options: dict) -> Backbone:
    options |= {} if statistics is None else {"statistics": statistics}
    known = [*inspect.signature(MODELS[name]).parameters][1:]  # num_classes left out
    if strange := [option for option in options if option not in known]:
        raise ValueError(f"{name} has no option {strange[0]!r}: it has {', '.join(known)}")
    if pretrained and name not in files.PUBLISHED:
        raise ValueError(f"there are no published weights for {name!r}: leave pretrained out")
    model = MODELS[name](num_classes, **options)
    if pretrained:
        files.load(model, files.fetch(name), files.PUBLISHED[name])
    return model


def _other(name, num_classes: int, pretrained: bool, statistics, options: dict) -> Backbone:
    _check_model(name)  # a module is a callable, too
    ready, of_timm = isinstance(name, nn.Module), not names.is_own(name)
    title = names.label(name)
    if pretrained and not of_timm:
        raise ValueError(f"{title} brings its own weights: leave pretrained out")
    file = files.packaged(name.removeprefix("timm:")) if pretrained else None
    if of_timm:
        online = pretrained and file is None
        module = _of_timm(name.removeprefix("timm:"), num_classes, online, options)
    else:
        module = name if ready else names.resolve(name, "model")(num_classes, **options)
    mean, std = STATISTICS.get(statistics, (None, None))
    model = adapt(module, mean=mean, std=std)
    found = model.num_classes
    if found < num_classes or (found > num_classes and not ready):
        raise ValueError(f"{title} has {found} outputs, but {num_classes} classes are asked for")
    if file is not None:
        tensors, _ = reading.read(file)
        state = dict(zip(module.state_dict(), tensors.values(), strict=True))
        files.load(model, state, f"{name} of {file.parents[1].name}")
    return model


def _begin_head(model: Backbone, pretrained: bool) -> None:
    """A new head of timm on trained features begins as those of the course: timm's own weights, for
    few classes, are so large (0.26 for 5 of EfficientNet) that the first steps spoil the features.
    """
    known = getattr(getattr(model, "network", None), "pretrained_cfg", None)
    if known and model.classifier is not None:
        fetched = pretrained and not model.weights_note  # by timm, which keeps the head that fits
        other = fetched and model.num_classes != known["num_classes"]
        if other or "head new" in model.weights_note:
            begin(model.network.get_submodule(model.classifier))


def _of_timm(name: str, num_classes: int, pretrained: bool, options: dict) -> nn.Module:
    """A network of timm with the stride 16, where it can have that."""
    import timm  # late: it takes a second or two, and the drawn world does without

    options = {"num_classes": num_classes, "pretrained": pretrained} | options
    if not timm.is_model(name):
        near = ", ".join(difflib.get_close_matches(name, timm.list_models(), 5, 0))
        raise ValueError(f"timm has no model {name!r}: it has {near}")
    if pretrained:
        files.check_cache()
    try:
        try:
            return timm.create_model(name, output_stride=16, **options)
        except (TypeError, AssertionError, NotImplementedError):  # it knows no such option
            module = timm.create_model(name, **options)
    except (OSError, RuntimeError) as error:  # what its clients of the network raise
        raise files.not_fetched(name, name, error) from error
    parts, windows = list(module.modules()), (nn.Conv2d, nn.MaxPool2d, nn.AvgPool2d)
    strides = [part.stride for part in parts if isinstance(part, windows)]
    strided = [part for part in parts if isinstance(part, nn.Conv2d) and max(part.stride) > 1]
    # One line of layers (MobileNetV3): the last of its strides is that of the last stage.
    one_line = math.prod(s if isinstance(s, int) else max(s) for s in strides) == 32
    if one_line and strided and sum(isinstance(part, nn.Linear) for part in parts) == 1:
        remove_stride(strided[-1])
    return module


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
        _check_model(self.model)
        toy, ours = self.model == "toy", self.model in MODELS and self.model != "toy"
        own = names.is_own(self.model)
        photographs = "belongs to the networks for photographs: the toy network has none"
        for given, fits, why in (
            (("width",), toy, "belongs to the toy network"),
            (("pretrained", "weights", "statistics", "frozen_stages"), not toy, photographs),
            (("large_map",), ours, "belongs to the course's networks for photographs"),
            (("pretrained",), not own, "has no meaning for own code"),
        ):
            for name in given:
                if getattr(self, name) != _DEFAULTS[name] and not fits:
                    raise ValueError(f"{name} {why}: leave it out")
        whole("width", self.width, 1)
        _check_sources(self.pretrained, self.weights, self._options().get("statistics"))
        if self.weights:
            reading.check_name(self.weights)
        if not 0 <= self.frozen_stages < 4:
            raise ValueError(
                f"frozen_stages={self.frozen_stages}: give 0 to 3, the last stage has to learn"
            )
        if self.frozen_stages and ours and not (self.weights or self.pretrained):
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

    def _options(self) -> dict:
        options = {name: getattr(self, name) for name in ("width", "large_map", "statistics")}
        return {name: value for name, value in options.items() if value != _DEFAULTS[name]}

    @plain_numbers
    def build(self, num_classes: int, seed: int, with_weights: bool = True) -> Backbone:
        """The untrained network; what is random in it depends on the seed alone.

        ``with_weights=False`` leaves ``pretrained`` and ``weights`` out, for a network whose whole
        state is loaded anyway. ValueError for fewer ``head_outputs`` than classes or weights that
        do not fit, StorageError for weights that are not there.
        """
        self.check_classes(num_classes)
        options = self._options()
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
        beside = project_root() / "data" / "weights" / path.name
        for place in (path, beside):
            if place.is_file():
                return place
        raise StorageError(
            f"weights={self.weights!r}: there is no file {path}, nor {beside}: put it there, or "
            "give its path"
        )

    def weights_sha256(self) -> str:
        """SHA-256 of :meth:`weights_file` in hex digits, empty without one."""
        path = self.weights_file()
        return "" if path is None else sha256(read_bytes(path))


_DEFAULTS = {field.name: field.default for field in fields(Network)}
