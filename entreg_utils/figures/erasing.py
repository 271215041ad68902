"""What erasing methods hide, drawn on the images themselves."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
from matplotlib.figure import Figure
from torch.nn import functional

from entreg_utils.erasing import Hidden
from entreg_utils.figures.style import picture_axes

TITLES = {
    "cam": "CAM",
    "has": "HaS",
    "cutmix": "CutMix",
    "adl": "ADL",
    "rdap": "RDAP (our reading)",
}


def what_is_hidden(shown: Sequence[Hidden]) -> tuple[Figure, str]:
    """A row a method, a column an image, of the first six: what the network gets to see.

    HaS and CutMix change the image; the cells of the feature map that ADL and RDAP hide are drawn
    dark on it, at the map's own resolution.

    Args:
        shown: what :func:`entreg_utils.erasing.hidden` gives, one a method.
    """
    count = min(6, len(shown[0].images))
    size = (1.45 * count + 0.9, 1.5 * len(shown))
    figure, axes = plt.subplots(len(shown), count, figsize=size, squeeze=False)
    said = []
    for row, one in zip(axes, shown, strict=True):
        images = one.images.float()
        images = images / 255 if float(images.max()) > 1 else images
        for name, mask in one.masks.items():
            if name != "image":
                cells = functional.interpolate(mask[:, None].float(), size=images.shape[-2:])
                images = images * (1 - 0.85 * cells)
        for panel, picture in zip(row, images[:count], strict=True):
            panel.imshow(picture.permute(1, 2, 0).clamp(0, 1).numpy())
            picture_axes(panel)
        row[0].set_ylabel(TITLES[one.method].replace(" (", "\n("))
        for name, share in one.share().items():
            place = "the image" if name == "image" else f"the map at {name!r}"
            low, high = float(share.min()), float(share.max())
            said.append(f"{TITLES[one.method]} {low:.0%} to {high:.0%} of {place}")
    return figure, f"Hidden on this batch: {'; '.join(said)}."
