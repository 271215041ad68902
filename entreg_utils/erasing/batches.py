"""HaS and CutMix, which change the training batch; and what all methods ask of their arguments."""

import math
from collections.abc import Sequence
from numbers import Integral

import torch
from scipy.special import betaincinv
from torch import Tensor

from entreg_utils.cam.scaling import as_array
from entreg_utils.fields import plain, plain_numbers, scalar

_SHARE = "in 0..1", lambda value: 0 <= value <= 1
RANGES = {  # of the hyperparameters that are numbers: in words, and as a test
    "rate": _SHARE,
    "probability": _SHARE,
    "gamma": _SHARE,
    "square": ("above 0 and below 1", lambda value: 0 < value < 1),
    "beta": ("above 0 and be finite", lambda value: 0 < value < math.inf),
}


@plain_numbers
def hide_and_seek(
    images: Tensor,
    sides: int | Sequence[int],
    rate: float,
    fill: float | Sequence[float] | Tensor,
    generator: torch.Generator,
) -> Tensor:
    """Hide-and-Seek (Singh & Lee, ICCV 2017): new images of which random tiles show ``fill``.

    An image is tiled from its top left corner, with narrower tiles at the right and the bottom.

    Args:
        images: (N, C, H, W), float in 0..1 or uint8, on any device.
        sides: of the tiles in pixels, one drawn for each image with equal chances; 0 leaves
            the image whole. The paper draws from (0, 16, 32, 44, 56).
        rate: probability that a tile is hidden, 0..1; 0.5 in the paper.
        fill: colour in 0..1, one number or (C,), also for uint8. The mean colour (``model.mean``)
            is 0 after normalisation, so that training and testing have the same distribution.
        generator: on the CPU. It draws N + N * tiles numbers, whatever comes out.

    Raises:
        TypeError: no generator.  ValueError: no images, wrong shapes, rate or fill outside 0..1, or
            a side not smaller than the image's longer one (its only tile would be the image).
    """
    return paint_over(images, hidden_tiles(images, sides, rate, generator), fill)


