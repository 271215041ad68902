"""``build``: a network by its name, by somebody's own function, or as it is."""

from __future__ import annotations

import difflib
import inspect
import math
from collections.abc import Callable

from torch import nn

from entreg_utils import names
from entreg_utils.fields import MOST_CLASSES, plain, plain_numbers, shown, whole
from entreg_utils.models import backbones, reading
from entreg_utils.models import weights as files
from entreg_utils.models.adapt import adapt
from entreg_utils.models.base import STATISTICS, Backbone, begin
from entreg_utils.models.toy import ToyNet

MODELS: dict[str, type[Backbone]] = {
    "toy": ToyNet,
    "preresnet18": backbones.PreResNet18,
    "resnet18": backbones.ResNet18,
    "resnet50": backbones.ResNet50,
    "seresnet50": backbones.SEResNet50,
    "mobilenet_v2": backbones.MobileNetV2,
}


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
            exist or with other ``statistics``, or weights that do not fit.
        StorageError: weights cannot be fetched or read.
    """
    num_classes = whole("num_classes", num_classes, 2, MOST_CLASSES)
    pretrained = plain("pretrained", bool, pretrained)
    if pretrained and weights is not None:
        raise ValueError("pretrained=True and weights=PATH are two sources: give one of them")
    if statistics not in (None, *STATISTICS):
        raise ValueError(f"unknown statistics={statistics!r}: use {' or '.join(STATISTICS)}")
    if isinstance(name, str) and name in MODELS:
        given = {"weights": weights, "statistics": statistics}
        options |= {key: value for key, value in given.items() if value is not None}
        model = _known(name, num_classes, pretrained, options)
    else:
        model = _other(name, num_classes, pretrained, statistics, options)
    if weights is not None:
        files.load(model, *reading.read(weights))
    _begin_head(model, pretrained)
    return model


def _known(name: str, num_classes: int, pretrained: bool, options: dict) -> Backbone:
    kind = MODELS[name]
    known = [*inspect.signature(kind).parameters][1:]  # num_classes left out
    known += ["weights"] if kind is not ToyNet else []
    for option in options:
        if option not in known:
            raise ValueError(f"{name} has no option {option!r}: it has {', '.join(known)}")
    options.pop("weights", None)
    if kind is ToyNet:
        if pretrained:
            raise ValueError(
                f"there are no published weights for {name!r}: leave pretrained out, or give a "
                "file of weights or a run"
            )
        return ToyNet(num_classes, **options)
    published = "half" if name == "preresnet18" else "imagenet"
    if pretrained and options.get("statistics", published) != published:
        raise ValueError(
            f"statistics={options['statistics']!r}: the published weights of {name} were trained "
            f"with {published!r}; leave statistics out"
        )
    model = kind(num_classes, **{"statistics": published} | options)
    if pretrained:
        files.load(model, files.fetch(name), files.PUBLISHED[name])
    return model


def _other(name, num_classes: int, pretrained: bool, statistics, options: dict) -> Backbone:
    ready, timm = isinstance(name, nn.Module), isinstance(name, str) and name.startswith("timm:")
    if not (ready or timm or names.is_own(name)):
        known = ", ".join((*MODELS, "timm:NAME", "module:function"))
        raise ValueError(f"unknown model {shown(name)}: known are {known}")
    if pretrained and not timm:
        raise ValueError(f"{_called(name)} brings its own weights: leave pretrained out")
    file = files.packaged(name.removeprefix("timm:")) if timm and pretrained else None
    if timm:
        online = pretrained and file is None
        module = _of_timm(name.removeprefix("timm:"), num_classes, online, options)
    else:
        module = name if ready else names.resolve(name, "model")(num_classes, **options)
    mean, std = STATISTICS.get(statistics, (None, None))
    model = adapt(module, mean=mean, std=std)
    found = model.num_classes
    if found < num_classes or (found > num_classes and not ready):
        raise ValueError(
            f"{_called(name)} has {found} outputs, but {num_classes} classes are asked for"
        )
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


def _called(name) -> str:
    return type(name).__name__ if isinstance(name, nn.Module) else names.text_of(name)


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
    # One line of layers (MobileNetV3): the last of its strides is that of the last stage.
    one_line = math.prod(s if isinstance(s, int) else max(s) for s in strides) == 32
    if one_line and sum(isinstance(part, nn.Linear) for part in parts) == 1:
        strided = [part for part in parts if isinstance(part, nn.Conv2d) and max(part.stride) > 1]
        backbones.remove_stride(strided[-1])
    return module
