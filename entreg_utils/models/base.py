"""What every backbone shares: GAP and a linear head on a body, and where one may look into it."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Self

import torch
from torch import Tensor, nn

from entreg_utils.fields import MOST_CLASSES, whole

STATISTICS = {
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "half": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
}


def begin(head: nn.Linear | nn.Conv2d) -> None:
    """Give a head first weights, N(0, 0.01), and bias 0: the first predictions are near uniform."""
    nn.init.normal_(head.weight, std=0.01)
    if head.bias is not None:
        nn.init.zeros_(head.bias)


class Backbone(nn.Module):
    """A body whose feature map is averaged over positions (GAP) and read by one linear layer.

    A subclass sets ``head`` and the buffers ``mean`` and ``std``, and gives ``forward_features``;
    where it has them also ``points``, ``ends`` and ``parts``, names of modules in it.
    """

    head: nn.Linear  # K -> C
    mean: Tensor  # (3,), as std: of images in 0..1; not in the state dict
    std: Tensor
    stride: int  # pixels of the input per cell of the map
    linear_head = True  # whether model(images) == head(mean of the map), as CAM needs it
    weights_note = ""  # where the weights are from and what was left out; empty for random ones
    batchnorm_frozen = False  # see freeze_batchnorm
    frozen_stages = 0  # see freeze_stages
    smallest = 1  # side of an image that it takes, in pixels
    points: Mapping[str, str] = {}  # see erasing_points
    ends: Mapping[str, str] = {}  # see stage_outputs
    parts: tuple[tuple[str, ...], ...] = ()  # see stage_modules
    # For files of weights: the prefix of its names here, its head's name, and that name here.
    prefix, classifier, head_name = "body.", "", "head"

    def add_head(self, channels: int, num_classes: int) -> None:
        self.head = nn.Linear(channels, whole("num_classes", num_classes, 1, MOST_CLASSES))
        begin(self.head)

    def add_statistics(self, mean: Sequence[float], std: Sequence[float], device=None) -> None:
        """Make ``mean`` and ``std``, which move with the module and stay out of its state dict."""
        self.register_buffer("mean", torch.tensor(mean, device=device), persistent=False)
        self.register_buffer("std", torch.tensor(std, device=device), persistent=False)

    @property
    def num_classes(self) -> int:
        """C, columns of the logits."""
        return self.head.out_features

    def forward(self, images: Tensor) -> Tensor:
        """Logits (N, C)."""
        return self.head(self.forward_features(images).mean(dim=(2, 3)))

    def forward_features(self, images: Tensor) -> Tensor:
        """Feature map (N, K, h, w) of images float (N, 3, H, W) in 0..1."""
        raise NotImplementedError

    def check_images(self, images: Tensor) -> None:
        """TypeError unless floats, ValueError unless (N, 3, H, W) with no side below one cell."""
        if not images.is_floating_point():
            raise TypeError(f"images are {images.dtype}, but must be floats in 0..1: x.float()/255")
        if images.ndim != 4 or images.shape[1] != 3:
            raise ValueError(f"images have shape {tuple(images.shape)}, but must be (N, 3, H, W)")
        height, width = images.shape[2:]
        if min(height, width) < self.smallest:
            raise ValueError(
                f"images of {width}x{height} pixels are smaller than one cell of the map "
                f"({self.smallest}x{self.smallest} pixels): resize them, 224x224 is usual"
            )

    def normalized(self, images: Tensor) -> Tensor:
        """``(images - mean) / std``; errors as of :meth:`check_images`."""
        self.check_images(images)
        shape = (1, 3, 1, 1)
        return ((images - self.mean.reshape(shape)) / self.std.reshape(shape)).to(images.dtype)

    def erasing_points(self) -> dict[str, nn.Module]:
        """Modules whose output is non-negative and all that flows on, by name."""
        return {name: self.get_submodule(path) for name, path in self.points.items()}

    def stage_outputs(self) -> dict[str, nn.Module]:
        """Modules whose output is the map that a stage hands on, by stage; the last is the map."""
        return {name: self.get_submodule(path) for name, path in self.ends.items()}

    def stage_modules(self) -> tuple[tuple[nn.Module, ...], ...]:
        """The modules of each stage; the stem is the first's, the closing batch-norm the last's."""
        return tuple(tuple(map(self.get_submodule, paths)) for paths in self.parts)

    def stage_features(self, images: Tensor) -> dict[str, Tensor]:
        """The map after each stage, by name (``stage1``, ...), from one pass, with gradients."""
        return outputs_of(self.stage_outputs(), lambda: self.forward_features(images))

    def train(self, mode: bool = True) -> Self:
        """As ``nn.Module.train``, but frozen stages and batch-norm layers stay in eval mode."""
        super().train(mode)
        still = [module for part in self.stage_modules()[: self.frozen_stages] for module in part]
        for module in (*still, *(self.batchnorms() if self.batchnorm_frozen else ())):
            module.eval()
        return self

    def batchnorms(self) -> Iterator[nn.Module]:
        """The batch-norm layers of the body."""
        kind = nn.modules.batchnorm._BatchNorm
        return (module for module in self.modules() if isinstance(module, kind))


def check_backbone(module: nn.Module) -> None:
    """TypeError for what is no :class:`Backbone`."""
    if not isinstance(module, Backbone):
        raise TypeError(
            f"{type(module).__name__} is no backbone: make one with models.build or models.adapt"
        )


def outputs_of(modules: dict[str, nn.Module], run) -> dict[str, Tensor]:
    """What the modules give while ``run()`` runs, by name; no hook is left behind."""
    outputs: dict[str, Tensor] = {}
    with contextlib.ExitStack() as hooks:
        for name, module in modules.items():
            keep = lambda _, inputs, output, name=name: outputs.update({name: output})  # noqa: E731
            hooks.enter_context(module.register_forward_hook(keep))
        run()
    return outputs
