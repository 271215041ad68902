"""What every backbone shares: GAP and a linear head on a body, and where one may look into it."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn


class Backbone(nn.Module):
    """A body whose feature map is averaged over positions (GAP) and read by one linear layer.

    A subclass sets ``head`` and the buffers ``mean`` and ``std`` (3,), and gives
    ``forward_features``, ``erasing_points``, ``stage_outputs`` and ``stage_modules``.

    Attributes:
        head: ``nn.Linear(K, C)``, weights drawn from N(0, 0.01), bias 0.
        mean, std: (3,) of the normalisation, on the scale 0..1; not in the state dict.
        stride: pixels of the input per cell of the map.
        batchnorm_frozen: see :func:`entreg_utils.models.freeze_batchnorm`.
        frozen_stages: see :func:`entreg_utils.models.freeze_stages`.
    """

    head: nn.Linear
    mean: Tensor
    std: Tensor
    stride: int
    batchnorm_frozen = False
    frozen_stages = 0

    def add_head(self, channels: int, num_classes: int) -> None:
        """Make ``head``, N(0, 0.01) and bias 0: the first predictions are near uniform."""
        self.head = nn.Linear(channels, num_classes)
        nn.init.normal_(self.head.weight, std=0.01)
        nn.init.zeros_(self.head.bias)

    def add_normalisation(self, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
        """Make ``mean`` and ``std``, which move with the module and stay out of its state dict."""
        self.register_buffer("mean", torch.tensor(mean), persistent=False)
        self.register_buffer("std", torch.tensor(std), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Logits (N, C)."""
        return self.head(self.forward_features(images).mean(dim=(2, 3)))

    def forward_features(self, images: Tensor) -> Tensor:
        """Feature map (N, K, h, w), non-negative, of images float (N, 3, H, W) in 0..1."""
        raise NotImplementedError

    def erasing_points(self) -> dict[str, nn.Module]:
        """Modules whose output is non-negative and all that flows on, by name."""
        raise NotImplementedError

    def stage_outputs(self) -> dict[str, nn.Module]:
        """Modules whose output is the non-negative map that a stage hands on, by stage."""
        raise NotImplementedError

    def stage_modules(self) -> tuple[tuple[nn.Module, ...], ...]:
        """The modules of each stage; the stem is the first's, the closing batch-norm the last's."""
        raise NotImplementedError

    def stage_features(self, images: Tensor) -> dict[str, Tensor]:
        """The map after each stage, after BN-ReLU, by name (``stage1``, ...), from one pass.

        Gradients flow as in ``forward_features``; the last entry is its map.
        """
        maps: dict[str, Tensor] = {}
        hooks = [
            module.register_forward_hook(
                lambda module, inputs, output, name=name: maps.__setitem__(name, output)
            )
            for name, module in self.stage_outputs().items()
        ]
        try:
            self.forward_features(images)
        finally:
            for hook in hooks:
                hook.remove()
        return maps

    def train(self, mode: bool = True) -> Backbone:
        """As ``nn.Module.train``, but frozen stages and batch-norm layers stay in eval mode."""
        super().train(mode)
        for part in self.stage_modules()[: self.frozen_stages]:
            for module in part:
                module.eval()
        if self.batchnorm_frozen:
            for layer in self.batchnorms():
                layer.eval()
        return self

    def batchnorms(self) -> Iterator[nn.Module]:
        """The batch-norm layers of the body."""
        kind = nn.modules.batchnorm._BatchNorm
        return (module for module in self.modules() if isinstance(module, kind))
