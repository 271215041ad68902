"""CAM for networks that end in global average pooling (GAP) and one linear layer, or Grad-CAM.

    s_c = b_c + sum_k w_ck (1/HW) sum_x A_k(x)      logit of class c
    CAM_c(x) = sum_k w_ck A_k(x)                    so  s_c = b_c + mean over x of CAM_c(x)

with features ``A`` (K, H, W), head weights ``w`` (C, K) and bias ``b`` (C,), which adds the same
number everywhere and is left out. Zhou et al., CVPR 2016; Selvaraju et al., ICCV 2017 (Grad-CAM).
"""

import contextlib
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from entreg_utils.cam.scaling import as_array
from entreg_utils.fields import plain
from entreg_utils.losses.divergences import may_look


def class_activation_map(
    model: nn.Module, images: Tensor, classes: Tensor | Sequence[int] | None
) -> tuple[Tensor, Tensor]:
    """CAM_c(x) = sum_k w_ck A_k(x) and the logits, from one forward pass without gradients.

    A model that says ``linear_head = False`` gets the map of :func:`grad_cam` instead.

    Args:
        model: has ``forward_features(images) -> (N, K, h, w)`` and ``head``, an ``nn.Linear(K, C)``
            on the features' mean over positions. Modes (train, eval) are left as they were.
        images: (N, 3, H, W) float, brought to the model's device and precision.
        classes: (N,) class indices in 0..C-1; None takes each image's predicted class.

    Returns maps (N, h, w) float32, raw: logit units, any sign, bias left out (its mean over
    positions plus the bias is the logit); and logits (N, C). Both on the model's device. An
    accelerator is never waited for: there classes that lie on it are not checked, and one out of
    range gives a map of NaN; :func:`on_cpu` refuses such maps.
    TypeError: the model lacks ``forward_features`` or a linear ``head``. ValueError: other images
    or classes, a class out of range, or (CPU) a map with NaN or infinite values.
    """
    if not getattr(model, "linear_head", True):
        return grad_cam(model, images, classes)
    head = _head(model)
    if not isinstance(head, nn.Linear):
        raise TypeError(
            f"model.head is {type(head).__name__}, but CAM needs nn.Linear after global average "
            "pooling: use grad_cam for other heads"
        )
    with evaluating(model), torch.no_grad():
        features = _features(model, images)
        logits = _logits(head, features)
        chosen, known = _classes(classes, logits)
        return _weighted_sum(head.weight[chosen].to(features.dtype), features, known), logits


def grad_cam(
    model: nn.Module, images: Tensor, classes: Tensor | Sequence[int] | None, relu: bool = False
) -> tuple[Tensor, Tensor]:
    """Grad-CAM: sum_k alpha_k A_k(x) with alpha_k = mean over positions of d s_c / d A_k(x).

    The gradient goes through the pooling and the head, and nowhere further. For GAP and a linear
    head d s_c / d A_k(x) = w_ck / (h w) at every x, so raw Grad-CAM is CAM / (h w) exactly. A model
    whose ``linear_head`` is False may say with ``map_and_logits(images)`` what lies between.

    Arguments and errors as for :func:`class_activation_map`; ``head`` may be any module. ``relu``
    keeps only the positive part, as the paper does. Returns maps (N, h, w) float32 and logits
    (N, C), without gradients; no parameter's ``.grad`` changes. Also right inside
    ``torch.no_grad()``, ``torch.inference_mode()`` and autocast.
    """
    relu = plain("relu", bool, relu)
    with evaluating(model), torch.inference_mode(False):
        features, logits = _map_and_logits(model, images)
        chosen, known = _classes(classes, logits)
        with torch.enable_grad():
            score = logits.gather(1, _own(chosen)[:, None]).sum()
            (gradient,) = torch.autograd.grad(score, features)  # (N, K, h, w)
        alpha = _wide(gradient).mean(dim=(2, 3))  # (N, K)
        maps = _weighted_sum(alpha, _wide(features.detach()), known)
    return (maps.clamp_min(0) if relu else maps), _wide(logits.detach())


def on_cpu(maps: Tensor) -> Tensor:
    """Maps (N, h, w) on the CPU, where looking at them is free; ValueError: NaN or infinite."""
    maps = maps.cpu()
    good = maps.isfinite().flatten(1).all(dim=1)
    if not good.all():
        raise ValueError(
            f"the map of image {int((~good).nonzero()[0])} holds NaN or infinite values: the "
            "image or the weights do, or float16 is too narrow for them (take bfloat16); check the "
            "image, or load the last good checkpoint"
        )
    return maps


