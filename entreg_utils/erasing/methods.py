"""Which erasing method, with which hyperparameters; how it is put to work, and what it hides."""

import contextlib
import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, fields

import torch
from torch import Tensor, nn

from entreg_utils import names
from entreg_utils.erasing.attention import ADL, RDAP, AttentionErasing
from entreg_utils.erasing.batches import (
    RANGES,
    cpu_generator,
    cutmix,
    draw_box,
    hidden_tiles,
    hide_and_seek,
    image_batch,
    number,
    paint_over,
    paste,
    square_sides,
)
from entreg_utils.fields import settle
from entreg_utils.models.base import outputs_of

# The hyperparameters of each known method; every other field of Erasing stays None.
METHODS: dict[str, tuple[str, ...]] = {
    "cam": (),
    "has": ("sides", "rate"),
    "cutmix": ("beta", "probability"),
    "adl": ("gamma", "rate", "points"),
    "rdap": ("square", "rate", "points"),
}
TITLES = dict(cam="CAM", has="HaS", cutmix="CutMix", adl="ADL", rdap="RDAP (our reading)")


@dataclass(frozen=True)
class Erasing:
    """Erasing: what is hidden while training.

    A known method takes all of its own hyperparameters and no others, own code takes none: else, or
    for a value out of range, ValueError.
    """

    method: str | Callable = "cam"
    """cam (nothing), has, cutmix, adl, rdap, or package.module:function"""
    sides: tuple[int, ...] | None = None
    """has: sides of the squares in pixels, one drawn an image; 0: none"""
    rate: float | None = None
    """chance, 0..1, that has hides a square, or adl and rdap in a pass"""
    beta: float | None = None
    """cutmix: b > 0 of Beta(b, b), from which the pasted area is drawn"""
    probability: float | None = None
    """cutmix: chance that a batch is mixed, 0..1"""
    gamma: float | None = None
    """adl: hides cells from this share of the map's maximum on, 0..1"""
    square: float | None = None
    """rdap: side of the square as a share of the map's side, in (0, 1)"""
    points: tuple[str, ...] | None = None
    """adl, rdap: names of model.erasing_points()"""

    def __post_init__(self):
        settle(self)
        if not names.is_own(self.method) and self.method not in METHODS:
            raise ValueError(
                f"unknown erasing method {self.method!r}: choose one of {', '.join(METHODS)}, or "
                "package.module:function"
            )
        wanted, method = self._hyperparameters, names.label(self.method)
        takes = f"takes {', '.join(wanted) or 'no hyperparameter'}"
        for name in (one.name for one in fields(self)[1:]):
            value = getattr(self, name)
            if (value is None) == (name in wanted):
                odd = f"needs {name}" if value is None else f"has no {name}"
                raise ValueError(f"{method} {odd}: it {takes} (published values: erasing.preset)")
            if value is not None and name in RANGES:
                number(name, value)
        if self.sides is not None:
            square_sides(self.sides)
        if self.points is not None and not 0 < len(self.points) == len(set(self.points)):
            raise ValueError(f"points={self.points} must be at least one name, each once")

    @property
    def _hyperparameters(self) -> tuple[str, ...]:
        return () if names.is_own(self.method) else METHODS[self.method]

    @property
    def has_layers(self) -> bool:
        """Whether the method works inside the network (ADL, RDAP), through ``attach``."""
        return "points" in self._hyperparameters

    def to_dict(self) -> dict:
        """Method and hyperparameters, without what belongs to other methods."""
        own = {name: getattr(self, name) for name in self._hyperparameters}
        return {"method": names.text_of(self.method)} | own

    def apply_to_batch(
        self,
        images: Tensor,
        targets: Tensor,
        generator: torch.Generator,
        *,
        fill: float | Sequence[float] | Tensor | None = None,
        num_classes: int | None = None,
        as_distribution: bool = True,
    ) -> tuple[Tensor, Tensor]:
        """A training batch as HaS, CutMix or own code changes it; for others the very same tensors.

        images (N, C, H, W), targets class indices (N,) or rows (N, classes), which own code gets as
        they are; ``fill`` (``model.mean``) is for HaS, ``num_classes`` and ``as_distribution`` for
        CutMix. Errors as of :func:`hide_and_seek` and :func:`cutmix`; ValueError for HaS without
        fill and for own code that does not give tensors, an image and a target for each.
        """
        if names.is_own(self.method):
            changed = names.resolve(self.method, "erasing method")(images, targets, generator)
            return self._checked(changed, images)
        if self.method == "has":
            return hide_and_seek(images, self.sides, self.rate, fill, generator), targets
        if self.method == "cutmix":
            settings = self.beta, self.probability, generator, num_classes, as_distribution
            return cutmix(images, targets, *settings)
        return images, targets

    def _checked(self, changed, images: Tensor) -> tuple[Tensor, Tensor]:
        """What own code returned, when it is a batch like the one it was given."""
        parts = changed if isinstance(changed, (tuple, list)) and len(changed) == 2 else [changed]
        shapes = [tuple(p.shape) if isinstance(p, Tensor) else type(p).__name__ for p in parts]
        if [shapes[0], *(shape[:1] for shape in shapes[1:])] == [images.shape, images.shape[:1]]:
            return tuple(parts)
        raise ValueError(
            f"erasing method {names.label(self.method)} must return (images, targets), tensors "
            f"of {len(images)} images as large as they were and of {len(images)} targets, but "
            f"returned {', '.join(map(str, shapes))}"
        )

    def layer(self, generator: torch.Generator) -> AttentionErasing:
        """A new layer of ADL or RDAP with these hyperparameters; ValueError for other methods."""
        if self.method == "adl":
            return ADL(self.gamma, self.rate, generator)
        if self.method == "rdap":
            return RDAP(self.square, self.rate, generator)
        method = names.label(self.method)
        raise ValueError(f"{method} has no layers: only adl and rdap work inside the network")


