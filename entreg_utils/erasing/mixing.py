"""CutMix: a box of each image is replaced by that of another, and the labels with it.

    lambda ~ Beta(b, b),   box of sides sqrt(1 - lambda) (W, H) around a uniform centre,
    x = M x_a + (1 - M) x_b,   t = lambda' t_a + (1 - lambda') t_b

with lambda' the share of pixels that stay, counted after the box was cut off at the border (Yun et
al., ICCV 2019).
"""

import math

import torch
from scipy.special import betaincinv
from torch import Tensor

from entreg_utils.erasing.arguments import cpu_generator, image_batch, number
from entreg_utils.fields import plain, plain_numbers


@plain_numbers
def cutmix(
    images: Tensor,
    targets: Tensor,
    beta: float,
    probability: float,
    generator: torch.Generator,
    num_classes: int | None = None,
    as_distribution: bool = True,
) -> tuple[Tensor, Tensor]:
    """New images (N, C, H, W) and their soft targets (N, classes), also when nothing was mixed.

    One box serves the batch; a random permutation says whose pixels fill each image's box (they may
    be its own). The generator draws the same number of values whatever comes out.

    Args:
        images: (N, C, H, W) float in 0..1 or uint8, on any device.
        targets: class indices (N,), which need ``num_classes``; or soft or multi-hot (N, classes).
        beta: b > 0 of Beta(b, b); 1 (uniform) in the paper.
        probability: that the batch is mixed at all, 0..1; 1 on ImageNet, 0.5 on CIFAR in the paper.
        as_distribution: divide each row of ``targets`` by its sum before mixing, as
            :func:`entreg_utils.losses.objective` does; False keeps it, for one sigmoid a class.

    Raises:
        TypeError: no images, targets or generator.  ValueError: wrong shapes or ranges, indices
            without ``num_classes``. A label without a place gives a row of zeros, a row of no class
            NaN: the loss refuses both.
    """
    count, _, height, width = image_batch(images).shape
    probability = number("probability", probability)
    as_distribution = plain("as_distribution", bool, as_distribution)
    x0, y0, x1, y1 = box = draw_box(height, width, beta, generator)
    mixes = torch.rand((), generator=generator).item() < probability
    partner = torch.randperm(count, generator=generator)
    soft = soft_targets(targets, count, num_classes, as_distribution)
    if not mixes:
        return images.clone(), soft
    area, pasted = height * width, (x1 - x0) * (y1 - y0)
    others = soft[partner.to(soft.device, non_blocking=True)]
    return paste(images, partner, box), (area - pasted) / area * soft + pasted / area * others


def draw_box(
    height: int, width: int, beta: float, generator: torch.Generator
) -> tuple[int, int, int, int]:
    """The box (x0, y0, x1, y1) of one batch, its end not included; it may be empty.

    Its edges are rounded to whole pixels, then cut off at the border (public code rounds centres
    and sides). lambda is the quantile of Beta(b, b) at a uniform number, so one number is drawn.
    """
    beta, generator = number("beta", beta), cpu_generator(generator)
    level, across, down = torch.rand(3, generator=generator, dtype=torch.float64).tolist()
    side = math.sqrt(1 - min(1.0, float(betaincinv(beta, beta, level))))
    (x0, x1), (y0, y1) = (
        [min(n, max(0, round(n * (centre + sign * side / 2)))) for sign in (-1, 1)]
        for n, centre in ((width, across), (height, down))
    )
    return x0, y0, x1, y1


def paste(images: Tensor, partner: Tensor, box: tuple[int, int, int, int]) -> Tensor:
    """New images (N, C, H, W) whose ``box`` shows the pixels of image ``partner[n]`` (N,)."""
    x0, y0, x1, y1 = box
    mixed, partner = images.clone(), partner.to(images.device, non_blocking=True)
    mixed[:, :, y0:y1, x0:x1] = images[:, :, y0:y1, x0:x1][partner]
    return mixed


def soft_targets(
    targets: Tensor, count: int, num_classes: int | None = None, as_distribution: bool = True
) -> Tensor:
    """Targets of any kind as floats (N, classes), float32 at least; see :func:`cutmix`."""
    if not isinstance(targets, Tensor):
        raise TypeError(f"targets are {type(targets).__name__}, but must be a tensor")
    indices = not targets.is_floating_point() and targets.dtype != torch.bool
    if targets.shape == (count,) and indices:
        if num_classes is None:
            raise ValueError("class indices need num_classes to become soft targets")
        return (targets[:, None] == torch.arange(num_classes, device=targets.device)).float()
    if targets.ndim != 2 or len(targets) != count or targets.is_complex():
        raise ValueError(
            f"targets of shape {tuple(targets.shape)} do not fit {count} images: give class "
            f"indices ({count},), or soft or multi-hot rows ({count}, classes)"
        )
    if num_classes is not None and targets.shape[1] != num_classes:
        raise ValueError(f"targets have {targets.shape[1]} columns, not the {num_classes} classes")
    soft = targets if targets.dtype == torch.float64 else targets.float()
    return soft / soft.sum(dim=1, keepdim=True) if as_distribution else soft
