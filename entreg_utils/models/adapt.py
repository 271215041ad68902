"""Any network as a backbone: its last map, its head and its images' statistics, found by a run.

Where the logits are a linear layer on the mean of the map, as a check with random weights of that
layer says, the network gives CAMs; with any other head (several layers, a norm, a class token) it
gives Grad-CAMs. Tokens of a transformer become a grid of cells, class and register tokens left out.
"""

from __future__ import annotations

import contextlib
import math
from collections import Counter
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from entreg_utils.models.adapted import Adapted, Layout
from entreg_utils.models.base import STATISTICS, Backbone, outputs_of

# Sides tried one after another: networks with fixed inputs run at their own alone.
SIDES = (224, 384, 256, 192, 160, 128, 112, 96, 80, 64, 56, 48, 40, 32, 28)
TOLERANCE = 1e-3  # of logits and head(mean of the map), a share of the largest logit
MOST_PREFIX_TOKENS = 16
_POOLS = (nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d)  # they give one side whatever comes in


def adapt(
    module: nn.Module,
    layer: nn.Module | str | None = None,
    head: nn.Module | str | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
) -> Backbone:
    """Any network (N, 3, H, W) -> logits (N, C) with the contract of :class:`Backbone`.

    The network is run on random images of 224 pixels, or smaller ones where that fails. Its modes,
    weights and random numbers are afterwards what they were.

    Args:
        module: the network, changed by nothing; a backbone is given back as it is.
        layer: whose output is the map, a module or its name; None takes the last one before the
            head that gives a map or tokens and has a gradient (of a transformer with a class token
            the first norm of the last block: what comes behind is read of that token alone).
        head: the last linear layer or 1x1 convolution; None finds it.
        mean, std: of the images, on the scale 0..1. None takes those of timm
            (``pretrained_cfg``); if the network or a part of it has ``mean`` and ``std`` of three
            channels, as torchvision's ``Normalize``, it is left to do it itself; else ImageNet's.

    Raises:
        TypeError: not a module, or it gives no logits.
        ValueError: it runs at no side, or no layer gives a map from which a gradient can be taken.
    """
    if isinstance(module, Backbone):
        if (layer, head, mean, std) != (None,) * 4:
            raise ValueError(f"{type(module).__name__} is a backbone already: give it alone")
        return module
    if not isinstance(module, nn.Module):
        raise TypeError(f"{type(module).__name__} is no network: give a torch.nn.Module")
    modes = [(part, part.training) for part in module.modules()]
    module.eval()
    try:
        with torch.inference_mode(False), torch.enable_grad():
            model = Adapted(module, *_statistics(module, mean, std))
            _find_places(model, _name_of(module, layer, "layer"), _name_of(module, head, "head"))
    finally:
        for part, mode in modes:
            part.training = mode
    model.training = module.training
    return model


def _statistics(module: nn.Module, mean, std) -> tuple[list[float], list[float], bool]:
    """Mean, deviation, and whether the network normalises its images itself."""
    if mean is not None or std is not None:
        given = _three(mean), _three(std)
        if None in given:
            raise ValueError("mean and std are three numbers each: give both, or none")
        return *given, False
    for part in module.modules():
        own = [_three(getattr(part, name, None)) for name in ("mean", "std")]
        if None not in own:
            return *own, True
    known = _published(module)
    mean, std = STATISTICS["imagenet"]
    return _three(known.get("mean", mean)), _three(known.get("std", std)), False


def _published(module: nn.Module) -> dict:
    """What timm says of a network, or of one that is a part of it."""
    known = (getattr(part, "pretrained_cfg", None) for part in module.modules())
    return next((one for one in known if isinstance(one, dict)), {})


def _three(value) -> list[float] | None:
    """Three numbers of any kind as floats, None for what is none."""
    try:
        numbers = torch.as_tensor(value, dtype=torch.float32).flatten().tolist()
    except (TypeError, ValueError, RuntimeError):
        return None
    return numbers if len(numbers) == 3 else None


def _name_of(module: nn.Module, given: nn.Module | str | None, what: str) -> str | None:
    for name, part in module.named_modules():
        if name and (given is part or given == name):
            return name
    if given is not None:
        raise ValueError(f"{what}={given!r} is no part of {type(module).__name__}")
    return None


def _find_places(model: Adapted, layer: str | None, head: str | None) -> None:
    """Set all that :class:`Adapted` says of itself, from two passes of a network in eval mode."""
    network = model.network
    images, logits, calls = _first_run(model)
    classes, order = logits.shape[1], [name for name, _ in calls]
    head = head or _last_linear(network, order, classes)
    end = order.index(head) if head else len(order)
    layouts = _layouts(calls[:end], layer, network)
    with _random_weights(None if head is None else network.get_submodule(head)):
        layer, output, logits = _last_with_gradient(model, images, layouts)
        model.set_places(layer, layouts[layer], head, classes)
        features = model.layout.to_map(output.detach(), *images.shape[2:])
        between = [n for n in order[order.index(layer) + 1 : end] if not layer.startswith(f"{n}.")]
        model.linear_head = (  # a norm between may be the identity today only
            not any(network.get_submodule(name).state_dict() for name in between)
            and isinstance(model.head, nn.Linear)
            and model.head.in_features == features.shape[1]
            and _close(model.head(features.mean(dim=(2, 3))), logits)
        )
    model.stride = round(images.shape[2] / features.shape[2])
    lowest = model.map_and_logits(images)[0].amin()
    model.non_negative = model.layout.kind == "map" and bool(lowest >= 0)


