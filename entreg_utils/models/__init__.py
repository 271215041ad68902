"""Backbones that give logits and feature map in one pass: GAP and a linear head on a body.

Every model has ``forward_features(images) -> (N, K, h, w)`` and ``head``, the linear layer on
the spatial mean of that map, so ``model(images) == model.head(features.mean((2, 3)))`` and a CAM
costs no second pass.
"""

from __future__ import annotations

from torch import nn

from entreg_utils.models.toy import ToyNet

MODELS = {"toy": ToyNet}


def build(name: str, num_classes: int, pretrained: bool = False, **options) -> nn.Module:
    """Build a model.

    Args:
        name: ``toy``.
        num_classes: C, at least 2.
        pretrained: start from published weights; the toy network has none.
        options: of the model: ``width`` and ``blocks`` for ``toy``.

    Raises:
        ValueError: unknown name, fewer than two classes, or ``pretrained`` where no weights exist.
    """
    if name not in MODELS:
        raise ValueError(f"unknown model {name!r}: known are {', '.join(MODELS)}")
    if not isinstance(num_classes, int) or num_classes < 2:
        raise ValueError(f"num_classes={num_classes!r}: a classifier needs at least 2")
    if pretrained:
        raise ValueError(f"there are no published weights for {name!r}: use pretrained=False")
    return MODELS[name](num_classes, **options)


__all__ = ["MODELS", "ToyNet", "build"]
