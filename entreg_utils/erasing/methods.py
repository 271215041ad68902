"""Which erasing method, with which hyperparameters: :class:`Erasing`; and what it hides."""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields

import torch
from torch import Tensor, nn

from entreg_utils import names
from entreg_utils.erasing.arguments import RANGES, image_batch, number, square_sides
from entreg_utils.erasing.attention import ADL, RDAP, AttentionErasing, points_of
from entreg_utils.erasing.has import hidden_tiles, hide_and_seek, paint_over
from entreg_utils.erasing.mixing import cutmix, draw_box, paste
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
            if value is None and name in wanted:
                published = "(published values: erasing.preset)"
                raise ValueError(f"{method} needs {name}: it {takes} {published}")
            if value is not None and name not in wanted:
                raise ValueError(f"{method} has no {name}: it {takes}")
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

    def layer(self, generator: torch.Generator) -> AttentionErasing:
        """A new layer of ADL or RDAP with these hyperparameters; ValueError for other methods."""
        if not self.has_layers:
            method = names.label(self.method)
            raise ValueError(f"{method} has no layers: only adl and rdap work inside the network")
        if self.method == "adl":
            return ADL(self.gamma, self.rate, generator)
        return RDAP(self.square, self.rate, generator)

    def _checked(self, changed, images: Tensor) -> tuple[Tensor, Tensor]:
        """What own code returned, when it is a batch like the one it was given."""
        parts = changed if isinstance(changed, (tuple, list)) and len(changed) == 2 else [changed]
        shapes = [tuple(part.shape) if isinstance(part, Tensor) else () for part in parts]
        if [shapes[0], *(shape[:1] for shape in shapes[1:])] == [images.shape, images.shape[:1]]:
            return tuple(parts)
        given = (str(s or type(p).__name__) for s, p in zip(shapes, parts, strict=True))
        raise ValueError(
            f"erasing method {names.label(self.method)} must return (images, targets), tensors "
            f"of {len(images)} images as large as they were and of {len(images)} targets, but "
            f"returned {', '.join(given)}"
        )


@dataclass(frozen=True)
class Hidden:
    """What :func:`hidden` saw: the images (N, C, H, W) that the network is given, and masks.

    Masks are bool, true where hidden, by place: ``"image"`` (N, H, W), or for ADL and RDAP each
    point (N, h, w) at its map's own resolution; empty for ``cam``.
    """

    method: str
    images: Tensor
    masks: dict[str, Tensor] = field(default_factory=dict)

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
            maps = outputs_of(points_of(twin, erasing), lambda: twin(given))
        return Hidden(method, images, {name: layer.hidden(one) for name, one in maps.items()})
    if method == "has":
        mask = hidden_tiles(images, erasing.sides, erasing.rate, generator)
        changed = paint_over(images, mask, fill)
    else:
        x0, y0, x1, y1 = box = draw_box(height, width, erasing.beta, generator)
        changed = paste(images, torch.randperm(count, generator=generator), box)
        mask = torch.zeros(count, height, width, dtype=torch.bool, device=images.device)
        mask[:, y0:y1, x0:x1] = True
    return Hidden(method, changed, {"image": mask})
