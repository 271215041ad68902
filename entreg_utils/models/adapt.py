"""Any network as a backbone: its last map, its head and its images' statistics, found by a run."""

import copy
import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from entreg_utils.cam.activation import evaluating
from entreg_utils.models.base import STATISTICS, Backbone, outputs_of

# Sides tried one after another: networks with fixed inputs run at their own alone.
SIDES = (224, 384, 256, 192, 160, 128, 112, 96, 64, 48, 32, 28)
TOLERANCE = 1e-3  # of the head's input and the mean of the map, a share of the largest value
MOST_PREFIX_TOKENS = 16


def adapt(
    module: nn.Module,
    layer: nn.Module | str | None = None,
    head: nn.Module | str | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
) -> Backbone:
    """Any network (N, 3, H, W) -> logits (N, C) with the contract of :class:`Backbone`.

    The network is run on random images of 224 pixels, or another side where that fails. Its modes,
    weights and random numbers are afterwards what they were. ``linear_head`` says whether the head
    reads the mean of the map, as CAM needs it; any other head gives Grad-CAMs.

    Args:
        module: the network; a backbone is given back as it is.
        layer: module, or its name, whose output is the map; None takes the last one before the
            head that gives a map or tokens and has a gradient (behind the first norm of the last
            block of a transformer the class token alone has one).
        head: the last linear layer or 1x1 convolution, or its name; None finds it.
        mean, std: of the images in 0..1. None: a network with ``mean`` and ``std`` in it (as
            torchvision's ``Normalize``) does it itself, else timm's ``pretrained_cfg`` or ImageNet.

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
    names = _name_of(module, layer, "layer"), _name_of(module, head, "head")
    half = any(one.is_floating_point() and one.element_size() < 4 for one in module.parameters())
    with torch.inference_mode(False), torch.enable_grad():
        shown = copy.deepcopy(module).float() if half else module  # half is too coarse to agree
        with evaluating(shown):
            model = Adapted(shown, *_statistics(module, mean, std))
            _find_places(model, *names)
    model.network = module
    return model


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


class Adapted(Backbone):
    """A network as it is, with the contract of a backbone; made by :func:`adapt`.

    ``network`` is what was adapted; ``layer`` and ``classifier`` name the layer of the map and
    (None: unknown) the head in it. ``erasing_points`` has ``last``, the layer of the map, where
    that was not negative when it was looked at.
    """

    prefix = "network."
    num_classes = 0

    def __init__(self, network: nn.Module, mean, std, normalizes_itself: bool):
        super().__init__()
        self.network = network
        self.add_statistics(mean, std, next((p.device for p in network.parameters()), None))
        self.normalizes_itself = normalizes_itself

    @property
    def head(self) -> nn.Module | None:
        """The last linear layer; of a 1x1 convolution a linear layer that reads its weights."""
        module = None if self.classifier is None else self.network.get_submodule(self.classifier)
        if not isinstance(module, nn.Conv2d):
            return module
        linear = nn.Linear(module.in_channels, module.out_channels, device="meta")
        del linear.weight, linear.bias
        linear.weight, linear.bias = module.weight.flatten(1), module.bias
        return linear

    def normalized(self, images: Tensor) -> Tensor:
        """As of a :class:`Backbone`; the images themselves where the network does it."""
        normalized = super().normalized(images)
        return images if self.normalizes_itself else normalized

    def forward(self, images: Tensor) -> Tensor:
        """Logits (N, C), as the network gives them."""
        return self.network(self.normalized(images))

    def forward_features(self, images: Tensor) -> Tensor:
        """Feature map (N, K, h, w) of images float (N, 3, H, W) in 0..1, of any sign."""
        output = outputs_of(self.stage_outputs(), lambda: self(images))["last"]
        return self.layout.to_map(output, *images.shape[2:])

    def map_and_logits(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """The map (N, K, h, w) as a leaf of the graph, and logits that depend on it.

        What comes before the layer is run without gradients.
        """
        maps = []

        def replace(module, inputs, output):
            torch.set_grad_enabled(True)  # from here to the end of the pass
            leaf = self.layout.to_map(output.detach(), *images.shape[2:]).clone().requires_grad_()
            maps.append(leaf)
            return self.layout.put_back(leaf, output)

        layer = self.network.get_submodule(self.layer)
        # no_grad sets the mode back at its end
        with layer.register_forward_hook(replace), torch.no_grad():
            logits = self(images)
        return maps[-1], logits

    def stage_features(self, images: Tensor) -> dict[str, Tensor]:
        return {"last": self.forward_features(images)}


def _statistics(module: nn.Module, mean, std) -> tuple[list[float], list[float], bool]:
    """Mean, deviation, and whether the network normalises its images itself."""
    given = mean is not None or std is not None
    if given and None in (_three(mean), _three(std)):
        raise ValueError("mean and std are three numbers each: give both, or none")
    if mean is not None:
        return _three(mean), _three(std), False
    for part in module.modules():
        own = [_three(getattr(part, name, None)) for name in ("mean", "std")]
        if None not in own:
            return *own, True
    known = dict(zip(("mean", "std"), STATISTICS["imagenet"], strict=True)) | _published(module)
    return _three(known["mean"]), _three(known["std"]), False


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


class _Call(NamedTuple):
    """A layer at work; ``lowest`` as it was, before what follows works in place."""

    name: str
    layer: nn.Module
    read: Tensor | None  # None: named arguments
    output: Tensor | object
    lowest: float


def _run(model: Adapted) -> tuple[Tensor, Tensor, list[_Call]]:
    """Images of the first side that works, their logits, and what ran, in order."""
    network, calls, trouble = model.network, [], None
    names = {part: name for name, part in network.named_modules() if name}

    def record(part, inputs, output):
        if part in names:
            lowest = float(output.detach().amin()) if _layout(output) else 0.0
            read = inputs[0] if inputs else None
            calls.append(_Call(names[part], part, read, output, lowest))

    for side in (*_published(network).get("input_size", ())[-1:], *SIDES):
        calls.clear()
        images = torch.rand(2, 3, side, side, generator=torch.Generator().manual_seed(0))
        images = images.to(next(model.parameters(), images)).requires_grad_()
        try:
            with nn.modules.module.register_module_forward_hook(record):
                logits = model(images)
            break
        except Exception as error:  # somebody's own network may raise anything
            trouble = trouble or error
    else:
        raise ValueError(
            f"{type(network).__name__} runs on images of no usual side "
            f"({type(trouble).__name__}: {trouble}): it must take (N, 3, H, W)"
        )
    given = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
    if len(given) != 2 or given[0] != 2:
        raise TypeError(
            f"{type(network).__name__} gives {given}, but must give logits (N, C): wrap it so"
        )
    return images, logits, calls


def _find_places(model: Adapted, layer: str | None, head: str | None) -> None:
    """Set all that :class:`Adapted` says of itself, from one pass of a network in eval mode."""
    kind = type(model.network).__name__
    images, logits, calls = _run(model)
    model.num_classes = logits.shape[1]
    model.classifier = head = head or _last_linear(calls, model.num_classes)
    model.head_name = f"network.{head}"
    model.parts = (("network",), (model.head_name,))[: 2 if head else 1]  # the head once more
    order = [call.name for call in calls]
    end = order.index(head) if head else len(order)
    found = [c for c in calls[:end] if order.count(c.name) == 1 and _layout(c.output)]
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
        layout, output = _layout(call.output), call.output
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
    between = [one for one in calls[order.index(call.name) + 1 : end]]
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


def _layout(output: Tensor) -> Layout | None:
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