@contextlib.contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Eval mode inside; afterwards each submodule's own mode again (some may have been frozen).

    No autocast either: it would round maps, and fails on weights of another half precision."""
    modes = [(module, module.training) for module in model.modules()]
    weight = _floating(model)
    model.eval()
    try:
        with torch.autocast("cpu" if weight is None else weight.device.type, enabled=False):
            yield
    finally:
        for module, mode in modes:
            module.training = mode


def _map_and_logits(model: nn.Module, images: Tensor) -> tuple[Tensor, Tensor]:
    """The map as a leaf, and logits that a gradient leads from to it."""
    if not getattr(model, "linear_head", True) and hasattr(model, "map_and_logits"):
        maps, logits = model.map_and_logits(_own(_as_input(model, images)))
        return maps, _wide(logits)
    head = _head(model)
    with torch.no_grad():
        features = _features(model, images)
    with torch.enable_grad():
        features = features.clone().requires_grad_(True)
        return features, _logits(head, features)


def _head(model) -> nn.Module:
    for name in ("forward_features", "head"):
        if not callable(getattr(model, name, None)):
            raise TypeError(
                f"{type(model).__name__} has no {name}: a map needs forward_features(images) and a "
                "head on its global average, as every model of models.build has"
            )
    return model.head


def _as_input(model: nn.Module, images: Tensor) -> Tensor:
    found, tensor = type(images).__name__, isinstance(images, Tensor)
    if tensor:
        found = f"{images.dtype} of shape {tuple(images.shape)}"
    if not tensor or not images.is_floating_point() or images.ndim != 4 or 0 in images.shape[1:]:
        raise ValueError(
            f"images are {found}: give floats in 0..1 of shape (N, 3, H, W), as images.float() / "
            "255, and one image as image[None]"
        )
    parameter = _floating(model)
    return images if parameter is None else images.to(parameter)


def _features(model: nn.Module, images: Tensor) -> Tensor:
    features = model.forward_features(_as_input(model, images))
    if features.ndim != 4 or len(features) != len(images):
        raise ValueError(
            f"forward_features gave {tuple(features.shape)}, but must give (N, K, h, w), the map "
            "before pooling"
        )
    return _wide(features)


def _logits(head: nn.Module, features: Tensor) -> Tensor:
    parameter = _floating(head)
    pooled = features.mean(dim=(2, 3))
    return _wide(head(pooled if parameter is None else pooled.to(parameter.dtype)))


def _own(values: Tensor) -> Tensor:
    """What a graph can hold on to: tensors of inference mode it cannot."""
    return values.clone() if values.is_inference() else values


def _wide(values: Tensor) -> Tensor:
    return values.float() if values.dtype in (torch.float16, torch.bfloat16) else values


def _floating(module: nn.Module) -> Tensor | None:
    """A parameter, for the module's device and precision."""
    return next((p for p in module.parameters() if p.is_floating_point()), None)


def _classes(
    classes: Tensor | Sequence[int] | None, logits: Tensor
) -> tuple[Tensor, Tensor | None]:
    """Class indices (N,) beside the logits, and, where they could not be looked at, which are ones
    of this model; those that are not are then some class that is."""
    count, num_classes = logits.shape
    if classes is None:
        return logits.argmax(dim=1), None
    chosen = classes if isinstance(classes, Tensor) else torch.tensor(as_array(classes, "classes"))
    whole = not (chosen.is_floating_point() or chosen.is_complex() or chosen.dtype == torch.bool)
    if not whole or chosen.shape != (count,):
        raise ValueError(
            f"classes are {chosen.dtype} of shape {tuple(chosen.shape)}: give whole-number class "
            f"indices ({count},), one an image, or None for the predicted class"
        )
    chosen = (chosen.cpu() if logits.device.type == "cpu" else chosen).long()
    known = (chosen >= 0) & (chosen < num_classes)
    if not may_look(chosen):
        return chosen.clamp(0, num_classes - 1), known
    if not known.all():
        raise ValueError(
            f"class {int(chosen[~known][0])} is out of range: this model has {num_classes} "
            f"classes, 0..{num_classes - 1}"
        )
    return chosen.to(logits.device, non_blocking=True), None


def _weighted_sum(weights: Tensor, features: Tensor, known: Tensor | None) -> Tensor:
    maps = torch.einsum("nk,nkhw->nhw", weights, features).float()
    if known is not None:
        maps = torch.where(known[:, None, None], maps, torch.nan)
    return on_cpu(maps) if may_look(maps) else maps
