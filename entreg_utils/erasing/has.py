"""Hide-and-Seek: squares of a training image are hidden at random (Singh & Lee, ICCV 2017)."""

from collections.abc import Sequence

import torch
from torch import Tensor

from entreg_utils.cam.scaling import as_array
from entreg_utils.erasing.arguments import cpu_generator, image_batch, number, square_sides
from entreg_utils.fields import plain_numbers


@plain_numbers
def hide_and_seek(
    images: Tensor,
    sides: int | Sequence[int],
    rate: float,
    fill: float | Sequence[float] | Tensor,
    generator: torch.Generator,
) -> Tensor:
    """New images (N, C, H, W), float in 0..1 or uint8, of which random tiles show ``fill``.

    An image is tiled from its top left corner, with narrower tiles at the right and the bottom.

    Args:
        sides: of the tiles in pixels, one drawn for each image with equal chances; 0 leaves
            the image whole. The paper draws from (0, 16, 32, 44, 56).
        rate: probability that a tile is hidden, 0..1; 0.5 in the paper.
        fill: colour in 0..1, one number or (C,), also for uint8. The mean colour (``model.mean``)
            is 0 after normalisation, so that training and testing have the same distribution.
        generator: on the CPU. It draws N + N * tiles numbers, whatever comes out.

    Raises:
        TypeError: no images or generator.  ValueError: wrong shapes, rate or fill outside 0..1, or
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
    if colour.shape not in ((), (channels,)):
        raise ValueError(
            f"fill has shape {tuple(colour.shape)}, but must be one number or ({channels},), a "
            "colour in 0..1"
        )
    # A look at an accelerator would wait for it.
    if colour.device.type == "cpu" and not bool(((colour >= 0) & (colour <= 1)).all()):
        raise ValueError(f"fill={colour.tolist()} must be a colour in 0..1, also for uint8 images")
    if images.dtype == torch.uint8:
        colour = (colour * 255).round()
    colour = colour.to(images.dtype).to(images.device, non_blocking=True).expand(channels)
    return torch.where(hidden[:, None], colour[:, None, None], images)