@contextlib.contextmanager
def attach(
    model: nn.Module, erasing: Erasing, generator: torch.Generator
) -> Iterator[dict[str, AttentionErasing]]:
    """Within it the layers of ADL or RDAP work behind the model's erasing points; by point.

    ``model.erasing_points()`` gives modules whose output is a non-negative map (N, C, h, w), by
    name. The layers work while ``model.training``; the mode of its parts does not count, as they
    may be frozen. Its ``state_dict``, parameters and modules stay what they were. All layers share
    the ``generator`` of the CPU: seed it anew at each epoch, and a run that goes on draws what it
    would have drawn. Other methods attach nothing. Attach before ``torch.compile``.

    Raises:
        ValueError: the model lacks a point, or one has a layer already; then nothing is attached.
        TypeError: the model has no ``erasing_points``, or no generator of the CPU was given.
    """
    cpu_generator(generator)
    chosen = _points(model, erasing)
    for name, module in chosen.items():
        if any(isinstance(hook, _Hook) for hook in module._forward_hooks.values()):
            kind = type(model).__name__
            raise ValueError(f"{kind} has a layer at {name!r} already: leave its attach first")
    layers = {name: erasing.layer(generator) for name in chosen}
    with contextlib.ExitStack() as hooks:
        for name, layer in layers.items():
            hooks.enter_context(chosen[name].register_forward_hook(_Hook(layer, model)))
        yield layers


def _points(model: nn.Module, erasing: Erasing) -> dict[str, nn.Module]:
    """The modules behind which the method's layers belong, by point; empty without layers."""
    if not erasing.has_layers:
        return {}
    kind = type(model).__name__
    if not callable(getattr(model, "erasing_points", None)):
        raise TypeError(
            f"{kind} has no erasing_points(): {erasing.method} needs to know which of its modules "
            "give non-negative feature maps, as every model of models.build says"
        )
    known = model.erasing_points()
    if absent := [name for name in erasing.points if name not in known]:
        has = f"{kind} has the points {', '.join(known)}"
        raise ValueError(f"{erasing.method} cannot go behind {absent[0]!r}: {has}")
    return {name: known[name] for name in erasing.points}


class _Hook:
    """A forward hook; no closure, so that a copied model gets one that watches the copy's mode."""

    def __init__(self, layer: AttentionErasing, model: nn.Module):
        self.layer, self.model = layer, model

    def __call__(self, module: nn.Module, inputs: tuple, output: Tensor) -> Tensor:
        return self.layer(output) if self.model.training else output


@dataclass(frozen=True)
class Hidden:
    """What :func:`hidden` saw: the images (N, C, H, W) that the network is given, and masks.

    Masks are bool, true where hidden, by place: ``"image"`` (N, H, W), or for ADL and RDAP each
    point (N, h, w) at its map's own resolution; empty for ``cam``.
    """

    method: str
    images: Tensor
    masks: dict[str, Tensor] = field(default_factory=dict)


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
    pass, each by itself: a copy of the model runs in eval mode, no layer sees what another hid,
    nothing is drawn.

    images (N, C, H, W), float in 0..1 or uint8; ADL and RDAP need ``model``, HaS ``fill``.
    ValueError for what is missing or for own code; else errors as of :func:`hide_and_seek`.
    """
    count, _, height, width = image_batch(images).shape
    method = erasing.method
    if names.is_own(method):
        raise ValueError(f"where {names.label(method)} hides is not known: compare its images")
    if method == "cam":
        return Hidden(method, images)
    if erasing.has_layers:
        if model is None:
            raise ValueError(f"{method} hides places of a feature map: give the model")
        layer, twin = erasing.layer(generator), copy.deepcopy(model).eval()
        given = images / 255 if images.dtype == torch.uint8 else images
        given = given.to(next(twin.parameters()))
        with torch.no_grad():
            maps = outputs_of(_points(twin, erasing), lambda: twin(given))
        return Hidden(method, images, {name: layer.hidden(one) for name, one in maps.items()})
    if method == "has":
        mask = hidden_tiles(images, erasing.sides, erasing.rate, generator)
        return Hidden(method, paint_over(images, mask, fill), {"image": mask})
    x0, y0, x1, y1 = box = draw_box(height, width, erasing.beta, generator)
    changed = paste(images, torch.randperm(count, generator=generator), box)
    mask = torch.zeros(count, height, width, dtype=torch.bool, device=images.device)
    mask[:, y0:y1, x0:x1] = True
    return Hidden(method, changed, {"image": mask})
