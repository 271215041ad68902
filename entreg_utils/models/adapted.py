"""A network of any make with the contract of a backbone: a map from its own layer, its own head."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from entreg_utils.models.base import Backbone, outputs_of


@dataclass(frozen=True)
class Layout:
    """How a layer's output holds a map.

    Attributes:
        kind: ``map`` (N, K, h, w), ``channels_last`` (N, h, w, K) or ``tokens`` (N, T, K).
        prefix: class and register tokens, which stand before those of the grid.
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

    Its state dict is the network's with ``network.`` before each name. ``erasing_points`` has
    ``last``, the layer of the map, where that was not negative when it was looked at.

    Attributes:
        network: what was adapted.
        layer, head: names of the layer of the map and (None: unknown) of the last linear layer.
    """

    prefix = "network."

    def __init__(self, network: nn.Module, mean, std, normalizes_itself: bool):
        super().__init__()
        self.network = network
        self.add_statistics(mean, std)
        self.normalizes_itself = normalizes_itself

    def set_places(self, layer: str, layout: Layout, head: str | None, num_classes: int) -> None:
        """Where the map and the head are; see :func:`adapt`."""
        self.layer, self.layout = layer, layout
        self.classifier, self.head_name = head, f"network.{head}"
        self._num_classes = num_classes

    @property
    def head(self) -> nn.Module | None:
        """The last linear layer; of a 1x1 convolution a linear layer with its weights."""
        module = None if self.classifier is None else self.network.get_submodule(self.classifier)
        return _as_linear(module) if isinstance(module, nn.Conv2d) else module

    @property
    def num_classes(self) -> int:
        """C, columns of the logits."""
        return self._num_classes

    def normalized(self, images: Tensor) -> Tensor:
        """As of a :class:`Backbone`; the images themselves where the network does it."""
        normalized = super().normalized(images)
        return images if self.normalizes_itself else normalized

    def forward(self, images: Tensor) -> Tensor:
        """Logits (N, C), as the network gives them."""
        return self.network(self.normalized(images))

    def forward_features(self, images: Tensor) -> Tensor:
        """Feature map (N, K, h, w) of images float (N, 3, H, W) in 0..1, of any sign."""
        layers = {"last": self.network.get_submodule(self.layer)}
        output = outputs_of(layers, lambda: self(images))["last"]
        return self.layout.to_map(output, *images.shape[2:])

    def map_and_logits(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """The map (N, K, h, w) as a leaf of the graph, and logits that depend on it.

        What comes before the layer is run without gradients.
        """
        maps = []

        def replace(module, inputs, output):
            torch.set_grad_enabled(True)  # from here to the end of the pass
            maps.append(self.layout.to_map(output.detach(), *images.shape[2:]))
            maps[-1] = maps[-1].clone().requires_grad_()
            return self.layout.put_back(maps[-1], output)

        handle = self.network.get_submodule(self.layer).register_forward_hook(replace)
        try:
            with torch.no_grad():  # sets the mode back at its end
                logits = self(images)
        finally:
            handle.remove()
        return maps[-1], logits

    def erasing_points(self) -> dict[str, nn.Module]:
        return self.stage_outputs() if self.non_negative else {}

    def stage_outputs(self) -> dict[str, nn.Module]:
        return {"last": self.network.get_submodule(self.layer)}

    def stage_features(self, images: Tensor) -> dict[str, Tensor]:
        return {"last": self.forward_features(images)}

    def stage_modules(self) -> tuple[tuple[nn.Module, ...], ...]:
        """The network, and the head once more as a stage of its own."""
        if self.classifier is None:
            return ((self.network,),)
        return (self.network,), (self.network.get_submodule(self.classifier),)


def _as_linear(convolution: nn.Conv2d) -> nn.Linear:
    """A linear layer that reads the weights of a 1x1 convolution; it has none of its own."""
    linear = nn.Linear(1, 1, device="meta")
    del linear.weight, linear.bias
    linear.weight, linear.bias = convolution.weight.flatten(1), convolution.bias
    linear.out_features, linear.in_features = linear.weight.shape
    return linear