def _first_run(model: Adapted) -> tuple[Tensor, Tensor, list[tuple[str, tuple]]]:
    """Images of the first side that works, their logits, and the shapes of what ran, in order."""
    parameter, trouble, calls = next(model.parameters(), torch.zeros(())), None, []
    handles = [
        part.register_forward_hook(
            lambda module, inputs, output, name=name: calls.append(
                (name, tuple(output.shape) if isinstance(output, Tensor) else ())
            )
        )
        for name, part in model.network.named_modules()
        if name
    ]
    kind = type(model.network).__name__
    own = _published(model.network).get("input_size", ())[-1:]
    try:
        for side in (*own, *SIDES):
            calls.clear()
            images = torch.rand(2, 3, side, side, generator=torch.Generator().manual_seed(0))
            images = images.to(parameter).requires_grad_()
            try:
                logits = model(images)
                break
            except Exception as error:  # somebody's own network may raise anything
                trouble = trouble or error
        else:
            raise ValueError(
                f"{kind} runs on images of no usual side ({type(trouble).__name__}: {trouble}): it "
                "must take (N, 3, H, W)"
            )
    finally:
        for handle in handles:
            handle.remove()
    if not isinstance(logits, Tensor) or logits.ndim != 2 or len(logits) != 2:
        given = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
        raise TypeError(f"{kind} gives {given}, but must give logits (N, C): wrap it so")
    return images, logits, calls


def _last_linear(network: nn.Module, order: list[str], classes: int) -> str | None:
    """The last layer that has weights, if it is linear, gives the logits and is not the first."""
    weighted = [n for n in order if any(True for _ in network.get_submodule(n).parameters(False))]
    if len(weighted) < 2:
        return None
    last = network.get_submodule(weighted[-1])
    if isinstance(last, nn.Conv2d):
        fits = last.out_channels == classes and last.kernel_size == (1, 1) and last.groups == 1
    else:
        fits = isinstance(last, nn.Linear) and last.out_features == classes
    return weighted[-1] if fits else None


def _layouts(calls: list, layer: str | None, network: nn.Module) -> dict[str, Layout]:
    """Layers that give a map, in the order in which they ran; ``layer`` alone where it is given."""
    runs, kind = Counter(name for name, _ in calls), type(network).__name__
    found = {name: (_layout(shape), shape) for name, shape in calls if runs[name] == 1}
    found = {name: pair for name, pair in found.items() if pair[0] is not None}
    if layer is not None:
        if layer not in found:
            raise ValueError(f"layer {layer!r} of {kind} gives no map, once, before the head")
        return {layer: found[layer][0]}
    tokens = [shape for layout, shape in found.values() if layout.kind == "tokens"]
    layouts = {}
    for name, (layout, shape) in found.items():
        if layout.kind == "tokens":  # others are queries, keys and values, or hidden units
            fits = shape[2] == tokens[-1][2]
        else:  # T x T is attention
            fits = shape[2] not in {one[1] for one in tokens}
        if fits and not isinstance(network.get_submodule(name), _POOLS):
            layouts[name] = layout
    return layouts


def _layout(shape: tuple) -> Layout | None:
    """How an output for two square images holds a map; None: it holds none."""
    if len(shape) == 4 and shape[0] == 2 and shape[2] == shape[3] > 1:
        return Layout("map")
    if len(shape) == 4 and shape[0] == 2 and shape[1] == shape[2] > 1:
        return Layout("channels_last")
    if len(shape) == 3 and shape[0] == 2 and shape[1] >= 4:
        prefix = shape[1] - math.isqrt(shape[1]) ** 2
        return Layout("tokens", prefix) if prefix <= MOST_PREFIX_TOKENS else None
    return None


def _last_with_gradient(model: Adapted, images: Tensor, layouts: dict) -> tuple:
    """The last of the layers on whose map the logits depend: name, output, and the logits."""
    layers, logits = {name: model.network.get_submodule(name) for name in layouts}, []
    outputs = outputs_of(layers, lambda: logits.append(model(images)))
    outputs = {name: output for name, output in outputs.items() if output.requires_grad}
    gradients = [None] * len(outputs)
    if outputs and logits[0].requires_grad:
        mixed = (logits[0] * _normal(logits[0])).sum()
        gradients = torch.autograd.grad(mixed, list(outputs.values()), allow_unused=True)
    for name, gradient in reversed(list(zip(outputs, gradients, strict=True))):
        if gradient is not None and layouts[name].to_map(gradient, *images.shape[2:]).any():
            return name, outputs[name], logits[0]
    raise ValueError(
        f"{type(model.network).__name__} has neither CAM nor Grad-CAM: no layer before its head "
        "gives a map (N, K, h, w), or a grid of tokens, from which a gradient can be taken"
    )


@contextlib.contextmanager
def _random_weights(head: nn.Module | None) -> Iterator[None]:
    """Inside, the head's weights are random: a head that begins at zero hides every gradient."""
    before = [(p, p.detach().clone()) for p in (head.parameters() if head is not None else ())]
    try:
        for parameter, _ in before:
            parameter.data.copy_(_normal(parameter))
        yield
    finally:
        for parameter, value in before:
            parameter.data.copy_(value)


def _normal(like: Tensor) -> Tensor:
    return torch.randn(like.shape, generator=torch.Generator().manual_seed(1)).to(like)


def _close(found: Tensor, logits: Tensor) -> bool:
    return bool((found - logits).abs().max() <= TOLERANCE * logits.abs().max())
