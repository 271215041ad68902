"""What a method hides on a batch, as data for a figure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from entreg_utils.erasing.arguments import image_batch, upload
from entreg_utils.erasing.has import hidden_tiles, paint_over
from entreg_utils.erasing.hooks import points_of
from entreg_utils.erasing.methods import Erasing
from entreg_utils.erasing.mixing import draw_box, paste


@dataclass(frozen=True)
class Hidden:
    """What :func:`hidden` saw.

    Attributes:
        method: as in :class:`Erasing`.
        images: (N, C, H, W) what the network is given; ADL and RDAP leave it as it is.
        masks: what is hidden, bool, by place: ``"image"`` (N, H, W) for HaS and CutMix, each point
            (N, h, w) at its map's own resolution for ADL and RDAP; empty for ``cam``.
        importance: ADL and RDAP: by point, what the map is multiplied by in the other passes,
            float (N, h, w) in 1/2..1.
    """

    method: str
    images: Tensor
    masks: dict[str, Tensor] = field(default_factory=dict)
    importance: dict[str, Tensor] = field(default_factory=dict)

    def share(self) -> dict[str, Tensor]:
        """Share of each image, or map, that is hidden: by place, float (N,) in 0..1."""
        return {name: mask.float().mean(dim=(1, 2)) for name, mask in self.masks.items()}


def hidden(
    images: Tensor,
    erasing: Erasing,
    generator: torch.Generator,
    model: nn.Module | None = None,
    fill: float | Sequence[float] | Tensor | None = None,
) -> Hidden:
    """What ``erasing`` hides on this batch when it strikes.

    HaS is as in training, its "hide nothing" included. CutMix mixes for certain, whatever its
    ``probability``; its mask is the pasted box. ADL and RDAP show what each layer hides in a hiding
    pass, each by itself: the model runs in eval mode without gradients, so no layer sees what an
    earlier one hid. Nothing of the model changes, and there is no draw.

    Args:
        images: (N, C, H, W) float in 0..1 or uint8 (for ADL and RDAP what the model takes).
        generator: on the CPU.
        model: for ADL and RDAP; also gives HaS its ``fill`` as ``model.mean``.
        fill: for HaS, the mean colour in 0..1.

    Raises:
        ValueError: what the method needs was not given, or as the method itself.
    """
    count, _, height, width = image_batch(images).shape
    if erasing.method == "has":
        fill = getattr(model, "mean", None) if fill is None else fill
        if fill is None:
            raise ValueError("HaS needs fill, the mean colour in 0..1, or a model that has one")
        mask = hidden_tiles(
            count, height, width, erasing.sides, erasing.rate, generator, images.device
        )
        return Hidden("has", paint_over(images, mask, fill), {"image": mask})
    if erasing.method == "cutmix":
        x0, y0, x1, y1 = box = draw_box(height, width, erasing.beta, generator)
        partner = upload(torch.randperm(count, generator=generator), images.device)
        mask = torch.zeros(count, height, width, dtype=torch.bool, device=images.device)
        mask[:, y0:y1, x0:x1] = True
        return Hidden("cutmix", paste(images, partner, box), {"image": mask})
    if not erasing.has_layers:
        return Hidden(erasing.method, images)
    if model is None:
        raise ValueError(f"{erasing.method} hides places of a feature map: give the model")
    layer = erasing.layer(generator)
    maps = _maps(model, points_of(model, erasing), images)
    return Hidden(
        erasing.method,
        images,
        {name: layer.hidden(features) for name, features in maps.items()},
        {name: layer.importance(features) for name, features in maps.items()},
    )


def _maps(model: nn.Module, points: dict[str, nn.Module], images: Tensor) -> dict[str, Tensor]:
    """Each point's output in eval mode; modes and hooks are afterwards what they were."""
    maps: dict[str, Tensor] = {}

    def keeper(name: str):
        return lambda module, inputs, output: maps.update({name: output})

    handles = [module.register_forward_hook(keeper(name)) for name, module in points.items()]
    modes = [(module, module.training) for module in model.modules()]
    parameter = next(model.parameters(), None)
    try:
        model.eval()
        with torch.no_grad():
            model(images if parameter is None else images.to(parameter.device))
    finally:
        for module, mode in modes:
            module.training = mode
        for handle in handles:
            handle.remove()
    return maps