def hidden_tiles(
    images: Tensor, sides: int | Sequence[int], rate: float, generator: torch.Generator
) -> Tensor:
    """Which pixels :func:`hide_and_seek` hides: bool (N, H, W) on the images' device."""
    count, _, height, width = image_batch(images).shape
    sides, rate, device = square_sides(sides), number("rate", rate), images.device
    cpu_generator(generator)
    if max(sides) >= max(height, width):
        raise ValueError(
            f"HaS with a side of {max(sides)} px has one tile on {height}x{width} images, which is "
            "all there is: use sides smaller than the image"
        )
    smallest = min((side for side in sides if side), default=0)
    if smallest == 0:
        return torch.zeros(count, height, width, dtype=torch.bool, device=device)
    drawn = torch.tensor(sides)[torch.randint(len(sides), (count,), generator=generator)]
    # As many tiles as the smallest side needs; an image with a larger side uses the first of them.
    grid = count, -(-height // smallest), -(-width // smallest)
    hidden = torch.rand(grid, generator=generator) < rate
    hidden &= (drawn > 0)[:, None, None]
    # Not blocking: nothing waits for what an accelerator is doing.
    side = torch.where(drawn > 0, drawn, smallest)[:, None].to(device, non_blocking=True)
    hidden = hidden.to(device, non_blocking=True)
    image = torch.arange(count, device=device)[:, None, None]
    row = torch.arange(height, device=device) // side  # (N, H): the tile that a row lies in
    column = torch.arange(width, device=device) // side
    return hidden[image, row[:, :, None], column[:, None, :]]


def paint_over(images: Tensor, hidden: Tensor, fill: float | Sequence[float] | Tensor) -> Tensor:
    """New images (N, C, H, W) that show ``fill`` where ``hidden`` (N, H, W) is true."""
    if fill is None:
        raise ValueError("HaS needs fill, the mean colour in 0..1: fill=model.mean")
    channels = images.shape[1]
    fill = fill if isinstance(fill, Tensor) else as_array(fill, "fill")
    colour = torch.as_tensor(fill, dtype=torch.float32).detach()
    # A look at an accelerator would wait for it.
    looked = colour if colour.device.type == "cpu" else torch.zeros(())
    if colour.shape not in ((), (channels,)) or not ((looked >= 0) & (looked <= 1)).all():
        raise ValueError(
            f"fill of shape {tuple(colour.shape)} must be a colour in 0..1, one number or "
            f"({channels},), also for uint8 images"
        )
    if images.dtype == torch.uint8:
        colour = (colour * 255).round()
    colour = colour.to(images.dtype).to(images.device, non_blocking=True).expand(channels)
    return torch.where(hidden[:, None], colour[:, None, None], images)


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
    """CutMix (Yun et al., ICCV 2019): a box of each image shows another, and so does its label.

        lambda ~ Beta(b, b),   box of sides sqrt(1 - lambda) (W, H) around a uniform centre,
        x = M x_a + (1 - M) x_b,   t = lambda' t_a + (1 - lambda') t_b

    with lambda' the share of pixels that stay, counted after the box was cut off at the border. One
    box serves the batch; a random permutation says whose pixels fill each image's box (they may be
    its own). The generator draws the same number of values whatever comes out. Returns new images
    and their soft targets (N, classes), also when nothing was mixed.

    Args:
        images: (N, C, H, W) float in 0..1 or uint8, on any device.
        targets: class indices (N,), which need ``num_classes``; or soft or multi-hot (N, classes).
        beta: b > 0 of Beta(b, b); 1 (uniform) in the paper.
        probability: that the batch is mixed at all, 0..1; 1 on ImageNet, 0.5 on CIFAR in the paper.
        as_distribution: divide each row of ``targets`` by its sum before mixing, as
            :func:`entreg_utils.losses.objective` does; False keeps it, for one sigmoid a class.

    Raises:
        TypeError: no targets or generator.  ValueError: no images, wrong shapes or ranges, indices
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
    columns = f"{num_classes or 'classes'}"
    odd = targets.ndim != 2 or len(targets) != count or targets.is_complex()
    if odd or num_classes not in (None, targets.shape[1]):
        raise ValueError(
            f"targets of shape {tuple(targets.shape)} do not fit {count} images: give class "
            f"indices ({count},), or soft or multi-hot rows ({count}, {columns})"
        )
    soft = targets if targets.dtype == torch.float64 else targets.float()
    return soft / soft.sum(dim=1, keepdim=True) if as_distribution else soft


def number(name: str, value: float) -> float:
    """``value`` as a float in the range of ``name``; or ValueError."""
    value, (wanted, fits) = plain(name, float, value), RANGES[name]
    if not fits(value):
        raise ValueError(f"{name}={value:g} must lie {wanted}")
    return value


def square_sides(sides: int | Sequence[int]) -> tuple[int, ...]:
    """Sides in pixels, 0 for hiding nothing; ValueError for other than whole numbers >= 0."""
    sides = (sides,) if isinstance(scalar(sides), Integral) else sides
    sides = plain("sides", tuple[int, ...], sides)
    if not sides or min(sides) < 0:
        raise ValueError(f"sides={sides}: give at least one, in pixels, 0 for hiding nothing")
    return sides


def image_batch(images: Tensor) -> Tensor:
    """The batch itself, (N, C, H, W), of floats or uint8; or ValueError."""
    found = type(images).__name__
    if isinstance(images, Tensor):
        found = f"{images.dtype} of shape {tuple(images.shape)}"
        pixels = images.is_floating_point() or images.dtype == torch.uint8
        if pixels and images.ndim == 4 and images.numel():
            return images
    raise ValueError(f"images are {found}: give (N, 3, H, W) with pixels, floats in 0..1 or uint8")


def cpu_generator(generator: torch.Generator) -> torch.Generator:
    """The generator itself, on the CPU so that a seed draws alike on every device; or TypeError."""
    kind = getattr(generator, "device", type(generator).__name__)
    if not isinstance(generator, torch.Generator) or kind.type != "cpu":
        raise TypeError(
            f"generator is {kind}, but must be a torch.Generator of the CPU, so that a seed draws "
            "the same on every device: torch.Generator().manual_seed(seed)"
        )
    return generator
