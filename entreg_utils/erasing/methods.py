"""One value for "which erasing method, with which hyperparameters": :class:`Erasing`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import torch
from torch import Tensor

from entreg_utils.erasing.arguments import number, open_share, share, square_sides
from entreg_utils.erasing.has import hide_and_seek
from entreg_utils.erasing.layers import ADL, RDAP, AttentionErasing
from entreg_utils.erasing.mixing import cutmix

# The hyperparameters of each method; every other field of Erasing stays None.
METHODS: dict[str, tuple[str, ...]] = {
    "cam": (),
    "has": ("sides", "rate"),
    "cutmix": ("beta", "probability"),
    "adl": ("gamma", "rate", "points"),
    "rdap": ("square", "rate", "points"),
}


@dataclass(frozen=True)
class Erasing:
    """An erasing method and its hyperparameters, all of them and no others.

    Attributes:
        method: ``cam`` (nothing is erased), ``has``, ``cutmix``, ``adl`` or ``rdap``.
        sides: HaS: sides of the squares in pixels, one drawn an image; 0 hides nothing.
        rate: HaS: probability that a square is hidden; ADL and RDAP: that a layer hides in a
            forward pass. 0..1.
        beta: CutMix: b > 0 of Beta(b, b).  probability: that a batch is mixed, 0..1.
        gamma: ADL: share of the map's maximum from which on a cell is hidden, 0..1.
        square: RDAP: side of the square as a share of the map's side, above 0 and below 1.
        points: ADL and RDAP: names of ``model.erasing_points()``.

    Numbers become floats and sequences tuples, so that equal settings are equal values.

    Raises:
        ValueError: unknown method, a hyperparameter missing, out of range or of another method.
        TypeError: a hyperparameter of the wrong type.
    """

    method: str = "cam"
    sides: tuple[int, ...] | None = None
    rate: float | None = None
    beta: float | None = None
    probability: float | None = None
    gamma: float | None = None
    square: float | None = None
    points: tuple[str, ...] | None = None

    def __post_init__(self):
        if self.method not in METHODS:
            raise ValueError(
                f"unknown erasing method {self.method!r}: choose one of {', '.join(METHODS)}"
            )
        wanted = METHODS[self.method]
        takes = f"takes {', '.join(wanted)}" if wanted else "takes no hyperparameter"
        for name, value in asdict(self).items():
            if name == "method":
                continue
            if value is None and name in wanted:
                raise ValueError(
                    f"{self.method} needs {name}: it {takes} (published values: erasing.preset)"
                )
            if value is not None and name not in wanted:
                raise ValueError(f"{self.method} has no {name}: it {takes}")
            if value is not None:
                object.__setattr__(self, name, _CHECKS[name](name, value))

    @property
    def has_layers(self) -> bool:
        """Whether the method works inside the network (ADL, RDAP), through ``attach``."""
        return "points" in METHODS[self.method]

    def to_dict(self) -> dict:
        """Method and hyperparameters, without what belongs to other methods."""
        names = METHODS[self.method]
        return {"method": self.method} | {name: getattr(self, name) for name in names}

    def apply_to_batch(
        self,
        images: Tensor,
        targets: Tensor,
        generator: torch.Generator,
        *,
        fill: float | Sequence[float] | Tensor | None = None,
        num_classes: int | None = None,
        normalise: bool = True,
    ) -> tuple[Tensor, Tensor]:
        """A training batch as HaS or CutMix changes it; for the others the very same tensors.

        Args:
            images: (N, C, H, W) float in 0..1 or uint8.
            targets: class indices (N,) or rows (N, classes).
            generator: on the CPU.
            fill: HaS: the mean colour in 0..1 (``model.mean``).
            num_classes, normalise: CutMix: see :func:`entreg_utils.erasing.cutmix`.

        Returns:
            images and targets; those of CutMix are soft (N, classes), others what they were.

        Raises:
            TypeError, ValueError: as :func:`hide_and_seek` and :func:`cutmix`; HaS without fill.
        """
        if self.method == "has":
            if fill is None:
                raise ValueError("HaS needs fill, the mean colour in 0..1: fill=model.mean")
            return hide_and_seek(images, self.sides, self.rate, fill, generator), targets
        if self.method == "cutmix":
            return cutmix(
                images, targets, self.beta, self.probability, generator, num_classes, normalise
            )
        return images, targets

    def layer(self, generator: torch.Generator) -> AttentionErasing:
        """A new layer of ADL or RDAP with these hyperparameters.

        Raises:
            ValueError: the method has no layers.
        """
        if self.method == "adl":
            return ADL(self.gamma, self.rate, generator)
        if self.method == "rdap":
            return RDAP(self.square, self.rate, generator)
        raise ValueError(f"{self.method} has no layers: only adl and rdap work inside the network")


def _positive(name: str, value: float) -> float:
    value = number(name, value)
    if value <= 0:
        raise ValueError(f"{name}={value:g} must be above 0")
    return value


def _names_of_points(name: str, value: Sequence[str]) -> tuple[str, ...]:
    if isinstance(value, str):
        value = (value,)
    if not isinstance(value, Sequence) or not all(isinstance(point, str) for point in value):
        raise TypeError(f"{name}={value!r} must be names of model.erasing_points()")
    if not value or len(set(value)) < len(value):
        raise ValueError(f"{name}={tuple(value)} must be at least one name, each once")
    return tuple(value)


_CHECKS = {
    "sides": lambda _, value: square_sides(value),
    "rate": share,
    "beta": _positive,
    "probability": share,
    "gamma": share,
    "square": open_share,
    "points": _names_of_points,
}
