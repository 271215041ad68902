"""Backbones that give logits and feature map in one pass: GAP and a linear head on a body.

Every model has ``forward_features(images) -> (N, K, h, w)`` and ``head``, the linear layer on
the spatial mean of that map, so ``model(images) == model.head(features.mean((2, 3)))`` and a CAM
costs no second pass. Images are floats in 0..1; a model normalises them by itself.
"""

from __future__ import annotations

import inspect

from entreg_utils.models import weights as _weights
from entreg_utils.models.backbones import (
    NORMALISATIONS,
    MobileNetV2,
    PhotoNet,
    PreResNet18,
    ResNet18,
    ResNet50,
    SEResNet50,
    remove_stride,
)
from entreg_utils.models.base import Backbone
from entreg_utils.models.geometry import cell_centres, map_offset
from entreg_utils.models.toy import ToyNet
from entreg_utils.models.tuning import freeze_batchnorm, freeze_stages, parameter_groups

MODELS: dict[str, type[Backbone]] = {
    "toy": ToyNet,
    "preresnet18": PreResNet18,
    "resnet18": ResNet18,
    "resnet50": ResNet50,
    "seresnet50": SEResNet50,
    "mobilenet_v2": MobileNetV2,
}


def build(name: str, num_classes: int, pretrained: bool = False, **options) -> Backbone:
    """Build a model.

    Args:
        name: ``toy``, ``preresnet18``, ``resnet18``, ``resnet50``, ``seresnet50``,
            ``mobilenet_v2``; all but ``toy`` give a 14x14 map of a 224x224 image.
        num_classes: C, at least 2.
        pretrained: start from published ImageNet weights (``models.PUBLISHED``), through the
            loaders of timm and torchvision; the toy network has none.
        options: of the model. ``toy``: ``width``, ``blocks``. The others: ``large_map`` (28x28),
            ``normalise`` (``imagenet``, ``half``, or None, the default: that of the published
            weights, ``half`` for ``preresnet18``, else ``imagenet``), and ``weights``, a file
            (.pth, .pt, .safetensors, .npz) in place of ``pretrained``, in the key layout of timm,
            for ``mobilenet_v2`` of torchvision. ``model.weights_note`` says what was taken over.
            A file whose batch-norm was folded into the convolutions (running mean 0, variance 1)
            wants :func:`freeze_batchnorm` before training.

    Raises:
        ValueError: unknown name or option, fewer than two classes, ``pretrained`` where no weights
            exist or with another ``normalise``, or weights that do not fit.
        StorageError: weights cannot be fetched or read.
    """
    if name not in MODELS:
        raise ValueError(f"unknown model {name!r}: known are {', '.join(MODELS)}")
    if not isinstance(num_classes, int) or num_classes < 2:
        raise ValueError(f"num_classes={num_classes!r}: a classifier needs at least 2")
    kind = MODELS[name]
    known = [*inspect.signature(kind).parameters][1:]  # num_classes left out
    known += ["weights"] if issubclass(kind, PhotoNet) else []
    for option in options:
        if option not in known:
            raise ValueError(f"{name} has no option {option!r}: it has {', '.join(known)}")
    if issubclass(kind, PhotoNet):
        return _with_weights(name, num_classes, pretrained, **options)
    if pretrained:
        raise ValueError(f"there are no published weights for {name!r}: use pretrained=False")
    return kind(num_classes, **options)


def _with_weights(
    name: str,
    num_classes: int,
    pretrained: bool,
    weights=None,
    normalise: str | None = None,
    **options,
) -> PhotoNet:
    published = "half" if name == "preresnet18" else "imagenet"
    if pretrained and weights is not None:
        raise ValueError("pretrained=True and weights=PATH are two sources: give one of them")
    if pretrained and normalise not in (None, published):
        raise ValueError(
            f"normalise={normalise!r}: the published weights of {name} were trained with "
            f"{published!r}; leave normalise out"
        )
    model = MODELS[name](num_classes, normalise=normalise or published, **options)
    if pretrained:
        _weights.load(model, _weights.fetch(name), _weights.PUBLISHED[name])
    elif weights is not None:
        _weights.load(model, _weights.read(weights), str(weights))
    return model


PUBLISHED = _weights.PUBLISHED

__all__ = [
    "MODELS",
    "NORMALISATIONS",
    "PUBLISHED",
    "Backbone",
    "PhotoNet",
    "ToyNet",
    "build",
    "cell_centres",
    "freeze_batchnorm",
    "freeze_stages",
    "map_offset",
    "parameter_groups",
    "remove_stride",
]

from entreg_utils.models.choice import Network  # noqa
