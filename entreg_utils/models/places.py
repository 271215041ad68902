"""Where any network has its last map, how that is laid out, and what head reads it: by a run."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from entreg_utils.models.base import Backbone

# Sides tried one after another: networks with fixed inputs run at their own alone.
SIDES = (224, 384, 256, 192, 160, 128, 112, 96, 64, 48, 32, 28)
TOLERANCE = 1e-3  # of the head's input and the mean of the map, a share of the largest value
MOST_PREFIX_TOKENS = 16


class Layout(NamedTuple):
    """How an output holds a map: ``map`` (N, K, h, w), ``channels_last`` or ``tokens`` (N, T, K).

    ``prefix`` counts the class and register tokens, which stand before those of the grid.
    """

    kind: str
    prefix: int = 0

    def to_map(self, output: Tensor, height: int, width: int) -> Tensor:
        """The map (N, K, h, w) of images of ``height`` x ``width`` pixels."""
        if self.kind == "map":
            return output
        if self.kind == "channels_last":
            return output.permute(0, 3, 1, 2)
        count = output.shape[1] - self.prefix
        rows = max(1, round(math.sqrt(count * height / width)))
        if count % rows:
            raise ValueError(
                f"{count} tokens of {width}x{height} pixels make no grid: give square images"
            )
        return output[:, self.prefix :].transpose(1, 2).unflatten(2, (rows, count // rows))

    def put_back(self, features: Tensor, output: Tensor) -> Tensor:
        """``output`` with ``features`` in place of its map; a new tensor."""
        if self.kind == "map":
            return features.clone()  # what follows may work in place
        if self.kind == "channels_last":
            return features.permute(0, 2, 3, 1).contiguous()
        return torch.cat([output[:, : self.prefix], features.flatten(2).transpose(1, 2)], dim=1)


def published(module: nn.Module) -> dict:
    """What timm says of a network, or of one that is a part of it."""
    known = (getattr(part, "pretrained_cfg", None) for part in module.modules())
    return next((one for one in known if isinstance(one, dict)), {})


class _Call(NamedTuple):
    """A layer at work; ``lowest`` as it was, before what follows works in place."""

    name: str
    layer: nn.Module
    read: Tensor | None  # None: named arguments
    output: Tensor | object
    lowest: float


def _run(model: Backbone) -> tuple[Tensor, Tensor, list[_Call]]:
    """Images of the first side that works, their logits, and what ran, in order."""
    kind, calls, trouble = type(model.network).__name__, [], None
    names = {part: name for name, part in model.network.named_modules() if name}

    def record(part, inputs, output):
        if part in names:
            lowest = float(output.detach().amin()) if layout_of(output) else 0.0
            read = inputs[0] if inputs else None
            calls.append(_Call(names[part], part, read, output, lowest))

    for side in (*published(model.network).get("input_size", ())[-1:], *SIDES):
        calls.clear()
        images = torch.rand(2, 3, side, side, generator=torch.Generator().manual_seed(0))
        images = images.to(next(model.parameters(), images)).requires_grad_()
        try:
            with nn.modules.module.register_module_forward_hook(record):
                logits = model(images)
        except Exception as error:  # somebody's own network may raise anything
            trouble = trouble or f"{type(error).__name__}: {error}"
            continue
        given = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
        if len(given) != 2 or given[0] != 2:
            raise TypeError(f"{kind} gives {given}, but must give logits (N, C): wrap it so")
        return images, logits, calls
    raise ValueError(
        f"{kind} runs on images of no usual side ({trouble}): it must take (N, 3, H, W)"
    )


def find_places(model: Backbone, layer: str | None, head: str | None) -> None:
    """Set all that an ``Adapted`` says of itself, from one pass of a network in eval mode."""
    kind = type(model.network).__name__
    images, logits, calls = _run(model)
    model.num_classes = logits.shape[1]
    model.classifier = head = head or _last_linear(calls, model.num_classes)
    model.head_name = f"network.{head}"
    model.parts = (("network",), (model.head_name,))[: 2 if head else 1]  # the head once more
    order = [call.name for call in calls]
    end = order.index(head) if head else len(order)
    found = [c for c in calls[:end] if order.count(c.name) == 1 and layout_of(c.output)]
    if layer is None:
        found = _candidates(found)
    elif not (found := [call for call in found if call.name == layer]):
        raise ValueError(f"layer {layer!r} of {kind} gives no map, once, before the head")
    # What the head reads, not what it gives: a head that begins at zero hides every gradient.
    read = calls[end].read if head else logits
    weights = torch.randn(read.shape, generator=torch.Generator().manual_seed(1))
    mixed = (read * weights.to(read)).sum()
    size = images.shape[2:]
    for call in reversed(found if mixed.requires_grad else []):
        layout, output = layout_of(call.output), call.output
        if output.requires_grad:
            (slope,) = torch.autograd.grad(mixed, output, retain_graph=True, allow_unused=True)
            if slope is not None and layout.to_map(slope, *size).any():
                break
    else:
        raise ValueError(
            f"{kind} has neither CAM nor Grad-CAM: no layer before its head gives a map "
            "(N, K, h, w), or a grid of tokens, from which a gradient can be taken"
        )
    features = layout.to_map(output, *size)
    model.layer, model.layout = call.name, layout
    model.stride = round(size[0] / features.shape[2])
    model.ends = {"last": f"network.{call.name}"}
    model.points = model.ends if layout.kind == "map" and call.lowest >= 0 else {}
    between = calls[order.index(call.name) + 1 : end]
    between = [one.layer for one in between if not call.name.startswith(f"{one.name}.")]
    model.linear_head = (
        head is not None
        and not any(part.state_dict() for part in between)  # a norm may be the identity today
        and _agree(read, features.mean(dim=(2, 3)))
        and _agree(calls[end].layer(read), logits)  # its output may have been changed in place
    )


def _last_linear(calls: list[_Call], classes: int) -> str | None:
    """The last layer with weights, if linear or 1x1, as wide as the logits and not the first."""
    weighted = [call for call in calls if any(True for _ in call.layer.parameters(False))]
    last = weighted[-1].layer if len(weighted) > 1 and weighted[-1].read is not None else None
    fits = isinstance(last, (nn.Linear, nn.Conv2d)) and len(last.weight) == classes
    return weighted[-1].name if fits and last.weight[0, 0].numel() == 1 else None


def layout_of(output: Tensor) -> Layout | None:
    """How an output for two square images holds a map; None: it holds none."""
    match getattr(output, "shape", None):
        case (2, _, height, width) if height == width > 1:
            return Layout("map")
        case (2, height, width, _) if height == width > 1:
            return Layout("channels_last")
        case (2, count, _) if count >= 4 and count - math.isqrt(count) ** 2 <= MOST_PREFIX_TOKENS:
            return Layout("tokens", prefix=count - math.isqrt(count) ** 2)
    return None


def _candidates(found: list[_Call]) -> list[_Call]:
    """Calls without adaptive pools, queries, keys and values, hidden units and attention (T, T)."""
    tokens = [call.output.shape for call in found if call.output.ndim == 3]
    counts = {shape[1] for shape in tokens}
    pools = (nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d)  # they give one side whatever comes in
    fits = {3: lambda shape: shape[2] == tokens[-1][2], 4: lambda shape: shape[2] not in counts}
    found = [call for call in found if not isinstance(call.layer, pools)]
    return [call for call in found if fits[call.output.ndim](call.output.shape)]


def _agree(found: Tensor, expected: Tensor) -> bool:
    """Whether the values, or their means where they are maps, are the same up to rounding."""
    found = found.mean(dim=(2, 3)) if found.ndim == 4 else found
    return found.shape == expected.shape and bool(
        (found - expected).abs().max() <= TOLERANCE * expected.abs().max()
    )
